"""Contexts that nobody should pass: nothing raises, and the caller's very default comes back, in both paths.

Of the providers of both vendors, each on a file that has a flag of the same name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails

from openfeature_kameleoon import KameleoonProvider
from openfeature_kameleoon.context import KINDS, VARIABLE_KEY
from openfeature_kameleoon.flagship.engine.operators import SDK_OPERATORS
from openfeature_kameleoon.flagship.evaluation_context import VISITOR_INFO
from openfeature_kameleoon.flagship.provider import FlagshipProvider
from tests.clock import FakeClock
from tests.either import FLAGSHIP, Provider
from tests.faces import provider_of, replace
from tests.flagship.files import EVERYBODY, campaign, group, rule, targeting, variation
from tests.vectors import data_file

FLAG = "checkout_redesign"


class Hostile:
    """Whatever is asked of it, it raises."""

    def __getattribute__(self, name: str) -> Any:
        raise ZeroDivisionError

    def __str__(self) -> str:
        raise ZeroDivisionError

    __eq__ = __hash__ = __len__ = __iter__ = __bool__ = __float__ = __repr__ = __str__  # type: ignore[assignment]


class HostileText(str):
    """A text that raises when it is compared, hashed or measured."""

    def __eq__(self, other: object) -> bool:
        raise ZeroDivisionError

    def __hash__(self) -> int:
        raise ZeroDivisionError

    def __len__(self) -> int:
        raise ZeroDivisionError

    def upper(self) -> str:
        raise ZeroDivisionError


class HostileNumber(float):
    """A number that raises when anything is asked of it."""

    def __float__(self) -> float:
        raise ZeroDivisionError

    def __repr__(self) -> str:
        raise ZeroDivisionError


class HostileMapping(Mapping[str, Any]):
    """A mapping that says it has members, and raises when they are asked for."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        raise ZeroDivisionError

    def __getitem__(self, key: str) -> Any:
        raise ZeroDivisionError


def cyclic_list() -> list[Any]:
    cycle: list[Any] = []
    cycle.append(cycle)
    return cycle


def cyclic_mapping() -> dict[str, Any]:
    cycle: dict[str, Any] = {}
    cycle.update(dict.fromkeys(("self", "index", "goalId", "url", "cookies", "browserType"), cycle))
    return cycle


def deep_list() -> list[Any]:
    deep: list[Any] = []
    for _ in range(50_000):
        deep = [deep]
    return deep


HOSTILE: dict[str, Any] = {
    "raises": Hostile,
    "text": lambda: HostileText("CHROME"),
    "number": lambda: HostileNumber(5),
    "mapping": HostileMapping,
    "cyclic list": cyclic_list,
    "cyclic mapping": cyclic_mapping,
    "deep list": deep_list,
    "bytes": lambda: b"\xff\xfe",
    "class": lambda: Hostile,
    "generator": lambda: (item for item in ("a",)),
    "not a number": lambda: float("nan"),
    "infinite": lambda: float("inf"),
    "huge integer": lambda: 10**5000,
    "2**70": lambda: 2**70,
    "megabyte": lambda: "x" * 1_000_000,
    "surrogate": lambda: "\ud800",
    "many keys": lambda: {f"key {number}": number for number in range(10_000)},
    "many values": lambda: ["x"] * 10_000,
    "complex": lambda: 1j,
}
PLACES = [*KINDS, "plan", "cart_value", VARIABLE_KEY, VISITOR_INFO, "fs_client", "sdk_lat", "unknown"]

ASKED = [
    [rule(operator, key, value)]
    for operator in SDK_OPERATORS
    for key in PLACES
    for value in ("vip", 20, True, ["vip", 20], "1.2.3")
]
"""Every operator is asked of what stands in every place, and accepts nobody for sure before the last group does."""


def flagship_of(folder: Path) -> FlagshipProvider:
    """A provider of Flagship's that is ready to answer, and has no thread."""
    last = group("last", variation("v", {FLAG: True}), targeting=EVERYBODY)
    picky = group("picky", variation("w", {FLAG: False}), targeting=targeting(*ASKED))
    replace(folder / "flags.json", {"campaigns": [campaign("c", picky, last)]})
    provider = FLAGSHIP.make(folder / "flags.json", 10.0, {"multi_threading": False})
    assert isinstance(provider, FlagshipProvider)
    provider.initialize(EvaluationContext())
    return provider


@pytest.fixture(scope="module")
def kameleoon(tmp_path_factory: pytest.TempPathFactory) -> KameleoonProvider:
    return provider_of(tmp_path_factory.mktemp("site"), data_file(), clock=FakeClock())


@pytest.fixture(scope="module")
def flagship(tmp_path_factory: pytest.TempPathFactory) -> FlagshipProvider:
    return flagship_of(tmp_path_factory.mktemp("environment"))


@pytest.fixture(scope="module", params=["kameleoon", "flagship"])
def provider(request: pytest.FixtureRequest) -> Provider:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]  # one of the two above


@pytest.fixture(scope="module")
def flags(provider: Provider) -> Iterator[OpenFeatureClient]:
    api.set_provider_and_wait(provider)

    yield api.get_client()

    api.shutdown()


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()

    yield loop

    loop.close()


def must_be_answered(details: Any, default: object) -> None:
    """A boolean, or the very default with one of the errors that a context can be the reason of."""
    if details.error_code is None:
        assert type(details.value) is bool
    else:
        assert details.value is default
        assert details.error_code in (ErrorCode.INVALID_CONTEXT, ErrorCode.FLAG_NOT_FOUND, ErrorCode.GENERAL)
        assert len(details.error_message) < 300


@pytest.mark.parametrize("place", PLACES)
def test_a_hostile_value_is_answered_everywhere(
    flags: OpenFeatureClient, loop: asyncio.AbstractEventLoop, place: str
) -> None:
    default: Any = object()
    for make in HOSTILE.values():
        for value in (make(), [make()], {"index": 0, "values": make(), "url": make()}):
            context = EvaluationContext("somebody", {place: value})

            must_be_answered(flags.get_boolean_details(FLAG, default, context), default)
            answer = loop.run_until_complete(flags.get_boolean_details_async(FLAG, default, context))
            must_be_answered(answer, default)


@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_keys_and_contexts_are_answered(provider: Provider, what: str) -> None:
    default: Any = Hostile()
    hostile = HOSTILE[what]()
    for key, context in (
        (FLAG, EvaluationContext(hostile)),
        (FLAG, EvaluationContext("somebody", hostile)),
        (FLAG, hostile),
        (hostile, EvaluationContext("somebody")),
    ):
        details = provider.resolve_boolean_details(key, default, context)

        assert details.value is default or type(details.value) is bool


@pytest.mark.parametrize("attributes", [[1], "plan", 5, {1: 2, None: 3, ("a",): 4}, {"": "", "\0": "\0"}])
def test_attributes_that_are_no_mapping_of_texts_are_answered(provider: Provider, attributes: Any) -> None:
    default: Any = object()

    details = provider.resolve_boolean_details(FLAG, default, EvaluationContext("somebody", attributes))

    must_be_answered(details, default)


def test_ten_thousand_attributes_are_read(kameleoon: KameleoonProvider, flagship: FlagshipProvider) -> None:
    attributes: dict[str, Any] = {f"key {number}": Hostile() for number in range(10_000)}
    context = EvaluationContext("many", {**attributes, "cart_value": 20})

    assert kameleoon.resolve_string_details("t_custom_data", "", context).value == "on"
    assert flagship.resolve_boolean_details(FLAG, True, context).value is False


def test_what_a_hostile_context_leaves_behind_does_not_disturb_the_next_evaluation(provider: Provider) -> None:
    for place in PLACES:
        for make in HOSTILE.values():
            provider.resolve_boolean_details(FLAG, False, EvaluationContext("visitor-004", {place: make()}))

    details = provider.resolve_boolean_details(FLAG, False, EvaluationContext("visitor-004"))

    assert (details.value, details.variant, details.error_code) in ((True, "one_page", None), (False, "w", None))


# --- anything at all --------------------------------------------------------------------------------------------

KEYS = [
    FLAG,
    "pricing_test",
    "new_search",
    "disabled_in_env",
    "no_rules",
    "nope",
    *(flag["featureKey"] for flag in data_file()["featureFlags"] if flag["featureKey"].startswith("t_")),
]
DEFAULTS: dict[str, Any] = {"boolean": True, "string": "mine", "integer": 7, "float": 7.5, "object": {"mine": 1}}
TYPES: dict[str, tuple[type, ...]] = {
    **{kind: (type(default),) for kind, default in DEFAULTS.items()},
    "object": (dict, list),
}
NAMES = st.sampled_from([*PLACES, "index", "values", *(field.name for kind in KINDS.values() for field in kind.fields)])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.datetimes(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.fixture(scope="module", params=["kameleoon", "flagship"])
def twins(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Provider]:
    """Two providers that are asked the same in the same order."""
    folders = [tmp_path_factory.mktemp("twin") for _ in range(2)]
    if request.param == "flagship":
        return [flagship_of(folder) for folder in folders]
    return [provider_of(folder, data_file(), clock=FakeClock()) for folder in folders]


@given(
    code=st.text(max_size=300) | st.none() | st.integers(),
    attributes=st.dictionaries(NAMES | st.text(), VALUES, max_size=5),
    key=st.sampled_from(KEYS),
    kind=st.sampled_from(list(DEFAULTS)),
)
def test_any_context_is_answered_with_the_right_type_and_always_alike(
    twins: list[Provider], code: Any, attributes: dict[str, Any], key: str, kind: str
) -> None:
    default, context = DEFAULTS[kind], EvaluationContext(code, attributes)

    answers: list[FlagResolutionDetails[Any]] = [
        getattr(twin, f"resolve_{kind}_details")(key, default, context) for twin in twins
    ]

    for details in answers:
        assert type(details.value) in TYPES[kind]
        assert details.value is default or (details.error_code, details.reason == "DISABLED") == (None, False)
        assert details.error_code is not ErrorCode.GENERAL
        assert (details.variant is None) is (details.error_code is not None or details.reason == "DISABLED")
    assert answers[0] == answers[1]


@given(st.datetimes() | st.just(datetime.min) | st.just(datetime.max))
def test_any_date_is_data_or_refused(kameleoon: KameleoonProvider, value: datetime) -> None:
    details = kameleoon.resolve_string_details("t_custom_data", "", EvaluationContext("dated", {"plan": value}))

    assert details.error_code in (None, ErrorCode.INVALID_CONTEXT)
