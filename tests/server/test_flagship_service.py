"""Flagship's part of the server as a whole: who may ask, failures, numbers, what the page asks, the command, SDKs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon.flagship.app import Flagship
from openfeature_kameleoon.flagship.config import Config
from openfeature_kameleoon.flagship.endpoints import V1, Endpoints
from openfeature_kameleoon.flagship.hits import Page
from openfeature_kameleoon.flagship.provider import FlagshipProvider
from openfeature_kameleoon.flagship.provider_configuration import FlagshipConfiguration
from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.faults import ROUTES
from openfeature_kameleoon.server.flagship.environment import Environment
from openfeature_kameleoon.server.flagship.overrides import Override
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from tests.chaos import wait_until
from tests.flagship.files import bucketing, campaign, group, rule, targeting, variation
from tests.server.asking import ask
from tests.server.conftest import FLAGS
from tests.server.flagship_site import ENV_ID, FlagshipSite, flagship_site
from tests.server.fleet import serve_process
from tests.server.test_inspector import following
from tests.vectors import as_bytes

Json = dict[str, Any]

CTA = "cs8r01camp0000000000"
FIRST = "cs8r01va010000000000"
HIT = {"cid": ENV_ID, "vid": "v", "ds": "APP", "t": "SCREENVIEW", "dl": "home"}


@pytest.fixture(scope="module")
def only() -> Iterator[FlagshipSite]:
    with flagship_site(bucketing()) as only:
        yield only


@pytest.fixture
def served(only: FlagshipSite) -> Iterator[FlagshipSite]:
    only.publish(bucketing())
    only.clear()
    yield only
    only.call("/api/faults", "DELETE")


# --- the file over HTTP -----------------------------------------------------------------------------------------


def test_the_file_comes_with_its_date_and_only_when_it_changed(served: FlagshipSite) -> None:
    first = served.file()
    again = served.file(first.headers["last-modified"])
    served.environment.override(CTA, Override(variation=FIRST))
    changed = served.file(first.headers["last-modified"])

    assert (first.status, json.loads(first.body)) == (200, bucketing())
    assert (again.status, again.body, again.headers["last-modified"]) == (304, b"", first.headers["last-modified"])
    assert changed.status == 200
    assert changed.headers["last-modified"] != first.headers["last-modified"]


def test_before_there_is_a_file_nothing_is_decided() -> None:
    with LocalServer(Serving(Site("local"), flagship=Environment())) as server:
        waiting = FlagshipSite(Environment(), server)

        assert waiting.file().status == 503
        assert "no bucketing file" in waiting.post("/v2/E/flags", None, 500)["message"]
        assert ask(server, "/readyz").status == 503
        assert ask(server, "/api/flagship/flags").status == 200


# --- who may ask --------------------------------------------------------------------------------------------------


def test_sdks_need_no_token_and_no_page_of_another_site_gets_in(served: FlagshipSite) -> None:
    path = f"/flagship/v2/{ENV_ID}/flags"
    body = as_bytes({"visitorId": "v"})

    def status(**headers: str) -> int:
        return ask(served.server, path, "POST", body, **headers).status

    assert status() == status(content_type="text/plain") == 200
    assert status(origin="https://evil.example") == 403
    assert status(host="evil.example") == 403
    assert status(sec_fetch_site="cross-site") == 403
    assert status(content_length=str(5 << 20)) == 413


def test_reading_is_free_here_and_changing_needs_the_token(served: FlagshipSite) -> None:
    def status(method: str, path: str) -> int:
        return ask(served.server, f"/api/flagship{path}", method, None if method == "GET" else b"{}").status

    assert [status("GET", path) for path in ("/state", "/flags")] == [200, 200]
    assert [status("PUT", path) for path in ("/panic", f"/overrides/{CTA}")] == [401] * 2
    assert [status("DELETE", path) for path in ("/visitors", "/overrides", f"/overrides/{CTA}")] == [401] * 3
    assert [status("POST", path) for path in ("/explain", "/sample")] == [401] * 2


def test_a_server_elsewhere_answers_sdks_and_nobody_else() -> None:
    environment = Environment()
    environment.publish(as_bytes(bucketing()))
    serving = Serving(Site("local"), host="0.0.0.0", token="the-token", flagship=environment)
    with LocalServer(serving, host="127.0.0.1") as server:
        assert ask(server, f"/flagship/{ENV_ID}/bucketing.json").status == 200
        assert ask(server, "/api/flagship/flags").status == 401


# --- failures and numbers -----------------------------------------------------------------------------------------

ASKING = {
    "flagship_file": ("GET", f"/flagship/{ENV_ID}/bucketing.json", None, 200),
    "flagship_decisions": ("POST", f"/flagship/v2/{ENV_ID}/campaigns/", {"visitorId": "v"}, 200),
    "flagship_activations": (
        "POST",
        "/flagship/v2/activate",
        {"cid": ENV_ID, "vid": "v", "caid": "cs8r01vg000000000000", "vaid": FIRST},
        204,
    ),
    "flagship_hits": ("POST", "/flagship/", HIT, 204),
}
"""For each route that can fail, what asks it, and how it is answered."""


def statuses(served: FlagshipSite) -> dict[str, int]:
    found = {}
    for name, (method, path, body, _) in ASKING.items():
        found[name] = ask(served.server, path, method, None if body is None else as_bytes(body)).status
    return found


@pytest.mark.parametrize("route", ASKING)
def test_each_route_fails_alone_and_comes_back(served: FlagshipSite, route: str) -> None:
    whole = {name: status for name, (*_, status) in ASKING.items()}

    served.call("/api/faults", "PUT", {route: {"status": 503}})
    failing = statuses(served)
    served.call("/api/faults", "DELETE")

    assert failing == {**whole, route: 503}
    assert statuses(served) == whole


def test_every_route_of_flagships_is_tried_here() -> None:
    assert {name for name in ROUTES if name.startswith("flagship_")} == set(ASKING)


def test_a_stopped_server_answers_no_sdk_and_a_reset_forgets_all(served: FlagshipSite) -> None:
    served.call("/stop", "POST")
    assert set(statuses(served).values()) == {0}
    served.call("/start", "POST")
    statuses(served)
    served.environment.panic(True)

    served.call("/reset", "POST")

    assert served.environment.overrides.panic is None
    assert len(served.environment.assignments) == 0
    assert served.reported() == []


def test_requests_and_reports_are_counted(served: FlagshipSite) -> None:
    statuses(served)
    served.environment.panic(True)

    text = ask(served.server, "/metrics").body.decode()

    assert 'route="/flagship/v2/{env_id}/campaigns/",status="200"' in text
    assert 'kameleoon_events_total{type="ACTIVATE"} 1' in text
    assert 'kameleoon_events_total{type="SCREENVIEW"} 1' in text
    assert "kameleoon_flagship_overrides 1\n" in text
    assert "kameleoon_flagship_panic 1\n" in text
    assert "kameleoon_flagship_visitors 1\n" in text
    assert ask(served.server, "/readyz").status == 200


def test_reports_are_written_down_beside_kameleoons_events(tmp_path: Path) -> None:
    with flagship_site(bucketing(), events_path=tmp_path / "events") as served:
        served.post("/", HIT, 204)
        ask(served.server, "/visit/events", "POST", b"eventType=page&visitorCode=ann")

        lines = [json.loads(line) for line in (tmp_path / "events").read_text(encoding="utf-8").splitlines()]

    assert [(line["type"], line.get("service")) for line in lines] == [("SCREENVIEW", "flagship"), ("page", None)]
    assert [line["number"] for line in lines] == [1, 2]


# --- what the page asks -------------------------------------------------------------------------------------------


def test_flags_are_listed_with_the_campaigns_that_give_them(served: FlagshipSite) -> None:
    listed = served.call("/api/flagship/flags")

    by_key = {flag["key"]: flag["campaigns"] for flag in listed["flags"]}
    cta = listed["campaigns"][CTA]
    assert by_key["ctaColor"][-1] == CTA
    assert (cta["name"], cta["slug"], cta["type"], cta["override"]) == ("CTA colour", "cta-colour", "ab", None)
    assert [each["name"] for each in cta["variations"]] == ["Original", "Variation 1", "Variation 2"]
    assert cta["groups"][0]["words"] == "everybody"
    assert [each["share"] for each in cta["groups"][0]["shares"]] == [0.34, 0.33, 0.33]
    regional = next(each for each in listed["campaigns"].values() if each["name"] == "Regional offer")
    assert regional["groups"][0]["words"] == 'country is one of "FR", "BE" and age ≥ 18'
    banner = next(each for each in listed["campaigns"].values() if each["name"] == "VIP banner")
    assert [each["name"] for each in banner["variations"]] == ["Variation 0, Scenario 1", "Variation 0, Scenario 2"]


def test_the_state_tells_of_flagship(served: FlagshipSite) -> None:
    served.flags("v")
    served.environment.override(CTA, Override(variation=FIRST))

    state = served.call("/api/state")["flagship"]

    assert state == served.call("/api/flagship/state")
    assert (state["environment"], state["panic"], state["visitors"]) == (ENV_ID, False, 1)
    assert state["overrides"] == {"campaigns": {CTA: {"variation": FIRST}}}
    assert state["names"] == {CTA: "CTA colour"}
    assert "country" in state["contextKeys"]


def explained(served: FlagshipSite, flag: str, visitor: str = "visitor-1", **context: Any) -> Any:
    question = {"flag": flag, "visitorCode": visitor, "context": context}
    return served.call("/api/flagship/explain", "POST", question)


def test_an_explanation_has_the_answer_and_every_step(served: FlagshipSite) -> None:
    answer = explained(served, "ctaColor", nonsense=1)

    [told] = answer["explanation"]["steps"]
    names = [step["title"] for step in told["steps"]]
    assert (answer["value"], answer["variantName"], answer["reason"]) == ("orange", "Variation 2", "SPLIT")
    assert answer["unused"] == ["nonsense"]
    assert (told["title"], names) == ("campaign CTA colour", ["bucket ranges", "scenario Scenario 1"])
    bucket = told["steps"][1]["steps"][-1]
    assert (bucket["outcome"], bucket["facts"]["place"]) == ("Variation 2", 0.75)
    assert [round(each["share"], 2) for each in bucket["facts"]["shares"]] == [0.34, 0.33, 0.33]
    assert answer["value"] == served.flags("visitor-1")["ctaColor"][0]


def test_rules_are_told_in_words_with_what_was_seen(served: FlagshipSite) -> None:
    answer = explained(served, "discount", country="FR", age=17)

    text = json.dumps(answer["explanation"], ensure_ascii=False)
    assert 'country is one of \\"FR\\", \\"BE\\"' in text
    assert '"title": "age ≥ 18", "outcome": "does not hold"' in text
    assert '"seen": 17' in text


def test_what_is_stored_of_a_visitor_and_what_is_overridden_is_told(served: FlagshipSite) -> None:
    served.environment.assignments.activate([("visitor", "v")], "cs8r01vg000000000000", FIRST)
    stored = explained(served, "ctaColor", "v")
    served.call(f"/api/flagship/overrides/{CTA}", "PUT", {"visitors": {"v": "cs8r01va020000000000"}})
    forced = explained(served, "ctaColor", "v")

    assert stored["variant"] == FIRST
    assert "is the visitor's already" in json.dumps(stored["explanation"])
    assert forced["variant"] == "cs8r01va020000000000"
    assert '"title": "override"' in json.dumps(forced["explanation"])


def test_what_is_not_answered_is_told(served: FlagshipSite) -> None:
    nowhere, nobody = explained(served, "nowhere"), explained(served, "ctaColor", "")
    served.call(f"/api/flagship/overrides/{CTA}", "PUT", {"paused": True})
    paused = explained(served, "ctaColor")
    assert sampled(served, "ctaColor") == {}
    served.call("/api/flagship/overrides", "DELETE")
    served.call("/api/flagship/panic", "PUT", {"panic": True})
    panic = explained(served, "ctaColor")

    assert nowhere["errorCode"] == paused["errorCode"] == "FLAG_NOT_FOUND"
    assert paused["error"] == "its campaigns are paused"
    assert nobody["errorCode"] == "TARGETING_KEY_MISSING"
    assert (panic["reason"], panic["value"], panic["error"]) == ("DISABLED", None, None)


def sampled(served: FlagshipSite, flag: str, **context: Any) -> dict[str, Json]:
    answer = served.call("/api/flagship/sample", "POST", {"flag": flag, "context": context})
    return {row["variation"]: row for row in answer["variations"]}


def test_a_sample_stands_beside_what_is_configured(served: FlagshipSite) -> None:
    rows = sampled(served, "ctaColor")

    assert sum(row["count"] for row in rows.values()) == 10_000
    assert all(abs(row["share"] - row["expected"]) < 0.03 for row in rows.values())
    assert {row["expected"] for row in rows.values()} == {0.34, 0.33}
    assert rows == sampled(served, "ctaColor")
    assert len(served.environment.assignments) == 0


def test_a_sample_counts_what_later_campaigns_and_ranges_leave(served: FlagshipSite) -> None:
    vip = targeting([rule(key="vip", value=True)])
    served.publish(
        {
            "campaigns": [
                campaign("c1", group("g1", variation("a", {"f": 1}, 50))),
                campaign("c2", group("g2", variation("b", {"f": 2}, 40), variation("c", {"other": 1}, 60))),
                campaign("c3", group("g3", variation("d", {"f": 3}), targeting=vip), bucketRanges=[{"r": [0, 20]}]),
            ]
        }
    )

    everybody, vips = sampled(served, "f"), sampled(served, "f", vip=True)

    assert {id: round(row["expected"], 3) for id, row in everybody.items()} == {"b": 0.4, "a": 0.3, "": 0.3}
    assert {id: round(row["expected"], 3) for id, row in vips.items()} == {"d": 0.2, "b": 0.32, "a": 0.24, "": 0.24}
    for row in (*everybody.values(), *vips.values()):
        assert abs(row["share"] - row["expected"]) < 0.03


def test_of_one_test_a_visitor_no_share_is_configured(served: FlagshipSite) -> None:
    served.publish({**bucketing(), "accountSettings": {"enabled1V1T": True}})

    assert all(row["expected"] is None for row in sampled(served, "ctaColor").values())
    served.environment.panic(True)
    assert sampled(served, "ctaColor") == {}


REFUSED: list[tuple[str, str, object, int]] = [
    ("POST", "/explain", b"{", 400),
    ("POST", "/explain", {"flag": "f"}, 400),
    ("POST", "/sample", {"flag": "ctaColor", "count": 0}, 400),
    ("POST", "/sample", {"flag": "nowhere"}, 404),
    ("PUT", "/panic", {"panic": "yes"}, 400),
    ("PUT", "/overrides/nowhere", {"paused": True}, 404),
    ("PUT", f"/overrides/{CTA}", {"variation": "nope"}, 422),
    ("PUT", f"/overrides/{CTA}", {"enabled": True}, 400),
    ("DELETE", "/overrides/nowhere", None, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), REFUSED)
def test_what_makes_no_sense_is_refused_in_words(
    served: FlagshipSite, method: str, path: str, body: object, status: int
) -> None:
    answer = served.call(f"/api/flagship{path}", method, body, status)

    assert list(answer) == ["error"]
    assert answer["error"]
    assert not served.environment.overrides


def test_overrides_end_one_by_one_and_all_at_once(served: FlagshipSite) -> None:
    served.call("/api/flagship/panic", "PUT", {"panic": True})
    served.call(f"/api/flagship/overrides/{CTA}", "PUT", {"variation": FIRST})
    served.call("/api/flagship/overrides/cs8r02camp0000000000", "PUT", {"paused": True})

    one_less = served.call(f"/api/flagship/overrides/{CTA}", "DELETE")["overrides"]
    none = served.call("/api/flagship/overrides", "DELETE")["overrides"]

    assert one_less == {"panic": True, "campaigns": {"cs8r02camp0000000000": {"paused": True}}}
    assert none == {}


def test_visitors_are_forgotten(served: FlagshipSite) -> None:
    served.flags("v")

    assert served.call("/api/flagship/visitors", "DELETE")["visitors"] == 0


def test_the_stream_tells_what_changes_and_what_is_reported(served: FlagshipSite) -> None:
    with following(served.server) as events:
        first = next(events)
        served.environment.panic(True)
        changed = next(events)
        served.post("/", HIT, 204)
        tracked = next(events)

    assert first[1]["flagship"]["panic"] is False
    assert (changed[0], changed[1]["service"]) == ("changed", "flagship")
    assert (tracked[0], tracked[1]["events"][0]["type"]) == ("tracked", "SCREENVIEW")


# --- OFREP ----------------------------------------------------------------------------------------------------------


def ofrep(server: LocalServer, path: str = "", **context: Any) -> Any:
    body = as_bytes({"context": {"targetingKey": "visitor-1", **context}})
    return json.loads(ask(server, f"/ofrep/v1/evaluate/flags{path}", "POST", body).body)


def test_flags_of_flagship_are_evaluated_by_ofrep(served: FlagshipSite) -> None:
    answer, null = ofrep(served.server, "/ctaColor"), ofrep(served.server, "/discount")
    nowhere, nobody = ofrep(served.server, "/nowhere"), ofrep(served.server, "/ctaColor", targetingKey="")

    assert (answer["value"], answer["reason"], answer["variant"]) == ("orange", "SPLIT", "cs8r01va020000000000")
    assert answer["metadata"]["campaignName"] == "CTA colour"
    assert ("value" in null, null["reason"]) == (False, "DEFAULT")
    assert (nowhere["errorCode"], nobody["errorCode"]) == ("FLAG_NOT_FOUND", "TARGETING_KEY_MISSING")
    keys = [flag["key"] for flag in ofrep(served.server)["flags"]]
    assert "ctaColor" in keys
    assert len(served.environment.assignments) == 0


def test_flags_of_both_are_evaluated_and_the_sites_count_first() -> None:
    site, environment = Site("a8st4f59bj"), Environment()
    site.publish(FLAGS.read_bytes())
    environment.publish(
        as_bytes({"campaigns": [campaign("c", group("g", variation("v", {"new_checkout": "theirs", "own": 1})))]})
    )
    with LocalServer(Serving(site, flagship=environment)) as server:
        answers = {flag["key"]: flag for flag in ofrep(server)["flags"]}

    assert answers["new_checkout"]["value"] is False
    assert answers["own"]["value"] == 1


# --- the command --------------------------------------------------------------------------------------------------


def test_the_command_serves_a_bucketing_file_alone_and_follows_its_edits(tmp_path: Path) -> None:
    path = tmp_path / "bucketing.json"
    path.write_bytes(as_bytes(bucketing()))
    with serve_process("--flagship-file", str(path), "--flagship-environment", ENV_ID) as server:
        assert server.url.endswith("/flagship")
        server.url = server.url.removesuffix("/flagship")
        first = ask(server, f"/flagship/{ENV_ID}/bucketing.json")
        path.write_bytes(b"{")
        wait_until(lambda: json.loads(ask(server, "/api/state").body)["flagship"]["problem"])
        while_bad = ask(server, f"/flagship/{ENV_ID}/bucketing.json")
        path.write_bytes(as_bytes({"campaigns": []}))
        wait_until(lambda: ask(server, f"/flagship/{ENV_ID}/bucketing.json").body == as_bytes({"campaigns": []}), 5.0)
        state = json.loads(ask(server, "/api/state").body)

        assert first.body == while_bad.body == as_bytes(bucketing())
        assert (state["flagship"]["source"], state["flagship"]["problem"]) == (str(path), None)
        assert ask(server, "/readyz").status == 200
        assert ask(server, "/flagship/v2/OTHER/flags", "POST", b'{"visitorId":"v"}').status == 400


def test_the_command_serves_both(tmp_path: Path) -> None:
    path = tmp_path / "bucketing.json"
    path.write_bytes(as_bytes(bucketing()))
    with serve_process("--data-file", str(FLAGS), "--flagship-file", str(path)) as server:
        assert ask(server, "/v3/local").status == 200
        assert ask(server, "/flagship/any/bucketing.json").status == 200
        wait_until(lambda: len(server.told) >= 3)

    assert server.told[1].startswith(f"{path} is served at http")


def run_serve(*options: str, prelude: str = "") -> subprocess.CompletedProcess[str]:
    program = f"{prelude}\nfrom openfeature_kameleoon.cli import main\nmain()"
    return subprocess.run(  # noqa: PLW1510  # how it ends is what is looked at
        [sys.executable, "-c", program, "serve", "--port", "0", *options], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--flagship-environment", "E"), "--flagship-environment goes with --flagship-file"),
        (("--flagship-file", "nowhere.json"), "nowhere.json"),
        ((), "--flagship-file PATH"),
    ],
)
def test_the_command_says_what_is_wrong(options: tuple[str, ...], problem: str) -> None:
    done = run_serve(*options)

    assert done.returncode == 2
    assert problem in done.stderr


def test_without_the_extra_the_command_says_what_is_missing_and_nobody_else_needs_it(tmp_path: Path) -> None:
    missing = "import sys; sys.modules['mmh3'] = None"
    path = tmp_path / "bucketing.json"
    path.write_bytes(as_bytes(bucketing()))

    done = run_serve("--flagship-file", str(path), prelude=missing)
    imported = f"{missing}\nimport openfeature_kameleoon.server.app, openfeature_kameleoon.testing"
    imported += (
        "\nassert not [name for name in sys.modules if '.server.flagship' in name or '.engine.allocation' in name]"
    )

    assert (done.returncode, "pip install 'openfeature-kameleoon[flagship,server]'" in done.stderr) == (2, True)
    subprocess.run([sys.executable, "-c", imported], check=True, timeout=60)


# --- our own SDK and provider -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["BUCKETING", "DECISION_API"])
def test_our_provider_needs_one_address_follows_overrides_and_reports(served: FlagshipSite, mode: Any) -> None:
    configuration = FlagshipConfiguration(
        server_url=f"{served.server.url}/flagship", mode=mode, polling_interval_second=0.05, tracking_pool_size=1
    )
    provider = FlagshipProvider(ENV_ID, "any key", configuration)
    somebody = EvaluationContext("visitor-1", {"isVip": True})
    api.set_provider_and_wait(provider, "flagship")
    try:
        flags = api.get_client("flagship")
        assert flags.get_string_value("ctaColor", "", somebody) == "orange"
        served.environment.override(CTA, Override(visitors={"visitor-1": FIRST}))
        wait_until(lambda: flags.get_string_value("ctaColor", "", somebody) == "green")
        served.environment.reset()
        wait_until(lambda: flags.get_string_value("ctaColor", "", somebody) == "orange")
        flags.track("purchase", somebody)
        wait_until(lambda: served.reported("EVENT") and len(served.reported("ACTIVATE")) > 1)
    finally:
        api.shutdown()

    told = {each["words"] for each in served.reported("ACTIVATE")}
    assert told == {"CTA colour: Variation 1", "CTA colour: Variation 2"}
    assert not [each for each in served.reported() if "problem" in each]


@pytest.mark.parametrize("mode", list(Config.Mode))
def test_the_sdk_of_1_1_needs_one_address(served: FlagshipSite, mode: Config.Mode) -> None:
    endpoints = Endpoints.of(V1, has_key=False, server_url=f"{served.server.url}/flagship")
    Flagship.instance().start(Config(ENV_ID, mode=mode, endpoints=endpoints))
    try:
        visitor = Flagship.instance().create_visitor("visitor-1", {})
        visitor.synchronize_modifications()

        assert visitor.get_modification("ctaColor", "", activate=True) == "orange"
        assert visitor.send_hit(Page("home"))
    finally:
        Flagship.stop()
    assert {each["type"] for each in served.reported()} == {"ACTIVATE", "SCREENVIEW", "CONTEXT"}
    assert not [each for each in served.reported() if "problem" in each]
