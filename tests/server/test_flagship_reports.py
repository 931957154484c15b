"""What Flagship's SDKs report to the server: activations, contexts, hits in either form; and what is refused of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfeature_kameleoon.server.flagship.hits import activation_flaws, activations_of, hit_flaws, hits_of
from tests.flagship.examples import example
from tests.flagship.files import bucketing
from tests.server.asking import ask
from tests.server.flagship_site import ENV_ID, FlagshipSite, flagship_site
from tests.vectors import as_bytes

Json = dict[str, Any]


@pytest.fixture(scope="module")
def only() -> Iterator[FlagshipSite]:
    with flagship_site(bucketing()) as only:
        yield only


@pytest.fixture
def served(only: FlagshipSite) -> FlagshipSite:
    only.clear()
    return only


# --- activations and contexts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.parametrize("name", ["single11", "batch30", "batch30Authenticated"])
def test_activations_of_the_examples_are_taken(served: FlagshipSite, name: str, version: str) -> None:
    body = example("activate")[name]["body"]

    served.post(f"/{version}/activate", body, 204)

    told = served.reported()
    expected = body.get("batch", [body])
    assert [(each["visitor"], each["parameters"]["vaid"]) for each in told] == [(e["vid"], e["vaid"]) for e in expected]
    assert told[0]["words"] == "CTA colour: Variation 1"
    assert not any("problem" in each for each in told)


def test_a_missing_field_is_refused_as_in_the_example(served: FlagshipSite) -> None:
    body = {name: value for name, value in example("activate")["single11"]["body"].items() if name != "vid"}

    assert served.post("/v2/activate", body, 400) == example("activate")["error400"]["body"]
    assert served.reported() == []


@pytest.mark.parametrize(
    ("change", "flaw"),
    [
        ({"cid": None}, "cid"),
        ({"cid": "OTHER"}, "cid"),
        ({"vid": ""}, "vid"),
        ({"vid": 5}, "vid"),
        ({"caid": None}, "caid"),
        ({"vaid": None}, "vaid"),
        ({"aid": 5}, "aid"),
        ({"qt": "soon"}, "qt"),
    ],
)
def test_an_activation_with_a_wrong_field_is_refused(served: FlagshipSite, change: Json, flaw: str) -> None:
    body = {**example("activate")["single11"]["body"], **change}

    assert f'"{flaw}":' in served.post("/v2/activate", body, 400)["message"]


@pytest.mark.parametrize("body", [b"{", b"[]", b"5", {"cid": ENV_ID, "batch": []}, {"cid": ENV_ID, "batch": 5}])
def test_what_is_no_activation_is_refused(served: FlagshipSite, body: object) -> None:
    assert served.post("/v2/activate", body, 400)["message"]


def test_what_is_wrong_in_a_batch_costs_nothing_else_and_is_shown(served: FlagshipSite) -> None:
    good: Json = {"vid": "v", "caid": "cs8r01vg000000000000", "vaid": "cs8r01va010000000000"}
    of_a_campaign = {**good, "caid": "cs8r01camp0000000000"}  # the field is the variation group's, in spite of its name

    served.post("/v2/activate", {"cid": ENV_ID, "batch": [good, {"vid": "w"}, 5, of_a_campaign]}, 204)

    told = served.reported()
    assert [each.get("problem", "")[:24] for each in told] == [
        "",
        "caid: Field is mandatory",
        "vid: Field is mandatory.",
        "there is no variation cs",
    ]
    assert served.call("/api/state")["events"]["malformed"] == 3


def test_contexts_of_the_example_are_taken(served: FlagshipSite) -> None:
    body = example("decision-api")["contextEvent11"]["body"]

    for base in (f"/v2/{ENV_ID}", f"/v1/{ENV_ID}", "/v2"):
        served.post(f"{base}/events", body, 204)

    assert [(each["visitor"], each["parameters"]) for each in served.reported("CONTEXT")] == [
        ("user_#1234", {"isVip": True, "age": 31})
    ] * 3


# --- hits -------------------------------------------------------------------------------------------------------

EXAMPLES = [
    *(each["body"] for each in example("hits")["single11"]),
    example("hits")["singleWithoutBatching30"],
    example("hits")["batch30"],
]


@pytest.mark.parametrize("body", EXAMPLES, ids=lambda body: body["t"])
def test_hits_of_the_examples_are_taken(served: FlagshipSite, body: Json) -> None:
    served.post("/", body, 204)

    expected = body["h"] if body["t"] == "BATCH" else [body]
    told = served.reported()
    assert [each["type"] for each in told] == [each["t"] for each in expected]
    assert [each["visitor"] for each in told] == [each["vid"] for each in expected]
    for each, hit in zip(told, expected, strict=True):
        assert each["parameters"] == {
            "cid": ENV_ID,
            **{name: value for name, value in hit.items() if name not in ("t", "vid", "ds")},
        }
        assert "problem" not in each


def test_a_batch_of_another_sdk_has_its_source_on_top_alone(served: FlagshipSite) -> None:
    hit = {"t": "SCREENVIEW", "dl": "home", "vid": "v"}

    served.post("/", {"cid": ENV_ID, "t": "BATCH", "ds": "APP", "qt": 5, "h": [hit]}, 204)

    assert "problem" not in served.reported()[0]


HIT = {"cid": ENV_ID, "vid": "v", "ds": "APP"}
WRONG: list[tuple[Json, str]] = [
    ({"t": "PAGEVIEW"}, "dl"),
    ({"t": "PAGEVIEW", "dl": "a.b"}, "dl"),
    ({"t": "PAGEVIEW", "dl": "http://["}, "dl"),
    ({"t": "SCREENVIEW", "dl": ""}, "dl"),
    ({"t": "SCREENVIEW", "dl": 5}, "dl"),
    ({"t": "EVENT", "ec": "Action Tracking"}, "ea"),
    ({"t": "EVENT", "ea": "click"}, "ec"),
    ({"t": "EVENT", "ec": "Action Tracking", "ea": "click", "ev": 1.5}, "ev"),
    ({"t": "EVENT", "ec": "Action Tracking", "ea": "click", "ev": True}, "ev"),
    ({"t": "TRANSACTION", "ta": "k"}, "tid"),
    ({"t": "TRANSACTION", "tid": "1"}, "ta"),
    ({"t": "TRANSACTION", "tid": "1", "ta": "k", "tr": "5"}, "tr"),
    ({"t": "ITEM", "tid": "1", "in": "n"}, "ic"),
    ({"t": "ITEM", "tid": "1", "ic": "c"}, "in"),
    ({"t": "SEGMENT"}, "s"),
    ({"t": "SEGMENT", "s": {"age": 31}}, "s"),
    ({"t": "SPOON"}, "t"),
    ({"t": 5}, "t"),
    ({}, "t"),
    ({"t": "SCREENVIEW", "dl": "home", "ds": "WEB"}, "ds"),
    ({"t": "SCREENVIEW", "dl": "home", "vid": ""}, "vid"),
    ({"t": "SCREENVIEW", "dl": "home", "cid": "OTHER"}, "cid"),
    ({"t": "SCREENVIEW", "dl": "home", "cid": ""}, "cid"),
    ({"t": "SCREENVIEW", "dl": "home", "sn": "3"}, "sn"),
]


@pytest.mark.parametrize(("change", "flaw"), WRONG)
def test_a_hit_that_makes_no_sense_is_refused_and_shown_with_what_is_wrong(
    served: FlagshipSite, change: Json, flaw: str
) -> None:
    message = served.post("/", {**HIT, **change}, 400)["message"]

    assert f'"{flaw}":' in message
    assert served.reported()[0]["problem"].startswith(f"{flaw}: ")


def test_one_wrong_hit_of_a_batch_costs_no_other(served: FlagshipSite) -> None:
    good, wrong = {"t": "SCREENVIEW", "dl": "home", "vid": "v"}, {"t": "EVENT", "vid": "v"}

    served.post("/", {"cid": ENV_ID, "t": "BATCH", "ds": "APP", "h": [good, wrong, 5]}, 204)
    served.post("/", {"cid": ENV_ID, "t": "BATCH", "ds": "APP", "h": [wrong]}, 400)

    assert ["problem" in each for each in served.reported()] == [False, True, True, True]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", {"t": "BATCH"}, {"t": "BATCH", "h": 5}, {"t": "BATCH", "h": []}])
def test_what_holds_no_hit_is_refused(served: FlagshipSite, body: object) -> None:
    assert served.post("/", body, 400)["message"]
    assert served.reported() == []


def test_a_context_may_be_empty(served: FlagshipSite) -> None:
    served.post("/", {**HIT, "t": "SEGMENT", "s": {}}, 204)


@pytest.mark.parametrize("name", ["troubleshooting", "analytics"])
def test_diagnostics_are_taken_and_are_nobodys_event(served: FlagshipSite, name: str) -> None:
    assert ask(served.server, f"/flagship/{name}", "POST", as_bytes({"t": "TROUBLESHOOTING"})).status == 204
    assert served.reported() == []


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.sampled_from(["cid", "vid", "t", "ds", "dl", "ec", "ea", "tid", "s", "h", "batch", "caid", "vaid", "qt"])
KINDS = st.sampled_from(["PAGEVIEW", "SEGMENT", "BATCH", "EVENT"])


@given(st.dictionaries(NAMES, ANYTHING), KINDS)
def test_whatever_comes_is_looked_at_without_a_fault(body: Json, kind: str) -> None:
    for hit in (*hits_of(body), *hits_of({**body, "t": kind})):
        assert isinstance(hit_flaws(hit), dict)
    for activation in activations_of(body):
        assert isinstance(activation_flaws(activation), dict)
