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
    Segment,
    Settings,
)
from .scan import Member, scan

__all__ = ["EMPTY", "DataFileIndex", "FlagText", "Problem"]

TARGETED_DELIVERY = "TARGETED_DELIVERY"

_FLAGS, _LEGACY_FLAGS, _EXPERIMENTS, _SEGMENTS = (
    "featureFlags",
    "featureFlagConfigurations",
    "experiments",
    "segments",
)
_WALKED = frozenset({_FLAGS, _LEGACY_FLAGS, _EXPERIMENTS, _SEGMENTS, "customData"})

_read_flag_header = msgspec.json.Decoder(FlagHeader).decode
_read_flag = msgspec.json.Decoder(FeatureFlag).decode
_read_segment = msgspec.json.Decoder(Segment).decode
_read_experiment = msgspec.json.Decoder(Experiment).decode
_read_anything = msgspec.json.Decoder().decode

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

    def definition(self, key: str) -> tuple[object, ...] | None:
        """All that a flag's answers depend on, comparable between two data files; ``None`` when it is not there."""
        flag = self.flags.get(key)
        if flag is None:
            return None
        bucketing = flag.bucketing_custom_data_id
        return (
            flag.text,
            self.groups.get(flag.group) if flag.group else None,
            self.index_of_custom_data_id.get(bucketing) if bucketing else None,
            tuple(self._segment_definition(segment_id) for segment_id in flag.segment_ids),
            self.holdout,
            self.settings.consent_type,
            self.settings.consent_opt_out_behavior,
        )

    def changed_since(self, previous: DataFileIndex, breathe: Callable[[], None] | None = None) -> list[str]:
        """Keys that were added, removed or whose answers may differ, also through a segment or a group."""
        changed = []
        for key in {**previous.flags, **self.flags}:
            if self.definition(key) != previous.definition(key):
                changed.append(key)
            if breathe is not None:
                breathe()
        return changed

    def _segment_definition(self, segment_id: int) -> tuple[bytes | None, ...]:
        """Text of a segment and of all that it refers to, in the order in which it is met."""
        met: dict[object, bytes | None] = {}
        waiting: list[object] = [segment_id]
        while waiting:
            item = waiting.pop()
            if item in met:
                continue
            if isinstance(item, str):
                flag = self.flags.get(item)
                met[item] = flag.text if flag else None
                continue
            text = met[item] = self.segments.get(item) if isinstance(item, int) else None
            if text is not None and (b'"SEGMENT"' in text or b'"TARGET_FEATURE_FLAG"' in text):
                waiting.extend(_references(text, self.flag_keys_by_id))
        return tuple(met.values())


def _references(segment_text: bytes, flag_keys_by_id: dict[int, str]) -> Iterator[object]:
    """Ids of the segments, and keys of the flags, that a segment's conditions name."""
    try:
        data = _read_segment(segment_text).conditions_data
    except _DECODING_ERRORS:
        return
    for group in data.first_level if data else ():
        for condition in group.conditions or ():
            segment_id, flag_id = condition.get("segmentId"), condition.get("featureFlagId")
            if isinstance(segment_id, int):
                yield segment_id
            if isinstance(flag_id, int) and flag_id in flag_keys_by_id:
                yield flag_keys_by_id[flag_id]


class _Reader:
    """Fills one index from one text."""

    def __init__(self, index: DataFileIndex, previous: DataFileIndex | None) -> None:
        self.index = index
        self.previous = previous
        self.seen: set[str] = set()
        self.legacy_flags: list[Member] = []
        self.has_delivery_rule = False

    def read(self, raw: bytes, breathe: Callable[[], None] | None) -> DataFileIndex:
        index = self.index
        parts = {
            _FLAGS: self.flag,
            _LEGACY_FLAGS: self.legacy_flags.append,
            _EXPERIMENTS: self.experiment,
            _SEGMENTS: self.segment,
            "customData": self.custom_datum,
        }
        for member in scan(raw, _WALKED, breathe):
            self.seen.add(member.name)
            if member.position is not None:
                parts[member.name](member)
            elif member.name in _WALKED:
                self.expect_empty(member)
            elif member.name in ("configuration", "holdout", "dateModified"):
                self.setting(member)
        if {_LEGACY_FLAGS, _EXPERIMENTS} & self.seen:
            self.use_legacy_flags(breathe)
        elif _FLAGS not in self.seen:
            raise DataFileInvalid("the data file lists no feature flags: member 'featureFlags' is missing")
        index.flag_keys_by_id = {flag.id: key for key, flag in index.flags.items() if flag.id}
        self.groups()
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
                index.date_modified = int(msgspec.json.decode(member.text, type=int | str | None) or 0)
        except (*_DECODING_ERRORS, ValueError) as error:
            # Consent and holdout decide for every flag: a file without them would answer differently.
            if member.name != "dateModified":
                raise DataFileInvalid(f"the data file's member {member.name!r} does not decode: {error}") from error
            self.problem(_path(member), None, "is no number; the file counts as undated")

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
        text = member.text
        if self.previous is not None and (before := self.previous.flags.get(key)) is not None:
            text = before.text if before.text == text else text
        segment_ids = tuple(rule.segment_id for rule in header.rules or () if rule.segment_id)
        group = header.mutually_exclusive_group or None
        index.flags[key] = FlagText(text, header.id or 0, group, header.bucketing_custom_data_id, segment_ids)
        if header.environment_enabled and any(rule.type == TARGETED_DELIVERY for rule in header.rules or ()):
            index.has_targeted_delivery = True

    def broken_flag(self, member: Member, error: Exception) -> None:
        """Keep a flag that does not decode under its key, if it has one, to answer what is wrong with it."""
        try:
            key = _read_anything(member.text)["featureKey"]
        except (*_DECODING_ERRORS, KeyError, TypeError):
            key = None
        message = f"feature flag {key!r:.100} does not decode: {error}"
        self.problem(_path(member), key if isinstance(key, str) else None, message)
        if isinstance(key, str):
            self.index.flags[key] = FlagText(member.text, 0, None, None, (), message)

    def use_legacy_flags(self, breathe: Callable[[], None] | None) -> None:
        """Take the flags from the 2.x member; ``featureFlags`` holds 1.x flags there, which nothing reads (2.12)."""
        index = self.index
        index.is_legacy = True
        index.flags.clear()
        index.problems.clear()
        for member in self.legacy_flags:
            self.flag(member)
            if breathe is not None:
                breathe()

    def experiment(self, member: Member) -> None:
        self.entity(member, _read_experiment, self.index.experiments, lambda experiment: int(experiment.id))

    def segment(self, member: Member) -> None:
        self.entity(member, _read_segment, self.index.segments, lambda segment: int(segment.id))

    def entity(
        self, member: Member, decode: Callable[[bytes], T], texts: dict[int, bytes], id_of: Callable[[T], int]
    ) -> None:
        """File the text of a segment or experiment under its id, even when the rest of it does not decode."""
        try:
            number: int | None = id_of(decode(member.text))
        except (*_DECODING_ERRORS, ValueError) as error:
            self.problem(_path(member), None, f"an element does not decode: {error}")
            number = _id_of_broken(member.text)
        if number is None:
            return
        if number in texts:
            self.problem(_path(member), None, f"id {number} stands twice; the last one counts")
        texts[number] = member.text

    def custom_datum(self, member: Member) -> None:
        index = self.index
        try:
            info = msgspec.json.decode(member.text, type=CustomDataInfo)
            number = None if info.index is None else int(info.index)
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

    def groups(self) -> None:
        """Members of each mutually exclusive group, ascending by flag id (2.9)."""
        members: dict[str, list[str]] = {}
        for key, flag in self.index.flags.items():
            if flag.group:
                members.setdefault(flag.group, []).append(key)
        flags = self.index.flags
        self.index.groups = {
            group: tuple(sorted(keys, key=lambda key: flags[key].id)) for group, keys in members.items()
        }

    def problem(self, path: str, flag: str | None, message: str) -> None:
        self.index.problems.append(Problem(path, flag, message))


def _path(member: Member) -> str:
    return f"$.{member.name}" if member.position is None else f"$.{member.name}[{member.position}]"


def _id_of_broken(text: bytes) -> int | None:
    try:
        return int(_read_anything(text)["id"])
    except (*_DECODING_ERRORS, KeyError, TypeError, ValueError):
        return None


EMPTY = DataFileIndex()
"""The index in use before any data file has come: no flags, consent not required."""
