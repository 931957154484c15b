"""What an observer of the network is told: one record for each request that was tried (specs/kameleoon-sdk.md 10.7).

Values only; making requests and telling of them is ``Http``'s business.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from ..errors import RequestFailed

__all__ = ["Attempt", "Observer", "RequestType"]


class RequestType(Enum):
    """What a request is for; opening a stream of real-time events is none of these and told to nobody."""

    DATAFILE = "datafile"
    TRACKING = "tracking"
    REMOTE_VISITOR_DATA = "remote_visitor_data"
    REMOTE_DATA = "remote_data"
    ACCESS_TOKEN = "access_token"


class Attempt(NamedTuple):
    """One request that was tried. Either ``status`` or ``failure`` is ``None``.

    ``seconds`` is how long it took, to the last byte of the answer or to the failure.
    """

    kind: RequestType
    seconds: float
    status: int | None
    """Status of an answer that came whole, whatever it says."""
    failure: RequestFailed | None
    """Why there is no usable answer: none came, it was cut, too large, or a redirect."""


Observer = Callable[[Attempt], None]
