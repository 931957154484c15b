"""What FlagshipProvider answers from the bucketing file, row by row (specs/flagship.md 7.2, 7.3)."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent
from openfeature.exception import ErrorCode, ProviderFatalError, ProviderNotReadyError
from openfeature.provider import Metadata

from openfeature_kameleoon.errors import DataFileInvalid, RequestFailed
from openfeature_kameleoon.flagship.provider import CODES, FlagshipProvider
from openfeature_kameleoon.flagship.provider_configuration import FlagshipConfiguration
from tests.chaos import reply
from tests.clock import FakeClock
from tests.faces import Heard
from tests.flagship.environment import FILE, NOBODY, Environment, file_of, offline, resolve
from tests.flagship.files import EVERYBODY, bucketing, campaign, group, rule, targeting, variation, vectors

Json = dict[str, Any]

VIPS = targeting([rule(key="plan", value="vip")])

FLAGS = {
    "campaigns": [
        campaign("test", group("g1", variation("v1", {"tested": True, "null": None}))),
        campaign("toggle", group("g2", variation("v2", {"toggled": True})), type="toggle"),
        campaign("vips", group("g3", variation("v3", {"vips": True}), targeting=VIPS), type="perso"),
        campaign("untracked", group("g4", variation("v4", {"untracked": True}, allocation=0))),
        campaign("typeless", group("g5", variation("v5", {"typeless": True})), type=""),
    ]
}


@pytest.fixture
def server() -> Iterator[Environment]:
    with Environment() as server:
        yield server


# --- 7.2: results -----------------------------------------------------------------------------------------------------

RESULTS: list[tuple[str, str, object, str, str | None]] = [
    ("the campaign is a test", "tested", True, "SPLIT", "v1"),
    ("the campaign is of another type", "toggled", True, "TARGETING_MATCH", "v2"),
    ("the campaign has no type", "typeless", True, "TARGETING_MATCH", "v5"),
    ("the value is null", "null", False, "DEFAULT", "v1"),
    ("the visitor is not targeted", "vips", False, "DEFAULT", None),
    ("the visitor is untracked", "untracked", False, "DEFAULT", None),
]


@pytest.mark.parametrize(("key", "value", "reason", "variant"), [pytest.param(*row[1:], id=row[0]) for row in RESULTS])
def test_the_reason_says_what_decided(
    tmp_path: Path, key: str, value: object, reason: str, variant: str | None
) -> None:
    details = resolve(offline(tmp_path, FLAGS), key, False)

    assert (details.value, details.reason, details.variant) == (value, reason, variant)
    assert (details.error_code, details.error_message) == (None, None)


ERRORS: list[tuple[str, str, Any, dict[str, Any], str, str]] = [
    ("no such flag", "nope", "v", {}, "FLAG_NOT_FOUND", "'nope'"),
    ("another type", "text", "v", {}, "TYPE_MISMATCH", "is a string, a boolean was asked for"),
    ("no targeting key", "f", None, {}, "TARGETING_KEY_MISSING", "non-empty"),
    ("an empty targeting key", "f", "", {}, "TARGETING_KEY_MISSING", "non-empty"),
    ("a targeting key of a wrong type", "f", 5, {}, "INVALID_CONTEXT", "not int"),
    ("a targeting key of bytes", "f", b"v", {}, "INVALID_CONTEXT", "not bytes"),
    ("visitor info of a wrong type", "f", "v", {"fsVisitorInfo": 5}, "INVALID_CONTEXT", "a mapping is expected"),
    ("consent of a wrong type", "f", "v", {"fsVisitorInfo": {"hasConsented": "no"}}, "INVALID_CONTEXT",
     "'hasConsented': a boolean is expected, not str"),
    ("authentication of a wrong type", "f", "v", {"fsVisitorInfo": {"isAuthenticated": 1}}, "INVALID_CONTEXT",
     "'isAuthenticated'"),
    ("an anonymous id of a wrong type", "f", "v", {"fsVisitorInfo": {"anonymousId": 1}}, "INVALID_CONTEXT",
     "'anonymousId'"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("key", "code", "attributes", "error", "words"), [pytest.param(*row[1:], id=row[0]) for row in ERRORS]
)
def test_an_error_is_typed_tells_what_is_wrong_and_carries_the_very_default(
    tmp_path: Path, key: str, code: Any, attributes: dict[str, Any], error: str, words: str
) -> None:
    provider = offline(tmp_path, file_of(f=True, text="x"))
    default = True

    details = resolve(provider, key, default, code, **attributes)

    assert details.value is default
    assert (details.reason, details.error_code, details.variant) == ("ERROR", ErrorCode[error], None)
    assert words in (details.error_message or "")
    assert dict(details.flag_metadata) == {}


@pytest.mark.parametrize("context", [5, "v", object(), EvaluationContext("v", [1])])  # type: ignore[arg-type]
def test_a_context_of_a_wrong_type_is_invalid(tmp_path: Path, context: Any) -> None:
    details = offline(tmp_path, file_of(f=True)).resolve_boolean_details("f", False, context)

    assert (details.value, details.error_code) == (False, ErrorCode.INVALID_CONTEXT)


def test_no_context_is_no_targeting_key(tmp_path: Path) -> None:
    details = offline(tmp_path, file_of(f=True)).resolve_boolean_details("f", True)

    assert (details.value, details.error_code) == (True, ErrorCode.TARGETING_KEY_MISSING)


def test_the_visitor_of_initialize_stands_in_for_one_that_is_missing(tmp_path: Path) -> None:
    provider = offline(tmp_path, FLAGS)
    provider.initialize(EvaluationContext("first", {"plan": "vip"}))

    assert provider.resolve_boolean_details("vips", False).value is True
    assert provider.resolve_boolean_details("vips", False, EvaluationContext()).value is True
    assert resolve(provider, "vips", False, "another").value is False


def test_before_initialize_nothing_is_ready(server: Environment) -> None:
    details = resolve(server.provider(), "f", False)

    assert (details.value, details.error_code) == (False, ErrorCode.PROVIDER_NOT_READY)


def test_while_no_file_comes_nothing_is_ready(server: Environment) -> None:
    server.break_down(FILE, reply(503))
    provider = server.provider()
    with pytest.raises(ProviderNotReadyError, match="503"):
        provider.initialize(NOBODY)

    assert resolve(provider, "f", False).error_code is ErrorCode.PROVIDER_NOT_READY

    server.break_down(FILE, None)
    provider.refresh()
    assert resolve(provider, "f", False).value is True


@pytest.mark.parametrize("raw", [b"{", b"[]", b"{}", b'{"campaigns": 5}'])
def test_a_file_that_does_not_decode_is_a_parse_error_until_one_does(server: Environment, raw: bytes) -> None:
    server.file = raw
    provider = server.provider()
    with pytest.raises(ProviderNotReadyError):
        provider.initialize(NOBODY)

    details = resolve(provider, "f", False)
    assert (details.value, details.error_code) == (False, ErrorCode.PARSE_ERROR)

    server.file = file_of(f=True)
    provider.refresh()
    server.file = raw
    with pytest.raises(DataFileInvalid):
        provider.refresh()
    assert resolve(provider, "f", False).value is True  # there is one that is usable, by now


@pytest.mark.parametrize("ids", [("", "key"), ("env", ""), ("", ""), (" ", "key"), (None, "key"), ("env", None)])
def test_an_id_that_is_missing_is_fatal_on_initialize(ids: tuple[Any, Any]) -> None:
    provider = FlagshipProvider(*ids)

    with pytest.raises(ProviderFatalError, match="is missing"):
        provider.initialize(NOBODY)
    assert resolve(provider, "f", False).error_code is ErrorCode.PROVIDER_NOT_READY


def test_a_refusal_is_fatal_on_initialize(server: Environment) -> None:
    server.break_down(FILE, reply(403))

    with pytest.raises(ProviderFatalError, match="environment id"):
        server.provider().initialize(NOBODY)


def test_every_error_code_has_a_row() -> None:
    rows = {ErrorCode[row[4]] for row in ERRORS} | {ErrorCode.PROVIDER_NOT_READY, ErrorCode.PARSE_ERROR}

    assert set(CODES.values()) == rows


# --- panic ------------------------------------------------------------------------------------------------------------


def test_in_panic_every_flag_is_disabled_the_provider_is_stale_and_afterwards_ready(server: Environment) -> None:
    provider = server.ready()
    heard = Heard(provider)

    server.file = {"panic": True}
    provider.refresh()
    stale, changed = heard.wait_for(ProviderEvent.PROVIDER_STALE, ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    assert stale.message == "panic mode is on: every flag is off"
    assert changed.flags_changed == ["f"]
    for key in ("f", "no such flag"):
        details = resolve(provider, key, True)
        assert (details.value, details.reason, details.error_code) == (True, "DISABLED", None)
        assert (details.variant, dict(details.flag_metadata)) == (None, {})
    assert resolve(provider, "f", True, None).error_code is ErrorCode.TARGETING_KEY_MISSING

    server.file = file_of(f=True)
    provider.refresh()
    heard.wait_for(ProviderEvent.PROVIDER_READY, ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    assert resolve(provider, "f", False).value is True


def test_panic_from_the_beginning_is_told_after_initialize(server: Environment) -> None:
    clock = FakeClock()
    server.file = {"panic": True}
    provider = server.provider(clock=clock)
    heard = Heard(provider)

    provider.initialize(NOBODY)

    assert resolve(provider, "f", False).reason == "DISABLED"
    provider.refresh()
    heard.wait_for(ProviderEvent.PROVIDER_STALE)


# --- kinds ------------------------------------------------------------------------------------------------------------

VALUES: dict[str, Any] = {
    "bool": True,
    "str": "x",
    "int": 5,
    "whole": 5.0,
    "float": 0.5,
    "dict": {"a": [1]},
    "list": [1],
}

ACCEPTED: dict[type, dict[str, object]] = {
    bool: {"bool": True},
    str: {"str": "x"},
    int: {"int": 5, "whole": 5},
    float: {"int": 5.0, "whole": 5.0, "float": 0.5},
    dict: {"dict": {"a": [1]}, "list": [1]},
}
DEFAULTS: dict[type, Any] = {bool: False, str: "mine", int: 7, float: 7.5, dict: {"mine": 1}}


@pytest.mark.parametrize("kind", ACCEPTED, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("key", VALUES)
def test_each_kind_accepts_its_own(tmp_path: Path, kind: type, key: str) -> None:
    details = resolve(offline(tmp_path, file_of(**VALUES)), key, DEFAULTS[kind])

    if key in ACCEPTED[kind]:
        assert (details.value, details.error_code) == (ACCEPTED[kind][key], None)
        assert type(details.value) is type(ACCEPTED[kind][key])
    else:
        assert details.value is DEFAULTS[kind]
        assert details.error_code is ErrorCode.TYPE_MISMATCH


def test_a_mapping_is_the_callers_to_change(tmp_path: Path) -> None:
    provider = offline(tmp_path, file_of(f={"a": [1]}))

    resolve(provider, "f", {}).value["a"].append(2)

    assert resolve(provider, "f", {}).value == {"a": [1]}


@pytest.mark.parametrize("vector", vectors("endToEnd")["cases"], ids=lambda vector: vector["id"])
def test_the_answers_are_those_of_the_vectors(tmp_path: Path, vector: Json) -> None:
    provider = offline(tmp_path, bucketing())
    for key, (value, variant) in vector["flags"].items():
        if key in ("betaPanel", "qaTools", "planKnown", "modernApp"):  # where the reference is to be mended
            continue
        default = {"default": True} if value is None else value
        details = resolve(provider, key, default, vector["visitorId"], **vector["context"])
        assert (details.value, details.variant) == (default if value is None else value, variant)


# --- 7.3: metadata ----------------------------------------------------------------------------------------------------


def test_metadata_say_all_that_an_answer_stands_in(tmp_path: Path) -> None:
    provider = offline(tmp_path, bucketing())

    details = resolve(provider, "ctaColor", "x", "visitor-1", country="FR")

    assert dict(details.flag_metadata) == {
        "campaignId": "cs8r01camp0000000000",
        "campaignName": "CTA colour",
        "variationGroupId": "cs8r01vg000000000000",
        "variationGroupName": "Scenario 1",
        "variationId": details.variant,
        "variationName": "Variation 2",
        "isReference": False,
        "campaignType": "ab",
        "slug": "cta-colour",
    }


def test_names_that_are_unknown_are_empty_and_so_is_a_slug_that_is_null(tmp_path: Path) -> None:
    provider = offline(tmp_path, {"campaigns": [campaign("c", group("g", variation("v", {"f": None})), slug=None)]})

    details = resolve(provider, "f", True)

    names = dict.fromkeys(("campaignName", "variationGroupName", "variationName", "slug"), "")
    ids = {"campaignId": "c", "variationGroupId": "g", "variationId": "v"}
    assert dict(details.flag_metadata) == {**ids, **names, "isReference": False, "campaignType": "ab"}


def test_metadata_are_flat_and_cannot_be_changed_for_others(tmp_path: Path) -> None:
    provider = offline(tmp_path, FLAGS)
    metadata = resolve(provider, "tested", True).flag_metadata

    assert all(type(value) in (bool, str) for value in metadata.values())
    with pytest.raises(TypeError, match="shared"):
        metadata["slug"] = "another"  # type: ignore[index]  # that is the point
    assert dict(resolve(provider, "vips", False).flag_metadata) == {}


def test_the_provider_has_one_name_and_no_hooks(tmp_path: Path) -> None:
    provider = offline(tmp_path, FLAGS)

    assert provider.get_metadata() == Metadata("ABTasty")
    assert provider.get_metadata() is provider.get_metadata()  # it is asked for at each evaluation
    assert provider.get_provider_hooks() == []


# --- 7.3: events ------------------------------------------------------------------------------------------------------


def test_a_new_file_is_told_by_the_keys_that_it_changes(server: Environment) -> None:
    server.file = file_of(same=1, edited=1, gone=1)
    provider = server.ready()
    heard = Heard(provider)

    server.file = file_of(same=1, edited=2, new=1)
    provider.refresh()

    (changed,) = heard.wait_for(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED)
    assert sorted(changed.flags_changed or []) == ["edited", "gone", "new"]
    assert changed.metadata == {"source": "network", "envId": "ENV_ID"}


def test_a_refresh_that_fails_for_long_makes_stale_and_one_that_works_ready(server: Environment) -> None:
    clock = FakeClock()
    provider = server.ready(clock=clock)
    heard = Heard(provider)

    server.break_down(FILE, reply(503))
    clock.advance(91.0)  # an interval and a half
    with pytest.raises(RequestFailed):
        provider.refresh()
    heard.wait_for(ProviderEvent.PROVIDER_STALE)
    assert resolve(provider, "f", False).value is True

    server.break_down(FILE, None)
    provider.refresh()
    heard.wait_for(ProviderEvent.PROVIDER_READY)


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_the_key_is_shown_nowhere(server: Environment, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.break_down("/v2/ENV_ID/campaigns/", reply(403))
    provider = FlagshipProvider(
        "ENV_ID",
        "a key of nobody's",
        FlagshipConfiguration(mode="DECISION_API", server_url=server.url, send_events=False),
    )
    server.opened.append(provider)
    provider.initialize(NOBODY)
    details = resolve(provider, "f", False)

    with pytest.raises(TypeError):
        pickle.dumps(provider)
    with pytest.raises(TypeError):
        copy.deepcopy(provider)
    told = f"{provider!r} {provider.configuration!r} {vars(provider)} {details} {provider.status()} {caplog.text}"
    assert "a key of nobody's" not in told
    assert server.received[-1].headers["x-api-key"] == "a key of nobody's"
    assert "a key of nobody's" not in json.dumps(server.asked)


def test_a_group_for_everybody_is_the_last(tmp_path: Path) -> None:
    groups = [
        group("g1", variation("v1", {"f": "vip"}), targeting=VIPS),
        group("g2", variation("v2", {"f": "all"}), targeting=EVERYBODY),
    ]
    provider = offline(tmp_path, {"campaigns": [campaign("c", *groups)]})

    assert resolve(provider, "f", "x", "one", plan="vip").value == "vip"
    assert resolve(provider, "f", "x", "two").value == "all"
