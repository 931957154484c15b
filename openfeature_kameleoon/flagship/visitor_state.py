"""What is known of one visitor: ids, context, consent, the flags in use, and what a cache keeps of all that.

No I/O. Readers take ``table`` once; a lock guards writers, as one visitor may be used by several threads
(specs/flagship.md 1.9, 1.12, 1.15).
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import msgspec

from ..forking import renew_after_fork
from .context import ContextRules, Scalar
from .engine.decision import Decision
from .engine.evaluation import Evaluation, Variation
from .errors import ContextError, VisitorCacheFormatException
from .records import VisitorIds

__all__ = ["Origin", "Stateful", "Table", "VisitorState"]

CACHE_VERSION = 1


class Origin(Enum):
    """Where a visitor's flags come from."""

    NOWHERE = "nowhere"
    CACHE = "cache"
    FETCHED = "fetched"


class Table(NamedTuple):
    """A visitor's flags at one moment; ``is_stale`` when a later decision failed."""

    flags: Mapping[str, Evaluation]
    variations: Sequence[Variation]
    origin: Origin
    is_stale: bool = False


NO_TABLE = Table({}, (), Origin.NOWHERE)


class _Campaign(msgspec.Struct, rename="camel"):
    campaign_id: str
    variation_group_id: str
    variation_id: str
    is_reference: bool | None = False
    type: str | None = ""
    slug: str | None = ""
    exposed: bool | None = False
    flags: dict[str, Any] = {}


class _Known(msgspec.Struct, rename="camel"):
    campaigns: list[_Campaign] | None = None
    assignation_history: dict[str, str] | None = None


class _Kept(msgspec.Struct):
    version: int
    data: _Known


class VisitorState:
    """One visitor; the ids are as the last ``authenticate`` or ``unauthenticate`` left them."""

    def __init__(
        self,
        visitor_id: str,
        rules: ContextRules,
        *,
        is_authenticated: bool = False,
        has_consented: bool = True,
    ) -> None:
        self.ids = VisitorIds(visitor_id, str(uuid.uuid4()) if is_authenticated else None)
        self.is_authenticated = is_authenticated
        self.has_consented = has_consented
        self.context: Mapping[str, Scalar] = dict(rules.automatic)
        self.assignments: Mapping[str, str] = {}
        self.exposed: tuple[str, ...] = ()
        self.table = NO_TABLE
        self.is_panic = False
        self._rules = rules
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """In a forked child: a lock of its own."""
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"VisitorState({len(self.table.flags)} flags)"  # the rest is personal

    # Who it is --------------------------------------------------------------------------------------------------------

    def update(self, key: object, value: object) -> str:
        """Set one key of the context, or say why not."""
        try:
            entry = self._rules.entry(key, value)
        except ContextError as error:
            return error.message
        with self._lock:
            self.context = {**self.context, entry.key: entry.value}
        return ""

    def update_all(self, entries: Mapping[Any, Any]) -> list[tuple[object, str]]:
        """Set many; each key, and why it was not set if so."""
        kept, told = {}, []
        for key, value in dict(entries).items():
            try:
                entry = self._rules.entry(key, value)
            except ContextError as error:
                told.append((key, error.message))
            else:
                kept[entry.key] = entry.value
                told.append((entry.key, ""))
        with self._lock:
            self.context = {**self.context, **kept}
        return told

    def authenticate(self, visitor_id: str) -> None:
        """From now on it is this one; whom it was before is its anonymous id, unless it has one."""
        with self._lock:
            was = self.ids
            self.ids = VisitorIds(visitor_id, was.visitor_id if was.anonymous_id is None else was.anonymous_id)
            self.is_authenticated = True

    def unauthenticate(self) -> bool:
        """It is whom it was before; false when it was nobody else."""
        with self._lock:
            if self.ids.anonymous_id is None:
                return False
            self.ids = VisitorIds(self.ids.anonymous_id)
            self.is_authenticated = False
            return True

    # What it gets -----------------------------------------------------------------------------------------------------

    def take(self, decision: Decision) -> None:
        """These are its flags from now on."""
        with self._lock:
            self.table = Table(decision.flags, tuple(decision.variations), Origin.FETCHED)
            self.assignments = {**self.assignments, **decision.new_assignments}

    def mark_stale(self) -> None:
        """A decision failed: the flags that there are may have been replaced meanwhile."""
        with self._lock:
            self.table = self.table._replace(is_stale=True)

    def expose(self, variation_id: str) -> bool:
        """Note that it saw a variation; whether that was the first time."""
        with self._lock:
            if variation_id in self.exposed:
                return False
            self.exposed = (*self.exposed, variation_id)
            return True

    # What a cache keeps -----------------------------------------------------------------------------------------------

    def cached(self) -> dict[str, Any]:
        """All that is known, as visitor caches keep it (examples/flagship-cache.json)."""
        with self._lock:
            table, exposed = self.table, frozenset(self.exposed)
            return {
                "version": CACHE_VERSION,
                "data": {
                    "visitorId": self.ids.visitor_id,
                    "anonymousId": self.ids.anonymous_id,
                    "isAuthenticated": self.is_authenticated,
                    "consent": self.has_consented,
                    "context": dict(self.context),
                    "campaigns": [_cached_campaign(variation, exposed) for variation in table.variations],
                    "assignationHistory": dict(self.assignments),
                },
            }

    def restore(self, kept: object) -> None:
        """Take flags, exposures and assignments from what a cache kept; the rest is as it is now.

        Raises ``VisitorCacheFormatException``, and nothing was taken.
        """
        try:
            known = msgspec.convert(kept, _Kept)
        except (msgspec.ValidationError, RecursionError) as error:
            raise VisitorCacheFormatException(f"a record of the visitor cache has another shape: {error}") from error
        if known.version != CACHE_VERSION:
            raise VisitorCacheFormatException(f"version {known.version} of visitor cache records is not known")
        campaigns = known.data.campaigns or []
        variations = tuple(_variation(campaign) for campaign in campaigns)
        flags = {key: evaluation for variation in variations for key, evaluation in variation.evaluations.items()}
        exposed = dict.fromkeys(campaign.variation_id for campaign in campaigns if campaign.exposed)
        with self._lock:
            self.table = Table(flags, variations, Origin.CACHE)
            self.exposed = tuple(exposed)
            self.assignments = dict(known.data.assignation_history or {})


def _cached_campaign(variation: Variation, exposed: frozenset[str]) -> dict[str, Any]:
    return {
        "campaignId": variation.campaign_id,
        "variationGroupId": variation.group_id,
        "variationId": variation.id,
        "isReference": variation.is_reference,
        "type": variation.campaign_type,
        "slug": variation.campaign_slug,
        "exposed": variation.id in exposed,
        "flags": dict(variation.modifications),
    }


def _variation(campaign: _Campaign) -> Variation:
    return Variation(
        campaign.variation_id,
        "",
        is_reference=campaign.is_reference is True,
        group_id=campaign.variation_group_id,
        group_name="",
        campaign_id=campaign.campaign_id,
        campaign_name="",
        campaign_type=campaign.type or "",
        campaign_slug=campaign.slug,
        modifications=campaign.flags,
        modifications_type="",
        group_keys=tuple(campaign.flags),
    )


class Stateful:
    """A visitor of either face, as far as it tells who it is."""

    _state: VisitorState

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"  # it is personal

    @property
    def visitor_id(self) -> str:
        """Who it is."""
        return self._state.ids.visitor_id

    @property
    def anonymous_id(self) -> str | None:
        """Whom it was before it was authenticated."""
        return self._state.ids.anonymous_id

    @property
    def context(self) -> dict[str, Any]:
        """What is known of it for targeting, as a copy."""
        return dict(self._state.context)
