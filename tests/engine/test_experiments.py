"""2.x experiments: who gets which variation, and who is not targeted (specs/kameleoon-sdk.md 3.5, 4.10)."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.engine.bucketing import place
from openfeature_kameleoon.errors import (
    FeatureExperimentNotFound,
    FeatureMalformed,
    FeatureVariationNotFound,
    KameleoonError,
    NotAllocated,
    NotTargeted,
    SiteCodeDisabled,
)
from openfeature_kameleoon.experiments import allocation, associated_data, experiments_of
from openfeature_kameleoon.visitors.traits import Assignment, Exposure
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.vectors import Stage, data_file, data_object, reference_error, segment, vectors

LEGACY = "kameleoon-datafile-legacy"
NAMES_OF_2X = {
    "FeatureExperimentNotFound": "ExperimentConfigurationNotFound",
    "VisitorCodeInvalid": "VisitorCodeNotValid",
}
FLAG_METHODS = ("get_feature_variation_key", "is_feature_active")

OF_EXPERIMENTS = [case for case in vectors("legacy_cases") if case["method"] == "trigger_experiment"]
OF_FLAGS = [case for case in vectors("legacy_cases") if case["method"] in FLAG_METHODS]


def legacy_stage(**patch: Any) -> Stage:
    return Stage(data_file(patch, name=LEGACY))


def triggered(stage: Stage, code: str, experiment_id: int) -> Any:
    """``trigger_experiment`` of the client without its reports: a variation id, or the name of the error."""
    try:
        exposure = allocation(stage.ruleset, experiment_id, stage.visitor(code))
    except KameleoonError as error:
        name = reference_error(error)
        return {"error": NAMES_OF_2X.get(name, name)}
    stage.remember(stage.visitor(code), exposure)
    return exposure.variation_id


def experiment(**members: Any) -> dict[str, Any]:
    return {"id": "1", "siteEnabled": True, "deviations": [{"variationId": "7", "value": 1}], **members}


def allocated(code: str, **members: Any) -> int | None:
    stage = legacy_stage(experiments=[experiment(**members)])
    compiled = stage.ruleset.legacy_experiment(1)
    assert compiled is not None
    return compiled.allocate(Visitor(code)).variation_id


def test_all_cases_are_here() -> None:
    assert len(OF_EXPERIMENTS) + len(OF_FLAGS) == len(vectors("legacy_cases")) == 65


# ``sent_line_types`` is a matter of tracking, not of the engine.
@pytest.mark.parametrize("case", OF_EXPERIMENTS, ids=lambda case: case["id"])
def test_a_visitor_gets_the_variation_of_the_reference(case: dict[str, Any]) -> None:
    stage = legacy_stage()
    data = [data_object(described) for described in case.get("data", ())]
    if data:
        stage.store.add_data(stage.visitor(case["visitor_code"]), data, stage.index)
    for earlier in case.get("previously_triggered", ()):
        triggered(stage, case["visitor_code"], earlier)

    assert triggered(stage, case["visitor_code"], case["argument"]) == case["expected"]


@pytest.mark.parametrize("case", OF_FLAGS, ids=lambda case: case["id"])
def test_a_flag_of_a_2x_file_answers_as_the_reference_does(case: dict[str, Any]) -> None:
    stage = legacy_stage()
    expected = case["expected"]

    if isinstance(expected, dict):
        assert case["argument"] not in stage.index.flags
        return
    key = stage.evaluate(case["visitor_code"], case["argument"]).variation_key
    assert key == expected if isinstance(expected, str) else (key != "off") is expected


def test_an_experiment_without_a_segment_targets_everybody() -> None:
    assert allocated("anybody") == 7


def test_variation_0_is_the_original() -> None:
    assert allocated("anybody", deviations=[{"variationId": "0", "value": 1}]) == 0
    assert allocated("anybody", deviations=[{"variationId": "origin", "value": 1}]) == 0


def test_a_share_ends_before_the_place_that_equals_it() -> None:
    code = "visitor-001"
    exactly = place(f"{code}1")

    below, above = (
        allocated(code, deviations=[{"variationId": "7", "value": share}]) for share in (exactly, exactly + 1e-12)
    )

    assert (below, above) == (None, 7)


@pytest.mark.parametrize("deviations", [None, [], [{"variationId": "7", "value": 0}]])
def test_no_share_is_no_traffic(deviations: object) -> None:
    assert allocated("anybody", deviations=deviations) is None


def test_visitors_are_told_apart_by_the_code_passed_not_by_the_one_linked() -> None:
    stage = legacy_stage()
    compiled = stage.ruleset.legacy_experiment(75253)
    linked = Visitor("visitor-003")
    linked.hashing_code = "visitor-005"

    assert compiled is not None
    assert compiled.allocate(linked) == compiled.allocate(Visitor("visitor-003"))
    assert compiled.allocate(linked) != compiled.allocate(Visitor("visitor-005"))


def test_a_visitor_in_another_experiment_is_not_exclusive() -> None:
    stage = legacy_stage()
    visitor = Visitor("visitor-003")
    visitor.set_assignment(Assignment(Exposure(1, 2, None), 0.0, 0.0, is_reported=True))
    compiled = stage.ruleset.legacy_experiment(75256)

    assert compiled is not None
    assert not compiled.allocate(visitor).is_targeted


def test_an_experiment_is_compiled_once() -> None:
    stage = legacy_stage()

    assert stage.ruleset.legacy_experiment(75253) is stage.ruleset.legacy_experiment(75253)


def test_an_unknown_experiment_is_none() -> None:
    assert legacy_stage().ruleset.legacy_experiment(1) is None


@pytest.mark.parametrize(
    "members",
    [
        {"deviations": [{"variationId": "seven", "value": 1}]},
        {"deviations": "all"},
        {"segment": {"id": 1, "conditionsData": {"firstLevel": [{"conditions": [{}, {}]}]}}},
    ],
)
def test_an_experiment_that_makes_no_sense_says_so(members: dict[str, Any]) -> None:
    stage = legacy_stage(experiments=[experiment(**members)])

    with pytest.raises(FeatureMalformed, match=r"experiment 1|segment 1"):
        stage.ruleset.legacy_experiment(1)


def test_conditions_are_those_of_2x() -> None:
    everybody = segment({"targetingType": "EXPLICIT_TRIGGER"})

    assert allocated("anybody", segment=everybody) == 7


# --- the client's 2.x methods ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("experiment_id", "code", "error"),
    [
        (1, "visitor-001", FeatureExperimentNotFound),
        (75255, "visitor-001", SiteCodeDisabled),
        (75254, "visitor-001", NotTargeted),
        (75253, "visitor-001", NotAllocated),
    ],
)
def test_who_gets_no_variation_is_told_why(experiment_id: int, code: str, error: type[Exception]) -> None:
    with pytest.raises(error, match=str(experiment_id)) as raised:
        allocation(legacy_stage().ruleset, experiment_id, Visitor(code))

    assert code not in str(raised.value)  # messages are logged


@pytest.mark.parametrize(
    ("code", "plan", "only_allocated", "expected"),
    [
        ("visitor-003", (), True, [75253, 75255, 75256]),
        ("visitor-001", (), True, [75255, 75256]),  # no traffic of 75253
        ("visitor-001", (), False, [75253, 75255, 75256]),
        ("visitor-001", ("vip",), True, [75254, 75255, 75256]),
    ],
)
def test_a_visitors_experiments_are_listed_even_of_a_site_that_is_off(
    code: str, plan: tuple[str, ...], only_allocated: bool, expected: list[int]
) -> None:
    stage = legacy_stage()
    visitor = Visitor(code)
    visitor.custom_data = dict(enumerate(plan))

    assert experiments_of(stage.ruleset, visitor, only_allocated=only_allocated) == expected


def test_an_experiment_that_makes_no_sense_is_not_listed() -> None:
    broken = experiment(id="2", deviations=[{"variationId": "seven", "value": 1}])

    listed = experiments_of(legacy_stage(experiments=[broken, experiment()]).ruleset, Visitor("v"), only_allocated=True)

    assert listed == [1]


def test_data_attached_to_a_variation_are_decoded() -> None:
    assert associated_data(legacy_stage().index, 148382) == {"firstName": "Ada", "count": 10}


def test_of_several_variations_with_one_id_the_first_counts() -> None:
    experiments = [experiment(id=number, variations=[{"id": "5", "customJson": number}]) for number in ("1", "2")]

    assert associated_data(legacy_stage(experiments=experiments).index, 5) == 1


def test_data_of_an_unknown_variation_are_not_found() -> None:
    with pytest.raises(FeatureVariationNotFound, match="148383"):
        associated_data(legacy_stage().index, 148383)


@pytest.mark.parametrize("text", ["{", "text"])
def test_data_that_do_not_decode_say_so(text: str) -> None:
    stage = legacy_stage(experiments=[experiment(variations=[{"id": "5", "customJson": text}])])

    with pytest.raises(FeatureMalformed, match="variation 5"):
        associated_data(stage.index, 5)
