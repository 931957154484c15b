"""One evaluation for one visitor: look it up, decide, remember the assignment, hand its report to the outbox.

Both faces of the library, the OpenFeature provider and the Kameleoon client, evaluate through this module, on the
caller's thread. Locks are taken only when something about the visitor changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from .clock import Clock
from .context import new_data
from .datafile.index import DataFileIndex
from .engine.evaluation import Evaluation
from .engine.ruleset import Ruleset
from .errors import VisitorCodeInvalid, VisitorCodeMissing
from .experiments import allocation
from .tracking.outbox import Outbox
from .tracking.reports import take_report
from .visitors.data import Data
from .visitors.store import MemoryVisitorStore
from .visitors.traits import Assignment, Exposure
from .visitors.visitor import Visitor, add_data

__all__ = ["LONGEST_VISITOR_CODE", "Evaluator", "check_visitor_code"]

LONGEST_VISITOR_CODE = 255

_control_character = re.compile("[\x00-\x1f\x7f-\x9f]").search


def check_visitor_code(code: object) -> str:
    """The code, if it is one: 1 to 255 characters that UTF-8 can write and none of them a control character.

    Raises ``VisitorCodeInvalid``. Kameleoon's own client lets control characters pass, and then into headers.
    """
    if not isinstance(code, str) or not code:
        raise VisitorCodeMissing("a visitor code must be a non-empty string")
    if len(code) > LONGEST_VISITOR_CODE:
        raise VisitorCodeInvalid(f"a visitor code has at most {LONGEST_VISITOR_CODE} characters, this has {len(code)}")
    if _control_character(code):
        raise VisitorCodeInvalid("a visitor code must not contain control characters")
    try:
        code.encode()
    except UnicodeEncodeError:
        raise VisitorCodeInvalid("a visitor code must not contain lone surrogates") from None
    return code


class Evaluator:
    """Asks the engine on behalf of visitors, and keeps what comes of it."""

    __slots__ = (
        "_clock",
        "_get",
        "_outbox",
        "_remember_tracked",
        "_remember_untracked",
        "_reports_context",
        "store",
    )

    def __init__(
        self, store: MemoryVisitorStore, outbox: Outbox, clock: Clock, *, reports_context: bool = True
    ) -> None:
        self.store = store
        self._get = store.get
        self._outbox = outbox
        self._clock = clock
        self._reports_context = reports_context
        self._remember_tracked = partial(self._remember, is_tracked=True)
        self._remember_untracked = partial(self._remember, is_tracked=False)

    def evaluate(
        self,
        ruleset: Ruleset,
        key: str,
        code: str | None,
        attributes: Mapping[str, Any] | None = None,
        *,
        is_tracked: bool = True,
    ) -> Evaluation:
        """Decide for a visitor, whom the attributes of an evaluation context may tell more of, and remember.

        Tracked, also report: an assignment once, until the visitor is given another. Raises ``VisitorCodeInvalid``,
        ``VisitorDataInvalid``, ``FeatureNotFound`` and ``FeatureMalformed``.
        """
        visitor = self._get(code) if type(code) is str else None
        if visitor is None:
            visitor = self.store.unknown(check_visitor_code(code))
        if attributes:
            data = new_data(attributes, visitor, ruleset.index)
            if data:
                visitor = self.store.add_data(visitor, data, ruleset.index, is_tracked=self._reports_context)
        try:
            decide = ruleset.decisions[key]
        except KeyError:
            decide = ruleset.decide(key)
        evaluation = decide(visitor, self._remember_tracked if is_tracked else self._remember_untracked)
        exposure = evaluation.exposure
        if exposure is not None:
            assignment = visitor.assignments.get(exposure.experiment_id)
            if (
                assignment is not None
                and assignment.is_reported
                and (assignment.exposure is exposure or assignment.exposure == exposure)
            ):
                assignment.evaluated_at = visitor.last_seen
            else:
                self._remember(visitor, exposure, is_tracked=is_tracked)
        if visitor.unsent and is_tracked:
            self.report(visitor, ruleset.index)
        return evaluation

    def visitor(self, code: str) -> Visitor:
        """The visitor, seen now; one that is not known is not stored either. Raises ``VisitorCodeInvalid``."""
        return self.store.get(check_visitor_code(code)) or self.store.unknown(code)

    def with_data(self, visitor: Visitor, data: Iterable[Data], index: DataFileIndex) -> Visitor:
        """A copy of the visitor that has this data too; the store does not see it. Raises ``TypeError``."""
        trial = visitor.copy()
        for item in data:
            trial.known = True
            add_data(trial, item, index, self._clock.time(), is_tracked=False)
        return trial

    def trigger_experiment(self, ruleset: Ruleset, experiment_id: int, code: str) -> int:
        """Allocate a 2.x experiment to a visitor, remember and report (4.10). Raises as the client's method says."""
        visitor = self.visitor(code)
        exposure = allocation(ruleset, experiment_id, visitor)
        self._remember(visitor, exposure, is_tracked=True)
        self.report(visitor, ruleset.index)
        return exposure.variation_id

    def report(self, visitor: Visitor, index: DataFileIndex) -> None:
        """Hand to the outbox all that is unsent of the visitor, as far as its consent goes."""
        with self.store.lock:
            events = take_report(visitor, index, self._clock.time())
        self._outbox.put(events)

    def _remember(self, visitor: Visitor, exposure: Exposure, *, is_tracked: bool) -> None:
        """Store an assignment, and the visitor with it (4.8)."""
        with self.store.lock:
            visitor = self.store.add(visitor)
            visitor.set_assignment(Assignment(exposure, self._clock.time(), visitor.last_seen, is_reported=is_tracked))
            if is_tracked:
                visitor.note_unsent(exposure)
