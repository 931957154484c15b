"""One bucketing file, read and compiled: campaigns in the order of the file, decisions by flag key.

A ruleset is immutable once read, so any thread may use it. A refresh makes a new one, which takes over the campaigns
whose text did not change and tells which flags may answer differently.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timezone
from typing import TypeVar

import msgspec

from ...datafile.index import Problem
from ...datafile.scan import Member, scan
from ...errors import DataFileInvalid, FeatureMalformed, FeatureNotFound
from .compilation import DECODING_ERRORS, compile_campaign
from .decision import Choose, Decide, Decision, OneTest, compile_choice, compile_decision, decide_all
from .evaluation import TEST, CompiledCampaign, Evaluation
from .model import AccountSettings
from .semantics import SDK, Semantics
from .targeting import Visitor

__all__ = ["EMPTY", "Ruleset"]

T = TypeVar("T")


class Ruleset:
    """The decisions of one bucketing file (specs/flagship.md 3.2).

    ``campaigns`` stand in file order; ``flags`` are those campaigns that define a key, by key. ``changed`` are the
    keys that may be answered differently than by the ruleset before. In ``panic`` every flag is off. ``choices`` decide
    the campaigns, ``decisions`` the flags, ``texts`` tell the next ruleset what it may take over.
    """

    __slots__ = (
        "campaigns",
        "changed",
        "choices",
        "date_modified",
        "decisions",
        "flags",
        "panic",
        "problems",
        "semantics",
        "settings",
        "test_groups",
        "texts",
    )

    def __init__(self, semantics: Semantics = SDK) -> None:
        self.semantics = semantics
        self.campaigns: tuple[CompiledCampaign, ...] = ()
        self.flags: dict[str, tuple[CompiledCampaign, ...]] = {}
        self.test_groups: frozenset[str] = frozenset()
        self.panic = False
        self.settings = AccountSettings()
        self.date_modified = 0
        self.problems: list[Problem] = []
        self.changed: list[str] = []
        self.texts: dict[bytes, tuple[CompiledCampaign, Choose]] = {}
        self.choices: tuple[Choose, ...] = ()
        self.decisions: dict[str, Decide] = {}

    @classmethod
    def read(
        cls,
        raw: bytes,
        previous: Ruleset | None = None,
        *,
        semantics: Semantics = SDK,
        breathe: Callable[[], None] | None = None,
    ) -> Ruleset:
        """Compile the bytes of a bucketing file; ``breathe`` is called often, to let other threads run.

        Raises ``DataFileInvalid``, naming what is wrong, for anything but one UTF-8 JSON object whose ``campaigns``,
        if it has any, are a list. What is wrong inside one campaign costs only that, and is told in ``problems``.
        """
        return _Reader(cls(semantics), previous).read(raw, breathe)

    def decide(self, key: str) -> Decide:
        """The flag's decision, which looks at no campaign but those that define it. Raises ``FeatureNotFound``.

        In panic there is one for any key.
        """
        decision = self.decisions.get(key)
        if decision is not None:
            return decision
        if self.panic:
            disabled = Evaluation(key, None, "DISABLED")
            return lambda visitor: disabled
        raise FeatureNotFound(f"flag {key!r:.100} is in no campaign of the bucketing file")

    def decide_all(self, visitor: Visitor) -> Decision:
        """Decide all campaigns: every flag that the visitor gets, and what of it is to be remembered."""
        return decide_all(() if self.panic else self.choices, visitor, self.one_test(visitor))

    def one_test(self, visitor: Visitor) -> OneTest | None:
        """What keeps a visitor to one test, if this account and these semantics do."""
        return OneTest(visitor, self.test_groups) if self.applies_one_test else None

    @property
    def applies_one_test(self) -> bool:
        """Whether a visitor enters one test only: then no campaign can be decided without those before it."""
        return self.semantics.has_one_test and self.settings.enabled_1v1t is True


class _Reader:
    """Fills one ruleset from one text."""

    def __init__(self, ruleset: Ruleset, previous: Ruleset | None) -> None:
        self.ruleset = ruleset
        self.previous = previous
        is_alike = previous is not None and previous.semantics == ruleset.semantics
        self.known = previous.texts if previous is not None and is_alike else {}
        self.compiled: list[tuple[CompiledCampaign, Choose]] = []
        self.ids: set[str] = set()

    def read(self, raw: bytes, breathe: Callable[[], None] | None) -> Ruleset:
        ruleset = self.ruleset
        for member in scan(raw, {"campaigns"}, breathe):
            if member.position is not None:
                self.campaign(member)
            elif member.name == "campaigns":
                if member.text != b"null" and not member.text.startswith(b"["):
                    raise DataFileInvalid("the bucketing file's member 'campaigns' is not a list")
            elif member.name == "panic":
                ruleset.panic = self.setting(member, bool) or False
            elif member.name == "accountSettings":
                ruleset.settings = self.setting(member, AccountSettings) or AccountSettings()
            elif member.name == "generatedAt":
                ruleset.date_modified = _milliseconds(self.setting(member, datetime))
        self.relate()
        ruleset.changed = _changed(self.previous or EMPTY, ruleset)
        return ruleset

    def campaign(self, member: Member) -> None:
        path = f"$.campaigns[{member.position}]"
        text = _minified(member.text)
        found = self.known.get(text)
        if found is None:
            try:
                campaign = compile_campaign(text, self.ruleset.semantics)
            except FeatureMalformed as error:
                self.problem(path, f"left out: {error.message}")
                return
            found = campaign, compile_choice(campaign)
        if found[0].id in self.ids and self.ruleset.semantics.is_first_of_id:
            self.problem(path, f"left out: id {found[0].id!r:.60} stands twice, the first one counts")
            return
        self.ids.add(found[0].id)
        self.ruleset.texts[text] = found
        self.compiled.append(found)
        for place, message in found[0].problems:
            self.problem(f"{path}.{place}", message)

    def setting(self, member: Member, kind: type[T]) -> T | None:
        try:
            return msgspec.json.decode(member.text, type=kind | None)
        except DECODING_ERRORS as error:
            self.problem(f"$.{member.name}", f"does not decode: {error}")
            return None

    def relate(self) -> None:
        """Campaigns by the flags that they define, and what decides each flag."""
        ruleset = self.ruleset
        ruleset.campaigns = tuple(campaign for campaign, _ in self.compiled)
        ruleset.choices = tuple(choose for _, choose in self.compiled)
        ruleset.test_groups = frozenset(
            group.id for campaign in ruleset.campaigns if campaign.type == TEST for group in campaign.groups
        )
        defining: dict[str, list[tuple[CompiledCampaign, Choose]]] = {}
        for found in self.compiled:
            for key in found[0].keys:
                defining.setdefault(key, []).append(found)
        ruleset.flags = {key: tuple(campaign for campaign, _ in those) for key, those in defining.items()}
        if ruleset.panic:
            return
        for key, those in defining.items():
            if ruleset.applies_one_test:
                ruleset.decisions[key] = _among_all(ruleset, key)
            else:
                ruleset.decisions[key] = compile_decision(key, [choose for _, choose in those])

    def problem(self, path: str, message: str) -> None:
        self.ruleset.problems.append(Problem(path, None, message))


def _among_all(ruleset: Ruleset, key: str) -> Decide:
    otherwise = Evaluation(key, None, "DEFAULT")
    return lambda visitor: ruleset.decide_all(visitor).flags.get(key, otherwise)


def _changed(before: Ruleset, after: Ruleset) -> list[str]:
    """Keys that were added, removed or may be answered differently."""
    keys = {**before.flags, **after.flags}
    if before.panic != after.panic or before.applies_one_test != after.applies_one_test:
        return list(keys)
    if after.panic:
        return []
    tests: set[str] = set()
    if after.applies_one_test and _tests(before) != _tests(after):  # to leave one test opens the next
        tests = {key for campaign in (*_tests(before), *_tests(after)) for key in campaign.keys}
    return [key for key in keys if key in tests or before.flags.get(key) != after.flags.get(key)]


def _tests(ruleset: Ruleset) -> list[CompiledCampaign]:
    return [campaign for campaign in ruleset.campaigns if campaign.type == TEST]


def _minified(text: bytes) -> bytes:
    """A campaign's text without the white space between its parts, which changes nothing."""
    try:
        return msgspec.json.format(text, indent=-1)
    except DECODING_ERRORS:
        return text


def _milliseconds(moment: datetime | None) -> int:
    """Unix milliseconds; 0 when unknown."""
    if moment is None:
        return 0
    return int((moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp() * 1000)


EMPTY = Ruleset()
"""What answers before any file has come: no flag is found."""
