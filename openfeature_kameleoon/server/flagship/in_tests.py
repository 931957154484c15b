"""For an application's own tests: the flags of a Flagship environment as a test sets them, and what was reported.

Called on the test's thread; ``openfeature_kameleoon.testing`` has the server that it is a part of.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import msgspec

from ...datafile.sources import Fetched, FileSource
from ...errors import DataFileInvalid, FeatureNotFound
from ...flagship.bucketing_file import unwrapped
from ...flagship.engine.evaluation import CompiledCampaign
from ..tracked import FLAGSHIP, Tracked
from .environment import Environment
from .overrides import Override

__all__ = ["FlagshipFlags", "Reported"]

File = str | os.PathLike[str] | Mapping[str, Any]

HITS = ("PAGEVIEW", "SCREENVIEW", "EVENT", "TRANSACTION", "ITEM", "SEGMENT", "CAMPAIGN")

EVERYBODY = {"operator": "EQUALS", "key": "fs_all_users", "value": ""}


class Reported(msgspec.Struct, frozen=True):
    """An activation or a hit that an SDK reported; ``kind`` and ``fields`` are as Flagship spells them on the wire.

    ``words`` name the campaign and the variation of an activation; ``problem`` says what is wrong, if anything.
    """

    kind: str
    visitor: str
    fields: Mapping[str, Any]
    words: str = ""
    problem: str = ""

    def __str__(self) -> str:
        shown = " ".join(f"{name}={value!r:.60}" for name, value in self.fields.items() if name not in ("cid", "qt"))
        told = [f"{self.kind} of {self.visitor!r:.60}", self.words, shown, self.problem and f"({self.problem})"]
        return " ".join(part for part in told if part)


class FlagshipFlags:
    """What a Flagship environment gives, until a test sets something else; see ``KameleoonServer.flagship``.

    ``file`` is the path or the content of a bucketing file. Raises ``DataFileInvalid``.
    """

    def __init__(self, environment: Environment, tracked: Tracked, file: File) -> None:
        self._environment = environment
        self._tracked = tracked
        self._file = _content(file)
        self._flags: dict[str, Any] = {}
        self._publish()

    def set_file(self, file: File) -> None:
        """Serve another bucketing file. Raises ``DataFileInvalid``."""
        self._file = _content(file)
        self._publish()

    def set_flag(self, key: str, value: Any) -> None:
        """Have a flag, which need not be in the file, give everybody this value: text, number, boolean, list, mapping.

        It is a campaign of its own, behind all others.
        """
        self._flags[key] = value
        self._publish()

    def override(
        self,
        campaign: str,
        *,
        paused: bool = False,
        variation: str | None = None,
        visitors: Mapping[str, str] | None = None,
    ) -> None:
        """Have a campaign give everybody a variation, or some visitors theirs, by visitor id; or nobody anything.

        Campaigns are called by id, slug or name, variations by id or name. It replaces what was overridden of the
        campaign before. Raises ``FeatureNotFound`` and ``ConfigSettingInvalid``.
        """
        found = self._campaign(campaign)
        ids = {each.name: each.id for group in found.groups for each in group.variations}
        given = {visitor: ids.get(name, name) for visitor, name in (visitors or {}).items()}
        everybodys = None if variation is None else ids.get(variation, variation)
        self._environment.override(found.id, Override(paused=paused, variation=everybodys, visitors=given))

    def panic(self, panic: bool = True) -> None:
        """Switch every flag off, or on again."""
        self._environment.panic(panic or None)

    def reset(self) -> None:
        """Do as the file says; nothing is known of any visitor."""
        self._flags.clear()
        self._environment.reset()
        self._environment.assignments.clear()
        self._publish()

    def activations(self, *, visitor: str | None = None) -> list[Reported]:
        """The activations among the last thousand reports, the oldest first."""
        return [each for each in self.reported() if each.kind == "ACTIVATE" and visitor in (None, each.visitor)]

    def hits(self, kind: str | None = None, *, visitor: str | None = None) -> list[Reported]:
        """The hits among them: of one type, of one visitor."""
        return [
            each
            for each in self.reported()
            if each.kind in HITS and kind in (None, each.kind) and visitor in (None, each.visitor)
        ]

    def reported(self) -> list[Reported]:
        """All that SDKs of Flagship have reported, contexts included, the oldest first."""
        return [
            Reported(
                event["type"],
                event["visitor"],
                event["parameters"],
                words=event.get("words", ""),
                problem=event.get("problem", ""),
            )
            for event in self._tracked.since()
            if event.get("service") == FLAGSHIP
        ]

    def _campaign(self, wanted: str) -> CompiledCampaign:
        served = self._environment.served
        for campaign in served.declared.campaigns if served else ():
            if wanted in (campaign.id, campaign.slug, campaign.name):
                return campaign
        raise FeatureNotFound(f"no campaign of the bucketing file is called {wanted!r:.60}")

    def _publish(self) -> None:
        content = self._file
        if self._flags:
            pinned = [_pinned(key, value) for key, value in self._flags.items()]
            content = {**content, "campaigns": [*(content.get("campaigns") or ()), *pinned]}
        self._environment.publish(msgspec.json.encode(content))


def _pinned(key: str, value: Any) -> dict[str, Any]:
    variation = {"id": f"{key}-set", "allocation": 100, "modifications": {"type": "FLAG", "value": {key: value}}}
    group = {
        "id": f"{key}-everybody",
        "targeting": {"targetingGroups": [{"targetings": [EVERYBODY]}]},
        "variations": [variation],
    }
    return {"id": f"{key}-set", "name": f"{key} as the test has set it", "type": "toggle", "variationGroups": [group]}


def _content(file: File) -> dict[str, Any]:
    if isinstance(file, Mapping):
        return {"campaigns": [], **file}
    fetched = FileSource(file).fetch(0.0)
    assert isinstance(fetched, Fetched)  # nothing was read before
    try:
        return msgspec.json.decode(unwrapped(fetched.raw), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataFileInvalid(f"{os.fspath(file)} is no JSON object: {error}") from error
