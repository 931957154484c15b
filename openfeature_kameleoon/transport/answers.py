"""Reading answers that should be JSON (specs/kameleoon-sdk.md 1.4). Pure; any thread."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from ..errors import RequestFailed
from .http import Response

__all__ = ["decoded_json", "is_json"]

T = TypeVar("T")

_JSON = re.compile(r"(application|text)/([\w.-]+\+)?json\s*(;.*)?", re.IGNORECASE)


def is_json(answer: Response) -> bool:
    """Whether an answer says that it is JSON."""
    return _JSON.fullmatch(answer.headers.get("Content-Type", "").strip()) is not None


def decoded_json(answer: Response, what: str, as_type: type[T] | Any = Any) -> T:
    """The body of a JSON answer. Raises ``RequestFailed``, without a word of the body, when it does not decode."""
    try:
        value: T = msgspec.json.decode(answer.body, type=as_type)
    except (msgspec.MsgspecError, RecursionError) as error:
        flaw = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    else:
        return value
    raise RequestFailed(f"{what}: the answer does not decode: {flaw}", status=answer.status)
