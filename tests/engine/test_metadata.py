"""Flag metadata: one object for all who get an answer, so nobody can change it, and copies that anybody can."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from openfeature_kameleoon.engine.metadata import FlagMetadata
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.vectors import Stage

CONTENT: dict[str, bool | int | float | str] = {"siteCode": "s", "ruleId": 7, "version": 1_789_900_000_000}


def ior(metadata: FlagMetadata) -> None:
    metadata |= {"a": 1}


CHANGES: list[tuple[str, Callable[[FlagMetadata], object]]] = [
    ("set", lambda metadata: metadata.__setitem__("a", 1)),
    ("replace", lambda metadata: metadata.__setitem__("ruleId", 1)),
    ("delete", lambda metadata: metadata.__delitem__("ruleId")),
    ("update", lambda metadata: metadata.update({"a": 1})),
    ("update by keyword", lambda metadata: metadata.update(a=1)),
    ("in-place or", ior),
    ("setdefault", lambda metadata: metadata.setdefault("a", 1)),
    ("setdefault of what is there", lambda metadata: metadata.setdefault("ruleId", 1)),
    ("pop", lambda metadata: metadata.pop("ruleId")),
    ("pop with a default", lambda metadata: metadata.pop("nothing", 1)),
    ("popitem", lambda metadata: metadata.popitem()),
    ("clear", lambda metadata: metadata.clear()),
]


@pytest.mark.parametrize("change", [row[1] for row in CHANGES], ids=[row[0] for row in CHANGES])
def test_metadata_refuse_to_be_changed(change: Callable[[FlagMetadata], object]) -> None:
    metadata = FlagMetadata(CONTENT)

    with pytest.raises(TypeError, match="change a copy"):
        change(metadata)

    assert metadata == CONTENT


def test_every_way_to_change_a_dict_is_refused() -> None:
    reading = {"copy", "fromkeys", "get", "items", "keys", "values"}
    special = {"__setitem__", "__delitem__", "__ior__"}

    changing = {name for name in dir(dict) if not name.startswith("_")} - reading | special

    assert all(vars(FlagMetadata)[name] is vars(FlagMetadata)["clear"] for name in changing)


COPIES: list[Callable[[FlagMetadata], Any]] = [
    dict,
    copy.copy,
    copy.deepcopy,
    lambda metadata: metadata.copy(),
    lambda metadata: metadata | {},
    lambda metadata: {} | metadata,
    lambda metadata: {**metadata},
    lambda metadata: pickle.loads(pickle.dumps(metadata)),
    lambda metadata: copy.deepcopy({"inside": metadata})["inside"],
]


@pytest.mark.parametrize("copied", COPIES)
def test_a_copy_is_a_plain_dict_that_may_be_changed(copied: Callable[[FlagMetadata], Any]) -> None:
    metadata = FlagMetadata(CONTENT)

    result = copied(metadata)
    result["ruleId"] = 8

    assert type(result) is dict
    assert result == {**CONTENT, "ruleId": 8}
    assert metadata == CONTENT


def test_metadata_read_and_serialise_as_any_dict() -> None:
    metadata = FlagMetadata(CONTENT, forced=True)

    assert isinstance(metadata, dict)
    assert metadata["forced"] is True
    assert json.loads(json.dumps(metadata)) == {**CONTENT, "forced": True}
    assert repr(metadata) == repr({**CONTENT, "forced": True})


def test_all_visitors_who_get_an_answer_share_its_metadata() -> None:
    decide = Stage().ruleset.decide("no_rules")

    one, other = (decide(Visitor(code), None).metadata for code in ("a", "b"))

    assert type(one) is FlagMetadata
    assert one is other
