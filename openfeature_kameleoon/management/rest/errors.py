"""What a call to a management API raises: a class for each kind of failure, every one with the exchange it is about.

```
RequestFailed                               (openfeature_kameleoon.errors)
└── ApiError                                any failure; the vendors' own names are subclasses
    ├── ApiUnreachable                      no connection, or no answer to a read: nothing was changed
    ├── OutcomeUnknown                      a write was sent and no answer came: look before repeating it
    ├── AnswerMalformed                     the answer is not what the API promises
    ├── BadRequest             400, 422
    ├── Unauthorized           401
    ├── Forbidden              403
    ├── NotFound               404, 410
    ├── Conflict               409
    ├── ObjectLocked           423
    ├── TooManyRequests        429          after all waiting that the settings allow
    └── ServerError            5xx
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar

from ...errors import RequestFailed
from ...transport.foreign_text import printable
from ...transport.retry import is_retryable

__all__ = [
    "AnswerMalformed",
    "ApiError",
    "ApiUnreachable",
    "BadRequest",
    "Conflict",
    "Exchange",
    "Forbidden",
    "NotFound",
    "ObjectLocked",
    "OutcomeUnknown",
    "ServerError",
    "TooManyRequests",
    "Unauthorized",
    "error_for",
]

LONGEST_EXCERPT = 300


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what came of it. No credential is in it: neither in the URL nor in the body."""

    method: str
    url: str
    status: int | None = None
    """HTTP status; ``None`` when there was no answer."""
    body: str = ""
    """The answer's body as text."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The answer's headers; looked up without regard to case."""


class ApiError(RequestFailed):
    """A call failed; ``method``, ``url``, ``status`` and ``body`` are those of the request that did.

    ``payload`` is the body decoded from JSON, ``None`` if it is none. ``retryable`` tells whether the same call may
    succeed later.
    """

    advice: ClassVar[str] = ""

    def __init__(self, exchange: Exchange, problem: str = "", *, retryable: bool | None = None) -> None:
        self.exchange = exchange
        self.problem = problem
        status = exchange.status
        if retryable is None:
            retryable = status is not None and is_retryable(status)
        super().__init__(self._message(), status=status, retryable=retryable)

    def _message(self) -> str:
        told = [f"{self.exchange.method} {printable(self.exchange.url, 1000)}"]
        if self.exchange.status is not None:
            told.append(_status_line(self.exchange.status))
        if self.problem:
            told.append(printable(self.problem, LONGEST_EXCERPT))
        elif self.exchange.body.strip():
            told.append(printable(_human(self.exchange.body), LONGEST_EXCERPT))
        if self.advice:
            told.append(self.advice)
        return ": ".join(told)

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self.exchange, self.problem, self.retryable, self.timed_out)

    @property
    def method(self) -> str:
        """HTTP method of the request."""
        return self.exchange.method

    @property
    def url(self) -> str:
        """URL of the request, query included."""
        return self.exchange.url

    @property
    def body(self) -> str:
        """The answer's body as text; empty when there was no answer."""
        return self.exchange.body

    @property
    def payload(self) -> Any:
        """The answer's body decoded from JSON; ``None`` if it is none."""
        return _decoded(self.exchange.body)


class ApiUnreachable(ApiError):
    """No connection, or for a read no answer: nothing was changed."""


class OutcomeUnknown(ApiError):
    """The request was sent and no answer came: it may or may not have been carried out."""

    advice = "it may have been carried out all the same; look before repeating it"


class AnswerMalformed(ApiError):
    """The API answered with success and something that it does not promise."""


class BadRequest(ApiError):
    """The API refuses the request as it is (400, 422)."""


class Unauthorized(ApiError):
    """The credential is missing, wrong or expired (401)."""

    advice = "check the credentials"


class Forbidden(ApiError):
    """The credential's owner may not do this, or it was revoked (403)."""

    advice = "check the rights that go with the credentials"


class NotFound(ApiError):
    """There is no such object, or none that the credential's owner may see (404), or no longer (410)."""


class Conflict(ApiError):
    """What exists already stands in the way (409)."""


class ObjectLocked(ApiError):
    """Somebody has the object open in the vendor's editor (423)."""

    advice = "somebody has it open in the editor; try again later"


class TooManyRequests(ApiError):
    """The API's rate limit holds the call up for longer than the settings allow to wait (429)."""


class ServerError(ApiError):
    """The API failed (5xx)."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    422: BadRequest,
    423: ObjectLocked,
    429: TooManyRequests,
}


def error_for(status: int) -> type[ApiError]:
    """The class for a status that is no success."""
    return _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)


def _restored(kind: type[ApiError], exchange: Exchange, problem: str, retryable: bool, timed_out: bool) -> ApiError:
    error = kind(exchange, problem, retryable=retryable)
    error.timed_out = timed_out
    return error


def _status_line(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _human(body: str) -> str:
    """The message inside a JSON error body; any other body as it is."""
    decoded = _decoded(body)
    message = decoded.get("message") or decoded.get("error_description") if isinstance(decoded, dict) else None
    return message if isinstance(message, str) else body


def _decoded(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
