"""Optimizely's REST API: the Classic v1 as its client library documents it, and with ``api="v2"`` what replaced it.

Calls wait for their answers, on the thread that makes them.
"""

from . import client, error, resource
from .client import NEVER, POLITE, Client
from .error import (
    BadRequestError,
    ForbiddenError,
    InvalidIDError,
    MalformedAnswerError,
    NotFoundError,
    NotSupportedError,
    OptimizelyError,
    OutcomeUnknownError,
    ServiceUnavailableError,
    StillComputingError,
    TooManyRequestsError,
    UnauthorizedError,
    UnreachableError,
)
from .resource import Audience, Dimension, Experiment, Goal, Project, Result, Schedule, Stat, TargetingList, Variation

__all__ = [
    "NEVER",
    "POLITE",
    "Audience",
    "BadRequestError",
    "Client",
    "Dimension",
    "Experiment",
    "ForbiddenError",
    "Goal",
    "InvalidIDError",
    "MalformedAnswerError",
    "NotFoundError",
    "NotSupportedError",
    "OptimizelyError",
    "OutcomeUnknownError",
    "Project",
    "Result",
    "Schedule",
    "ServiceUnavailableError",
    "Stat",
    "StillComputingError",
    "TargetingList",
    "TooManyRequestsError",
    "UnauthorizedError",
    "UnreachableError",
    "Variation",
    "client",
    "error",
    "resource",
]
