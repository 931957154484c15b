"""What Flagship is told of visitors: what they were seen in, their context and consent, and what they did.

Everything is put into the tracker's outboxes, from any thread, without waiting for more than a disk. In panic nothing
is told, and what waits stays (specs/flagship.md 1.11, 4.1, 4.5).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Protocol

from ..errors import KameleoonError
from .engine.evaluation import Variation
from .hits import Consent, Hit, Segment
from .records import Activation, VisitorIds

__all__ = ["Outlet", "Reports"]

_log = logging.getLogger(__name__)


class Outlet(Protocol):
    """What takes hits and activations: a ``Tracker``."""

    def track(self, hit: Hit, visitor: VisitorIds) -> object:
        """Take a hit. Raises ``ParamError``."""

    def activate(self, activation: Activation, visitor: VisitorIds) -> object:
        """Take an activation. Raises ``ParamError``."""

    def forget(self, visitor: VisitorIds) -> None:
        """Give up what waits of a visitor, save what tells of the consent."""

    def hold(self, is_held: bool) -> None:
        """Send nothing until told otherwise."""


class Reports:
    """Tells an ``outlet``, or nobody. ``tells_exposures`` and ``tells_context`` are settings."""

    def __init__(self, outlet: Outlet | None, *, tells_exposures: bool = True, tells_context: bool = True) -> None:
        self._outlet = outlet
        self._tells_exposures = tells_exposures
        self._tells_context = tells_context
        self._is_held = False

    def hold(self, is_held: bool) -> None:
        """Whether there is panic."""
        if is_held != self._is_held:
            self._is_held = is_held
            if self._outlet is not None:
                self._outlet.hold(is_held)

    @property
    def is_held(self) -> bool:
        """Whether there is panic, and nothing is taken."""
        return self._is_held

    def seen(self, visitor: VisitorIds, variation: Variation) -> None:
        """A visitor sees a variation."""
        if self._outlet is None or not self._tells_exposures:
            return
        try:
            self._outlet.activate(Activation(variation.group_id, variation.id), visitor)
        except KameleoonError as error:  # an id is missing: no evaluation fails for that
            _log.debug("an exposure is not told: %s", error.message)

    def consented(self, visitor: VisitorIds, consents: bool) -> None:
        """A visitor consents, or refuses: then what waits of that one is given up."""
        if self._outlet is None or self._is_held:
            return
        if not consents:
            self._outlet.forget(visitor)
        self._tell(Consent(consents), visitor)

    def learnt(self, visitor: VisitorIds, context: Mapping[str, object]) -> None:
        """A visitor's context is another."""
        if self._tells_context and not self._is_held:
            self._tell(Segment(context), visitor)

    def did(self, visitor: VisitorIds, hits: Iterable[Hit]) -> None:
        """A visitor did something. Raises ``ParamError`` for what cannot be sent, all of it or nothing."""
        if self._outlet is not None:
            for hit in hits:
                self._outlet.track(hit, visitor)

    def _tell(self, hit: Hit, visitor: VisitorIds) -> None:
        if self._outlet is None:
            return
        try:
            self._outlet.track(hit, visitor)
        except (KameleoonError, ValueError) as error:  # such as a context that is too large to be sent
            _log.debug("a hit about a visitor is not told: %s", type(error).__name__)
