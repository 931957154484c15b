"""What is wrong with a data file, each finding with its JSON path and the flags that it concerns.

A problem is what makes answers differ from what somebody meant; a warning is what may. How a file is read and compiled
is not judged again here: what the index and the engine met is told with its place.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from ..clock import SYSTEM_CLOCK, start_of_day
from ..datafile.index import DataFileIndex
from ..datafile.model import FeatureFlag, Rule, Segment, VariationByExposition
from ..datafile.scan import Member, scan
from ..engine.evaluation import DELIVERY, EXPERIMENT, CompiledFlag, CompiledRule
from ..engine.ruleset import Ruleset
from ..engine.scope import Scope
from ..engine.targeting import Tree, leaves
from ..errors import FeatureMalformed
from ..protocol import SDK_NAME, SDK_VERSION
from .repeats import repeated_members

__all__ = ["Finding", "check"]

SHARES_TOLERANCE = 1e-6
"""Shares such as three times 0.333333 add up to a little more or less than they mean."""

FLAGS, LEGACY_FLAGS, SEGMENTS = "featureFlags", "featureFlagConfigurations", "segments"
LISTS = frozenset({FLAGS, LEGACY_FLAGS, SEGMENTS, "experiments", "customData"})

JSON_TYPES = {"BOOLEAN": bool, "NUMBER": int | float, "STRING": str, "CSS": str, "JS": str}
"""What a variable holds by its declared type; JSON variables are decoded by the engine."""


class Finding(NamedTuple):
    """Something about a data file: where (a JSON path), of which flags if any, and what."""

    path: str
    flags: tuple[str, ...]
    message: str
    is_warning: bool = False


def check(raw: bytes) -> tuple[DataFileIndex, list[Finding]]:
    """The index of a data file, and all that is to say about it, by path. Raises ``DataFileInvalid``."""
    index = DataFileIndex.read(raw)
    scope = Scope(SYSTEM_CLOCK.time, partial(start_of_day, SYSTEM_CLOCK), SDK_NAME, SDK_VERSION)
    ruleset = Ruleset(index, scope=scope)
    members = list(scan(raw, LISTS))
    findings = [Finding(path, (flag,) if flag else (), message) for path, flag, message in index.problems]
    findings += _file(members, index)
    findings += _segments(members, ruleset)
    for member in members:
        if member.name == (LEGACY_FLAGS if index.is_legacy else FLAGS) and member.position is not None:
            findings += _flag(member, ruleset)
    return index, sorted(dict.fromkeys(findings), key=lambda finding: _natural(finding.path))


def _natural(path: str) -> list[tuple[int, str]]:
    """A path as a key that sorts element 10 behind element 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]


# The file as a whole --------------------------------------------------------------------------------------------------


def _file(members: list[Member], index: DataFileIndex) -> Iterator[Finding]:
    names = Counter(member.name for member in members if not member.position)
    for name, count in names.items():
        if count > 1:
            yield Finding(f"$.{name}", (), "this member stands twice", is_warning=True)
    for member in members:
        for path, name in repeated_members(member.text, _path(member)):
            flags = tuple(key for key, flag in index.flags.items() if flag.text == member.text)
            yield Finding(path, flags, f"member {name!r} stands twice; the last one counts", is_warning=True)
    if not index.flags:
        yield Finding("$", (), "there is no flag in it", is_warning=True)
    if index.holdout is not None:
        for path, message in _shares(index.holdout.variation_by_exposition or (), "$.holdout"):
            yield Finding(path, (), message)


def _path(member: Member) -> str:
    return f"$.{member.name}" if member.position is None else f"$.{member.name}[{member.position}]"


# Segments -------------------------------------------------------------------------------------------------------------


def _segments(members: list[Member], ruleset: Ruleset) -> Iterator[Finding]:
    """Each segment once, however many flags use it."""
    index = ruleset.index
    places = {text: _path(member) for member in members if member.name == SEGMENTS for text in (member.text,)}
    users = _users(index)
    for segment_id, text in index.segments.items():
        try:
            segment = index.segment(segment_id)
        except FeatureMalformed:  # the index's problems tell
            continue
        flags = tuple(users.get(segment_id, ()))
        for path, message in _segment(segment or Segment(), places[text], partial(_tree, ruleset, segment_id)):
            yield Finding(path, flags, message if flags else f"{message}; no flag uses it", is_warning=not flags)


def _tree(ruleset: Ruleset, segment_id: int) -> Tree | None:
    targeting = ruleset.segments.targeting(segment_id)
    return targeting.tree if targeting else None


def _users(index: DataFileIndex) -> dict[int, list[str]]:
    """Keys of the flags that depend on each segment, directly or through another segment."""
    inside: dict[int, list[int]] = {}
    for segment_id in index.segments:
        try:
            segment = index.segment(segment_id)
        except FeatureMalformed:  # the index's problems tell
            continue
        others = (raw.get("segmentId") for _, raw in _conditions(segment or Segment(), ""))
        inside[segment_id] = [other for other in others if isinstance(other, int)]
    users: dict[int, list[str]] = {}
    for key, flag in index.flags.items():
        met: set[int] = set()
        waiting = list(flag.segment_ids)
        while waiting:
            segment_id = waiting.pop()
            if segment_id not in met:
                met.add(segment_id)
                users.setdefault(segment_id, []).append(key)
                waiting += inside.get(segment_id, ())
    return users


def _segment(segment: Segment, place: str, tree: Callable[[], Tree | None]) -> Iterator[tuple[str, str]]:
    """Conditions that make no sense, with their paths; ``tree`` compiles the segment."""
    try:
        compiled = tree()
    except FeatureMalformed as error:
        yield f"{place}.conditionsData", f"it matches nobody: {error.message}"
        return
    if compiled is None:
        return
    for leaf, (path, _) in zip(leaves(compiled), _conditions(segment, place), strict=True):
        if leaf.problem is not None:
            effect = "accepts nobody" if leaf.include else "excludes nobody"
            yield path, f"this condition {effect}: {leaf.problem}"


def _conditions(segment: Segment, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    data = segment.conditions_data
    for level, group in enumerate(data.first_level if data else ()):
        for number, raw in enumerate(group.conditions or ()):
            yield f"{place}.conditionsData.firstLevel[{level}].conditions[{number}]", raw


# Flags ----------------------------------------------------------------------------------------------------------------


class Subject(NamedTuple):
    """A flag that decodes, as it stands in the file and as it was compiled."""

    flag: FeatureFlag
    compiled: CompiledFlag
    index: DataFileIndex
    place: str


Said = Iterator[tuple[str, str]]
"""Paths and messages."""


def _flag(member: Member, ruleset: Ruleset) -> Iterator[Finding]:
    index, place = ruleset.index, _path(member)
    key = next((key for key, known in index.flags.items() if known.text is member.text or known.text == member.text), None)
    if key is None or index.flags[key].problem is not None:  # the index's problems tell
        return
    try:
        subject = Subject(index.flag(key), ruleset.flag(key), index, place)
    except FeatureMalformed as error:
        inner, message = _located(error.message)
        yield Finding(place + inner, (key,), message)
        return
    told = []
    for look, is_warning in LOOKS:
        for path, message in look(subject):
            told.append(message)
            yield Finding(path, (key,), message, is_warning)
    for problem in subject.compiled.problems:
        # Most were told above, with their place; those of segments are told of the segments.
        if not index.is_legacy and problem.startswith("rule ") or problem.endswith(tuple(told)):
            continue
        yield Finding(place, (key,), problem)


def _located(message: str) -> tuple[str, str]:
    """The path inside a flag that a decoding error names, and the rest of its message."""
    found = re.search(r" - at `\$(.*?)`$", message)
    return (found[1], message[: found.start()]) if found else ("", message)
