"""One evaluation for one visitor: look it up, decide, remember the assignment, have it reported.

Both faces of the library, the OpenFeature provider and the Kameleoon client, evaluate through this module, on the
caller's thread. Locks are taken only when something about the visitor changes.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping
from typing import Any

from .clock import Clock
from .context import new_data
from .datafile.index import DataFileIndex
from .engine.evaluation import Evaluation
from .engine.ruleset import Ruleset
from .errors import VisitorCodeInvalid, VisitorCodeMissing
from .experiments import allocation
from .forking import notice_fork
from .tracking.reports import Reporter
from .visitors.data import Conversion, Data
from .visitors.store import VisitorStore
from .visitors.traits import Assignment, Exposure
from .visitors.visitor import Visitor, add_data

__all__ = ["LONGEST_VISITOR_CODE", "Evaluator", "check_visitor_code"]

LONGEST_VISITOR_CODE = 255

_log = logging.getLogger(__name__)

_control_character = re.compile("[\x00-\x1f\x7f-\x9f]").search


def check_visitor_code(code: object) -> str:
    """The code, if it is one: 1 to 255 characters that UTF-8 can write and none of them a control character.

    Of a subclass of ``str`` the plain text counts, whatever it makes of ``==`` and ``hash``. Raises
    ``VisitorCodeInvalid``. Kameleoon's own client lets control characters pass, and then into headers.
    """
    text = str.__str__(code) if isinstance(code, str) else ""
    if not text:
        raise VisitorCodeMissing("a visitor code must be a non-empty string")
    if len(text) > LONGEST_VISITOR_CODE:
        raise VisitorCodeInvalid(f"a visitor code has at most {LONGEST_VISITOR_CODE} characters, this has {len(text)}")
    if text.isascii() and text.isprintable():
        return text
    if _control_character(text):
        raise VisitorCodeInvalid("a visitor code must not contain control characters")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise VisitorCodeInvalid("a visitor code must not contain lone surrogates") from None
    return text


class Evaluator:
    """Asks the engine on behalf of visitors, and keeps what comes of it."""

    __slots__ = (
        "_clock",
        "_get",
        "_has_warned",
        "_remember_holdout",
        "_reporter",
        "_reports_context",
        "store",
    )

    def __init__(self, store: VisitorStore, reporter: Reporter, clock: Clock, *, reports_context: bool = True) -> None:
        self.store = store
        self._get = store.get
        self._reporter = reporter
        self._clock = clock
        self._has_warned = False
        self._remember_holdout = self._note_holdout
        self._reports_context = reports_context

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
        if type(code) is not str:
            code = check_visitor_code(code)
        visitor = self._get(code)
        if visitor is None:
            visitor = self.store.unknown(check_visitor_code(code))
        if attributes:
            data = new_data(attributes, visitor, ruleset.index)
            if data:
                visitor = self._learn(visitor, data, ruleset.index)
        try:
            decide = ruleset.decisions[key]
        except KeyError:
            decide = ruleset.decide(key)
        evaluation = decide(visitor, self._remember_holdout)  # bound once: to bind it costs what a flag look-up does
        exposure = evaluation.exposure
        if exposure is not None:
            assignment = visitor.assignments.get(exposure.experiment_id)
            if (
                assignment is not None
                and assignment.is_reported
                and (assignment.exposure is exposure or assignment.exposure == exposure)
            ):
                if assignment.evaluated_at < visitor.last_seen:
                    assignment.evaluated_at = visitor.last_seen
            else:
                visitor = self._remember(visitor, exposure, is_tracked=is_tracked)
        if visitor.unsent and is_tracked:
            self._reporter.report(visitor, ruleset.index)
        return evaluation

    def visitor(self, code: str) -> Visitor:
        """The visitor, seen now; one that is not known is not stored either. Raises ``VisitorCodeInvalid``."""
        visitor = self._get(code) if type(code) is str else None
        if visitor is None:
            code = check_visitor_code(code)
            visitor = self._get(code) or self.store.unknown(code)
        return visitor

    def tell(self, code: str, data: Data, index: DataFileIndex) -> bool:
        """Store what an evaluation context would tell of a visitor that this process knows; whether it does."""
        visitor = self._get(code) if code in self.store else None
        if visitor is None:
            return False
        notice_fork()
        self.store.add_data(visitor, (data,), index, is_tracked=self._reports_context)
        return True

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
        visitor = self._remember(visitor, exposure, is_tracked=True)
        self._reporter.report(visitor, ruleset.index)
        return exposure.variation_id

    def _learn(self, visitor: Visitor, data: Iterable[Data], index: DataFileIndex) -> Visitor:
        """Store what an evaluation context tells anew of a visitor."""
        notice_fork()
        if not self._has_warned and any(type(item) is Conversion for item in data):
            self._has_warned = True
            _log.warning("a conversion in an evaluation context counts at each evaluation: track() counts it once")
        return self.store.add_data(visitor, data, index, is_tracked=self._reports_context)

    def _remember(self, visitor: Visitor, exposure: Exposure, *, is_tracked: bool) -> Visitor:
        """Store an assignment, and the visitor with it, unless it is stored and reported already (4.8)."""
        notice_fork()  # now, as a child begins by forgetting what is unsent
        store = self.store
        with store.lock:
            visitor = store.add(visitor)  # another thread may have stored one meanwhile
            if not _is_reported(visitor, exposure):
                assignment = Assignment(exposure, self._clock.time(), visitor.last_seen, is_reported=is_tracked)
                store.assign(visitor, assignment)
                if is_tracked:
                    visitor.note_unsent(exposure)
        return visitor

    def _note_holdout(self, visitor: Visitor, exposure: Exposure) -> None:
        """Reported whatever the caller says of tracking, as Kameleoon's clients do (4.2)."""
        if not _is_reported(visitor, exposure):
            self._remember(visitor, exposure, is_tracked=True)


def _is_reported(visitor: Visitor, exposure: Exposure) -> bool:
    assignment = visitor.assignments.get(exposure.experiment_id)
    return assignment is not None and assignment.is_reported and assignment.exposure == exposure
