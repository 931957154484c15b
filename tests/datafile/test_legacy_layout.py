"""Data files of 2.x (2.12): the same flags under another name, segments inside their rules, and experiments."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.datafile.model import Experiment, ExperimentVariation, Segment, Share
from openfeature_kameleoon.errors import FeatureMalformed, FeatureNotFound
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.vectors import DATA, Stage, as_bytes, data_file, segment

Json = dict[str, Any]

LEGACY = "kameleoon-datafile-legacy"
VIP = {"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "EXACT", "value": "vip"}


def example() -> DataFileIndex:
    return DataFileIndex.read((DATA / f"{LEGACY}.json").read_bytes())


def legacy(*flags: Any, **members: Any) -> Json:
    return {"featureFlagConfigurations": list(flags), "experiments": [], **members}


def index_of(*flags: Any, **members: Any) -> DataFileIndex:
    return DataFileIndex.read(as_bytes(legacy(*flags, **members)))


def experiment_of(**members: Any) -> Experiment:
    index = index_of(experiments=[{"id": 1, **members}])
    experiment = index.experiment(1)
    assert experiment is not None
    assert index.problems == []
    return experiment


def test_the_example_of_2x_is_read() -> None:
    index = example()

    assert index.is_legacy
    assert index.problems == []
    assert list(index.flags) == ["new_checkout", "plain"]
    assert list(index.experiments) == [75253, 75254, 75255, 75256, 75257]
    assert index.date_modified == 0
    assert not index.settings.real_time_update


def test_flags_have_the_same_model_with_their_segments_inside() -> None:
    flag = example().flag("new_checkout")

    assert (flag.id, flag.default_variation_key) == (5001, "off")
    assert flag.variations is not None
    assert [variation.key for variation in flag.variations] == ["off", "on"]
    assert flag.rules is not None
    everybody, some = flag.rules
    assert (everybody.segment, everybody.segment_id) == (None, None)
    assert isinstance(some.segment, Segment)
    assert some.segment.id == 3004
    assert some.segment.conditions_data is not None


def test_flags_are_always_on() -> None:
    stage = Stage(legacy({"featureKey": "f", "defaultVariationKey": "on", "environmentEnabled": False}))

    assert stage.ruleset.flag("f").is_enabled
    assert stage.ruleset.decide("f")(Visitor("v"), None).variation_key == "on"


def test_an_embedded_segment_decides() -> None:
    rule = {
        "id": 1,
        "type": "TARGETED_DELIVERY",
        "exposition": 1,
        "segment": segment(VIP),
        "variationByExposition": [{"variationKey": "on", "variationId": 1, "exposition": 1}],
    }
    stage = Stage(legacy({"featureKey": "f", "defaultVariationKey": "off", "rules": [rule]}))
    vip = Visitor("v")
    vip.set_custom_data(0, "vip")

    decide = stage.ruleset.decide("f")

    assert decide(vip, None).variation_key == "on"
    assert decide(Visitor("v"), None).variation_key == "off"


FLAGS_OF_1X: list[Any] = [
    {"id": "9001", "identificationKey": "old", "status": "ACTIVE"},
    {"id": "9002", "featureKey": "new_checkout"},
    {"featureKey": "of_1x", "environmentEnabled": True, "rules": [{"type": "TARGETED_DELIVERY", "segmentId": 5}]},
    "no flag at all",
]


@pytest.mark.parametrize("comes_first", [True, False])
def test_flags_of_1x_are_not_read(comes_first: bool) -> None:
    members = {"featureFlagConfigurations": [{"id": 1, "featureKey": "new_checkout"}]}
    of_1x = {"featureFlags": FLAGS_OF_1X}

    index = DataFileIndex.read(as_bytes({**of_1x, **members} if comes_first else {**members, **of_1x}))

    assert list(index.flags) == ["new_checkout"]
    assert index.flag("new_checkout").id == 1
    assert index.flag_keys_by_id == {1: "new_checkout"}
    assert not index.has_targeted_delivery
    assert index.problems == []


def test_problems_of_the_rest_of_the_file_are_told_beside_flags_of_1x() -> None:
    index = index_of(
        {"featureKey": "f", "id": "x"},
        featureFlags=FLAGS_OF_1X,
        experiments=[{"id": "one"}],
        segments=[{"id": "two"}],
        customData=[{"index": "three"}],
    )

    assert [problem.path for problem in index.problems] == [
        "$.experiments[0]",
        "$.segments[0]",
        "$.customData[0]",
        "$.featureFlagConfigurations[0]",
    ]


def test_experiments_alone_do_not_make_a_v3_file_one_of_2x() -> None:
    index = DataFileIndex.read(as_bytes({"featureFlags": [{"featureKey": "f"}], "experiments": [{"id": 1}]}))

    assert not index.is_legacy
    assert list(index.flags) == ["f"]


@pytest.mark.parametrize("flags", [None, []])
def test_a_2x_file_without_flags_has_none(flags: object) -> None:
    index = DataFileIndex.read(as_bytes({"featureFlagConfigurations": flags, "experiments": [{"id": 7}]}))

    assert index.is_legacy
    assert not index.flags
    assert index.experiments.keys() == {7}


def test_a_2x_file_may_lack_experiments() -> None:
    index = DataFileIndex.read(as_bytes({"featureFlagConfigurations": [{"featureKey": "f"}]}))

    assert list(index.flags) == ["f"]
    assert not index.experiments


def test_of_two_flags_with_one_key_the_last_counts() -> None:
    index = index_of({"id": 1, "featureKey": "f"}, {"id": 2, "featureKey": "f"})

    assert index.flag("f").id == 2
    assert [(problem.path, problem.flag) for problem in index.problems] == [("$.featureFlagConfigurations[1]", "f")]


def test_a_broken_flag_costs_only_itself() -> None:
    index = index_of({"featureKey": "broken", "rules": 1}, {"featureKey": "f"})

    with pytest.raises(FeatureMalformed, match="broken"):
        index.flag("broken")
    assert index.flag("f")
    with pytest.raises(FeatureNotFound):
        index.flag("other")


def test_an_embedded_segment_that_makes_no_sense_costs_only_its_rule() -> None:
    senseless = segment({}, {})
    senseless["conditionsData"]["firstLevel"][0]["orOperators"] = []
    rules = [
        {"id": number, "type": "TARGETED_DELIVERY", "exposition": 1, "segment": one, "variationByExposition": [entry]}
        for number, one, entry in ((1, senseless, {"variationKey": "a"}), (2, None, {"variationKey": "b"}))
    ]
    stage = Stage(legacy({"featureKey": "f", "rules": rules}))

    assert stage.ruleset.decide("f")(Visitor("v"), None).variation_key == "b"
    (problem,) = stage.ruleset.flag("f").problems
    assert "rule 1 matches nobody" in problem


# --- experiments ----------------------------------------------------------------------------------------------

DEFAULTS = Experiment(1, False, None, None, None, None)

MEMBERS: list[tuple[Json, str, object]] = [
    ({"siteEnabled": True}, "site_enabled", True),
    ({"siteEnabled": None}, "site_enabled", None),
    ({"deviations": [{"variationId": "0", "value": 0.5}]}, "deviations", [Share("0", 0.5)]),
    ({"deviations": []}, "deviations", []),
    ({"respoolTime": [{"variationId": "7", "value": 1695026492}]}, "respool_time", [Share("7", 1695026492)]),
    ({"respoolTime": None}, "respool_time", None),
    ({"variations": [{"id": "7", "customJson": "{}"}]}, "variations", [ExperimentVariation("7", "{}")]),
    ({"variations": [{"id": 7}]}, "variations", [ExperimentVariation(7, None)]),
    ({"segment": {"id": "3"}}, "segment", Segment("3")),
    ({"name": "n", "status": "ACTIVE", "type": "HYBRID"}, "site_enabled", False),
]


def test_what_an_experiment_lacks_has_its_default() -> None:
    assert experiment_of() == DEFAULTS


@pytest.mark.parametrize(("members", "name", "expected"), MEMBERS)
def test_a_member_of_an_experiment_is_read(members: Json, name: str, expected: object) -> None:
    assert getattr(experiment_of(**members), name) == expected


def test_a_respool_time_stays_the_number_it_is() -> None:
    times = experiment_of(respoolTime=[{"variationId": "0", "value": 1695026492}]).respool_time

    assert times is not None
    assert type(times[0].value) is int  # it becomes part of a hashed text


@pytest.mark.parametrize("number", [75253, "75253"])
def test_an_experiments_id_may_stand_as_text(number: object) -> None:
    index = index_of(experiments=[{"id": number, "siteEnabled": True}])

    assert index.experiments.keys() == {75253}
    experiment = index.experiment(75253)
    assert experiment is not None
    assert experiment.site_enabled


def test_of_two_experiments_with_one_id_the_last_counts() -> None:
    index = index_of(experiments=[{"id": 1}, {"id": "1", "siteEnabled": True}])

    experiment = index.experiment(1)
    assert experiment is not None
    assert experiment.site_enabled
    assert [problem.path for problem in index.problems] == ["$.experiments[1]"]


@pytest.mark.parametrize(
    "members", [{"deviations": {}}, {"siteEnabled": "yes"}, {"variations": [{"customJson": "{}"}]}]
)
def test_an_experiment_that_does_not_decode_costs_only_itself(members: Json) -> None:
    index = index_of({"featureKey": "f"}, experiments=[{"id": 1, **members}, {"id": 2}])

    with pytest.raises(FeatureMalformed, match="experiment 1 does not decode"):
        index.experiment(1)
    assert index.experiment(2)
    assert index.flag("f")
    assert [problem.path for problem in index.problems] == ["$.experiments[0]"]


def test_2x_and_v3_flags_of_the_same_text_answer_the_same() -> None:
    content = data_file()
    flags = [
        {name: value for name, value in flag.items() if name not in ("mutuallyExclusiveGroup", "bucketingCustomDataId")}
        for flag in content["featureFlags"]
        if not any(rule.get("segmentId") for rule in flag["rules"])
    ]
    v3 = Stage({"featureFlags": [{**flag, "environmentEnabled": True} for flag in flags]})
    v2 = Stage(legacy(*flags))

    for key in v3.index.flags:
        for code in (f"visitor-{number:03}" for number in range(1, 20)):
            answers = [stage.ruleset.decide(key)(Visitor(code), None) for stage in (v3, v2)]
            assert answers[0].variation_key == answers[1].variation_key
