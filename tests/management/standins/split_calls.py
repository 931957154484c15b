"""What the Split stand-in's handlers share: a call, a refusal, the paging styles and JSON Patch."""

from __future__ import annotations

import base64
import binascii
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Request

__all__ = ["Call", "Caller", "Json", "Pages", "Refused", "having", "patched"]

Json = dict[str, Any]

LIMITS: Mapping[str, tuple[int, int]] = {  # what a page holds unless asked, and at most
    "workspaces": (20, 1000),
    "restrictions": (20, 200),
    "splits": (20, 50),
    "segments": (50, 50),
    "keys": (100, 100),
    "groups": (50, 200),
    "users": (50, 200),
    "changeRequests": (20, 100),
    "flag-sets": (50, 200),
    "harness": (50, 100),
}


class Refused(Exception):
    """A request is answered by this status and the service's error body."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True, slots=True)
class Caller:
    """The key behind a request."""

    id: str
    name: str
    kind: str = "api_key"
    is_harness: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """A request, routed: ``at`` holds the decoded path segments by the name the route gives them."""

    asked: Request
    at: Mapping[str, str]
    caller: Caller

    def query(self, name: str) -> str | None:
        """A query parameter; ``None`` when it was not sent."""
        return self.asked.args.get(name)

    def needed(self, name: str) -> str:
        """A query parameter without which there is no answer."""
        value = self.query(name)
        if not value:
            raise Refused(400, f"Query parameter {name} is required")
        return value

    @property
    def json(self) -> Any:
        """The body decoded; ``None`` when there is none."""
        if not self.asked.get_data():
            return None
        if not self.asked.is_json:
            raise Refused(415, "Content-Type must be application/json")
        return self.asked.get_json(silent=True)

    def fields(self, *required: str) -> Json:
        """The body as an object that has these fields; null is absent."""
        return having(self.json, *required)

    def items(self, kind: type = dict) -> list[Any]:
        """The body as a list of such items."""
        body = self.json
        if not isinstance(body, list) or not all(isinstance(item, kind) for item in body):
            raise Refused(400, f"The body must be a JSON list of {kind.__name__}")
        return body


def having(body: Any, *required: str) -> Json:
    """The object without its nulls, if it is one and has all of these fields."""
    if not isinstance(body, dict):
        raise Refused(400, "A JSON object is expected")
    present = {name: value for name, value in body.items() if value is not None}
    missing = [name for name in required if name not in present or present[name] == ""]
    if missing:
        raise Refused(400, f"Missing mandatory fields: {', '.join(missing)}")
    return present


class Pages:
    """The paging styles of 1.7, and the switches that bend them."""

    page_cap: int | None = None
    """No page holds more, whatever is asked (not P5, where that means the end)."""

    numbers_as_text: bool = False
    """P1 and P2 give their numbers as strings."""

    rule_based_other_shape: bool = False
    """Rule-based segments come in an envelope, and their items in the other documented form."""

    def limit(self, call: Call, kind: str, parameter: str = "limit") -> int:
        """How many this page holds."""
        usual, most = LIMITS[kind]
        return min(_number(call, parameter, usual, least=1), most, self.page_cap or most)

    def offset_page(self, call: Call, found: Sequence[Any], kind: str, *, key: str = "objects") -> Json:
        """P1, and P2 when ``key`` is ``keys``."""
        limit, offset = self.limit(call, kind), _number(call, "offset", 0)
        total = "count" if key == "keys" else "totalCount"
        numbers = {"offset": offset, "limit": limit, total: len(found)}
        shown = {name: str(number) for name, number in numbers.items()} if self.numbers_as_text else numbers
        return {key: list(found[offset : offset + limit]), **shown}

    def marker_page(self, call: Call, found: Sequence[Json], kind: str) -> Json:
        """P3 and P4."""
        limit = self.limit(call, kind)
        start = _place(call.query("after"))
        data = list(found[start : start + limit])
        return {
            "data": data,
            "nextMarker": _marker(start + limit) if start + limit < len(found) else None,
            "previousMarker": _marker(max(start - limit, 0)) if start else None,
            "limit": limit,
            "count": len(data),
        }

    def bare_page(self, call: Call, found: Sequence[Json]) -> Any:
        """P5: a bare array, or the envelope some documentation shows."""
        limit, offset = _number(call, "limit", 50, least=1), _number(call, "offset", 0)
        page = list(found[offset : offset + limit])
        if not self.rule_based_other_shape:
            return page
        return {"objects": page, "offset": offset, "limit": limit, "totalCount": len(found)}

    def index_page(self, call: Call, found: Sequence[Any]) -> Json:
        """P6, and P7 by its totals."""
        size, index = self.limit(call, "harness", "pageSize"), _number(call, "pageIndex", 0)
        return {
            "content": list(found[index * size : (index + 1) * size]),
            "pageIndex": index,
            "pageSize": size,
            "totalItems": len(found),
            "totalPages": -(-len(found) // size),
            "totalElements": len(found),
        }


def _number(call: Call, name: str, usual: int, least: int = 0) -> int:
    text = call.query(name)
    if text is None:
        return usual
    if not text.isdecimal() or int(text) < least:
        raise Refused(400, f"{name} must be an integer of at least {least}")
    return int(text)


def _marker(place: int) -> str:
    return base64.urlsafe_b64encode(b"after:%d" % place).decode().rstrip("=")


def _place(marker: str | None) -> int:
    if marker is None:
        return 0
    try:
        word, _, place = base64.urlsafe_b64decode(marker + "=" * (-len(marker) % 4)).partition(b":")
        if word == b"after":
            return int(place)
    except (ValueError, binascii.Error):
        pass
    raise Refused(400, "Unknown marker")


def patched(document: Json, operations: list[Any], editable: Sequence[str]) -> Json:
    """A copy after these JSON Patch operations; only the editable fields may be reached."""
    changed = copy.deepcopy(document)
    for operation in operations:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in str(operation.get("path", "")).split("/")]
        verb = operation.get("op")
        if len(steps) < 2 or steps[0] or steps[1] not in editable or verb not in ("add", "replace", "remove"):
            raise Refused(400, f"Cannot {verb} {operation.get('path')}")
        try:
            _apply(changed, steps[1:], verb, operation.get("value"))
        except (LookupError, ValueError, TypeError):
            raise Refused(400, f"Nothing to {verb} at {operation['path']}") from None
    return changed


def _apply(target: Any, steps: list[str], verb: str, value: Any) -> None:
    for step in steps[:-1]:
        target = target[int(step)] if isinstance(target, list) else target[step]
    last = steps[-1]
    if isinstance(target, list):
        if verb == "add":
            target.insert(len(target) if last == "-" else int(last), value)
        elif verb == "replace":
            target[int(last)] = value
        else:
            del target[int(last)]
    elif verb == "remove":
        del target[last]
    else:
        target[last] = value
