"""Requests and answers of the page's API in JSON: what makes no sense is refused in words, and our errors are statuses.

On the event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from ..errors import (
    ConfigSettingInvalid,
    DataFileInvalid,
    FeatureEnvironmentDisabled,
    FeatureError,
    KameleoonError,
    NotFoundError,
    VisitorCodeInvalid,
    VisitorDataInvalid,
)

__all__ = [
    "API_HEADERS",
    "BadRequest",
    "Endpoint",
    "Question",
    "SampleQuestion",
    "answering",
    "json_response",
    "read",
]

STATUSES: Mapping[type[KameleoonError], int] = {
    NotFoundError: 404,
    FeatureEnvironmentDisabled: 409,
    FeatureError: 409,
    ConfigSettingInvalid: 422,
    DataFileInvalid: 409,
    VisitorCodeInvalid: 422,
    VisitorDataInvalid: 422,
}
"""Our errors as HTTP's; the first that fits."""

API_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}

T = TypeVar("T")
Endpoint = Callable[[Request], Awaitable[Response]]


class Question(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """Which flag, for whom."""

    flag: str
    visitor_code: str
    context: dict[str, Any] = {}


class SampleQuestion(msgspec.Struct, forbid_unknown_fields=True):
    """Which flag, for how many invented visitors, who all have this context."""

    flag: str
    context: dict[str, Any] = {}
    count: int = 10_000


class BadRequest(Exception):
    """A request that makes no sense, and why."""


async def read(request: Request, kind: type[T]) -> T:
    """The body as a value. Raises ``BadRequest``."""
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except ClientDisconnect:  # also the guard's way to end one that is too long
        raise BadRequest("the body has no end, or is too long") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"the body is not what is expected: {error}") from error


def json_response(content: Any, status: int = 200) -> Response:
    """An answer; bytes are JSON already."""
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return Response(body, status, API_HEADERS, "application/json")


def answering(endpoint: Endpoint) -> Endpoint:
    """The endpoint, whose errors are answers, too."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except BadRequest as error:
            return json_response({"error": str(error)}, 400)
        except KameleoonError as error:
            status = next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)
            return json_response({"error": error.message}, status)

    return answer
