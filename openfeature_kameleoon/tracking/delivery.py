"""What becomes of batches by the server's answers: delivered, halved, given up, or kept for later (reliability.md 3.4).

One round of requests on the thread that calls; when to begin one is sender.py's business.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from enum import Enum
from itertools import groupby
from typing import Protocol

import msgspec

from ..errors import RequestFailed
from .outbox import Batch, Outbox

__all__ = ["Answer", "Delivery", "Outcome", "Verdict", "verdict"]

MOST_CHARACTERS = 2_621_440
"""Of a request's lines together; the last visitor may go beyond it (7.4)."""

MOST_REFUSED = 64
"""So many requests refused, and none taken, mean that it is not for what they hold."""


class Answer(Protocol):
    """What a server answered."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Looked up without regard to case."""


class Verdict(Enum):
    """What a status says of the events that were sent."""

    TAKEN = "taken"
    TOO_LARGE = "too_large"
    REJECTED = "rejected"
    LATER = "later"


TAKEN = frozenset({*range(200, 300), 304, 403})
"""403 is Kameleoon's answer to what it takes for a bot: it wants neither a retry nor to hear of it again (1.4)."""

ABOUT_THE_PLACE = frozenset({401, 402, 404, 405, 407, 408, 409, 421, 423, 425, 426, 429, 451})
"""Statuses of the 4xx that speak of the server, the way there or the moment, not of what was sent."""


def verdict(status: int) -> Verdict:
    """What becomes of events that were answered so."""
    if status in TAKEN:
        return Verdict.TAKEN
    if status == 413:
        return Verdict.TOO_LARGE
    return Verdict.REJECTED if 400 <= status < 500 and status not in ABOUT_THE_PLACE else Verdict.LATER


class Outcome(msgspec.Struct, frozen=True):
    """How a round ended: with a problem when the server failed, of which ``answer`` is what it said, if anything."""

    problem: str = ""
    answer: Answer | None = None


class Delivery:
    """Sends batches that were taken from an outbox, and settles every one of them.

    ``post(body)`` sends and raises ``RequestFailed``. Given ``way_of``, events of visitors with another way by their
    code go in another request: ``post(body, way=...)``. ``judge`` says what a status means, where that is not what
    Kameleoon's server means by it. ``requests`` and ``retried`` count requests, and events of requests that failed.
    """

    def __init__(
        self,
        outbox: Outbox,
        post: Callable[..., Answer],
        *,
        way_of: Callable[[str], str] | None = None,
        judge: Callable[[int], Verdict] = verdict,
    ) -> None:
        self.requests = 0
        self.retried = 0
        self._outbox = outbox
        self._post = post
        self._way_of = way_of
        self._judge = judge

    def deliver(self, batches: list[Batch]) -> Outcome:
        """Send these, in as many requests as it takes; what the server does not take for now waits again.

        A visitor whose events are refused while others are taken is given up. Where none is taken, the fault is
        somewhere else, and all are kept.
        """
        groups, suspects = deque(self._parted(batches)), list[Batch]()
        has_taken, refused, outcome = False, 0, Outcome()
        try:
            while groups:
                group = groups[0]
                judged, outcome = self._send(group)
                refused += judged is not Verdict.TAKEN
                if judged is Verdict.LATER or (refused > MOST_REFUSED and not has_taken):
                    return outcome
                groups.popleft()
                if judged is Verdict.TAKEN:
                    has_taken = True
                    self._outbox.delivered(group)
                elif len(group) > 1:
                    middle = len(group) // 2
                    groups += (group[:middle], group[middle:])
                elif judged is Verdict.TOO_LARGE:
                    self._outbox.drop(group, judged.value)
                else:
                    suspects += group
                if suspects and not groups and not has_taken:  # is it this visitor, or everybody?
                    groups += [[another] for another in self._outbox.take(1)]
            return outcome if suspects and not has_taken else Outcome()
        finally:
            if suspects and has_taken:
                self._outbox.drop(suspects, Verdict.REJECTED.value)
                suspects = []
            self._outbox.release([*suspects, *(batch for group in groups for batch in group)])

    def _parted(self, batches: list[Batch]) -> list[list[Batch]]:
        """What may go in one request each."""
        way_of = self._way_of
        if way_of is None:
            return [batches]
        way = lambda batch: way_of(batch.visitor_code)  # noqa: E731  # used twice, here alone
        return [list(group) for _, group in groupby(sorted(batches, key=way), key=way)]

    def _send(self, group: list[Batch]) -> tuple[Verdict, Outcome]:
        lines = [line for batch in group for line in batch.lines]
        self.requests += 1
        try:
            way = {} if self._way_of is None else {"way": self._way_of(group[0].visitor_code)}
            answer = self._post("\n".join(lines).encode(), **way)
        except RequestFailed as failure:
            self.retried += len(lines)
            return Verdict.LATER, Outcome(failure.message)
        judged = self._judge(answer.status)
        if judged is Verdict.TAKEN:
            return judged, Outcome()
        self.retried += len(lines)
        return judged, Outcome(f"the tracking server answered {answer.status}", answer)
