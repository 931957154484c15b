"""What a flag answers: rules in their order, and all that stands before them (4.1 to 4.7), each with its reason."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from openfeature_kameleoon.datafile.changes import changed_flags
from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.engine.bucketing import place
from openfeature_kameleoon.engine.evaluation import Evaluation
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.errors import (
    FeatureExperimentNotFound,
    FeatureMalformed,
    FeatureNotFound,
    FeatureVariationNotFound,
)
from openfeature_kameleoon.visitors.data import CustomData
from openfeature_kameleoon.visitors.traits import Exposure, ForcedVariation, LegalConsent
from openfeature_kameleoon.visitors.visitor import Visitor, add_data
from tests.vectors import Stage, as_bytes, segment

Json = dict[str, Any]

DELIVERY, EXPERIMENT, PERSONALIZED = "TARGETED_DELIVERY", "EXPERIMENTATION", "PERSONALIZED"
VIPS = segment({"targetingType": "CUSTOM_DATUM", "customDataIndex": "0", "valueMatchType": "EXACT", "value": "vip"})
HOLDOUT = {
    "experimentId": 900,
    "variationByExposition": [
        {"variationKey": "in-holdout", "variationId": 901, "exposition": 0.5},
        {"variationKey": "measured", "variationId": 902, "exposition": 0.25},
    ],
}
ACCOUNT = {"id": 505, "index": 4, "name": "account"}


def rule(number: int = 1, type_: str = EXPERIMENT, shares: Json | None = None, **members: Any) -> Json:
    """A full rule: id ``number``, experiment id 10 times that, variation ids 100 times that and counting."""
    entries = [
        {"variationKey": key, "variationId": 100 * number + position, "exposition": share}
        for position, (key, share) in enumerate((shares or {"a": 1.0}).items())
    ]
    known = {"id": number, "type": type_, "exposition": 1.0, "experimentId": 10 * number}
    return {**known, "variationByExposition": entries, **members}


def delivery(number: int = 1, key: str = "a", **members: Any) -> Json:
    return rule(number, DELIVERY, {key: 1.0}, **members)


def flag(*rules: Json, key: str = "flag", **members: Any) -> Json:
    known = {"featureKey": key, "environmentEnabled": True, "defaultVariationKey": "default"}
    return {"id": 1, **known, "rules": list(rules), **members}


def stage_of(*flags: Json, consent: str | None = None, **members: Any) -> Stage:
    settings = {"consentType": "REQUIRED", "consentOptOutBehavior": consent} if consent else {}
    return Stage({"featureFlags": list(flags), "segments": [VIPS], "configuration": settings, **members})


def decided(stage: Stage, visitor: Visitor | str = "v", key: str = "flag") -> Evaluation:
    """The decision, holdout included, for a visitor whom nothing is remembered of afterwards."""
    visitor = Visitor(visitor) if isinstance(visitor, str) else visitor
    return stage.ruleset.decide(key)(visitor, lambda *_: None)


def answer(*rules: Json, visitor: Visitor | str = "v", **members: Any) -> tuple[str, str, str]:
    """Variation, reason and cause of the decision of one flag."""
    evaluation = decided(stage_of(flag(*rules, **members)), visitor)
    return evaluation.variation_key, evaluation.reason, evaluation.cause


Place = tuple[str, float, float]


def code_with(*places: Place) -> str:
    """A visitor code whose place under each suffix lies within the bounds given."""
    return next(
        code
        for code in map("visitor-{}".format, count())
        if all(lower < place(code + suffix) <= upper for suffix, lower, upper in places)
    )


def vip(code: str = "v") -> Visitor:
    visitor = Visitor(code)
    visitor.set_custom_data(0, "vip")
    return visitor


def refusing(code: str = "v") -> Visitor:
    visitor = Visitor(code)
    visitor.set_consent(LegalConsent.NOT_GIVEN)
    return visitor


# --- rules in their order (4.4) -----------------------------------------------------------------------------


def test_a_delivery_gives_its_first_entry_whatever_share_that_has() -> None:
    assert answer(rule(1, DELIVERY, {"a": 0.0, "b": 1.0})) == ("a", "STATIC", DELIVERY)


def test_a_delivery_without_entries_gives_the_default() -> None:
    assert answer(rule(1, DELIVERY, variationByExposition=[]), delivery(2, "b"))[0] == "default"


def test_a_delivery_that_does_not_expose_ends_the_evaluation() -> None:
    partly = delivery(1, exposition=0.5)
    outside, inside = code_with(("1", 0.5, 1)), code_with(("1", 0, 0.5))

    assert answer(partly, delivery(2, "b"), visitor=outside) == ("default", "DEFAULT", "UNEXPOSED")
    assert answer(partly, delivery(2, "b"), visitor=inside) == ("a", "SPLIT", DELIVERY)


def test_an_experiment_that_does_not_expose_leaves_it_to_the_next_rule() -> None:
    partly = rule(1, exposition=0.5)
    outside, inside = code_with(("1", 0.5, 1)), code_with(("1", 0, 0.5))

    assert answer(partly, delivery(2, "b"), visitor=outside)[0] == "b"
    assert answer(partly, delivery(2, "b"), visitor=inside)[0] == "a"


def test_an_experiment_whose_shares_do_not_reach_leaves_it_to_the_next_rule() -> None:
    short = rule(1, shares={"a": 0.25, "b": 0.25})
    places = [("10", 0, 0.25), ("10", 0.25, 0.5), ("10", 0.5, 1)]

    keys = [answer(short, delivery(2, "c"), visitor=code_with(where))[0] for where in places]

    assert keys == ["a", "b", "c"]


def test_exposition_and_variation_are_drawn_independently() -> None:
    split = rule(1, shares={"a": 0.5, "b": 0.5}, exposition=0.5)

    assert answer(split, visitor=code_with(("1", 0, 0.5), ("10", 0, 0.5)))[0] == "a"
    assert answer(split, visitor=code_with(("1", 0, 0.5), ("10", 0.5, 1)))[0] == "b"
    assert answer(split, visitor=code_with(("1", 0.5, 1), ("10", 0, 0.5)))[0] == "default"


@pytest.mark.parametrize("type_", [DELIVERY, EXPERIMENT, PERSONALIZED])
def test_a_rule_for_others_is_passed_over(type_: str) -> None:
    for_vips = rule(1, type_, segmentId=1)

    assert answer(for_vips, delivery(2, "b"))[0] == "b"
    assert answer(for_vips, delivery(2, "b"), visitor=vip())[0] == "a"
    assert answer(for_vips) == ("default", "DEFAULT", "NO_RULE")


@pytest.mark.parametrize("segment_id", [None, 0, 77])
def test_a_rule_without_a_segment_is_for_everybody(segment_id: int | None) -> None:
    assert answer(delivery(1, segmentId=segment_id))[0] == "a"


def test_a_rule_whose_segment_makes_no_sense_is_for_nobody() -> None:
    broken = {"id": 1, "conditionsData": {"firstLevel": [{"conditions": [{}, {}], "orOperators": []}]}}
    stage = stage_of(flag(delivery(1, segmentId=1), delivery(2, "b")), segments=[broken])

    assert decided(stage).variation_key == "b"
    assert "rule 1 matches nobody" in stage.ruleset.flag("flag").problems[0]


def test_a_rule_without_an_id_is_left_out_and_told() -> None:
    stage = stage_of(flag(delivery(1, id=None), delivery(2, "b")))

    assert decided(stage).variation_key == "b"
    assert stage.ruleset.flag("flag").problems == ["a rule without an id is left out"]


@pytest.mark.parametrize("respool", [None, 0])
def test_without_a_respool_time_nothing_is_appended(respool: int | None) -> None:
    inside = code_with(("1", 0, 0.5))

    assert answer(rule(1, exposition=0.5, respoolTime=respool), visitor=inside)[0] == "a"


def test_a_respool_time_draws_anew() -> None:
    split = rule(1, shares={"a": 0.5, "b": 0.5}, exposition=0.5, respoolTime=99)

    assert answer(split, visitor=code_with(("199", 0, 0.5), ("1099", 0, 0.5), ("1", 0.5, 1)))[0] == "a"
    assert answer(split, visitor=code_with(("199", 0, 0.5), ("1099", 0.5, 1), ("10", 0, 0.5)))[0] == "b"
    assert answer(split, visitor=code_with(("199", 0.5, 1), ("1", 0, 0.5)))[0] == "default"


def test_a_rule_of_an_unknown_type_is_an_experiment_that_consent_does_not_block() -> None:
    odd = rule(1, PERSONALIZED, {"a": 1.0}, exposition=0.5)
    outside, inside = code_with(("1", 0.5, 1)), code_with(("1", 0, 0.5))
    stage = stage_of(flag(odd, delivery(2, "b")), consent="FULLY_BLOCK")

    assert decided(stage, refusing(inside)).variation_key == "a"
    assert decided(stage, refusing(outside)).variation_key == "b"
    assert decided(stage, inside).exposure == Exposure(10, 100, PERSONALIZED)


def test_a_flag_without_rules_gives_its_default() -> None:
    assert answer() == ("default", "STATIC", "NO_RULE")


def test_an_undeclared_variation_is_still_an_answer() -> None:
    evaluation = decided(stage_of(flag(delivery(1, "unheard_of"), variations=[{"key": "other"}])))

    assert evaluation.variation_key == evaluation.variation.key == "unheard_of"
    assert evaluation.variation.variables == {}


def test_an_entry_without_a_variation_id_is_given_but_not_remembered() -> None:
    entries = [{"variationKey": "a", "variationId": None, "exposition": 1.0}]
    evaluation = decided(stage_of(flag(rule(1, variationByExposition=entries))))

    assert evaluation.variation_key == "a"
    assert evaluation.exposure is None
    assert "variationId" not in evaluation.metadata


def test_what_is_remembered_of_an_answer() -> None:
    stage = stage_of(flag(delivery(1, segmentId=1), rule(2, shares={"b": 1.0})))

    assert decided(stage, vip()).exposure == Exposure(10, 100, DELIVERY)
    assert decided(stage).exposure == Exposure(20, 200, EXPERIMENT)
    assert decided(stage_of(flag())).exposure is None


# --- the hashing code (3.3) ---------------------------------------------------------------------------------

HALF = rule(1, shares={"a": 0.5, "b": 0.5})
FOR_A, FOR_B = code_with(("10", 0, 0.5)), code_with(("10", 0.5, 1))


def by_account(visitor: Visitor, index: int = 4, datum_id: object = 505) -> str:
    bucketed = flag(HALF, bucketingCustomDataId=datum_id)
    return decided(stage_of(bucketed, customData=[{**ACCOUNT, "index": index}]), visitor).variation_key


def test_a_visitor_is_hashed_by_its_code() -> None:
    assert answer(HALF, visitor=FOR_A)[0] == "a"
    assert answer(HALF, visitor=FOR_B)[0] == "b"


def test_a_linked_visitor_is_hashed_by_the_code_it_is_linked_to() -> None:
    linked = Visitor(FOR_A)
    linked.hashing_code = FOR_B

    assert answer(HALF, visitor=linked)[0] == "b"


@pytest.mark.parametrize(("values", "key"), [((FOR_B,), "b"), ((FOR_B, FOR_A), "b"), ((), "a")])
def test_the_first_value_of_the_bucketing_datum_replaces_the_code(values: tuple[str, ...], key: str) -> None:
    visitor = Visitor(FOR_A)
    visitor.set_custom_data(4, values[0] if len(values) == 1 else values)

    assert by_account(visitor) == key


def test_the_bucketing_datum_comes_before_the_linked_code() -> None:
    visitor = Visitor("v")
    visitor.hashing_code = FOR_A
    visitor.set_custom_data(4, FOR_B)

    assert by_account(visitor) == "b"


def test_an_empty_bucketing_value_is_used_as_it_is() -> None:
    visitors = [Visitor(FOR_A), Visitor(FOR_B)]
    for visitor in visitors:
        visitor.set_custom_data(4, "")

    assert {by_account(visitor) for visitor in visitors} == {"a" if place("10") <= 0.5 else "b"}


def test_a_bucketing_datum_at_index_0_counts_as_none() -> None:
    visitor = Visitor(FOR_A)
    visitor.set_custom_data(0, FOR_B)

    assert by_account(visitor, index=0) == "a"


@pytest.mark.parametrize("datum_id", [None, 0, 4711])
def test_an_unknown_bucketing_datum_counts_as_none(datum_id: object) -> None:
    visitor = Visitor(FOR_A)
    visitor.set_custom_data(4, FOR_B)

    assert by_account(visitor, datum_id=datum_id) == "a"


# --- the environment ----------------------------------------------------------------------------------------


def test_a_flag_that_is_off_in_the_environment_is_disabled() -> None:
    assert answer(delivery(), environmentEnabled=False) == ("default", "DISABLED", "ENVIRONMENT")


def test_nothing_else_is_looked_at_when_a_flag_is_off() -> None:
    stage = stage_of(flag(delivery(), environmentEnabled=False, mutuallyExclusiveGroup="g"), holdout=HOLDOUT)
    remembered: list[Exposure] = []

    evaluation = stage.ruleset.decide("flag")(Visitor("v"), lambda _, exposure: remembered.append(exposure))

    assert evaluation.reason == "DISABLED"
    assert remembered == []


# --- holdout (4.2) ------------------------------------------------------------------------------------------

HELD, MEASURED, FREE = (code_with(("900", *span)) for span in ((0.0, 0.5), (0.5, 0.75), (0.75, 1.0)))


def beside_holdout(visitor: Visitor | str, **members: Any) -> tuple[Evaluation, list[Exposure]]:
    stage = stage_of(flag(delivery(), **members), holdout=HOLDOUT)
    visitor = Visitor(visitor) if isinstance(visitor, str) else visitor
    remembered: list[Exposure] = []
    return stage.ruleset.decide("flag")(visitor, lambda _, exposure: remembered.append(exposure)), remembered


@pytest.mark.parametrize(
    ("code", "key", "cause", "remembered"),
    [
        (HELD, "default", "HOLDOUT", [Exposure(900, 901, EXPERIMENT)]),
        (MEASURED, "a", DELIVERY, [Exposure(900, 902, EXPERIMENT)]),
        (FREE, "a", DELIVERY, []),
    ],
)
def test_a_holdout_keeps_its_visitors_out_and_is_remembered(
    code: str, key: str, cause: str, remembered: list[Exposure]
) -> None:
    evaluation, exposures = beside_holdout(code)

    assert (evaluation.variation_key, evaluation.cause) == (key, cause)
    assert exposures == remembered


def test_whom_a_holdout_keeps_out_gets_no_exposure_of_the_flag() -> None:
    evaluation, _ = beside_holdout(HELD)

    assert evaluation.reason == "SPLIT"
    assert evaluation.exposure is None


def test_a_holdout_may_be_decided_without_anything_being_remembered() -> None:
    stage = stage_of(flag(delivery()), holdout=HOLDOUT)

    assert stage.ruleset.decide("flag")(Visitor(HELD), None).cause == "HOLDOUT"


def test_a_holdout_entry_without_a_variation_id_is_not_remembered() -> None:
    entries = [{"variationKey": "in-holdout", "variationId": None, "exposition": 1.0}]
    stage = stage_of(flag(delivery()), holdout={"experimentId": 900, "variationByExposition": entries})

    assert decided(stage, "v").cause == "HOLDOUT"
    assert stage.evaluate("v", "flag").exposure is None
    assert len(stage.store) == 0


def test_a_holdout_draws_by_the_hashing_code() -> None:
    linked = Visitor(FREE)
    linked.hashing_code = HELD

    assert beside_holdout(linked)[0].cause == "HOLDOUT"


def test_a_holdout_is_remembered_before_the_rules_look_at_the_visitor() -> None:
    alone = segment({"targetingType": "EXCLUSIVE_EXPERIMENT", "campaignType": "ANY"})
    stage = stage_of(flag(delivery(segmentId=1)), holdout=HOLDOUT, segments=[alone])

    assert stage.evaluate(MEASURED, "flag").variation_key == "default"
    assert stage.evaluate(FREE, "flag").variation_key == "a"


def test_all_flags_are_off_for_whom_a_full_block_concerns_beside_a_holdout() -> None:
    stage = stage_of(flag(delivery()), holdout=HOLDOUT, consent="FULLY_BLOCK")

    assert decided(stage, refusing(FREE)).reason == "DISABLED"
    assert decided(stage, FREE).variation_key == "a"


def test_a_partial_block_leaves_the_holdout_alone() -> None:
    stage = stage_of(flag(delivery()), holdout=HOLDOUT, consent="PARTIALLY_BLOCK")

    assert decided(stage, refusing(FREE)).variation_key == "a"
    assert decided(stage, refusing(HELD)).cause == "HOLDOUT"


# --- mutually exclusive groups (4.3) ------------------------------------------------------------------------


def group_of(*ids: int, **members: Any) -> Stage:
    flags = [flag(delivery(), key=f"flag-{number}", id=number, mutuallyExclusiveGroup="group") for number in ids]
    return stage_of(*flags, **members)


def given_to(stage: Stage, code: str) -> list[str]:
    return [key for key in stage.index.flags if decided(stage, code, key).variation_key == "a"]


def test_of_a_group_the_member_at_the_visitors_place_is_evaluated() -> None:
    stage = group_of(30, 10, 20)
    places = [("group", 0, 1 / 3), ("group", 1 / 3, 2 / 3), ("group", 2 / 3, 1)]

    chosen = [given_to(stage, code_with(where)) for where in places]

    assert chosen == [["flag-10"], ["flag-20"], ["flag-30"]]


def test_the_others_of_a_group_give_their_default() -> None:
    evaluation = decided(group_of(1, 2), code_with(("group", 0.5, 1)), "flag-1")

    assert (evaluation.variation_key, evaluation.reason) == ("default", "SPLIT")
    assert evaluation.cause == "MUTUALLY_EXCLUSIVE_GROUP"
    assert evaluation.exposure is None


def test_flags_that_are_off_count_as_members() -> None:
    off = flag(key="off", id=1, mutuallyExclusiveGroup="group", environmentEnabled=False)
    on = flag(delivery(), key="on", id=2, mutuallyExclusiveGroup="group")

    assert given_to(stage_of(off, on), code_with(("group", 0, 0.5))) == []
    assert given_to(stage_of(off, on), code_with(("group", 0.5, 1))) == ["on"]


@pytest.mark.parametrize("name", [None, ""])
def test_no_name_is_no_group(name: str | None) -> None:
    flags = [flag(delivery(), key=f"flag-{number}", id=number, mutuallyExclusiveGroup=name) for number in (1, 2)]

    assert given_to(stage_of(*flags), "v") == ["flag-1", "flag-2"]


def test_the_holdout_comes_before_the_group() -> None:
    stage = group_of(1, 2, holdout=HOLDOUT)

    assert {decided(stage, HELD, key).cause for key in stage.index.flags} == {"HOLDOUT"}


# --- consent (4.5) ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("told", [LegalConsent.UNKNOWN, LegalConsent.GIVEN])
@pytest.mark.parametrize("behaviour", ["PARTIALLY_BLOCK", "FULLY_BLOCK"])
def test_consent_that_is_given_or_unknown_blocks_nothing(behaviour: str, told: LegalConsent) -> None:
    visitor = Visitor("v")
    visitor.set_consent(told)

    assert decided(stage_of(flag(rule()), consent=behaviour), visitor).variation_key == "a"


@pytest.mark.parametrize("behaviour", ["PARTIALLY_BLOCK", "SOMEHOW_BLOCK"])
def test_a_partial_block_gives_the_default_and_ends_the_evaluation(behaviour: str) -> None:
    stage = stage_of(flag(rule(), delivery(2, "b")), consent=behaviour)

    evaluation = decided(stage, refusing())

    assert (evaluation.variation_key, evaluation.reason, evaluation.cause) == ("default", "DEFAULT", "CONSENT")
    assert evaluation.exposure is None


def test_a_full_block_disables_the_flag() -> None:
    stage = stage_of(flag(rule(), delivery(2, "b")), consent="FULLY_BLOCK")

    assert decided(stage, refusing()).reason == "DISABLED"


@pytest.mark.parametrize("behaviour", ["PARTIALLY_BLOCK", "FULLY_BLOCK"])
def test_only_an_experiment_that_would_expose_is_blocked(behaviour: str) -> None:
    for_vips, partly = rule(1, segmentId=1), rule(2, exposition=0.5)
    outside, inside = code_with(("2", 0.5, 1)), code_with(("2", 0, 0.5))
    stage = stage_of(flag(for_vips, partly, delivery(3, "b")), consent=behaviour)

    assert decided(stage, refusing(outside)).variation_key == "b"
    assert decided(stage, refusing(inside)).variation_key == "default"


@pytest.mark.parametrize("behaviour", ["PARTIALLY_BLOCK", "FULLY_BLOCK"])
def test_a_delivery_is_not_blocked(behaviour: str) -> None:
    assert decided(stage_of(flag(delivery()), consent=behaviour), refusing()).variation_key == "a"


def test_consent_that_is_not_required_blocks_nothing() -> None:
    settings = {"consentType": "NOT_REQUIRED", "consentOptOutBehavior": "FULLY_BLOCK"}
    stage = stage_of(flag(rule()), holdout=HOLDOUT, configuration=settings)

    assert decided(stage, refusing(FREE)).variation_key == "a"


# --- variations set by hand ---------------------------------------------------------------------------------


def forcing(key: str = "b", *, ignores_targeting: bool = True, code: str = "v", number: int = 1) -> Visitor:
    visitor = Visitor(code)
    visitor.force(ForcedVariation(10 * number, key, 100 * number + 7, ignores_targeting))
    return visitor


def test_a_forced_variation_is_given_and_remembered_like_the_rules_own() -> None:
    evaluation = decided(stage_of(flag(rule(1, exposition=0.0))), forcing())

    assert (evaluation.variation_key, evaluation.cause) == ("b", "FORCED")
    assert evaluation.exposure == Exposure(10, 107, EXPERIMENT)
    assert evaluation.metadata["forced"] is True


def test_a_forced_variation_waits_for_its_rules_turn() -> None:
    stage = stage_of(flag(delivery(1), rule(2)))

    assert decided(stage, forcing(number=2)).variation_key == "a"


@pytest.mark.parametrize(("ignores_targeting", "key"), [(True, "b"), (False, "default")])
def test_a_forced_variation_ignores_targeting_if_it_is_told_to(ignores_targeting: bool, key: str) -> None:
    stage = stage_of(flag(rule(1, segmentId=1)))

    assert decided(stage, forcing(ignores_targeting=ignores_targeting)).variation_key == key


def test_a_forced_variation_that_minds_targeting_is_given_to_whom_is_targeted() -> None:
    visitor = forcing(ignores_targeting=False)
    visitor.set_custom_data(0, "vip")

    assert decided(stage_of(flag(rule(1, segmentId=1, exposition=0.0))), visitor).variation_key == "b"


def test_a_forced_variation_bypasses_consent() -> None:
    visitor = forcing()
    visitor.set_consent(LegalConsent.NOT_GIVEN)

    assert decided(stage_of(flag(rule()), consent="FULLY_BLOCK"), visitor).variation_key == "b"


@pytest.mark.parametrize(
    ("stage", "visitor", "cause"),
    [
        (stage_of(flag(rule(), environmentEnabled=False)), forcing(), "ENVIRONMENT"),
        (stage_of(flag(rule()), holdout=HOLDOUT), forcing(code=HELD), "HOLDOUT"),
        (
            stage_of(flag(rule(), mutuallyExclusiveGroup="g"), flag(key="other", id=0, mutuallyExclusiveGroup="g")),
            forcing(code=code_with(("g", 0, 0.5))),
            "MUTUALLY_EXCLUSIVE_GROUP",
        ),
    ],
)
def test_a_forced_variation_bypasses_no_environment_holdout_or_group(
    stage: Stage, visitor: Visitor, cause: str
) -> None:
    assert decided(stage, visitor).cause == cause


def test_a_variation_to_force_is_found_by_its_key() -> None:
    ruleset = stage_of(flag(rule(3, shares={"a": 0.5, "b": 0.5}))).ruleset

    assert ruleset.forced_variation(30, "b", ignores_targeting=False) == ForcedVariation(30, "b", 301, False)
    with pytest.raises(FeatureExperimentNotFound, match="31"):
        ruleset.forced_variation(31, "b", ignores_targeting=True)
    with pytest.raises(FeatureVariationNotFound, match="'c'"):
        ruleset.forced_variation(30, "c", ignores_targeting=True)


def test_of_two_rules_with_one_experiment_the_last_one_of_the_last_flag_counts() -> None:
    first, second = flag(rule(1), key="first"), flag(rule(1), rule(2, experimentId=10), key="second")

    found = stage_of(first, second).ruleset.experiment(10)

    assert found is not None
    assert (found[0], found[1].id) == ("second", 2)


def test_experiments_are_found_beside_a_flag_that_does_not_decode() -> None:
    assert stage_of(flag(key="broken", rules=5), flag(rule(2))).ruleset.experiment(20) is not None


def simulating(variation_id: int | None = 100, experiment_id: int = 10, code: str = "v") -> Visitor:
    visitor = Visitor(code)
    visitor.own_traits().simulated = {"flag": ForcedVariation(experiment_id, "a", variation_id)}
    visitor.traits.settle()
    return visitor


@pytest.mark.parametrize(
    "stage",
    [
        stage_of(flag(rule(1, segmentId=1))),
        stage_of(flag(rule(1, exposition=0.0))),
        stage_of(flag(rule(), environmentEnabled=False)),
        stage_of(flag(rule()), holdout={**HOLDOUT, "variationByExposition": [{"variationKey": "in-holdout"}]}),
        stage_of(flag(delivery(5), rule())),
        stage_of(flag(rule()), consent="FULLY_BLOCK"),
    ],
)
def test_a_simulated_variation_bypasses_everything_and_is_not_remembered(stage: Stage) -> None:
    visitor = simulating()
    visitor.set_consent(LegalConsent.NOT_GIVEN)

    evaluation = decided(stage, visitor)

    assert (evaluation.variation_key, evaluation.cause) == ("a", "SIMULATED")
    assert (evaluation.experiment_id, evaluation.exposure) == (10, None)


def test_the_default_variation_can_be_simulated() -> None:
    evaluation = decided(stage_of(flag(rule())), simulating(None, 0))

    assert (evaluation.variation_key, evaluation.experiment_id, evaluation.exposure) == ("default", None, None)


def test_a_simulation_wins_over_a_forced_variation_and_concerns_its_flag_alone() -> None:
    visitor = simulating()
    visitor.force(ForcedVariation(10, "b", 107))
    stage = stage_of(flag(rule()), flag(rule(), key="other"))

    assert decided(stage, visitor).variation_key == "a"
    assert decided(stage, visitor, "other").variation_key == "b"


def test_a_simulation_of_what_is_no_longer_there_is_over() -> None:
    assert decided(stage_of(flag(rule(1, shares={"x": 1.0}))), simulating(177)).variation_key == "x"
    assert decided(stage_of(flag(rule(2, shares={"x": 1.0}))), simulating()).variation_key == "x"


# --- scores of contextual bandits (4.7) ---------------------------------------------------------------------


def scored(scores: dict[int, float], code: str = "v", experiment_id: int = 10) -> Visitor:
    visitor = Visitor(code)
    visitor.own_traits().scores = {experiment_id: scores}
    visitor.traits.settle()
    return visitor


THREE = rule(1, shares={"a": 1.0, "b": 0.0, "c": 0.0})


@pytest.mark.parametrize(
    ("scores", "key"),
    [
        ({100: 0.1, 102: 0.9}, "c"),
        ({999: 0.9, 101: 0.5, 102: 0.1}, "b"),  # the best of those that the rule has
        ({999: 0.9}, "a"),  # none of them: the hash decides
        ({}, "a"),
        ({101: -5.0}, "b"),
    ],
)
def test_the_best_score_wins(scores: dict[int, float], key: str) -> None:
    evaluation = decided(stage_of(flag(THREE)), scored(scores))

    assert evaluation.variation_key == key
    assert evaluation.exposure is not None


def test_equal_scores_are_told_apart_by_the_hash_in_the_order_of_the_rule() -> None:
    stage = stage_of(flag(THREE))
    tied = {102: 0.5, 100: 0.5, 101: 0.1}

    assert decided(stage, scored(tied, code_with(("10", 0, 0.5)))).variation_key == "a"
    assert decided(stage, scored(tied, code_with(("10", 0.5, 1)))).variation_key == "c"


def test_scores_concern_their_experiment_alone() -> None:
    assert decided(stage_of(flag(THREE)), scored({102: 0.9}, experiment_id=20)).variation_key == "a"


def test_scores_choose_for_a_delivery_too() -> None:
    several = rule(1, DELIVERY, {"a": 1.0, "b": 0.0})

    assert decided(stage_of(flag(several)), scored({101: 0.9})).variation_key == "b"


def test_scores_expose_nobody_and_override_no_consent() -> None:
    assert decided(stage_of(flag({**THREE, "exposition": 0.0})), scored({102: 0.9})).variation_key == "default"

    refused = scored({102: 0.9})
    refused.set_consent(LegalConsent.NOT_GIVEN)
    assert decided(stage_of(flag(THREE), consent="PARTIALLY_BLOCK"), refused).cause == "CONSENT"


def test_an_entry_without_a_variation_id_has_no_score() -> None:
    entries = [{"variationKey": "a", "exposition": 1.0}, {"variationKey": "b", "variationId": 5, "exposition": 0.0}]

    assert decided(stage_of(flag(rule(variationByExposition=entries))), scored({5: 0.0})).variation_key == "b"


# --- reasons (design, section 3) ----------------------------------------------------------------------------

REASONS: list[tuple[str, list[Json], Visitor, tuple[str, str]]] = [
    ("no rules", [], Visitor("v"), ("default", "STATIC")),
    ("everybody gets the delivery", [delivery()], Visitor("v"), ("a", "STATIC")),
    ("everybody gets the experiment's first entry", [rule()], Visitor("v"), ("a", "STATIC")),
    ("a delivery to a segment", [delivery(segmentId=1)], vip(), ("a", "TARGETING_MATCH")),
    ("a delivery to others", [delivery(segmentId=1)], Visitor("v"), ("default", "DEFAULT")),
    ("a delivery after others", [delivery(1, segmentId=1), delivery(2, "b")], Visitor("v"), ("b", "TARGETING_MATCH")),
    ("a delivery to a share", [delivery(exposition=0.5)], Visitor(code_with(("1", 0, 0.5))), ("a", "SPLIT")),
    (
        "a delivery to another share",
        [delivery(exposition=0.5)],
        Visitor(code_with(("1", 0.5, 1))),
        ("default", "DEFAULT"),
    ),
    ("an experiment", [HALF], Visitor(FOR_A), ("a", "SPLIT")),
    ("an experiment for a segment", [rule(segmentId=1)], vip(), ("a", "SPLIT")),
    ("an experiment for others", [rule(segmentId=1)], Visitor("v"), ("default", "DEFAULT")),
    ("an experiment on a share", [rule(exposition=0.5)], Visitor(code_with(("1", 0.5, 1))), ("default", "DEFAULT")),
    ("forced", [HALF], forcing(), ("b", "TARGETING_MATCH")),
    ("simulated", [HALF], simulating(101), ("b", "TARGETING_MATCH")),
]


@pytest.mark.parametrize(
    ("rules", "visitor", "expected"), [row[1:] for row in REASONS], ids=[row[0] for row in REASONS]
)
def test_an_answer_has_its_reason(rules: list[Json], visitor: Visitor, expected: tuple[str, str]) -> None:
    assert answer(*rules, visitor=visitor)[:2] == expected


def test_an_answer_that_a_holdout_or_group_may_withhold_is_not_static() -> None:
    assert decided(stage_of(flag(delivery()), holdout=HOLDOUT), FREE).reason == "TARGETING_MATCH"
    assert decided(stage_of(flag(), holdout=HOLDOUT), FREE).reason == "DEFAULT"
    assert decided(stage_of(flag(delivery(), mutuallyExclusiveGroup="alone"))).reason == "TARGETING_MATCH"


def test_an_answer_that_consent_may_block_is_not_static() -> None:
    assert decided(stage_of(flag(rule()), consent="PARTIALLY_BLOCK")).reason == "SPLIT"


def test_answers_tell_where_they_come_from() -> None:
    stage = stage_of(flag(delivery(1, segmentId=1), rule(2, shares={"b": 1.0})), dateModified=5)

    assert decided(stage).metadata == {
        "version": 5,
        "ruleType": EXPERIMENT,
        "ruleId": 2,
        "experimentId": 20,
        "variationId": 200,
    }
    assert decided(stage_of(flag(), dateModified=5)).metadata == {"version": 5, "ruleType": "NO_RULE"}


# --- the ruleset --------------------------------------------------------------------------------------------


def refreshed(before: Stage, content: Json) -> Ruleset:
    index = DataFileIndex.read(as_bytes(content), previous=before.index)
    changed = changed_flags(before.index, index)
    return Ruleset(index, scope=before.scope(), previous=before.ruleset, changed=changed)


def test_a_refresh_keeps_the_decisions_of_flags_that_did_not_change() -> None:
    same, other = flag(delivery(), key="same"), flag(delivery(), key="other")
    before = Stage({"featureFlags": [same, other], "dateModified": 1})
    decisions = {key: before.ruleset.decide(key) for key in ("same", "other")}
    changed = {**other, "defaultVariationKey": "new", "rules": []}

    after = refreshed(before, {"featureFlags": [same, changed], "dateModified": 2})

    assert after.decide("same") is decisions["same"]
    assert after.decide("other") is not decisions["other"]
    assert after.decide("other")(Visitor("v"), None).variation_key == "new"
    assert after.date_modified == 2


def test_a_decision_that_was_kept_tells_the_date_of_the_new_file() -> None:
    before = Stage({"featureFlags": [flag(delivery())], "dateModified": 1})
    first = decided(before)

    after = refreshed(before, {"featureFlags": [flag(delivery())], "dateModified": 2})

    assert after.decide("flag")(Visitor("v"), None) is first
    assert first.metadata["version"] == 2


def test_a_decision_is_made_once() -> None:
    ruleset = stage_of(flag(delivery())).ruleset

    assert ruleset.decide("flag") is ruleset.decide("flag")
    assert ruleset.flag("flag") is ruleset.flag("flag")


def test_a_flag_that_is_missing_or_broken_says_so() -> None:
    ruleset = stage_of(flag(key="broken", rules=[{"id": "one"}])).ruleset

    with pytest.raises(FeatureNotFound, match="'flag'"):
        ruleset.decide("flag")
    with pytest.raises(FeatureMalformed, match="'broken'"):
        ruleset.decide("broken")


def test_audiences_are_the_segments_that_are_tracked() -> None:
    tracked = [{**VIPS, "id": number, "audienceTracking": number != 2} for number in (1, 2)]
    everybody = {"id": 3, "audienceTracking": True}
    broken = {"id": 4, "audienceTracking": True, "conditionsData": {"firstLevel": [{"conditions": [{}, {}]}]}}
    ruleset = stage_of(segments=[*tracked, everybody, broken]).ruleset

    audiences = dict(ruleset.audiences())

    assert set(audiences) == {1, 3}
    assert audiences[3] is None
    assert audiences[1] is not None
    assert audiences[1](vip())
    assert not audiences[1](Visitor("v"))


def test_segments_may_refer_to_each_other() -> None:
    def refers(segment_id: int, to: int, **members: Any) -> Json:
        return segment({"targetingType": "SEGMENT", "segmentId": to, **members}, segment_id=segment_id)

    segments = [VIPS, refers(2, 1), refers(3, 2, isInclude=False), refers(4, 4), refers(5, 6), refers(6, 5)]
    stage = stage_of(*(flag(delivery(segmentId=n), key=str(n)) for n in range(2, 7)), segments=segments)

    assert given_to_all(stage, vip()) == ["2"]
    assert given_to_all(stage, Visitor("v")) == ["3"]


def given_to_all(stage: Stage, visitor: Visitor) -> list[str]:
    return [key for key in stage.index.flags if decided(stage, visitor, key).variation_key == "a"]


def test_data_added_later_count_for_the_next_decision() -> None:
    stage = stage_of(flag(delivery(segmentId=1)))
    visitor = Visitor("v")
    first = decided(stage, visitor).variation_key

    add_data(visitor, CustomData(0, "vip"), stage.index, 0.0)

    assert (first, decided(stage, visitor).variation_key) == ("default", "a")
