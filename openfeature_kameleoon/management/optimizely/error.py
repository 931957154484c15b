"""What an Optimizely call raises, by its documented names (spec 4); all are ``ApiError`` too.

```
OptimizelyError                 any failure; its message is the text of the answer, as it came
├── BadRequestError             400, and calls that cannot be sent as they are
├── UnauthorizedError           401
├── ForbiddenError              403
├── NotFoundError               404
├── TooManyRequestsError        429     wait for 60 s at least
├── ServiceUnavailableError     503     wait for 60 s at least
├── UnreachableError            no connection, or no answer to a read: nothing was changed
├── OutcomeUnknownError         a write was sent and no answer came: look before repeating it
├── MalformedAnswerError        success, and something that the API does not promise
├── StillComputingError         202     results are not there yet (v2)
├── InvalidIDError              an object without id where one is needed
└── NotSupportedError           the API has no such operation; names what to use
```
"""

from __future__ import annotations

from collections.abc import Mapping

from ...clock import SYSTEM_CLOCK
from ...transport import retry
from ..rest import errors as rest_errors
from ..rest.errors import ApiError, Exchange

__all__ = [
    "ERRORS",
    "BadRequestError",
    "ForbiddenError",
    "InvalidIDError",
    "MalformedAnswerError",
    "NotFoundError",
    "NotSupportedError",
    "OptimizelyError",
    "OutcomeUnknownError",
    "ServiceUnavailableError",
    "StillComputingError",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnreachableError",
]

NO_REQUEST = Exchange("", "")


class OptimizelyError(ApiError):
    """A call failed. Its message, ``args[0]``, is the text of the answer, where there is one."""

    def __init__(self, exchange: Exchange | str, problem: str = "", *, retryable: bool | None = None) -> None:
        if isinstance(exchange, str):
            super().__init__(NO_REQUEST, exchange, retryable=retryable)
        else:
            super().__init__(exchange, problem, retryable=retryable)

    def _message(self) -> str:
        if not self.exchange.method:
            return self.problem
        return super()._message() if self.problem or not self.exchange.body else self.exchange.body

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait that the answer asks for; ``None`` when it does not."""
        headers = self.exchange.headers
        return retry.retry_after(headers, now=SYSTEM_CLOCK.time(), most=float("inf")) or None


class BadRequestError(OptimizelyError, rest_errors.BadRequest):
    """The request is not what the API takes (400); the answer names the fields."""


class UnauthorizedError(OptimizelyError, rest_errors.Unauthorized):
    """The token is missing (401)."""


class ForbiddenError(OptimizelyError, rest_errors.Forbidden):
    """The token is wrong or was revoked, or its owner may not do this (403)."""


class NotFoundError(OptimizelyError, rest_errors.NotFound):
    """There is no such object, or none that the token's owner may see (404)."""


class TooManyRequestsError(OptimizelyError, rest_errors.TooManyRequests):
    """A rate limit was hit (429); wait for a minute at least."""


class ServiceUnavailableError(OptimizelyError, rest_errors.ServerError):
    """Overload or maintenance (503); wait for a minute at least."""


class UnreachableError(OptimizelyError, rest_errors.ApiUnreachable):
    """No connection, or no answer to a read: nothing was changed."""


class OutcomeUnknownError(OptimizelyError, rest_errors.OutcomeUnknown):
    """A write was sent and no answer came: after a ``create``, look for the name in its list before repeating it."""


class MalformedAnswerError(OptimizelyError, rest_errors.AnswerMalformed):
    """The API answered with success, and with something that it does not promise."""


class StillComputingError(OptimizelyError):
    """The results are not there yet (202); ask again later."""


class InvalidIDError(OptimizelyError, AttributeError):
    """The object has no id, so it is not known where it is."""


class NotSupportedError(OptimizelyError, AttributeError, NotImplementedError):
    """The API has no such operation; the message names what to use instead.

    An ``AttributeError`` too, so that ``hasattr`` tells what there is.
    """


ERRORS: Mapping[int | type[ApiError], type[OptimizelyError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    429: TooManyRequestsError,
    503: ServiceUnavailableError,
    rest_errors.ApiUnreachable: UnreachableError,
    rest_errors.OutcomeUnknown: OutcomeUnknownError,
    rest_errors.AnswerMalformed: MalformedAnswerError,
    ApiError: OptimizelyError,
}
"""The class for a status, or for what went wrong without one; anything else is the last row's."""
