"""What is wrong with a data file, each finding with its JSON path and the flags that it concerns.

A problem makes answers differ from what somebody meant, a warning may. How a file is read and compiled is not judged
anew here: what the index and the engine met is told with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

from ..clock import SYSTEM_CLOCK, start_of_day
from ..datafile.index import DataFileIndex, Problem
from ..datafile.model import Segment
from ..datafile.scan import Member, scan
from ..engine.evaluation import CompiledFlag
from ..engine.ruleset import Ruleset
from ..engine.scope import Scope
from ..engine.targeting import Tree, leaves
from ..errors import FeatureMalformed
from ..protocol import SDK_NAME, SDK_VERSION
from .flag_checks import LOOKS, Said, Subject, wrong_shares
from .repeats import repeated_members

__all__ = ["Finding", "check"]

FLAGS, LEGACY_FLAGS, SEGMENTS = "featureFlags", "featureFlagConfigurations", "segments"
LISTS = frozenset({FLAGS, LEGACY_FLAGS, SEGMENTS, "experiments", "customData"})


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
    findings = [_of_index(problem) for problem in index.problems]
    findings += _of_file(members, index)
    findings += _of_segments(members, ruleset)
    findings += _of_flags(members, ruleset)
    return index, sorted(dict.fromkeys(findings), key=lambda finding: _natural(finding.path))


def _of_index(problem: Problem) -> Finding:
    inner, message = _located(problem.message)
    return Finding(problem.path + inner, (problem.flag,) if problem.flag else (), message)


def _natural(path: str) -> list[tuple[int, str]]:
    """A path as a key that sorts element 10 behind element 9."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", path)]


def _path(member: Member) -> str:
    return f"$.{member.name}" if member.position is None else f"$.{member.name}[{member.position}]"


def _of_file(members: list[Member], index: DataFileIndex) -> Iterator[Finding]:
    keys = {flag.text: key for key, flag in index.flags.items()}
    for member in members:
        flags = (keys[member.text],) if member.text in keys else ()
        for path, name in repeated_members(member.text, _path(member)):
            yield Finding(path, flags, f"member {name!r} stands twice; the last one counts", is_warning=True)
    if not index.flags:
        yield Finding("$", (), "there is no flag in it", is_warning=True)
    if index.holdout is not None:
        for path, message in wrong_shares(index.holdout.variation_by_exposition, "$.holdout"):
            yield Finding(path, (), message)


# Segments, each once, however many flags use it -----------------------------------------------------------------------


def _of_segments(members: list[Member], ruleset: Ruleset) -> Iterator[Finding]:
    index = ruleset.index
    places = {member.text: _path(member) for member in members if member.name == SEGMENTS}
    segments = {number: segment for number in index.segments if (segment := _decoded(number, index)) is not None}
    users = _users(segments, index)
    for number, segment in segments.items():
        flags = tuple(users.get(number, ()))
        for path, message in _of_segment(number, segment, places[index.segments[number]], ruleset):
            yield Finding(path, flags, message if flags else f"{message}; no flag uses it", is_warning=not flags)


def _decoded(segment_id: int, index: DataFileIndex) -> Segment | None:
    try:
        return index.segment(segment_id)
    except FeatureMalformed:  # the index's problems tell
        return None


def _users(segments: dict[int, Segment], index: DataFileIndex) -> dict[int, list[str]]:
    """Keys of the flags that depend on each segment, directly or through another segment."""
    inside = {
        number: [raw["segmentId"] for _, raw in _conditions(segment, "") if isinstance(raw.get("segmentId"), int)]
        for number, segment in segments.items()
    }
    users: dict[int, list[str]] = {}
    for key, flag in index.flags.items():
        met: set[int] = set()
        waiting = list(flag.segment_ids)
        while waiting:
            number = waiting.pop()
            if number not in met:
                met.add(number)
                users.setdefault(number, []).append(key)
                waiting += inside.get(number, ())
    return users


def _of_segment(segment_id: int, segment: Segment, place: str, ruleset: Ruleset) -> Said:
    try:
        targeting = ruleset.segments.targeting(segment_id)
    except FeatureMalformed as error:
        yield f"{place}.conditionsData", f"it matches nobody: {error.message}"
        return
    if targeting is not None:
        yield from _unusable_conditions(targeting.tree, segment, place)


def _unusable_conditions(tree: Tree, segment: Segment, place: str) -> Said:
    for leaf, (path, _) in zip(leaves(tree), _conditions(segment, place), strict=True):
        if leaf.problem is not None:
            yield path, f"this condition {'accepts' if leaf.include else 'excludes'} nobody: {leaf.problem}"


def _conditions(segment: Segment, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    data = segment.conditions_data
    for level, group in enumerate(data.first_level if data else ()):
        for number, raw in enumerate(group.conditions or ()):
            yield f"{place}.conditionsData.firstLevel[{level}].conditions[{number}]", raw


# Flags ----------------------------------------------------------------------------------------------------------------


def _of_flags(members: list[Member], ruleset: Ruleset) -> Iterator[Finding]:
    index = ruleset.index
    keys = {flag.text: key for key, flag in index.flags.items() if flag.problem is None}  # else the index tells
    for member in members:
        key = keys.get(member.text)
        if key is None or member.name != (LEGACY_FLAGS if index.is_legacy else FLAGS):
            continue
        place = _path(member)
        try:
            subject = Subject(index.flag(key), ruleset.flag(key), index, place)
        except FeatureMalformed as error:
            inner, message = _located(error.message)
            yield Finding(place + inner, (key,), message)
            continue
        for path, message, is_warning in _of_flag(subject):
            yield Finding(path, (key,), message, is_warning)


def _of_flag(subject: Subject) -> Iterator[tuple[str, str, bool]]:
    told = _told_of_segments(subject.compiled, subject.index)
    for look, is_warning in LOOKS.items():
        for path, message in look(subject):
            told.append(message)
            yield path, message, is_warning
    if subject.index.is_legacy:
        for path, message in _of_embedded_segments(subject):
            yield path, message, False
    for problem in subject.compiled.problems:
        if not problem.endswith(tuple(told)):  # what the engine met and nothing here has a place for
            yield subject.place, problem, False


def _told_of_segments(flag: CompiledFlag, index: DataFileIndex) -> list[str]:
    """The engine's messages about the segments of a flag, as far as they are told where the segments stand."""
    problems = [leaf.problem for rule in flag.rules for leaf in leaves(rule.tree)]
    problems += [
        rule.problem
        for rule in flag.rules
        if index.is_legacy or (rule.segment_id and _decoded(rule.segment_id, index) is not None)
    ]
    return [problem for problem in problems if problem is not None]


def _of_embedded_segments(subject: Subject) -> Said:
    """A 2.x rule holds its segment itself."""
    embedded = [(f"{path}.segment", rule.segment) for path, rule in subject.rules() if rule.id is not None]
    for (place, segment), rule in zip(embedded, subject.compiled.rules, strict=True):
        if rule.problem is not None:
            yield f"{place}.conditionsData", f"it matches nobody: {rule.problem}"
        elif segment is not None:
            yield from _unusable_conditions(rule.tree, segment, place)


def _located(message: str) -> tuple[str, str]:
    """The path that a decoding error names, inside of what does not decode, and the rest of its message."""
    found = re.search(r" - at `\$(.*?)`$", message)
    return (found[1], message[: found.start()]) if found else ("", message)
