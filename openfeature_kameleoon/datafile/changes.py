"""What differs between two data files: the keys of the flags whose answers may have changed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from .index import DataFileIndex, FlagText
from .scan import go_on

__all__ = ["changed_flags"]


def changed_flags(before: DataFileIndex, after: DataFileIndex, breathe: Callable[[], None] = go_on) -> list[str]:
    """Keys that were added, removed or whose answers may differ, also through a segment or a group.

    Text that differs in nothing but the white space between its parts has not changed.
    """
    keys = {**before.flags, **after.flags}
    if _rules_for_all(before) != _rules_for_all(after):
        return list(keys)
    rewritten = set()
    for key in keys:
        if not _is_same(_text(before.flags.get(key)), _text(after.flags.get(key))):
            rewritten.add(key)
        breathe()
    segments = _changed_segments(before, after, rewritten, breathe)
    changed = []
    for key in keys:
        if (
            key in rewritten
            or not segments.isdisjoint(after.flags[key].segment_ids)
            or _ties(before, key) != _ties(after, key)
        ):
            changed.append(key)
        breathe()
    return changed


def _rules_for_all(index: DataFileIndex) -> tuple[object, ...]:
    """What the answers of all flags depend on."""
    settings = index.settings
    return index.is_legacy, index.holdout, settings.consent_type, settings.consent_opt_out_behavior


def _ties(index: DataFileIndex, key: str) -> tuple[object, ...]:
    """What a flag's answers depend on besides its text, its segments and the rules for all."""
    flag = index.flags[key]
    bucketing = flag.bucketing_custom_data_id
    return (
        index.groups.get(flag.group) if flag.group else None,
        index.index_of_custom_data_id.get(bucketing) if bucketing else None,
    )


def _changed_segments(
    before: DataFileIndex, after: DataFileIndex, rewritten: set[str], breathe: Callable[[], None]
) -> set[int]:
    """Ids of the segments that may match others than before, also through segments and flags they refer to."""
    users: dict[int, list[int]] = {}
    waiting = []
    for segment_id in {**before.segments, **after.segments}:
        text = after.segments.get(segment_id)
        if text is None or not _is_same(text, before.segments.get(segment_id)):
            waiting.append(segment_id)
        else:
            for kind, number in after.references(segment_id):
                if kind == "SEGMENT" and (number in after.segments or number in before.segments):
                    users.setdefault(number, []).append(segment_id)
                elif kind == "TARGET_FEATURE_FLAG":
                    key = after.flag_keys_by_id.get(number)
                    if key in rewritten or key != before.flag_keys_by_id.get(number):
                        waiting.append(segment_id)
        breathe()
    changed: set[int] = set()
    while waiting:
        segment_id = waiting.pop()
        if segment_id not in changed:
            changed.add(segment_id)
            waiting += users.get(segment_id, ())
    return changed


def _text(flag: FlagText | None) -> bytes | None:
    return None if flag is None else flag.text


def _is_same(text: bytes | None, other: bytes | None) -> bool:
    """Whether two JSON texts say the same, however they are laid out."""
    if text == other:
        return True
    if text is None or other is None:
        return False
    try:
        return msgspec.json.format(text, indent=-1) == msgspec.json.format(other, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
