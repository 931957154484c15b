"""Visitors that the provider knows: by targeting key, in this process's memory, bounded, least recently seen out first.

Readers take no lock. Whatever changes a visitor does so here, under one lock that is never held across I/O; what of it
is told to Flagship is reports.py's business.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from ..errors import VisitorCodeInvalid, VisitorCodeMissing
from ..forking import notice_fork, renew_after_fork
from ..visitors.recency import Recency
from .engine.evaluation import Variation
from .engine.targeting import Visitor
from .evaluation_context import NOTHING_TOLD, VisitorInfo, has_news, merged, visitor_info
from .known_visitor import NONE, Answer, KnownVisitor
from .reports import Reports

__all__ = ["Keeper", "Visitors"]

ENTRY_BYTES = 120
EVALUATION_BYTES = 300
VARIATION_BYTES = 1_800
"""Estimates, with all that Python adds: of what has a name in a visitor, and of what the decision API gave it."""


class Keeper(Protocol):
    """Something that keeps visitors for later processes."""

    def keep(self, visitor: KnownVisitor) -> None:
        """Keep what is known of a visitor now."""

    def forget(self, visitor: KnownVisitor) -> None:
        """Keep no more of a visitor."""


class Visitors:
    """Visitors by code, as many as fit into ``max_bytes``, by estimate.

    ``knows_authentication``: an authenticated visitor has an anonymous id, too, as in the mode of the decision API.
    ``keeper`` is told of every change that is worth being kept.
    """

    def __init__(
        self, reports: Reports, *, max_bytes: int, knows_authentication: bool = False, keeper: Keeper | None = None
    ) -> None:
        self.bytes = 0
        self._reports = reports
        self._keeper = keeper
        self._max_bytes = max_bytes
        self._knows_authentication = knows_authentication
        self._visitors = Recency[KnownVisitor]()
        self._latest: KnownVisitor | None = None
        self._lock = threading.RLock()  # reentrant: a signal handler may evaluate flags in the middle of it
        renew_after_fork(self)

    def told(self, code: str | None, attributes: Mapping[str, Any] | None) -> KnownVisitor:
        """The visitor, with what the attributes tell anew; one of whom nothing is to be remembered is not stored.

        Raises ``VisitorCodeInvalid`` and ``VisitorDataInvalid``.
        """
        visitor = self._latest
        if visitor is None or visitor.code != code:  # a request asks for many flags of one visitor
            visitor = self._find(code)
        if attributes and has_news(attributes, visitor.who.context):
            return self._learn(visitor, attributes)
        return visitor

    def settle(self, visitor: KnownVisitor, variation: Variation) -> None:
        """The visitor is seen in a variation: it keeps that, and it is told, once, unless consent is refused."""
        notice_fork()
        with self._lock:
            visitor = self._add(visitor)
            if variation.id in visitor.settled:  # another thread was first
                return
            visitor.settled |= {variation.id}
            if variation.group_id:
                visitor.assignments[variation.group_id] = variation.id
            if not visitor.consents:
                visitor.unexposed |= {variation.id}
            self._grow(visitor, 2 * ENTRY_BYTES)
        if visitor.consents:
            self._reports.seen(visitor.ids, variation)
            if self._keeper is not None:
                self._keeper.keep(visitor)

    def keep(self, visitor: KnownVisitor) -> KnownVisitor:
        """Store a visitor, unless another thread has stored one of that code: then that one is returned."""
        with self._lock:
            return self._add(visitor)

    def answered(self, visitor: KnownVisitor, answer: Answer) -> None:
        """The decision API gave the visitor these flags, in place of those before."""
        with self._lock:
            visitor = self._add(visitor)
            before, visitor.answer, visitor.failure = visitor.answer, answer, None
            self._grow(visitor, _size(answer) - (_size(before) if before is not None else 0))
        if self._keeper is not None:
            self._keeper.keep(visitor)

    def restored(self, visitor: KnownVisitor, answer: Answer, exposed: frozenset[str]) -> None:
        """A cache had these flags, for a visitor who was told to have been seen in these variations."""
        with self._lock:
            if visitor.answer is None:
                visitor.answer = answer
                visitor.settled |= exposed
                self._grow(visitor, _size(answer))

    def renew(self) -> None:
        """In a forked child: the visitors stay, the lock is new."""
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._visitors)

    def __iter__(self) -> Iterator[KnownVisitor]:
        with self._lock:
            return iter(self._visitors)

    def _find(self, code: str | None) -> KnownVisitor:
        if type(code) is not str:
            code = _checked(code)
        elif not code:
            raise VisitorCodeMissing(MISSING)
        visitor = self._visitors.see(code)
        if visitor is None:
            return KnownVisitor(code)
        self._latest = visitor
        return visitor

    def _learn(self, visitor: KnownVisitor, attributes: Mapping[str, Any]) -> KnownVisitor:
        info = visitor_info(attributes)
        notice_fork()
        with self._lock:
            visitor = self._visitors.peek(visitor.code) or visitor
            before = visitor.who.context
            context = merged(attributes, before)
            is_told = _joined(visitor.info, info)
            if context is before and is_told == visitor.info:
                return visitor
            visitor = self._add(visitor)
            told_before, visitor.info = visitor.info, is_told
            has_consent_news = is_told.has_consented not in (None, told_before.has_consented)
            self._heed(visitor)
            visitor.version += 1
            if context is not before:
                visitor.who = Visitor(visitor.code, context, visitor.assignments)
                self._grow(visitor, _context_size(context) - _context_size(before))
        if has_consent_news:
            self._reports.consented(visitor.ids, visitor.consents)
            if self._keeper is not None and not visitor.consents:
                self._keeper.forget(visitor)
        if context is not before and visitor.consents:
            self._reports.learnt(visitor.ids, context)
        return visitor

    def _heed(self, visitor: KnownVisitor) -> None:
        """Have what ``fsVisitorInfo`` tells take effect."""
        info = visitor.info
        if info.has_consented is not None:
            visitor.consents = info.has_consented
        if visitor.consents and visitor.unexposed:
            visitor.settled, visitor.unexposed = visitor.settled - visitor.unexposed, NONE
        if self._knows_authentication and info.is_authenticated is not None:
            known = visitor.anonymous_id
            visitor.anonymous_id = (info.anonymous_id or known or str(uuid.uuid4())) if info.is_authenticated else None

    def _add(self, visitor: KnownVisitor) -> KnownVisitor:
        if visitor.is_known:
            return visitor
        stored = self._visitors.add(visitor)
        self._latest = stored
        if stored is visitor:
            visitor.is_known = True
            self._make_room(visitor.size)
        return stored

    def _grow(self, visitor: KnownVisitor, size: int) -> None:
        visitor.size += size
        if visitor.is_known:  # one that was forgotten meanwhile takes no room
            self._make_room(size)

    def _make_room(self, size: int) -> None:
        self.bytes += size
        while self.bytes > self._max_bytes and (oldest := self._visitors.oldest()) is not None:
            self._visitors.remove(oldest)
            self.bytes -= oldest.size
            oldest.is_known = False
            if self._latest is oldest:
                self._latest = None


MISSING = "a targeting key must be a non-empty string"


def _checked(code: object) -> str:
    if code is None:
        raise VisitorCodeMissing(MISSING)
    if not issubclass(type(code), str):
        raise VisitorCodeInvalid(f"{MISSING}, not {type(code).__name__}")
    text = str.__str__(code)  # of a subclass the plain text counts
    if not text:
        raise VisitorCodeMissing(MISSING)
    return text


def _joined(before: VisitorInfo, told: VisitorInfo) -> VisitorInfo:
    if told is NOTHING_TOLD:
        return before
    return VisitorInfo(
        before.has_consented if told.has_consented is None else told.has_consented,
        before.is_authenticated if told.is_authenticated is None else told.is_authenticated,
        told.anonymous_id or before.anonymous_id,
    )


def _context_size(context: Mapping[str, Any]) -> int:
    return sum(ENTRY_BYTES + len(name) + (len(value) if type(value) is str else 0) for name, value in context.items())


def _size(answer: Answer) -> int:
    variations = {id(evaluation.variation) for evaluation in answer.flags.values()}
    return EVALUATION_BYTES * len(answer.flags) + VARIATION_BYTES * len(variations)
