"""One data file, indexed: flags by key as undecoded text, segments, groups, custom data by name.

An index is immutable once read, so any thread may use it. It keeps text, not objects: a flag is decoded when it is
first asked for, and a refresh shares the text of unchanged flags with the index before. Deciding is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, TypeVar

import msgspec

from ..errors import DataFileInvalid, FeatureMalformed, FeatureNotFound
from .model import (
    CustomDataInfo,
    Experiment,
    FeatureFlag,
    FlagHeader,
    Holdout,
    Named,
    Number,
    Remains,
    Segment,
    Settings,
)
from .scan import Member, go_on, scan

__all__ = ["EMPTY", "DataFileIndex", "FlagText", "Problem"]

TARGETED_DELIVERY = "TARGETED_DELIVERY"

_FLAGS, _LEGACY_FLAGS, _EXPERIMENTS, _SEGMENTS = (
    "featureFlags",
    "featureFlagConfigurations",
    "experiments",
    "segments",
)
_WALKED = frozenset({_FLAGS, _LEGACY_FLAGS, _EXPERIMENTS, _SEGMENTS, "customData"})

_REFERENCES = {"SEGMENT": "segmentId", "TARGET_FEATURE_FLAG": "featureFlagId"}
_REFERRING = [f'"{kind}"'.encode() for kind in _REFERENCES]

_read_flag_header = msgspec.json.Decoder(FlagHeader).decode
_read_flag = msgspec.json.Decoder(FeatureFlag).decode
_read_segment = msgspec.json.Decoder(Segment).decode
_read_experiment = msgspec.json.Decoder(Experiment).decode
_read_name = msgspec.json.Decoder(Named).decode
_read_remains = msgspec.json.Decoder(Remains).decode

_DECODING_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

T = TypeVar("T")


class Problem(NamedTuple):
    """Something in a data file that costs only itself: where (a JSON path), of which flag if any, and what."""

    path: str
    flag: str | None
    message: str


class FlagText(msgspec.Struct, frozen=True, gc=False):
    """A flag before its first use: its JSON text, and what ties it to the rest of the file."""

    text: bytes
    id: int
    group: str | None
    bucketing_custom_data_id: int | None
    segment_ids: tuple[int, ...]
    delivers: bool = False
    problem: str | None = None


class DataFileIndex:
    """One data file, ready to be asked for flags, segments and settings (specs/kameleoon-sdk.md 2)."""

    __slots__ = (
        "custom_data",
        "custom_data_by_name",
        "date_modified",
        "experiments",
        "flag_keys_by_id",
        "flags",
        "groups",
        "has_targeted_delivery",
        "holdout",
        "index_of_custom_data_id",
        "is_legacy",
        "mapping_index",
        "problems",
        "segments",
        "settings",
    )

    def __init__(self) -> None:
        self.flags: dict[str, FlagText] = {}
        self.flag_keys_by_id: dict[int, str] = {}
        self.segments: dict[int, bytes] = {}
        self.experiments: dict[int, bytes] = {}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.custom_data: dict[int, CustomDataInfo] = {}
        self.custom_data_by_name: dict[str, int] = {}
        self.index_of_custom_data_id: dict[int, int] = {}
        self.mapping_index: int | None = None
        self.settings = Settings()
        self.holdout: Holdout | None = None
        self.date_modified = 0
        self.is_legacy = False
        self.has_targeted_delivery = False
        self.problems: list[Problem] = []

    @classmethod
    def read(
        cls,
        raw: bytes,
        *,
        previous: DataFileIndex | None = None,
        breathe: Callable[[], None] | None = None,
    ) -> DataFileIndex:
        """Index the bytes of a data file; ``breathe`` is called often, to let other threads run.

        Raises ``DataFileInvalid``, naming what is wrong and at which byte, for anything but one UTF-8 JSON object
        that lists feature flags. What is wrong inside one flag, segment or custom datum costs only that one, and is
        told in ``problems``.
        """
        return _Reader(cls(), previous).read(raw, breathe)

    def flag(self, key: str) -> FeatureFlag:
        """Decode one flag. Raises ``FeatureNotFound``, or ``FeatureMalformed`` when it does not decode."""
        known = self.flags.get(key)
        if known is None:
            raise FeatureNotFound(f"feature flag {key!r:.100} is not in the data file")
        if known.problem is not None:
            raise FeatureMalformed(known.problem)
        try:
            return _read_flag(known.text)
        except _DECODING_ERRORS as error:
            raise FeatureMalformed(f"feature flag {key!r:.100} does not decode: {error}") from error

    def segment(self, segment_id: int) -> Segment | None:
        """Decode one segment; ``None`` when the file has none of this id. Raises ``FeatureMalformed``."""
        text = self.segments.get(segment_id)
        if text is None:
            return None
        try:
            return _read_segment(text)
        except _DECODING_ERRORS as error:
            raise FeatureMalformed(f"segment {segment_id} does not decode: {error}") from error

    def segment_name(self, segment_id: int) -> str | None:
        """What a segment is called in Kameleoon's app, if the data file says."""
        try:
            return _read_name(self.segments.get(segment_id, b"{}")).name
        except _DECODING_ERRORS:  # whoever asks for the segment is told
            return None

    def references(self, segment_id: int) -> Iterator[tuple[str, int]]:
        """The segments and flags that a segment's conditions name: the condition's type and the id."""
        text = self.segments.get(segment_id, b"")
        if not any(kind in text for kind in _REFERRING):
            return
        try:
            data = _read_segment(text).conditions_data
        except _DECODING_ERRORS:  # told in ``problems``
            return
        for group in data.first_level if data else ():
            for condition in group.conditions or ():
                kind = condition.get("targetingType")
                number = condition.get(_REFERENCES[kind]) if isinstance(kind, str) and kind in _REFERENCES else None
                if isinstance(number, int):
                    yield str(kind), number

    def experiment(self, experiment_id: int) -> Experiment | None:
        """Decode one 2.x experiment; ``None`` when the file has none of this id. Raises ``FeatureMalformed``."""
        text = self.experiments.get(experiment_id)
        if text is None:
            return None
        try:
            return _read_experiment(text)
        except _DECODING_ERRORS as error:
            raise FeatureMalformed(f"experiment {experiment_id} does not decode: {error}") from error

    def audience_segments(self) -> Iterator[int]:
        """Ids of the segments whose audience is tracked (2.5)."""
        for segment_id, text in self.segments.items():
            if b"audienceTracking" in text:
                try:
                    segment = _read_segment(text)
                except _DECODING_ERRORS:  # told in ``problems``
                    continue
                if segment.audience_tracking:
                    yield segment_id


class _Reader:
    """Fills one index from one text."""

    def __init__(self, index: DataFileIndex, previous: DataFileIndex | None) -> None:
        self.index = index
        self.previous = previous
        self.legacy_flags: list[Member] = []

    def read(self, raw: bytes, breathe: Callable[[], None] | None) -> DataFileIndex:
        index = self.index
        parts = {
            _FLAGS: self.flag,
            _LEGACY_FLAGS: self.legacy_flags.append,
            _EXPERIMENTS: self.experiment,
            _SEGMENTS: self.segment,
            "customData": self.custom_datum,
        }
        listed = set()
        for member in scan(raw, _WALKED, breathe):
            if member.name in _WALKED:
                listed.add(member.name)
            if member.position is not None:
                parts[member.name](member)
            elif member.name in _WALKED:
                self.expect_empty(member)
            elif member.name in ("configuration", "holdout", "dateModified"):
                self.setting(member)
        if _LEGACY_FLAGS in listed:
            self.use_legacy_flags(breathe)
        elif _FLAGS not in listed:
            raise DataFileInvalid("the data file lists no feature flags: member 'featureFlags' is missing")
        self.relate_flags(breathe or go_on)
        return index

    def expect_empty(self, member: Member) -> None:
        """A member that should be a list and is not walked must be null or empty."""
        if member.text != b"null" and not member.text.startswith(b"["):
            raise DataFileInvalid(f"the data file's member {member.name!r} is not a list")

    def setting(self, member: Member) -> None:
        index = self.index
        try:
            if member.name == "configuration":
                index.settings = msgspec.json.decode(member.text, type=Settings | None) or Settings()
            elif member.name == "holdout":
                index.holdout = msgspec.json.decode(member.text, type=Holdout | None)
            else:
                index.date_modified = _number(msgspec.json.decode(member.text, type=Number | str | None) or 0)
        except (*_DECODING_ERRORS, ValueError) as error:
            # Consent and holdout decide for every flag: a file without them would answer differently.
            if member.name != "dateModified":
                raise DataFileInvalid(f"the data file's member {member.name!r} does not decode: {error}") from error
            self.problem(_path(member), None, f"is no time, so the file counts as undated: {error}")

    def flag(self, member: Member) -> None:
        index = self.index
        try:
            header = _read_flag_header(member.text)
        except _DECODING_ERRORS as error:
            self.broken_flag(member, error)
            return
        key = header.feature_key
        if key in index.flags:
            self.problem(_path(member), key, "this key stands twice; the last one counts")
        before = self.previous.flags.get(key) if self.previous is not None else None
        if before is not None and before.text == member.text:
            index.flags[key] = before
            return
        rules = header.rules or ()
        index.flags[key] = FlagText(
            member.text,
            header.id or 0,
            header.mutually_exclusive_group or None,
            header.bucketing_custom_data_id,
            tuple(dict.fromkeys(rule.segment_id for rule in rules if rule.segment_id)),
            bool(header.environment_enabled) and any(rule.type == TARGETED_DELIVERY for rule in rules),
        )

    def broken_flag(self, member: Member, error: Exception) -> None:
        """Keep a flag that does not decode under its key, if it has one, to answer what is wrong with it.

        It stays a member of its group: without it, visitors of the others would be shared out anew.
        """
        remains = _remains(member.text)
        key = _part(remains.feature_key, str)
        message = f"feature flag {key!r:.100} does not decode: {error}"
        self.problem(_path(member), key, message)
        if key is not None:
            group = _part(remains.mutually_exclusive_group, str) or None
            self.index.flags[key] = FlagText(member.text, _id_of(remains) or 0, group, None, (), problem=message)

    def use_legacy_flags(self, breathe: Callable[[], None] | None) -> None:
        """Take the flags from the 2.x member; ``featureFlags`` holds 1.x flags there, which nothing reads (2.12)."""
        index = self.index
        index.is_legacy = True
        index.flags.clear()
        index.problems = [problem for problem in index.problems if not problem.path.startswith(f"$.{_FLAGS}")]
        for member in self.legacy_flags:
            self.flag(member)
            if breathe is not None:
                breathe()

    def experiment(self, member: Member) -> None:
        self.entity(member, _read_experiment, self.index.experiments, lambda experiment: _number(experiment.id))

    def segment(self, member: Member) -> None:
        self.entity(member, _read_segment, self.index.segments, lambda segment: _number(segment.id))

    def entity(
        self, member: Member, decode: Callable[[bytes], T], texts: dict[int, bytes], id_of: Callable[[T], int]
    ) -> None:
        """File the text of a segment or experiment under its id, even when the rest of it does not decode."""
        try:
            number: int | None = id_of(decode(member.text))
        except (*_DECODING_ERRORS, ValueError) as error:
            self.problem(_path(member), None, f"an element does not decode: {error}")
            number = _id_of(_remains(member.text))
        if number is None:
            return
        if number in texts:
            self.problem(_path(member), None, f"id {number} stands twice; the last one counts")
        texts[number] = member.text

    def custom_datum(self, member: Member) -> None:
        index = self.index
        try:
            info = msgspec.json.decode(member.text, type=CustomDataInfo)
            number = None if info.index is None else _number(info.index)
        except (*_DECODING_ERRORS, ValueError) as error:
            self.problem(_path(member), None, f"an element does not decode: {error}")
            return
        if number is None:
            return
        index.custom_data[number] = info
        if info.name:
            index.custom_data_by_name[info.name] = number
        if info.id:
            index.index_of_custom_data_id[info.id] = number
        if info.is_mapping_identifier:
            if index.mapping_index is not None:
                self.problem(_path(member), None, "two mapping identifiers; the last one counts")
            index.mapping_index = number

    def relate_flags(self, breathe: Callable[[], None]) -> None:
        """Flags by id, and the members of each mutually exclusive group, ascending by flag id (2.9)."""
        index = self.index
        members: dict[str, list[str]] = {}
        for key, flag in index.flags.items():
            if flag.id:
                index.flag_keys_by_id[flag.id] = key
            if flag.group:
                members.setdefault(flag.group, []).append(key)
            if flag.delivers:
                index.has_targeted_delivery = True
            breathe()
        flags = index.flags
        index.groups = {group: tuple(sorted(keys, key=lambda key: flags[key].id)) for group, keys in members.items()}

    def problem(self, path: str, flag: str | None, message: str) -> None:
        self.index.problems.append(Problem(path, flag, message))


def _path(member: Member) -> str:
    return f"$.{member.name}" if member.position is None else f"$.{member.name}[{member.position}]"


def _number(value: int | str) -> int:
    """A number that may stand as text. Raises ``ValueError`` for what is none or takes more than 64 bits."""
    number = int(value)
    if not -(2**63) <= number < 2**63:
        raise ValueError("a number takes more than 64 bits")
    return number


def _remains(text: bytes) -> Remains:
    try:
        return _read_remains(text)
    except _DECODING_ERRORS:
        return Remains()


def _part(text: msgspec.Raw, kind: type[T]) -> T | None:
    try:
        return msgspec.json.decode(text, type=kind)
    except _DECODING_ERRORS:
        return None


def _id_of(remains: Remains) -> int | None:
    number = _part(remains.id, int)
    try:
        return _number(_part(remains.id, str) or "" if number is None else number)
    except ValueError:
        return None


EMPTY = DataFileIndex()
"""The index in use before any data file has come: no flags, consent not required."""
