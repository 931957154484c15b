"""The environment that is served: its bucketing file, what is overridden in it, and who has been given what.

Whoever publishes or overrides runs on any thread, one at a time; who reads takes ``served`` once. Nothing here knows
HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from email.utils import formatdate
from typing import Any

import msgspec
from msgspec.structs import replace

from ...clock import SYSTEM_CLOCK, Clock
from ...errors import DataFileInvalid, FeatureNotFound
from ...flagship.bucketing_file import build, unwrapped
from ...flagship.engine.evaluation import CompiledCampaign, Evaluation
from ...flagship.engine.ruleset import Ruleset
from ...flagship.engine.semantics import SERVER
from ...flagship.engine.targeting import Visitor
from .assignments import Assignments, Owner
from .overrides import Override, Overrides, checked, overridden
from .questions import scalars

__all__ = ["Environment", "Served"]


class Served(msgspec.Struct, frozen=True):
    """A bucketing file as it is served: its text, when it became so (Unix milliseconds), the header that tells it.

    ``ruleset`` decides as the decision server does; ``declared`` is what the file says without the overrides.
    """

    raw: bytes
    timestamp: int
    last_modified: str
    ruleset: Ruleset
    declared: Ruleset
    overrides: Overrides


class Environment:
    """An environment's bucketing file, served. An empty ``env_id`` stands for whichever is asked for.

    Listeners are called with what is served anew, on the thread that changed it.
    """

    def __init__(self, env_id: str = "", *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.env_id = env_id
        self.served: Served | None = None
        self.overrides = Overrides()
        self.assignments = Assignments()
        self._clock = clock
        self._base = b""
        self._last_second = 0
        self._changing = threading.Lock()
        self._listeners: list[Callable[[Served], object]] = []

    def listen(self, listener: Callable[[Served], object]) -> None:
        """Have it called whenever something else is served."""
        self._listeners.append(listener)

    def is_served(self, env_id: str) -> bool:
        """Whether an environment is this one."""
        return self.env_id in ("", env_id)

    def publish(self, raw: bytes) -> None:
        """Serve another bucketing file; overrides stay as far as its campaigns have what they speak of.

        Raises ``DataFileInvalid``, and what was served stays.
        """
        raw = unwrapped(raw)
        with self._changing:
            declared, _ = build(raw, self.served.declared if self.served else None, semantics=SERVER)
            self._base = raw
            self._serve(declared, self.overrides)

    def campaign(self, campaign_id: str) -> CompiledCampaign:
        """A campaign as the file has it. Raises ``FeatureNotFound``."""
        for campaign in self.served.declared.campaigns if self.served else ():
            if campaign.id == campaign_id:
                return campaign
        raise FeatureNotFound(f"campaign {campaign_id!r:.60} is not in the bucketing file, or makes no sense there")

    def override(self, campaign_id: str, override: Override) -> None:
        """Have a campaign do something else; one that says nothing leaves it to the file.

        Raises ``FeatureNotFound`` and ``ConfigSettingInvalid``, and nothing changes.
        """
        checked(override, self.campaign(campaign_id))

        def changed(overrides: Overrides) -> Overrides:
            campaigns = {id: each for id, each in overrides.campaigns.items() if id != campaign_id}
            if override != Override():
                campaigns[campaign_id] = override
            return replace(overrides, campaigns=campaigns)

        self._change(changed)

    def panic(self, panic: bool | None) -> None:
        """Switch every flag off, or not, whatever the file says; ``None`` leaves it to the file."""
        self._change(lambda overrides: replace(overrides, panic=panic))

    def reset(self, campaign_id: str | None = None) -> None:
        """Do as the file says, for one campaign or for all and as to panic."""

        def changed(overrides: Overrides) -> Overrides:
            if campaign_id is None:
                return Overrides()
            kept = {id: each for id, each in overrides.campaigns.items() if id != campaign_id}
            return replace(overrides, campaigns=kept)

        self._change(changed)

    def visitor(self, served: Served, visitor: Visitor, owners: list[Owner]) -> Visitor:
        """The visitor with what is stored of it; a test of which it is given a variation here keeps it out of none."""
        known = self.assignments.known(owners)
        campaigns = served.overrides.campaigns
        forced = {
            group.id
            for campaign in (served.ruleset.campaigns if campaigns and known.activated else ())
            if campaign.id in campaigns and visitor.id in campaigns[campaign.id].visitors
            for group in campaign.groups
        }
        return Visitor(
            visitor.id, visitor.context, known.assignments, frozenset(known.activated - forced), visitor.hashing_id
        )

    def evaluate(self, key: str, visitor_id: str, context: Mapping[str, Any]) -> Evaluation:
        """A flag for a visitor, with what is stored of it; nothing is stored. Raises ``FeatureNotFound``."""
        if self.served is None:
            raise FeatureNotFound("there is no bucketing file yet")
        visitor = self.visitor(self.served, Visitor(visitor_id, scalars(context)), [("visitor", visitor_id)])
        return self.served.ruleset.decide(key)(visitor)

    def _change(self, changed: Callable[[Overrides], Overrides]) -> None:
        with self._changing:
            overrides = changed(self.overrides)
            if overrides != self.overrides:
                if self.served is None:
                    raise DataFileInvalid("there is no bucketing file yet")
                self._serve(self.served.declared, overrides)

    def _serve(self, declared: Ruleset, overrides: Overrides) -> None:
        raw = overridden(self._base, overrides)
        ruleset = Ruleset.read(raw, declared, semantics=SERVER) if overrides else declared
        now = self._clock.time()
        timestamp = int(now * 1000)
        if self.served is not None:
            timestamp = max(timestamp, self.served.timestamp + 1)
        # Two within one second must differ all the same, for conditional requests.
        self._last_second = max(int(now), self._last_second + 1)
        self.overrides = overrides
        self.served = Served(raw, timestamp, formatdate(self._last_second, usegmt=True), ruleset, declared, overrides)
        for listener in self._listeners:
            listener(self.served)
