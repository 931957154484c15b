"""The decision API as SDKs ask it: answers, modes, errors, and what the server stores (specs/flagship.md 2)."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from openfeature_kameleoon.flagship.engine.allocation import bucket
from openfeature_kameleoon.server.flagship.assignments import Assignments
from tests.flagship.examples import example
from tests.flagship.files import EVERYBODY, bucketing, campaign, group, rule, targeting, variation, vectors
from tests.server.asking import ask
from tests.server.flagship_site import ENV_ID, FlagshipSite, flagship_site
from tests.vectors import as_bytes

Json = dict[str, Any]

VIP = targeting([rule(key="vip", value=True)])
CTA = "cs8r01camp0000000000"


@pytest.fixture(scope="module")
def only() -> Iterator[FlagshipSite]:
    with flagship_site(bucketing()) as only:
        yield only


@pytest.fixture
def served(only: FlagshipSite) -> FlagshipSite:
    """The example's file, and nobody is known."""
    only.publish(bucketing())
    only.clear()
    return only


def file_of(answer: Json) -> Json:
    """A bucketing file of which everybody is given what an example of an answer says."""
    return {
        "campaigns": [
            {
                **{name: each[name] for name in ("id", "name", "slug", "type")},
                "variationGroups": [
                    {
                        "id": each["variationGroupId"],
                        "name": each["variationGroupName"],
                        "targeting": EVERYBODY,
                        "variations": [{**each["variation"], "allocation": 100}],
                    }
                ],
            }
            for each in answer["campaigns"]
        ]
    }


def path_of(request: Json) -> str:
    """Where an example's request goes on this server."""
    return str(request["url"]).split(".flagship.io")[1]


# --- the examples ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["request11", "request11WithoutApiKey", "request30"])
def test_the_requests_of_the_sdks_are_answered_as_in_the_example(served: FlagshipSite, name: str) -> None:
    request, answer = example("decision-api")[name], example("decision-api")["response200"]
    served.publish(file_of(answer))

    headers = {key.replace("-", "_"): value for key, value in request["headers"].items()}
    given = served.post(path_of(request), request["body"], **headers)

    assert given == answer
    assert [list(each) for each in given["campaigns"]] == [list(each) for each in answer["campaigns"]]


def test_an_authenticated_visitor_is_answered(served: FlagshipSite) -> None:
    answer = served.post(f"/v2/{ENV_ID}/campaigns/", example("decision-api")["request30Authenticated"]["body"])

    assert answer["visitorId"] == "account-77"


def test_panic_and_nothing_are_answered_as_in_the_examples(served: FlagshipSite) -> None:
    asked = {"visitorId": "user_#1234", "trigger_hit": False}

    served.publish({"campaigns": []})
    assert served.post(f"/v2/{ENV_ID}/campaigns", asked) == example("decision-api")["response200Empty"]
    served.publish({**bucketing(), "panic": True})
    assert served.post(f"/v2/{ENV_ID}/campaigns", asked) == example("decision-api")["response200Panic"]
    assert served.post(f"/v2/{ENV_ID}/flags", asked) == {}
    assert served.post(f"/v2/{ENV_ID}/campaigns/{CTA}", asked, 204) is None


def test_account_settings_come_when_they_are_asked_for(served: FlagshipSite) -> None:
    expected = example("decision-api")["response200WithExtras"]
    served.publish({"campaigns": [], **expected["extras"]})

    for extra in ("extras[]=accountSettings", "extras=accountSettings", "extras=more,accountSettings"):
        answer = served.post(f"/v2/{ENV_ID}/campaigns?{extra}", {"visitorId": "user_#1234"})
        assert answer == expected


def test_the_modes_are_those_of_the_example(served: FlagshipSite) -> None:
    whole = example("decision-api")["response200"]
    served.publish(file_of({"campaigns": whole["campaigns"][:1]}))

    simple, full, unheard_of = (
        served.post(f"/v2/{ENV_ID}/campaigns?mode={mode}", {"visitorId": "user_#1234"})
        for mode in ("simple", "full", "other")
    )

    expected = example("decision-api")["response200ModeSimple"]
    assert simple == expected
    assert full == {**unheard_of, **expected}
    assert unheard_of["campaigns"][0]["variation"]["modifications"]["value"] == expected["mergedModifications"]


def test_flags_are_those_of_the_example(served: FlagshipSite) -> None:
    answer = example("decision-api")["response200"]
    served.publish(file_of({"campaigns": answer["campaigns"][:1]}))

    flags = served.post(f"/v2/{ENV_ID}/flags", {"visitorId": "user_#1234"})

    assert flags["ctaColor"] == example("decision-api")["flagsEndpoint200"]["ctaColor"]
    assert flags["ctaIcon"]["value"] is None


def test_every_visitor_of_the_vectors_gets_what_the_engine_gives(served: FlagshipSite) -> None:
    for case in vectors("endToEnd")["cases"]:
        expected = dict(case["flags"])
        expected |= case.get("engineDiff") or {}
        expected = {key: flag for key, flag in expected.items() if flag is not None and flag[0] is not None}
        served.environment.assignments.clear()

        assert served.flags(case["visitorId"], case["context"]) == expected, case["id"]


# --- one campaign, and other addresses --------------------------------------------------------------------------


@pytest.mark.parametrize("base", [f"/v2/{ENV_ID}", "/v2", f"/v1/{ENV_ID}"])
@pytest.mark.parametrize("name", [CTA, "cta-colour"])
def test_a_campaign_is_asked_for_by_its_id_or_slug(served: FlagshipSite, base: str, name: str) -> None:
    answer = served.post(f"{base}/campaigns/{name}?exposeAllKeys=true")

    assert answer in served.post(f"{base}/campaigns/?exposeAllKeys=true")["campaigns"]
    assert answer["id"] == CTA


def test_who_gets_nothing_of_a_campaign_is_told_so(served: FlagshipSite) -> None:
    served.publish({"campaigns": [campaign("c", group("g", variation("v", {"f": 1}), targeting=VIP), slug="a/b c")]})

    assert served.post(f"/v2/{ENV_ID}/campaigns/c", None, 204) is None
    answer = served.post(f"/v2/{ENV_ID}/campaigns/a%2Fb%20c", {"visitorId": "v", "context": {"vip": True}})
    assert (answer["slug"], answer["variation"]["id"]) == ("a/b c", "v")


def test_names_that_the_file_lacks_are_missing_and_a_null_slug_is_null(served: FlagshipSite) -> None:
    nameless = campaign("c", group("g", variation("v", {"f": 1})))
    served.publish({"campaigns": [nameless, {**nameless, "id": "d", "slug": None}]})

    first, second = served.post(f"/v2/{ENV_ID}/campaigns")["campaigns"]

    assert list(first) == ["id", "type", "variationGroupId", "variation"]
    assert second["slug"] is None


def test_keys_of_other_variations_are_null_or_missing(served: FlagshipSite) -> None:
    both = group("g", variation("v", {"a": 1, "b": None}), variation("w", {"c": 3}, 0))
    served.publish({"campaigns": [campaign("c", both)]})

    def value(query: str) -> Any:
        answer = served.post(f"/v2/{ENV_ID}/campaigns{query}")
        return answer["campaigns"][0]["variation"]["modifications"]["value"]

    assert value("?exposeAllKeys=true") == {"a": 1, "b": None, "c": None}
    assert value("?exposeAllKeys=false") == value("") == {"a": 1}
    assert list(served.post(f"/v2/{ENV_ID}/flags")) == ["a", "b", "c"]
    assert list(served.post(f"/v2/{ENV_ID}/flags?exposeAllKeys=false")) == ["a"]


# --- what is refused --------------------------------------------------------------------------------------------

REFUSED: list[tuple[str, object, str]] = [
    ("campaigns", b"{", "no JSON object"),
    ("campaigns", b"[]", "no JSON object"),
    ("campaigns", b'{"visitorId": "\xff"}', "no JSON object"),
    ("campaigns", b"[" * 100_000, "no JSON object"),
    ("flags", {"visitorId": "v", "trigger_hits": False}, "unknown field `trigger_hits`"),
    ("flags", {"visitorId": "v", "timezone": None}, "unknown field `timezone`"),
    ("campaigns/cta-colour", {"context": {}}, '{"visitorId":"Field is mandatory."}'),
    ("campaigns", {"visitorId": ""}, "Field is mandatory."),
    ("campaigns", {"visitorId": 5}, "visitorId"),
    ("campaigns", {"visitorId": "v", "context": []}, "context"),
    ("campaigns", {"visitorId": "v", "trigger_hit": "yes"}, "trigger_hit"),
    ("campaigns/nowhere", {"visitorId": "v"}, "campaign nowhere not found"),
    ("events", {"type": "CONTEXT", "data": {}}, "Field is mandatory."),
    ("events", {"type": "PAGE", "visitorId": "v", "data": {}}, "CONTEXT"),
    ("events", {"type": "CONTEXT", "visitorId": "v", "data": 5}, "CONTEXT"),
]


@pytest.mark.parametrize(("path", "body", "problem"), REFUSED)
def test_what_makes_no_sense_is_refused_in_words(served: FlagshipSite, path: str, body: object, problem: str) -> None:
    for base in (f"/v2/{ENV_ID}", "/v2"):
        answer = served.post(f"{base}/{path}", body, 400)

        assert list(answer) == ["message"]
        assert problem in answer["message"]
    assert served.reported() == []
    assert len(served.environment.assignments) == 0


def test_another_environment_is_not_found(served: FlagshipSite) -> None:
    expected = example("decision-api")["response400"]["message"].replace(ENV_ID, "OTHER")

    for path in ("campaigns", f"campaigns/{CTA}", "flags"):
        assert served.post(f"/v2/OTHER/{path}", None, 400) == {"message": expected}
    assert served.file(env_id="OTHER").status == 404


def test_whichever_environment_is_asked_for_is_served_where_none_is_named() -> None:
    with flagship_site(bucketing(), env_id="") as served:
        assert served.post("/v2/whichever/campaigns")["campaigns"]
        assert served.file(env_id="whichever").status == 200


def test_older_names_and_null_are_understood(served: FlagshipSite) -> None:
    older = {"visitor_id": "v", "anonymous_id": None, "decision_group": None, "visitor_consent": None}

    assert served.post(f"/v2/{ENV_ID}/campaigns", older)["visitorId"] == "v"


def test_what_a_context_cannot_hold_is_as_if_it_was_not_there(served: FlagshipSite) -> None:
    context: Json = {"isVip": True, "age": None, "city": ["Paris"], "country": {}}

    assert served.flags("visitor-1", context) == served.flags("visitor-1", {"isVip": True})


# --- what the server does (2.7), row by row -----------------------------------------------------------------------


def test_the_first_campaign_of_an_id_counts(served: FlagshipSite) -> None:
    twice = [campaign("c", group(f"g{number}", variation(f"v{number}", {"f": number}))) for number in (1, 2)]
    served.publish({"campaigns": twice})

    assert served.flags() == {"f": [1, "v1"]}


def test_the_first_group_that_matches_settles_a_campaign(served: FlagshipSite) -> None:
    groups = [
        group("g1", variation("v1", {"f": 1}), targeting=VIP),
        group("g2", variation("v2", {"f": 2}, 0)),
        group("g3", variation("v3", {"f": 3})),
    ]
    served.publish({"campaigns": [campaign("c", *groups)]})

    assert served.flags(context={"vip": True}) == {"f": [1, "v1"]}
    assert served.flags("visitor-2") == {}


TESTS = {
    "accountSettings": {"enabled1V1T": True},
    "campaigns": [
        campaign("c1", group("g1", variation("v1", {"a": 1}), targeting=VIP)),
        campaign("c2", group("g2", variation("v2", {"b": 2}))),
        campaign("c3", group("g3", variation("v3", {"p": 3})), type="perso"),
    ],
}


def test_a_visitor_enters_one_test_only(served: FlagshipSite) -> None:
    served.publish(TESTS)

    assert set(served.flags("one", {"vip": True})) == {"a", "p"}
    assert set(served.flags("two")) == {"b", "p"}
    assert set(served.flags("two", {"vip": True})) == {"a", "p"}  # it was given the other test, and not seen there
    activation = {"cid": ENV_ID, "vid": "two", "caid": "g2", "vaid": "v2"}
    served.post("/v2/activate", activation, 204)
    assert set(served.flags("two", {"vip": True})) == {"b", "p"}
    served.publish({**TESTS, "accountSettings": {}})
    assert set(served.flags("two", {"vip": True})) == {"a", "b", "p"}


def test_a_hit_that_is_triggered_counts_as_seen(served: FlagshipSite) -> None:
    served.publish(TESTS)

    served.post(f"/v2/{ENV_ID}/campaigns", {"visitorId": "v"})  # the default

    assert set(served.flags("v", {"vip": True})) == {"b", "p"}
    told = [(each["visitor"], each["parameters"]["vaid"]) for each in served.reported("CAMPAIGN")]
    assert told == [("v", "v2"), ("v", "v3")]


def test_bucket_ranges_let_visitors_in(served: FlagshipSite) -> None:
    ranges = [{"r": [10, 30]}, {"r": [80, 100]}]
    served.publish({"campaigns": [campaign("c", group("g", variation("v", {"f": 1})), bucketRanges=ranges)]})

    for number in range(40):
        is_in = 10 <= bucket(f"visitor-{number}") < 30 or bucket(f"visitor-{number}") >= 80
        assert bool(served.flags(f"visitor-{number}")) is is_in


def halves(first: float, second: float) -> Json:
    return {
        "campaigns": [campaign("c", group("g", variation("a", {"f": "a"}, first), variation("b", {"f": "b"}, second)))]
    }


def test_a_visitor_keeps_what_it_was_given(served: FlagshipSite) -> None:
    served.publish(halves(100, 0))
    assert served.flags("known") == {"f": ["a", "a"]}

    served.publish(halves(0, 100))

    assert served.flags("known") == {"f": ["a", "a"]}
    assert served.flags("new") == {"f": ["b", "b"]}


def test_a_variation_that_is_gone_is_given_to_nobody(served: FlagshipSite) -> None:
    served.publish(halves(100, 0))
    served.flags("known")

    served.publish({"campaigns": [campaign("c", group("g", variation("b", {"f": "b"})))]})

    assert served.flags("known") == {}
    assert served.flags("new") == {"f": ["b", "b"]}


@pytest.mark.parametrize("is_continued", [True, False])
def test_an_anonymous_visitor_keeps_it_when_it_is_known_if_the_account_says_so(
    served: FlagshipSite, is_continued: bool
) -> None:
    settings = {"accountSettings": {"enabledXPC": is_continued}}
    served.publish({**halves(100, 0), **settings})
    served.flags("anonymous")
    served.publish({**halves(0, 100), **settings})

    known = served.flags("account", anonymousId="anonymous")

    assert known == {"f": ["a", "a"] if is_continued else ["b", "b"]}
    assert served.flags("account") == known


def test_a_decision_group_is_hashed_and_stored_in_place_of_the_visitor(served: FlagshipSite) -> None:
    served.publish(halves(50, 50))
    expected = "a" if bucket("g" + b64encode(b"family").decode()) < 50 else "b"
    other = {"a": "b", "b": "a"}[expected]

    given = {served.flags(f"visitor-{number}", decision_group="family")["f"][0] for number in range(20)}
    served.publish(halves(100, 0) if other == "a" else halves(0, 100))

    assert given == {expected}
    assert served.flags("newcomer", decision_group="family")["f"][0] == expected
    assert served.flags("stranger")["f"][0] == other


def test_so_many_visitors_are_remembered_and_the_last_to_ask() -> None:
    assignments = Assignments(most=2)
    for name in ("ann", "bob", "ann", "cleo"):
        assignments.activate([("visitor", name)], "g", "v")

    assert len(assignments) == 2
    assert assignments.known([("visitor", "bob")]).assignments == {}
    assert assignments.known([("visitor", "ann")]) == ({"g": "v"}, {"g"})


@pytest.mark.parametrize(
    ("query", "fields", "is_stored"),
    [
        ("", {}, True),
        ("?sendContextEvent=true", {}, True),
        ("?sendContextEvent=false", {}, False),
        ("", {"visitor_consent": False}, False),
    ],
)
def test_the_context_is_stored_unless_somebody_minds(
    served: FlagshipSite, query: str, fields: Json, is_stored: bool
) -> None:
    served.post(f"/v2/{ENV_ID}/campaigns{query}", {"visitorId": "v", "context": {"age": 31}, **fields})

    told = [(each["visitor"], each["parameters"]) for each in served.reported("CONTEXT")]
    assert told == ([("v", {"age": 31})] if is_stored else [])


def test_values_of_every_kind_come_as_they_are_written(served: FlagshipSite) -> None:
    values: Json = {"a": 1, "b": 1.5, "c": "ü 🙂", "d": True, "e": {"x": [1, None]}, "f": [], "g": 2.0, "h": 2**60}
    served.publish({"campaigns": [campaign("c", group("g", variation("v", values)))]})

    raw = ask(served.server, f"/flagship/v2/{ENV_ID}/campaigns/c", "POST", as_bytes({"visitorId": "v"})).body

    assert json.loads(raw)["variation"]["modifications"]["value"] == values
    assert b"2.0" in raw
