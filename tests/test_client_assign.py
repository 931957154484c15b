"""One flag for many visitors, one decision explained, and 2.x experiments: what leaves no trace, and what does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import (
    Browser,
    BrowserType,
    Conversion,
    Cookie,
    CustomData,
    Device,
    DeviceType,
    KameleoonClient,
    PageView,
)
from openfeature_kameleoon.errors import (
    FeatureEnvironmentDisabled,
    FeatureExperimentNotFound,
    FeatureMalformed,
    FeatureNotFound,
    FeatureVariationNotFound,
    NotAllocated,
    NotTargeted,
    SiteCodeDisabled,
    VisitorCodeInvalid,
    VisitorDataInvalid,
)
from openfeature_kameleoon.visitors.data import Data
from openfeature_kameleoon.visitors.traits import Exposure
from tests.faces import EXPERIMENT, client_of, flag, reported, rule, site
from tests.vectors import data_file, segment

KEYS = [flag["featureKey"] for flag in data_file()["featureFlags"] if flag["environmentEnabled"]]
CODES = [f"visitor-{number:03}" for number in range(40)]
DATA: list[list[Data]] = [
    [],
    [CustomData("plan", "vip")],
    [CustomData(1, "150"), CustomData("beta_optin", "true")],
    [CustomData("account_id", "account-7")],
    [CustomData("user_id", "user-1")],
    [Browser(BrowserType.CHROME, 121.0), Device(DeviceType.DESKTOP)],
    [PageView("https://shop.example.com/product/1", "Product"), PageView("https://shop.example.com/cart", "Checkout")],
    [Conversion(4401), Cookie({"tier": "gold"})],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("site")


@pytest.fixture
def client(folder: Path) -> KameleoonClient:
    return client_of(folder, data_file())


# --- assign -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_assign_agrees_with_get_variation_of_new_visitors(folder: Path, client: KameleoonClient, key: str) -> None:
    assigned = list(client.assign(key, CODES))

    asked = client_of(folder, data_file())
    assert assigned == [asked.get_variation(code, key).key for code in CODES]


@pytest.mark.parametrize("key", KEYS)
def test_assign_agrees_with_get_variation_of_new_visitors_of_whom_something_is_known(
    folder: Path, client: KameleoonClient, key: str
) -> None:
    pairs = [(f"{code}-{number}", data) for code in CODES[:5] for number, data in enumerate(DATA)]
    assigned = list(client.assign(key, pairs))

    asked = client_of(folder, data_file())
    for code, data in pairs:
        asked.add_data(code, *data)
    assert assigned == [asked.get_variation(code, key).key for code, _ in pairs]


def test_assign_leaves_no_trace_and_sees_none(client: KameleoonClient) -> None:
    client.add_data("visitor-001", CustomData("plan", "vip"))
    before = client.outbox.status()

    keys = list(client.assign("pricing_test", ["visitor-001", ("visitor-001", DATA[1]), "visitor-001"]))

    assert keys == ["price_b", "premium", "price_b"]
    assert client.outbox.status() == before
    assert len(client.evaluator.store) == 1


def test_assign_is_lazy_and_keeps_the_order(client: KameleoonClient) -> None:
    endless = (f"visitor-{number}" for number in count())

    first = list(islice(client.assign("checkout_redesign", endless), 3))

    assert first == list(client.assign("checkout_redesign", ["visitor-0", "visitor-1", "visitor-2"]))
    assert next(endless) == "visitor-3"


@pytest.mark.parametrize(
    ("key", "error"),
    [("nope", FeatureNotFound), ("disabled_in_env", FeatureEnvironmentDisabled), ("broken", FeatureMalformed)],
)
def test_assign_says_at_once_what_is_wrong_with_the_flag(tmp_path: Path, key: str, error: type[Exception]) -> None:
    content = data_file()
    content["featureFlags"].append({"featureKey": "broken", "rules": 5})

    with pytest.raises(error):
        client_of(tmp_path, content).assign(key, [])


@pytest.mark.parametrize("key", ["checkout_redesign", "plain"])
@pytest.mark.parametrize("bad", ["", "a\nb", "y" * 256, "\ud800", None, 5, ("a\0", [])])
def test_assign_refuses_a_bad_code_when_it_meets_it(tmp_path: Path, key: str, bad: Any) -> None:
    content = data_file()
    content["featureFlags"].append(flag("plain", rule(1, ("on", 0.5), ("off", 0.5), kind=EXPERIMENT)))
    answers: Iterator[str] = client_of(tmp_path, content).assign(key, ["good", bad, "good"])

    assert next(answers)
    with pytest.raises(VisitorCodeInvalid):
        next(answers)


def test_assign_by_nothing_but_a_hash_is_the_same_decision(tmp_path: Path) -> None:
    shares = flag("f", rule(1, ("on", 0.3), ("off", 0.3), ("blue", 0.1), kind=EXPERIMENT), defaultVariationKey="none")
    client = client_of(tmp_path, site(shares))
    codes = [*CODES, "é\U0001f600", "\u2028", " "]

    keys = list(client.assign("f", codes))

    assert keys == [client.get_variation(code, "f").key for code in codes]
    assert set(keys) == {"on", "off", "blue", "none"}


# --- explain ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_explain_agrees_with_get_variation_and_leaves_no_trace(folder: Path, client: KameleoonClient, key: str) -> None:
    explained = [client.explain(code, key) for code in CODES]

    assert len(client.evaluator.store) == 0
    assert reported(client) == []
    asked = client_of(folder, data_file())
    assert [item.evaluation.variation_key for item in explained] == [
        asked.get_variation(code, key).key for code in CODES
    ]
    assert all(item.visitor_code in item.as_text() and item.as_dict()["flag"] == key for item in explained)


def test_explain_takes_the_attributes_of_a_context_into_account(client: KameleoonClient) -> None:
    told = client.explain("visitor-001", "pricing_test", {"plan": "vip"})

    assert told.evaluation.variation_key == "premium"
    assert "seen 'vip'" in told.as_text()
    assert client.explain("visitor-001", "pricing_test").evaluation.variation_key == "price_b"


ATTRIBUTES: list[dict[str, Any]] = [
    {"plan": "vip"},
    {"cart_value": 150, "beta_optin": True},
    {"account_id": "account-7"},
    {"user_id": "user-1"},
    {"browser": "CHROME", "device": "DESKTOP", "geolocation": "France"},
    {"pageView": ["https://shop.example.com/product/1", "https://shop.example.com/cart"]},
    {"conversion": 4401, "cookie": {"tier": "gold"}},
]


@pytest.mark.parametrize("attributes", ATTRIBUTES, ids=str)
def test_explain_agrees_with_an_evaluation_of_the_same_context(
    folder: Path, client: KameleoonClient, attributes: dict[str, Any]
) -> None:
    explained = {key: client.explain("somebody", key, attributes).evaluation.variation_key for key in KEYS}

    for key in KEYS:
        asked = client_of(folder, data_file())
        evaluation = asked.evaluator.evaluate(asked.ruleset, key, "somebody", attributes)
        assert evaluation.variation_key == explained[key]


def test_explain_knows_a_visitor_of_whom_the_context_tells_something(tmp_path: Path) -> None:
    undefined = {"targetingType": "CUSTOM_DATUM", "customDataIndex": "1", "valueMatchType": "UNDEFINED"}
    flags = site(flag("f", rule(1, ("on", 1), segment_id=9)), segments=[segment(undefined, segment_id=9)])
    client = client_of(tmp_path, flags)

    explained = [client.explain("somebody", "f", attributes) for attributes in ({}, {"plan": "vip"})]

    assert [item.evaluation.variation_key for item in explained] == ["off", "on"]


@pytest.mark.parametrize(
    ("key", "attributes", "error"),
    [("nope", None, FeatureNotFound), ("pricing_test", {"browser": 5}, VisitorDataInvalid)],
)
def test_explain_says_what_is_wrong(
    client: KameleoonClient, key: str, attributes: dict[str, Any] | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        client.explain("visitor-001", key, attributes)


# --- 2.x experiments --------------------------------------------------------------------------------------------


@pytest.fixture
def legacy(folder: Path) -> KameleoonClient:
    return client_of(folder, data_file(name="kameleoon-datafile-legacy"))


def test_a_triggered_experiment_is_remembered_and_reported_once(legacy: KameleoonClient) -> None:
    for _ in range(3):
        assert legacy.trigger_experiment("visitor-003", 75253) == 187791

    exposures = [event.data for event in reported(legacy)]
    assert [(item.experiment_id, item.variation_id) for item in exposures if isinstance(item, Exposure)] == [
        (75253, 187791)
    ]
    assert 75253 in legacy.evaluator.visitor("visitor-003").assignments


@pytest.mark.parametrize(
    ("code", "experiment_id", "error"),
    [
        ("visitor-003", 1, FeatureExperimentNotFound),
        ("visitor-003", 75257, NotTargeted),
        ("visitor-003", 75254, NotTargeted),
        ("visitor-001", 75253, NotAllocated),
        ("visitor-003", 75255, SiteCodeDisabled),
        ("", 75253, VisitorCodeInvalid),
    ],
)
def test_an_experiment_that_is_not_the_visitors_raises_and_leaves_no_trace(
    legacy: KameleoonClient, code: str, experiment_id: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        legacy.trigger_experiment(code, experiment_id)

    assert len(legacy.evaluator.store) == 0
    assert reported(legacy) == []


def test_experiments_are_listed(legacy: KameleoonClient) -> None:
    assert legacy.get_experiment_list() == [75253, 75254, 75255, 75256, 75257]
    assert 75253 not in legacy.get_experiment_list_for_visitor("visitor-001")
    assert 75253 in legacy.get_experiment_list_for_visitor("visitor-001", only_allocated=False)
    assert len(legacy.evaluator.store) == 0


def test_data_attached_to_a_variation_are_given(legacy: KameleoonClient) -> None:
    assert legacy.get_variation_associated_data(148382) == {"firstName": "Ada", "count": 10}
    with pytest.raises(FeatureVariationNotFound):
        legacy.get_variation_associated_data(1)


def test_a_data_file_of_today_has_no_experiments(client: KameleoonClient) -> None:
    assert client.get_experiment_list() == client.get_experiment_list_for_visitor("somebody") == []
    with pytest.raises(FeatureExperimentNotFound):
        client.trigger_experiment("somebody", 81001)
