"""What a request for decisions asks: its body and its query, as the decision API reads them (2.2, 2.3).

Pure. What the API refuses is a ``Refused``, with the status and the message of its answer.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.datastructures import QueryParams

from ...flagship.engine.targeting import Visitor
from .assignments import Owner

__all__ = ["Question", "Refused", "Wanted", "decoded", "read_question", "refusal_of_fields", "scalars"]

OLDER_NAMES: Mapping[str, str] = {"visitor_id": "visitorId", "anonymous_id": "anonymousId"}

MODES = ("normal", "simple", "full")

ACCOUNT_SETTINGS = "accountSettings"


class Refused(Exception):
    """A request that is refused, and how."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.status = status


class Question(msgspec.Struct, forbid_unknown_fields=True):
    """Whose decisions are asked for, and what is to become of them besides the answer."""

    visitor_id: str = msgspec.field(name="visitorId")
    anonymous_id: str | None = msgspec.field(name="anonymousId", default=None)
    context: dict[str, Any] = {}
    visitor_consent: bool = True
    trigger_hit: bool = True
    decision_group: str | None = None

    @property
    def visitor(self) -> Visitor:
        """The visitor, of whom nothing is stored yet."""
        group = self.decision_group
        return Visitor(
            self.visitor_id, scalars(self.context), hashing_id=b64encode(group.encode()).decode() if group else ""
        )

    def owners(self, *, is_continued: bool) -> list[Owner]:
        """Whose assignments count, the first one's before the others'; ``is_continued`` across ids of one visitor."""
        owners = [("decision group", self.decision_group)] if self.decision_group else []
        owners.append(("visitor", self.visitor_id))
        if is_continued and self.anonymous_id:
            owners.append(("visitor", self.anonymous_id))
        return owners


class Wanted(msgspec.Struct, frozen=True):
    """What the answer is to be like."""

    exposes_all_keys: bool
    sends_context: bool
    mode: str
    has_settings: bool

    @classmethod
    def of(cls, query: QueryParams, *, exposes_all_keys: bool) -> Wanted:
        """What a query says; ``exposes_all_keys`` is what holds where it says nothing."""
        mode = query.get("mode", "")
        extras = [name for each in (*query.getlist("extras"), *query.getlist("extras[]")) for name in each.split(",")]
        return cls(
            exposes_all_keys=query.get("exposeAllKeys", str(exposes_all_keys)).lower() == "true",
            sends_context=query.get("sendContextEvent", "").lower() != "false",
            mode=mode if mode in MODES else MODES[0],
            has_settings=ACCOUNT_SETTINGS in extras,
        )


def scalars(context: Mapping[str, Any]) -> dict[str, Any]:
    """What of a context Flagship can hold: text, numbers and booleans (5.1)."""
    return {key: value for key, value in context.items() if isinstance(value, str | int | float)}


def decoded(body: bytes) -> dict[str, Any]:
    """The body's JSON object. Raises ``Refused``."""
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(f"the body is no JSON object: {error}") from error


def read_question(body: bytes) -> Question:
    """The question of a body. Raises ``Refused``, as for any field that the API does not know."""
    fields = decoded(body)
    for older, name in OLDER_NAMES.items():
        if older in fields:
            fields.setdefault(name, fields.pop(older))
    if not fields.get("visitorId"):
        raise refusal_of_fields({"visitorId": "Field is mandatory."})
    known = Question.__struct_encode_fields__
    given = {name: value for name, value in fields.items() if value is not None or name not in known}
    try:
        return msgspec.convert(given, Question)
    except msgspec.ValidationError as error:
        raise Refused(f"the body is not what is expected: {error}") from error


def refusal_of_fields(errors: Mapping[str, str]) -> Refused:
    """How the API refuses fields: its message is JSON within the JSON."""
    return Refused(json.dumps({"status": "error", "errors": errors}, separators=(",", ":")))
