"""One visitor as the provider remembers it: what is known of it, what it was given, what it was told to have seen.

Values and one mutable record, which known_visitors.py alone changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..errors import KameleoonError
from .context import CURRENT
from .engine.evaluation import Evaluation
from .engine.targeting import Visitor
from .evaluation_context import NOTHING_TOLD, VisitorInfo
from .records import VisitorIds

__all__ = ["NONE", "VISITOR_BYTES", "Answer", "Failure", "KnownVisitor"]

VISITOR_BYTES = 800
"""An estimate, with all that Python adds."""

NONE: frozenset[str] = frozenset()


class Answer(NamedTuple):
    """What the decision API gave a visitor: flags by key, when, and for which version of the visitor.

    ``is_kept``: it gave that to an earlier process, and a cache had it.
    """

    flags: Mapping[str, Evaluation]
    at: float
    version: int
    is_kept: bool = False


class Failure(NamedTuple):
    """Why the decision API gave a version of a visitor nothing, and when it may be asked again."""

    problem: KameleoonError
    retry_at: float
    version: int


class KnownVisitor:
    """One visitor.

    ``who`` is what the engine sees, replaced as a whole. ``settled`` are ids of variations that the visitor was seen
    in, of which nothing is left to be done; ``unexposed`` those among them that were not told for want of consent.
    ``version`` grows with everything that the decision API might decide by; ``answer`` is what that gave, and
    ``failure`` why it gave nothing the last time; ``is_looked_up`` once a cache was asked.
    """

    __slots__ = (
        "anonymous_id",
        "answer",
        "assignments",
        "code",
        "consents",
        "failure",
        "info",
        "is_known",
        "is_looked_up",
        "settled",
        "size",
        "tick",
        "unexposed",
        "version",
        "who",
    )

    def __init__(self, code: str) -> None:
        self.code = code
        self.assignments: dict[str, str] = {}
        self.who = Visitor(code, CURRENT.automatic, self.assignments)
        self.info: VisitorInfo = NOTHING_TOLD
        self.consents = True
        self.anonymous_id: str | None = None
        self.settled: frozenset[str] = NONE
        self.unexposed: frozenset[str] = NONE
        self.answer: Answer | None = None
        self.failure: Failure | None = None
        self.version = 0
        self.size = VISITOR_BYTES + len(code)
        self.tick = 0
        self.is_known = self.is_looked_up = False

    @property
    def ids(self) -> VisitorIds:
        """As hits and requests name the visitor."""
        return VisitorIds(self.code, self.anonymous_id)
