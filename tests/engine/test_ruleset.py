"""A data file's decisions: compiled on demand, remembered when they cannot be, and let go with their file."""

from __future__ import annotations

import gc
import threading
from typing import Any

import pytest

from openfeature_kameleoon.datafile.changes import changed_flags
from openfeature_kameleoon.datafile.index import EMPTY, DataFileIndex
from openfeature_kameleoon.datafile.model import FeatureFlag
from openfeature_kameleoon.engine import compilation
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.engine.scope import Scope
from openfeature_kameleoon.errors import FeatureMalformed, FeatureNotFound
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.vectors import Stage, as_bytes, data_file, segment

Json = dict[str, Any]

VISITOR = Visitor("visitor-001")
VIP = {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "EXACT", "value": "vip"}


def flag(key: str = "flag", **members: Any) -> Json:
    return {"featureKey": key, "environmentEnabled": True, "defaultVariationKey": "default", **members}


def delivery(number: int = 1, **members: Any) -> Json:
    entry = {"variationKey": "on", "variationId": number, "exposition": 1}
    known = {"id": number, "type": "TARGETED_DELIVERY", "exposition": 1, "experimentId": number}
    return {**known, "variationByExposition": [entry], **members}


def ruleset_of(*flags: Json, **members: Any) -> Ruleset:
    return Stage({"featureFlags": list(flags), **members}).ruleset


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Keys of flags in the order in which they were decoded."""
    keys: list[str] = []
    decode = DataFileIndex.flag

    def noted(index: DataFileIndex, key: str) -> FeatureFlag:
        keys.append(key)
        return decode(index, key)

    monkeypatch.setattr(DataFileIndex, "flag", noted)
    return keys


# --- on demand ------------------------------------------------------------------------------------------------


def test_nothing_is_compiled_before_it_is_asked_for(decoded: list[str]) -> None:
    ruleset = ruleset_of(flag("a"), flag("b"))
    assert (decoded, ruleset.flags, ruleset.decisions) == ([], {}, {})

    ruleset.decide("b")
    ruleset.decide("b")
    ruleset.flag("b")

    assert decoded == ["b"]
    assert ruleset.flags.keys() == ruleset.decisions.keys() == {"b"}


def test_threads_that_ask_first_at_once_get_the_same_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    ruleset = ruleset_of(flag(rules=[delivery()]))
    both_compile = threading.Barrier(2, timeout=5)
    decode = DataFileIndex.flag

    def wait(index: DataFileIndex, key: str) -> FeatureFlag:
        both_compile.wait()
        return decode(index, key)

    monkeypatch.setattr(DataFileIndex, "flag", wait)
    flags: list[object] = []
    threads = [threading.Thread(target=lambda: flags.append(ruleset.flag("flag"))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)

    assert len(flags) == 2
    assert flags[0] is flags[1] is ruleset.flag("flag")
    assert ruleset.decide("flag")(VISITOR, None) in ruleset.flag("flag").answers.made


def test_answers_tell_the_labels_and_the_date_of_the_file() -> None:
    stage = Stage({"featureFlags": [flag()], "dateModified": 7})

    ruleset = Ruleset(stage.index, scope=stage.scope(), labels={"siteCode": "s", "environment": "e"})

    assert ruleset.date_modified == 7
    metadata = ruleset.decide("flag")(VISITOR, None).metadata
    assert metadata == {"siteCode": "s", "environment": "e", "version": 7, "ruleType": "NO_RULE"}


def test_an_empty_ruleset_knows_nothing() -> None:
    ruleset = Ruleset(EMPTY, scope=Stage().scope())

    assert ruleset.date_modified == 0
    assert ruleset.experiment(1) is None
    assert ruleset.legacy_experiment(1) is None
    assert list(ruleset.audiences()) == []
    with pytest.raises(FeatureNotFound):
        ruleset.decide("anything")


# --- what cannot be compiled ----------------------------------------------------------------------------------


def test_a_flag_that_does_not_decode_says_so_each_time_and_is_looked_at_once(decoded: list[str]) -> None:
    ruleset = ruleset_of(flag("broken", variations=[{"key": 1}]), flag("whole"))

    errors = []
    for ask in (ruleset.decide, ruleset.flag, ruleset.decide):
        with pytest.raises(FeatureMalformed, match=r"'broken' does not decode: .*variations\[0\].key") as caught:
            ask("broken")
        errors.append(caught.value)

    assert decoded == ["broken"]
    assert len(set(map(id, errors))) == 3
    assert ruleset.decide("whole")(VISITOR, None).variation_key == "default"


def test_a_flag_that_is_not_there_yet_is_found_in_the_next_file() -> None:
    stage = Stage({"featureFlags": [flag("broken", variations=1)]})
    with pytest.raises(FeatureMalformed):
        stage.ruleset.decide("broken")
    index = DataFileIndex.read(as_bytes({"featureFlags": [flag("broken")]}), previous=stage.index)

    after = Ruleset(index, scope=stage.scope(), previous=stage.ruleset, changed=changed_flags(stage.index, index))

    assert after.decide("broken")(VISITOR, None).variation_key == "default"


def test_a_full_stack_is_no_verdict_on_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    ruleset = ruleset_of(flag())

    def overflow(*arguments: object) -> object:
        raise RecursionError

    with monkeypatch.context() as patch:
        patch.setattr("openfeature_kameleoon.engine.ruleset.compile_flag", overflow)
        with pytest.raises(FeatureMalformed, match="nested too deeply"):
            ruleset.decide("flag")

    assert ruleset.decide("flag")(VISITOR, None).variation_key == "default"


def test_a_flag_whose_rules_test_too_much_is_refused_and_the_others_live(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "MOST_CONDITIONS", 20)
    rules = [delivery(number, segmentId=1) for number in range(1, 20)]

    ruleset = ruleset_of(flag("heavy", rules=rules), flag("light", rules=rules[:2]), segments=[segment(VIP)])

    with pytest.raises(FeatureMalformed, match="'heavy' tests more than 20 conditions"):
        ruleset.decide("heavy")
    assert ruleset.decide("light")(VISITOR, None).variation_key == "default"


def test_a_flag_with_more_rules_than_anybody_writes_is_refused() -> None:
    rules = [delivery(number, exposition=0, type="EXPERIMENTATION") for number in range(1, 10_002)]

    ruleset = ruleset_of(flag("many", rules=rules[:-1]), flag("too many", rules=rules))

    assert ruleset.decide("many")(VISITOR, None).variation_key == "default"
    with pytest.raises(FeatureMalformed, match="'too many' has more than 10000 rules"):
        ruleset.decide("too many")


def test_what_makes_no_sense_in_a_flag_costs_only_that_and_is_told() -> None:
    variables = [{"key": "a", "type": "JSON", "value": "{"}, {"key": "b", "type": "STRING", "value": "sound"}]
    rules = [delivery(1, segmentId=1), delivery(2, id=None), delivery(3)]
    condition = {"targetingType": "DEVICE_TYPE", "device": "TOASTER"}

    ruleset = ruleset_of(
        flag(rules=rules, variations=[{"key": "on", "variables": variables}]), segments=[segment(condition)]
    )

    variation = ruleset.decide("flag")(VISITOR, None).variation
    assert variation.variables["b"].value == "sound"
    assert [problem.partition(":")[0] for problem in ruleset.flag("flag").problems] == [
        "JSON variable 'a' does not decode",
        "rule 1",
        "a rule without an id is left out",
    ]


# --- one file after another -----------------------------------------------------------------------------------


def test_files_that_were_replaced_are_let_go_though_their_decisions_stay() -> None:
    scope = Scope(now=lambda: 0.0, start_of_day=lambda: 0.0, sdk_name="PYTHON", sdk_version="1")
    ruleset = Ruleset(DataFileIndex.read(as_bytes({**data_file(), "dateModified": 1_000})), scope=scope)
    for key in ruleset.index.flags:
        ruleset.decide(key)
    decide = ruleset.decide("pricing_test")

    for version in range(1_001, 1_006):
        content = {**data_file(), "dateModified": version}
        index = DataFileIndex.read(as_bytes(content), previous=ruleset.index)
        changed = changed_flags(ruleset.index, index)
        ruleset = Ruleset(index, scope=scope, previous=ruleset, changed=changed)
    del index

    gc.collect()
    alive = [thing for thing in gc.get_objects() if type(thing) is DataFileIndex]
    assert [index.date_modified for index in alive if 1_000 <= index.date_modified < 1_010] == [1_005]
    assert ruleset.decide("pricing_test") is decide
    assert decide(VISITOR, None).metadata["version"] == 1_005


def test_an_experiment_is_that_of_the_last_rule_that_names_it() -> None:
    ruleset = ruleset_of(
        flag("a", rules=[delivery(1, experimentId=5), delivery(2, experimentId=6)]),
        flag("broken", rules=[{"id": "x"}]),
        flag("b", rules=[delivery(3, experimentId=5), delivery(4, experimentId=None)]),
    )

    found = {number: ruleset.experiment(number) for number in (0, 5, 6, 7)}

    assert {number: (entry[0], entry[1].id) for number, entry in found.items() if entry} == {
        0: ("b", 4),
        5: ("b", 3),
        6: ("a", 2),
    }
