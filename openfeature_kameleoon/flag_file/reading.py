"""From the flag file to a data file: names become ids, percentages shares, short forms the members that they stand for.

What ``raw`` says of an element is taken as it is, and wins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..datafile.model import OFF
from ..errors import DataFileInvalid
from .conditions import Names
from .form import TOP, CustomDatum, Flag, FlagFile, Place, Segment, known, take, wrong
from .ids import derived_id, title
from .normal import json_text
from .rules import Rules
from .targeting import read_targeting
from .yaml_text import load

__all__ = [
    "FIRST_INDEX",
    "as_json",
    "read",
    "read_custom_datum",
    "read_flag",
    "read_segment",
    "segment_id",
    "variable_type",
    "variation_keys",
]

FIRST_INDEX = 1
"""Index of the first custom datum: 0, by a quirk of the protocol, is none to bucket by."""

Object = dict[str, Any]


def read(text: bytes) -> Object:
    """The data file that a flag file stands for. Raises ``DataFileInvalid``, naming the path of what is wrong."""
    file = take(load(text), FlagFile, TOP)
    names = Names()
    custom_data = _custom_data(file.custom_data, TOP / "custom_data", names)
    place = TOP / "segments"
    names.segments = {name: segment_id(name, form, place / name) for name, form in file.segments.items()}
    segments = [read_segment(name, form, place / name, names) for name, form in file.segments.items()]
    inline: dict[int, Object] = {}
    flags = [read_flag(key, form, TOP / "flags" / key, names, inline) for key, form in file.flags.items()]
    data_file: Object = {"dateModified": file.date_modified}
    for name in ("configuration", "holdout"):
        if getattr(file, name) is not None:
            data_file[name] = getattr(file, name)
    lists = {"customData": custom_data, "segments": [*segments, *inline.values()], "featureFlags": flags}
    return {**data_file, **lists, **file.raw}


def as_json(text: bytes, *, indent: int | None = None) -> bytes:
    """The same as the text of a data file."""
    try:
        return json.dumps(read(text), ensure_ascii=False, indent=indent).encode()
    except RecursionError as error:
        raise DataFileInvalid("the flag file is nested too deeply") from error


# Custom data ----------------------------------------------------------------------------------------------------------


def _custom_data(forms: list[Any], place: Place, names: Names) -> list[Object]:
    made = []
    index = FIRST_INDEX
    for number, form in enumerate(forms):
        made.append(read_custom_datum(form, place / number, index))
        index = names.declare(made[-1], index)
    return made


def read_custom_datum(form: object, place: Place, next_index: int) -> Object:
    """One declaration of a custom datum."""
    datum = CustomDatum(name=form) if isinstance(form, str) else take(form, CustomDatum, place)
    index = next_index if datum.index is None else datum.index
    return {
        "id": derived_id("custom datum", datum.name or index) if datum.id is None else datum.id,
        "index": index,
        "name": datum.name,
        "scope": datum.scope,
        "localOnly": datum.local_only,
        "isMappingIdentifier": datum.mapping_identifier,
        **datum.raw,
    }


# Segments -------------------------------------------------------------------------------------------------------------


def segment_id(name: str, form: object, place: Place) -> int:
    """The id of a segment of this name."""
    segment, _ = _segment(form, place)
    given = segment.raw.get("id", segment.id)
    return given if type(given) is int else derived_id("segment", name)


def read_segment(name: str, form: object, place: Place, names: Names) -> Object:
    """One segment."""
    segment, conditions = _segment(form, place)
    return {
        "id": segment_id(name, form, place),
        "name": name,
        "conditionsData": read_targeting([] if segment.when is None else segment.when, conditions, names),
        "audienceTracking": segment.audience,
        **segment.raw,
    }


def _segment(form: object, place: Place) -> tuple[Segment, Place]:
    """A segment and the place of its conditions, which are all of it where it has nothing else."""
    if isinstance(form, dict) and any(key in form for key in Segment.__struct_fields__):
        return take(form, Segment, place), place / "when"
    if not isinstance(form, dict | list):
        raise wrong(place, "a mapping or a list of conditions is expected")
    return Segment(when=form), place


# Flags ----------------------------------------------------------------------------------------------------------------


def read_flag(key: str, form: object, place: Place, names: Names, inline: dict[int, Object]) -> Object:
    """One flag. Segments that its rules hold are added to ``inline`` by id."""
    flag = Flag(default="on" if form else OFF) if isinstance(form, bool) else take(form, Flag, place)
    variations = flag.raw.get("variations", _variations(flag, place))
    declared = variation_keys(variations)
    if not declared and "variations" not in flag.raw:
        raise wrong(place / "variations", "there must be one at least")
    default = flag.default
    if default is not None:
        known("variation", default, declared, place / "default")
    elif declared:
        default = OFF if OFF in declared else declared[0]
    bucketing = flag.bucketing
    if bucketing is not None:
        known("custom datum", bucketing, names.custom_data_ids, place / "bucketing")
    rules = Rules(key, declared, names, inline)
    return {
        "id": derived_id("flag", key) if flag.id is None else flag.id,
        "featureKey": key,
        "environmentEnabled": flag.enabled,
        "defaultVariationKey": default,
        "mutuallyExclusiveGroup": flag.group,
        "bucketingCustomDataId": names.custom_data_ids[bucketing] if bucketing is not None else None,
        "variations": variations,
        "rules": [rules.read(rule, place / "rules" / number, number) for number, rule in enumerate(flag.rules)],
        **flag.raw,
    }


def variation_keys(variations: object) -> list[str]:
    """The keys of a data file's variations, as far as they have any."""
    if not isinstance(variations, list):
        return []
    keys = [variation.get("key") for variation in variations if isinstance(variation, dict)]
    return [key for key in keys if isinstance(key, str)]


def _variations(flag: Flag, place: Place) -> list[Object]:
    given: Object = {OFF: {}, "on": {}}
    if flag.variations is not None:
        there = place / "variations"
        given = {key: take(one, dict[str, Any] | None, there / key) or {} for key, one in flag.variations.items()}
    for name in flag.names:
        known("variation", name, given, place / "names")
    variables = {key for variation in given.values() for key in variation}
    for name in flag.types:
        known("variable", name, variables, place / "types")
    return [
        {
            "key": key,
            "name": flag.names.get(key, title(key)),
            "variables": [_variable(name, value, flag.types) for name, value in variation.items()],
        }
        for key, variation in given.items()
    ]


def _variable(key: str, value: Any, types: Mapping[str, str]) -> Object:
    kind = types.get(key) or variable_type(value)
    return {"key": key, "type": kind, "value": json_text(value) if kind == "JSON" else value}


def variable_type(value: object) -> str:
    """The type of a variable that has this value, where no other is said."""
    return _TYPES.get(type(value), "JSON")


_TYPES: Mapping[type, str] = {bool: "BOOLEAN", int: "NUMBER", float: "NUMBER", str: "STRING"}
