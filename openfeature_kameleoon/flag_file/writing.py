"""From a data file to the flag file, in the shortest form that reads back to the same (normal.py says what that is).

Each element is written short, read back and compared; members that differ then stand in its ``raw``. So whatever a
data file holds survives, and nothing here has to know all of it.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

from ..datafile.index import DataFileIndex
from ..datafile.model import OFF
from ..errors import DataFileInvalid
from .conditions import Names
from .form import TOP
from .ids import title
from .normal import normal, normal_custom_datum, normal_flag, normal_segment
from .reading import (
    FIRST_INDEX,
    read,
    read_custom_datum,
    read_flag,
    read_segment,
    segment_id,
    variable_type,
    variation_keys,
)
from .rules import Rules, write_rule
from .targeting import write_targeting
from .verbatim import are_objects, is_number, is_same, with_raw
from .yaml_text import dump

__all__ = ["from_json", "write"]

Object = dict[str, Any]

_LEFT_OUT_IF_EMPTY = ("segments", "custom_data", "date_modified", "raw")


def write(data_file: Object) -> str:
    """The flag file, as YAML text, that stands for a data file. Raises ``DataFileInvalid`` if that cannot be."""
    wanted = normal(data_file)
    names = Names()
    raw: Object = {}
    custom_data = _custom_data(wanted["customData"], names)
    if custom_data is None:
        raw["customData"], names.custom_data, names.custom_data_ids = wanted["customData"], {}, {}
    segments = _segments(wanted["segments"], names)
    if segments is None:
        raw["segments"], names.segments = wanted["segments"], {}
    flags = _flags(wanted["featureFlags"], names)
    if flags is None:
        raw["featureFlags"] = wanted["featureFlags"]
    file: Object = {"flags": flags or {}, "segments": segments or {}, "custom_data": custom_data or []}
    for name in ("configuration", "holdout"):
        if name in wanted:
            (file if isinstance(wanted[name], dict) else raw)[name] = wanted[name]
    if is_number(wanted["dateModified"]):
        file["date_modified"] = wanted["dateModified"]
    else:
        raw["dateModified"] = wanted["dateModified"]
    said = {"featureFlags", "segments", "customData", "dateModified", "configuration", "holdout"}
    raw |= {name: value for name, value in wanted.items() if name not in said}
    file["raw"] = raw
    return dump({name: value for name, value in file.items() if value or name not in _LEFT_OUT_IF_EMPTY})


def from_json(text: bytes) -> str:
    """The same for the text of a data file, read back and compared. Raises ``DataFileInvalid`` for what is none."""
    DataFileIndex.read(text)
    try:
        data_file = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DataFileInvalid(f"the data file does not decode: {error}") from error
    written = write(data_file)
    if not is_same(normal(read(written.encode())), normal(data_file)):
        raise DataFileInvalid("the data file holds something that a flag file cannot say")
    return written


# Custom data and segments ---------------------------------------------------------------------------------------------


def _custom_data(wanted: Any, names: Names) -> list[Any] | None:
    if not are_objects(wanted):
        return None
    forms: list[Any] = []
    index = FIRST_INDEX
    for datum in wanted:
        forms.append(_custom_datum(datum, index))
        index = names.declare(datum, index)
    return forms


def _custom_datum(wanted: Object, next_index: int) -> Any:
    short = {name: wanted[name] for name in ("name", "scope") if isinstance(wanted[name], str)}
    if is_number(wanted["index"]) and wanted["index"] != next_index:
        short["index"] = wanted["index"]
    if is_number(wanted["id"]) and wanted["id"] != read_custom_datum(short, TOP, next_index)["id"]:
        short["id"] = wanted["id"]
    for member, name in (("localOnly", "local_only"), ("isMappingIdentifier", "mapping_identifier")):
        if wanted[member] is True:
            short[name] = True
    form = with_raw(short, normal_custom_datum(read_custom_datum(short, TOP, next_index)), wanted)
    return form["name"] if list(form) == ["name"] else form


def _segments(wanted: Any, names: Names) -> Object | None:
    """Segments by name, or by name and id where that is not theirs alone."""
    if not are_objects(wanted):
        return None
    counts = Counter(str(segment["name"]) for segment in wanted)
    keyed = {
        segment["name"] if counts[str(segment["name"])] == 1 else f"{segment['name']} ({segment['id']})": segment
        for segment in wanted
    }
    if len(keyed) < len(wanted) or not all(isinstance(key, str) for key in keyed):
        return None
    names.segments = {key: segment["id"] for key, segment in keyed.items() if is_number(segment["id"])}
    return {key: _segment(key, segment, names) for key, segment in keyed.items()}


def _segment(key: str, wanted: Object, names: Names) -> Any:
    when = write_targeting(wanted["conditionsData"], names)
    short: Object = {"when": [] if when is None else when}
    if is_number(wanted["id"]) and wanted["id"] != segment_id(key, short, TOP):
        short["id"] = wanted["id"]
    if wanted["audienceTracking"] is True:
        short["audience"] = True
    form = with_raw(short, normal_segment(read_segment(key, short, TOP, names)), wanted)
    return form["when"] if list(form) == ["when"] else form


# Flags ----------------------------------------------------------------------------------------------------------------


def _flags(wanted: Any, names: Names) -> Object | None:
    if not are_objects(wanted):
        return None
    keyed = {flag["featureKey"]: flag for flag in wanted if isinstance(flag["featureKey"], str)}
    if len(keyed) < len(wanted):
        return None
    return {key: _flag(key, flag, names) for key, flag in keyed.items()}


def _flag(key: str, wanted: Object, names: Names) -> Any:
    short = _variations(wanted["variations"])
    declared = variation_keys(wanted["variations"])
    made = read_flag(key, short, TOP, names, {})
    if wanted["defaultVariationKey"] != made["defaultVariationKey"] and wanted["defaultVariationKey"] in declared:
        short["default"] = wanted["defaultVariationKey"]
    if wanted["rules"] and are_objects(wanted["rules"]):
        rules = Rules(key, declared, names, {})
        short["rules"] = [write_rule(rule, order, rules) for order, rule in enumerate(wanted["rules"])]
    if wanted["environmentEnabled"] is False:
        short["enabled"] = False
    if isinstance(wanted["mutuallyExclusiveGroup"], str):
        short["group"] = wanted["mutuallyExclusiveGroup"]
    for name, number in names.custom_data_ids.items():
        if number == wanted["bucketingCustomDataId"]:
            short["bucketing"] = name
    if is_number(wanted["id"]) and wanted["id"] != made["id"]:
        short["id"] = wanted["id"]
    form = with_raw(short, normal_flag(read_flag(key, short, TOP, names, {})), wanted)
    if not form:
        return False
    return True if form == {"default": "on"} else form


def _variations(wanted: Any) -> Object:
    """The keys that say which variations there are: none where they are ``off`` and ``on``, without variables."""
    short: Object = {"variations": {}, "names": {}, "types": {}}
    try:
        for variation in wanted:
            key = variation["key"]
            if variation["name"] != title(key):
                short["names"][key] = variation["name"]
            short["variations"][key] = {one["key"]: _value(one, short["types"]) for one in variation["variables"]}
        short = {name: value for name, value in short.items() if value}
        made = normal_flag(read_flag("", short, TOP, Names(), {}))["variations"]
    except (DataFileInvalid, msgspec.DecodeError, RecursionError, KeyError, TypeError, AttributeError):
        # of a shape that nobody foresaw
        made = None
    if not is_same(made, wanted):
        return {"raw": {"variations": wanted}}
    is_plain = short == {"variations": {OFF: {}, "on": {}}} and next(iter(short["variations"])) == OFF
    return {} if is_plain else short


def _value(variable: Object, types: dict[str, str]) -> Any:
    kind, value = variable["type"], variable["value"]
    if kind == "JSON":
        value = msgspec.json.decode(value)
    if kind != variable_type(value):
        types[variable["key"]] = kind
    return value
