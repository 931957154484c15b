"""What KameleoonProvider answers: value, reason, variant, error code and metadata of every situation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider import Metadata

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.provider import ERROR_CODES
from tests.faces import EXPERIMENT, Json, flag, provider_of, rule, site
from tests.vectors import data_file, vectors

RESOLVERS: Mapping[type, str] = {
    bool: "resolve_boolean_details",
    str: "resolve_string_details",
    int: "resolve_integer_details",
    float: "resolve_float_details",
    dict: "resolve_object_details",
    list: "resolve_object_details",
}


def resolve(
    provider: KameleoonProvider, key: str, default: object, code: str | None = "somebody", **attributes: Any
) -> FlagResolutionDetails[Any]:
    """Ask as the SDK does: by keyword, for the type of the default."""
    details: FlagResolutionDetails[Any] = getattr(provider, RESOLVERS[type(default)])(
        flag_key=key, default_value=default, evaluation_context=EvaluationContext(code, attributes)
    )
    return details


# --- reasons ----------------------------------------------------------------------------------------------------

HOLDOUT = {
    "experimentId": 9,
    "variationByExposition": [{"variationKey": "in-holdout", "variationId": 90, "exposition": 1}],
}
CONSENT = {"consentType": "REQUIRED", "consentOptOutBehavior": "PARTIALLY_BLOCK"}
ALL_BLOCKED = {**CONSENT, "consentOptOutBehavior": "FULLY_BLOCK"}

TO_ALL = flag("f", rule(1, ("on", 1)))
TO_VIPS = flag("f", rule(1, ("on", 1), segment_id=2001))
TO_NOBODY = rule(1, ("on", 1), exposition=0)
HALVED = flag("f", rule(1, ("off", 0.5), ("on", 0.5), kind=EXPERIMENT))

REASONS: list[tuple[str, Json, dict[str, str], str, str, str]] = [
    ("there are no rules", site(flag("f")), {}, "off", "STATIC", "NO_RULE"),
    ("everybody gets a delivery", site(TO_ALL), {}, "on", "STATIC", "TARGETED_DELIVERY"),
    ("one variation has the whole experiment", site(flag("f", rule(1, ("on", 1), kind=EXPERIMENT))), {}, "on", "STATIC",
     "EXPERIMENTATION"),
    ("a segment matched", site(TO_VIPS), {"plan": "vip"}, "on", "TARGETING_MATCH", "TARGETED_DELIVERY"),
    ("no segment matched", site(TO_VIPS), {"plan": "free"}, "off", "DEFAULT", "NO_RULE"),
    ("a rule after the first one is for everybody", site(flag("f", *TO_VIPS["rules"], rule(2, ("on", 1)))), {}, "on",
     "TARGETING_MATCH", "TARGETED_DELIVERY"),
    ("an experiment chose", site(flag("f", rule(1, ("on", 0.999), ("off", 0.001), kind=EXPERIMENT))), {}, "on", "SPLIT",
     "EXPERIMENTATION"),
    ("part of the visitors get a delivery", site(flag("f", rule(1, ("on", 1), exposition=0.999))), {}, "on", "SPLIT",
     "TARGETED_DELIVERY"),
    ("the others do not", site(flag("f", TO_NOBODY)), {}, "off", "DEFAULT", "UNEXPOSED"),
    ("an experiment has no part for the visitor", site(flag("f", rule(1, ("on", 0), kind=EXPERIMENT))), {}, "off",
     "DEFAULT", "NO_RULE"),
    ("the visitor is held out", site(TO_ALL, holdout=HOLDOUT), {}, "off", "SPLIT", "HOLDOUT"),
    ("another flag of the group is the visitor's",
     site(flag("f", rule(1, ("on", 1)), id=1, mutuallyExclusiveGroup="g"), flag("g", id=2, mutuallyExclusiveGroup="g")),
     {}, "off", "SPLIT", "MUTUALLY_EXCLUSIVE_GROUP"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "attributes", "variant", "reason", "cause"),
    [row[1:] for row in REASONS],
    ids=[row[0] for row in REASONS],
)
def test_the_reason_says_what_decided(
    tmp_path: Path, content: Json, attributes: dict[str, str], variant: str, reason: str, cause: str
) -> None:
    provider = provider_of(tmp_path, content)

    details = resolve(provider, "f", "x", **attributes)

    assert (details.value, details.variant, details.reason) == (variant, variant, reason)
    assert (details.error_code, details.error_message) == (None, None)
    assert details.flag_metadata["ruleType"] == cause


@pytest.mark.parametrize(
    ("settings", "default", "value", "variant", "reason"),
    [(CONSENT, True, False, "off", "DEFAULT"), (ALL_BLOCKED, True, True, None, "DISABLED")],
)
def test_a_visitor_who_refused_consent_is_in_no_experiment(
    tmp_path: Path, settings: Json, default: bool, value: bool, variant: str | None, reason: str
) -> None:
    provider = provider_of(tmp_path, site(flag("f", rule(1, ("on", 1), kind=EXPERIMENT)), configuration=settings))
    provider.client.set_legal_consent("somebody", False)

    details = resolve(provider, "f", default)

    assert (details.value, details.variant, details.reason, details.error_code) == (value, variant, reason, None)


def test_a_flag_that_is_switched_off_answers_the_default_and_no_error(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, site({**TO_ALL, "environmentEnabled": False}))
    default = {"mine": 1}

    details = resolve(provider, "f", default)

    assert details.value is default
    assert (details.reason, details.variant, details.error_code) == ("DISABLED", None, None)
    assert details.flag_metadata["ruleType"] == "ENVIRONMENT"


def test_a_forced_variation_is_told_in_the_metadata(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, site(HALVED))
    for key in ("on", "off"):
        provider.client.set_forced_variation("somebody", 1001, key)

        details = resolve(provider, "f", "x")

        assert (details.variant, details.reason, details.flag_metadata["forced"]) == (key, "TARGETING_MATCH", True)


# --- metadata ---------------------------------------------------------------------------------------------------


def test_metadata_say_where_an_answer_comes_from(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, site(TO_VIPS), environment="staging")

    chosen, default = (resolve(provider, "f", "x", plan=plan).flag_metadata for plan in ("vip", "free"))

    common = {"siteCode": "site", "environment": "staging", "version": 1_789_900_000_000}
    rules = {"ruleType": "TARGETED_DELIVERY", "ruleId": 1, "experimentId": 1001, "variationId": 10}
    assert chosen == {**common, **rules}
    assert default == {**common, "ruleType": "NO_RULE"}


def test_an_environment_that_is_not_set_is_not_told(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, site(TO_ALL))

    assert "environment" not in resolve(provider, "f", "x").flag_metadata


def test_metadata_are_flat_and_cannot_be_changed_for_others(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, data_file())
    for key in provider.client.feature_keys():
        metadata = resolve(provider, key, True).flag_metadata
        assert all(type(value) in (bool, int, float, str) for value in metadata.values())

    metadata = resolve(provider, "checkout_redesign", True).flag_metadata
    with pytest.raises(TypeError, match="shared"):
        metadata["siteCode"] = "another"  # type: ignore[index]  # that is the point


def test_the_provider_has_one_name_and_no_hooks(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, site())

    assert provider.get_metadata() == Metadata("Kameleoon Provider")
    assert provider.get_metadata() is provider.get_metadata()  # it is asked for at each evaluation
    assert provider.get_provider_hooks() == []


# --- errors -----------------------------------------------------------------------------------------------------

BROKEN = {"featureKey": "broken", "id": 7, "rules": "none"}
FLAGS = site(flag("f", rule(1, ("on", 1)), variables={"n": ("NUMBER", 5), "bad": ("JSON", "{")}), BROKEN)
LONG = "y" * 256

ERRORS: list[tuple[str, str, str | None, dict[str, Any], str, str]] = [
    ("no flag", "nope", "v", {}, "FLAG_NOT_FOUND", "'nope'"),
    ("no variable", "f", "v", {"variableKey": "nope"}, "FLAG_NOT_FOUND", "'nope'"),
    ("another type", "f", "v", {"variableKey": "n"}, "TYPE_MISMATCH", "is an integer, a boolean was asked for"),
    ("a flag that does not decode", "broken", "v", {}, "PARSE_ERROR", "'broken'"),
    ("a variable that does not decode", "f", "v", {"variableKey": "bad"}, "PARSE_ERROR", "'bad'"),
    ("no targeting key", "f", None, {}, "TARGETING_KEY_MISSING", "non-empty"),
    ("an empty targeting key", "f", "", {}, "TARGETING_KEY_MISSING", "non-empty"),
    ("a long targeting key", "f", LONG, {}, "INVALID_CONTEXT", "this has 256"),
    ("a control character in it", "f", "v\r\n", {}, "INVALID_CONTEXT", "control"),
    ("a C1 control character in it", "f", "v\x9f", {}, "INVALID_CONTEXT", "control"),
    ("a lone surrogate in it", "f", "v\ud800", {}, "INVALID_CONTEXT", "surrogate"),
    ("data of the wrong shape", "f", "v", {"browser": 5}, "INVALID_CONTEXT", "'browser', field 'browserType'"),
    ("a custom datum that is no number", "f", "v", {"plan": float("nan")}, "INVALID_CONTEXT", "'plan'"),
    ("a variable key that is no text", "f", "v", {"variableKey": 5}, "INVALID_CONTEXT", "'variableKey'"),
]


@pytest.mark.parametrize(
    ("key", "code", "attributes", "error", "words"), [pytest.param(*row[1:], id=row[0]) for row in ERRORS]
)
def test_an_error_is_typed_tells_what_is_wrong_and_carries_the_very_default(
    tmp_path: Path, key: str, code: str | None, attributes: dict[str, Any], error: str, words: str
) -> None:
    provider = provider_of(tmp_path, FLAGS)
    default = True

    details = resolve(provider, key, default, code, **attributes)

    assert details.value is default
    assert (details.reason, details.error_code, details.variant) == ("ERROR", ErrorCode[error], None)
    assert words in (details.error_message or "")
    assert code in (None, "", "v") or code not in (details.error_message or "")  # codes are personal


def test_every_error_of_ours_has_its_code() -> None:
    rows = {ErrorCode[row[4]] for row in ERRORS}

    assert set(ERROR_CODES.values()) == rows


@pytest.mark.parametrize("code", [5, 1.5, True, b"visitor", ["v"], object()])
def test_a_targeting_key_that_is_no_text_is_none(tmp_path: Path, code: Any) -> None:
    provider = provider_of(tmp_path, FLAGS)

    assert resolve(provider, "f", True, code).error_code is ErrorCode.TARGETING_KEY_MISSING


def test_no_context_is_no_targeting_key(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, FLAGS)

    details = provider.resolve_boolean_details("f", True)

    assert (details.value, details.error_code) == (True, ErrorCode.TARGETING_KEY_MISSING)


def test_before_any_data_file_nothing_is_known(tmp_path: Path) -> None:
    settings = KameleoonClientConfiguration(data_file=tmp_path / "absent.json", multi_threading=False)
    default = ["mine"]

    details = resolve(KameleoonProvider("site", settings), "f", default)

    assert details.value is default
    assert details.error_code is ErrorCode.PROVIDER_NOT_READY


def test_a_context_that_is_refused_reports_nothing(tmp_path: Path) -> None:
    provider = provider_of(tmp_path, FLAGS)

    resolve(provider, "f", True, variableKey=5)

    assert provider.client.outbox.status().accepted == 0


# --- vectors: what Kameleoon's own provider answers ---------------------------------------------------------------

DEVIATIONS: Mapping[str, tuple[Json, str]] = {
    "float requested, integer in the file": ({"value": 1.0, "error_code": None}, "a number is widened losslessly"),
    "dict requested, list in the file": ({"value": ["card", "paypal"], "error_code": None}, "both are objects"),
    "variant": ({"value": "off", "reason": "DEFAULT", "error_code": None}, "no variables: the variation's key"),
    "variation without variables": ({"value": "price_b", "error_code": None}, "no variables: the variation's key"),
    "disabled": ({"reason": "DISABLED", "error_code": None}, "a flag that is switched off is found"),
    "custom data number": ({"error_code": "FLAG_NOT_FOUND"}, "numbers become text; the flag has no variables"),
    "custom data wrong type": ({"error_code": "INVALID_CONTEXT"}, "not dropped silently"),
    "custom data without index": ({"error_code": "INVALID_CONTEXT"}, "not dropped silently"),
}
"""Where we answer otherwise on purpose, and why (specs/kameleoon-sdk.md 13.4).

Besides: a success tells its true reason, SPLIT in all of these, and an error has no variant.
"""


def deviating(vector: Json) -> Json:
    expected = {**vector["expected"], **DEVIATIONS.get(vector["name"], ({}, ""))[0]}
    if expected["error_code"] is not None or expected["reason"] == "DISABLED":
        return {**expected, "variant": None}
    return {**expected, "reason": "DEFAULT" if expected["reason"] == "DEFAULT" else "SPLIT"}


@pytest.mark.parametrize("vector", vectors("openfeature"), ids=lambda vector: vector["name"])
def test_the_answer_is_that_of_kameleoons_provider(tmp_path: Path, vector: Json) -> None:
    provider = provider_of(tmp_path, data_file())

    details = resolve(provider, vector["flag"], vector["default"], vector["targeting_key"], **vector["attributes"])

    assert deviating(vector) == {
        "value": details.value,
        "reason": details.reason,
        "variant": details.variant,
        "error_code": details.error_code,
    }
    assert type(details.value) is type(deviating(vector)["value"])


def test_all_vectors_are_here_and_every_deviation_is_of_one() -> None:
    names = [vector["name"] for vector in vectors("openfeature")]

    assert len(names) == 28
    assert set(DEVIATIONS) <= set(names)
