"""What the Split and Harness clients raise: the documented names, each also one of the core's (spec 1.5).

```
SplitException
├── HTTPResponseError                   any status that is no success; also an ApiError
│   ├── HTTPIncorrectParametersError    400
│   ├── HTTPUnauthorizedError           401
│   ├── HTTPNotFoundError               404
│   └── HTTPAnswerMalformed             a success that is not what the API promises
├── SplitBackendUnreachableError        no answer; also an ApiError
│   ├── SplitNotReached                 nothing was changed
│   └── SplitOutcomeUnknown             a write was sent: look before repeating it
├── MissingParametersException          a call lacks what its address needs; also a ValueError
├── InsufficientConfigArgumentsException
├── HarnessDeprecatedEndpointError      not there in harness mode; nothing is sent
├── ClientRequiredError                 an object made by hand has no client, and none was given
├── InvalidArgumentException            neither a dict nor an object of the API
├── AnswerIncomplete                    a success without the object it is about; also a KeyError
├── EndpointNotImplemented              the API has no such operation
└── InvalidModelException, UnknownApiClientError, MethodNotApplicable      never raised here
```
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from ...transport.foreign_text import printable
from ..rest.errors import (
    AnswerMalformed,
    ApiError,
    ApiUnreachable,
    BadRequest,
    NotFound,
    OutcomeUnknown,
    Unauthorized,
)

__all__ = [
    "HARNESS_ERRORS",
    "SPLIT_ERRORS",
    "AnswerIncomplete",
    "Answered",
    "ClientRequiredError",
    "EndpointNotImplemented",
    "HTTPAnswerMalformed",
    "HTTPIncorrectParametersError",
    "HTTPNotFoundError",
    "HTTPResponseError",
    "HTTPUnauthorizedError",
    "HarnessDeprecatedEndpointError",
    "HarnessNotReached",
    "HarnessOutcomeUnknown",
    "InsufficientConfigArgumentsException",
    "InvalidArgumentException",
    "InvalidModelException",
    "MethodNotApplicable",
    "MissingParametersException",
    "SplitBackendUnreachableError",
    "SplitException",
    "SplitNotReached",
    "SplitOutcomeUnknown",
    "UnknownApiClientError",
]


class SplitException(Exception):
    """Base of all of these."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What there is of a refused request's answer."""

    status_code: int | None
    text: str
    headers: Mapping[str, str]

    def json(self) -> Any:
        """The body decoded. Raises ``ValueError``."""
        return json.loads(self.text)


class HTTPResponseError(SplitException, ApiError):
    """The service answered with a status that is no success."""

    @property
    def _error(self) -> Answered:
        return Answered(self.exchange.status, self.exchange.body, self.exchange.headers)

    def _message(self) -> str:
        return f"HTTP {self.exchange.status}: {self.problem or self.exchange.body}"


class HTTPIncorrectParametersError(HTTPResponseError, BadRequest):
    """The service refuses the request as it is (400)."""


class HTTPUnauthorizedError(HTTPResponseError, Unauthorized):
    """The key is missing, wrong or expired (401)."""


class HTTPNotFoundError(HTTPResponseError, NotFound):
    """There is no such object (404)."""


class HTTPAnswerMalformed(HTTPResponseError, AnswerMalformed):
    """The service answered with success and something that it does not promise."""


class SplitBackendUnreachableError(SplitException, ApiError):
    """There was no answer."""

    backend: ClassVar[str] = "Split"

    def _message(self) -> str:
        asked = f"{self.exchange.method} {printable(self.exchange.url, 1000)}"
        return ": ".join(filter(None, (f"Unable to reach {self.backend} backend", asked, self.problem, self.advice)))


class SplitNotReached(SplitBackendUnreachableError, ApiUnreachable):
    """No connection, or no answer to a read: nothing was changed."""


class SplitOutcomeUnknown(SplitBackendUnreachableError, OutcomeUnknown):
    """The request was sent and no answer came: it may or may not have been carried out."""


class HarnessNotReached(SplitNotReached):
    """As ``SplitNotReached``, in harness mode."""

    backend = "Harness"


class HarnessOutcomeUnknown(SplitOutcomeUnknown):
    """As ``SplitOutcomeUnknown``, in harness mode."""

    backend = "Harness"


class MissingParametersException(SplitException, ValueError):
    """A call was not given what its address is made of."""


class InsufficientConfigArgumentsException(SplitException):
    """``get_client`` was not given what it needs; the message names it."""


class HarnessDeprecatedEndpointError(SplitException):
    """The operation does not exist in harness mode; nothing was sent."""


class ClientRequiredError(SplitException):
    """An object that was made by hand has no client: give it one, or the method its ``apiclient``."""


class InvalidArgumentException(SplitException):
    """A dict or an object of the API was expected."""


class AnswerIncomplete(SplitException, KeyError):
    """The service answered with success, and without the object that the call is about."""

    __str__ = Exception.__str__


class EndpointNotImplemented(SplitException):
    """The API has no such operation."""


class InvalidModelException(SplitException):
    """Kept for ``except`` clauses; never raised here."""


class UnknownApiClientError(SplitException):
    """Kept for ``except`` clauses; never raised here."""


class MethodNotApplicable(SplitException):
    """Kept for ``except`` clauses; never raised here."""


SPLIT_ERRORS: Mapping[int | type[ApiError], type[ApiError]] = {
    400: HTTPIncorrectParametersError,
    401: HTTPUnauthorizedError,
    404: HTTPNotFoundError,
    AnswerMalformed: HTTPAnswerMalformed,
    ApiUnreachable: SplitNotReached,
    OutcomeUnknown: SplitOutcomeUnknown,
    ApiError: HTTPResponseError,
}
"""By status, or by the core's kind: what is raised."""

HARNESS_ERRORS = {**SPLIT_ERRORS, ApiUnreachable: HarnessNotReached, OutcomeUnknown: HarnessOutcomeUnknown}
