"""Which variations visitors have been given, and have seen: what the decision server stores of them (2.7).

In memory, and of so many visitors at most; whoever asked longest ago is forgotten. Any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import NamedTuple

from ...flagship.engine.evaluation import Variation

__all__ = ["Assignments", "Known", "Owner"]

MOST_OWNERS = 100_000

Owner = tuple[str, str]
"""Who has assignments: ``visitor`` or ``decision group``, and its id. An anonymous visitor is a visitor, too."""


class Known(NamedTuple):
    """Variation ids by variation group id, and the groups among them that the visitor was seen in."""

    assignments: dict[str, str]
    activated: set[str]


class Assignments:
    """The assignments of ``most`` visitors and decision groups."""

    def __init__(self, most: int = MOST_OWNERS) -> None:
        self._most = most
        self._known: dict[Owner, Known] = {}
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return len(self._known)

    def known(self, owners: Iterable[Owner]) -> Known:
        """What is known of all of them; of two that have an assignment of one group, the first one's counts."""
        assignments: dict[str, str] = {}
        activated: set[str] = set()
        with self._changing:
            for known in [self._known[owner] for owner in owners if owner in self._known]:
                assignments = {**known.assignments, **assignments}
                activated |= known.activated
        return Known(assignments, activated)

    def remember(self, owners: Iterable[Owner], variations: Iterable[Variation], *, as_seen: bool = False) -> None:
        """Store what they have been given, and with ``as_seen`` that they were seen there."""
        given = {variation.group_id: variation.id for variation in variations}
        if given:
            self._store(owners, given, as_seen)

    def activate(self, owners: Iterable[Owner], group_id: str, variation_id: str) -> None:
        """Store that they have seen a variation."""
        self._store(owners, {group_id: variation_id}, True)

    def clear(self) -> None:
        """Forget everybody."""
        with self._changing:
            self._known.clear()

    def _store(self, owners: Iterable[Owner], given: dict[str, str], as_seen: bool) -> None:
        with self._changing:
            for owner in owners:
                known = self._known.pop(owner, None) or Known({}, set())
                known.assignments.update(given)
                if as_seen:
                    known.activated.update(given)
                self._known[owner] = known
            while len(self._known) > self._most:
                del self._known[next(iter(self._known))]
