"""The core that every vendor's management API is declared on: session, rate limits, paging, fields, operations, errors.

Nothing in here knows a vendor.
"""

from .authentication import Authentication, FixedCredential
from .errors import (
    AnswerMalformed,
    ApiError,
    ApiUnreachable,
    BadRequest,
    Conflict,
    Exchange,
    Forbidden,
    NotFound,
    ObjectLocked,
    OutcomeUnknown,
    ServerError,
    TooManyRequests,
    Unauthorized,
)
from .fields import CREATE, READ, REQUIRED, UPDATE, WRITE, Field, Record, always, field, plain
from .limits import RateLimit, Window
from .operations import DOCUMENTED, OBSERVED, Operation, Resource, operations
from .paging import Indexed, Markers, Numbered, Offsets, Page, Paging, Progress, Slices, Whole
from .session import Rest, Retries, Session

__all__ = [
    "CREATE",
    "DOCUMENTED",
    "OBSERVED",
    "READ",
    "REQUIRED",
    "UPDATE",
    "WRITE",
    "AnswerMalformed",
    "ApiError",
    "ApiUnreachable",
    "Authentication",
    "BadRequest",
    "Conflict",
    "Exchange",
    "Field",
    "FixedCredential",
    "Forbidden",
    "Indexed",
    "Markers",
    "NotFound",
    "Numbered",
    "ObjectLocked",
    "Offsets",
    "Operation",
    "OutcomeUnknown",
    "Page",
    "Paging",
    "Progress",
    "RateLimit",
    "Record",
    "Resource",
    "Rest",
    "Retries",
    "ServerError",
    "Session",
    "Slices",
    "TooManyRequests",
    "Unauthorized",
    "Whole",
    "Window",
    "always",
    "field",
    "operations",
    "plain",
]
