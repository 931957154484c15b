"""What the page asks for: asked of a real server, with foreign text of the worst kind in flags, contexts and events."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.overrides import Override
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from tests.faces import VIP, flag, plan_is, rule
from tests.faces import site as data_file
from tests.server.asking import Reply, ask, connected
from tests.vectors import as_bytes, segment

Json = dict[str, Any]

BUTTON = "checkout_button"  # control, discount or short, for everybody: rule 102
TOKEN = "Bearer the-token"

HOSTILE = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202egalf\u202c \x1b[31m", "a/b?c=%2F&d#e"]


def call(server: LocalServer, path: str, method: str = "GET", body: object = None, status: int = 200) -> Any:
    """What is answered, with the token shown; the status must be this one."""
    raw = None if body is None else body if isinstance(body, bytes) else as_bytes(body)
    answer = ask(server, path, method, raw, authorization=TOKEN)
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    return json.loads(answer.body)


def explained(server: LocalServer, key: str, code: str = "ada", **context: Any) -> Any:
    return call(server, "/api/explain", "POST", {"flag": key, "visitorCode": code, "context": context})


def sampled(server: LocalServer, key: str, **context: Any) -> dict[str, Json]:
    """The sample's rows by variation."""
    answer = call(server, "/api/sample", "POST", {"flag": key, "context": context})
    return {row["variation"]: row for row in answer["variations"]}


def listed(server: LocalServer, key: str) -> Any:
    return next(flag for flag in call(server, "/api/flags")["flags"] if flag["key"] == key)


def track(server: LocalServer, *events: dict[str, str]) -> None:
    ask(server, "/visit/events?siteCode=a8st4f59bj", "POST", "\n".join(map(urlencode, events)).encode())


@contextlib.contextmanager
def following(server: LocalServer) -> Iterator[Iterator[tuple[str, Any]]]:
    """The stream's events, each a name and what it says."""
    with contextlib.closing(connected(server)) as connection:
        connection.sendall(b"GET /api/stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.closing(HTTPResponse(connection)) as answer:
            answer.begin()
            assert answer.headers["Content-Type"].startswith("text/event-stream")
            yield _events(answer)


def _events(answer: HTTPResponse) -> Iterator[tuple[str, Any]]:
    for line in answer:
        if line.startswith(b"event: "):
            yield line[7:-1].decode(), json.loads(next(answer)[6:])


# --- the page -------------------------------------------------------------------------------------------------


def test_the_page_may_run_its_own_script_and_nothing_else(server: LocalServer) -> None:
    page = ask(server, "/")

    policy = dict(part.split(" ", 1) for part in page.headers["content-security-policy"].split("; "))
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert (page.headers["cache-control"], page.headers["referrer-policy"]) == ("no-store", "no-referrer")
    assert page.headers["x-content-type-options"] == "nosniff"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert (policy["connect-src"], policy["img-src"]) == ("'self'", "data:")
    for element in ("script", "style"):
        [text] = re.findall(rf"<{element}>(.*?)</{element}>".encode(), page.body, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text).digest()).decode()
        assert policy[f"{element}-src"] == f"'sha256-{digest}'"


def test_the_page_asks_no_other_host_and_never_parses_html(server: LocalServer) -> None:
    page = ask(server, "/").body.decode()

    assert set(re.findall(r"https?://[^'\"\s)]+", page)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|\sstyle=|\son\w+=", page)


# --- flags and state ------------------------------------------------------------------------------------------


def test_the_state_tells_what_is_served_and_to_how_many(server: LocalServer, site: Site) -> None:
    track(server, {"eventType": "page", "nonce": "1"}, {"eventType": "page", "nonce": "1"}, {"no": "type"})
    server.serving.inspector.source = lambda: ("flags.json", "it does not decode")

    with following(server), contextlib.closing(connected(server)) as sdk:
        sdk.sendall(b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
        sdk.recv(4096)
        state = call(server, "/api/state")

    assert site.served is not None
    assert (state["siteCode"], state["timestamp"]) == ("a8st4f59bj", site.served.timestamp)
    assert (state["sdkStreams"], state["overrides"], state["isLegacy"]) == (1, {}, False)
    assert state["events"] == {"counts": {"page": 2}, "malformed": 1, "duplicates": 1, "last": 2}
    assert (state["source"], state["problem"]) == ("flags.json", "it does not decode")
    assert state["customData"] == ["beta_tester", "plan"]


def test_flags_are_listed_with_all_that_the_data_file_says_of_them(server: LocalServer) -> None:
    flag = listed(server, "new_checkout")

    assert (flag["enabled"], flag["default"], flag["override"], flag["problems"]) == (True, "off", None, [])
    assert [variation["key"] for variation in flag["variations"]] == ["off", "on"]
    [rule] = flag["rules"]
    assert (rule["id"], rule["type"], rule["exposition"], rule["isOverridden"]) == ("101", "delivery", 1.0, False)
    assert (rule["segment"]["name"], rule["segment"]["words"]) == ("Pro customers", 'plan is "pro"')
    assert rule["shares"] == [{"variation": "on", "share": 1.0}]


def test_a_segment_is_told_as_conditions_too(server: LocalServer) -> None:
    segment = listed(server, "search")["rules"][0]["segment"]

    assert segment["words"] == 'beta_tester is true and device type device "DESKTOP"'
    assert [condition["type"] for condition in segment["conditions"]["all"]] == ["CUSTOM_DATUM", "DEVICE_TYPE"]


def test_a_flag_that_is_broken_says_so_and_costs_nobody_else_anything(server: LocalServer, site: Site) -> None:
    broken = {**flag("broken"), "rules": "none"}
    site.publish(as_bytes(data_file(broken, flag("whole"), flag("half", rule(1, ("on", 1), segment_id=404)))))

    answer = {each["key"]: each for each in call(server, "/api/flags")["flags"]}

    assert answer["broken"]["isMalformed"] is True
    assert "does not decode" in answer["broken"]["problems"][0]
    assert answer["whole"]["problems"] == []
    assert explained(server, "broken")["errorCode"] == "PARSE_ERROR"


def test_a_segment_without_sense_is_a_problem_of_its_rule(server: LocalServer, site: Site) -> None:
    endless = segment({"targetingType": "SEGMENT", "segmentId": 7}, segment_id=7)
    site.publish(as_bytes(data_file(flag("f", rule(1, ("on", 1), segment_id=7)), segments=[endless])))

    told = listed(server, "f")["rules"][0]["segment"]

    assert (told["words"], "makes no sense" in told["problem"]) == ("nobody", True)


# --- why ------------------------------------------------------------------------------------------------------


def test_an_explanation_has_the_answer_and_every_step(server: LocalServer) -> None:
    answer = explained(server, "new_checkout", plan="pro", nonsense=1)

    assert (answer["value"], answer["variant"], answer["reason"]) == (True, "on", "TARGETING_MATCH")
    assert (answer["error"], answer["metadata"]["ruleId"], answer["unused"]) == (None, 101, ["nonsense"])
    [rule] = answer["explanation"]["steps"]
    assert (rule["title"], rule["outcome"], rule["isAgainst"]) == ("rule 101, delivery", "answers on", False)
    [segment, _] = rule["steps"]
    assert segment["title"] == "segment Pro customers"
    [condition] = segment["steps"]
    assert (condition["title"], condition["facts"]["seen"]) == ('plan is "pro"', "pro")


ERRORS: list[tuple[str, str, Json, str]] = [
    ("nowhere", "ada", {}, "FLAG_NOT_FOUND"),
    ("new_checkout", "", {}, "TARGETING_KEY_MISSING"),
    ("new_checkout", "a\nb", {}, "INVALID_CONTEXT"),
    ("new_checkout", "a" * 256, {}, "INVALID_CONTEXT"),
    ("new_checkout", "ada", {"device": {"deviceType": "SPOON"}}, "INVALID_CONTEXT"),
    ("new_checkout", "ada", {"variableKey": "none"}, "FLAG_NOT_FOUND"),
    ("new_checkout", "ada", {"variableKey": 5}, "INVALID_CONTEXT"),
]


def test_what_an_sdk_could_not_answer_is_told_as_it_would_be(server: LocalServer) -> None:
    answers = [explained(server, key, code, **context) for key, code, context, _ in ERRORS]

    assert [answer["errorCode"] for answer in answers] == [error for *_, error in ERRORS]
    assert all(answer["reason"] == "ERROR" and answer["error"] and answer["value"] is None for answer in answers)


def test_a_flag_that_is_off_leaves_the_value_to_the_caller(server: LocalServer) -> None:
    answer = explained(server, "black_friday")

    assert (answer["reason"], answer["variant"], answer["value"], answer["error"]) == ("DISABLED", None, None, None)
    assert answer["explanation"]["steps"][0]["outcome"] == "the flag is off here"


def test_the_value_is_that_of_the_variable_asked_for(server: LocalServer, site: Site) -> None:
    variables = {"text": ("STRING", "hello"), "size": ("JSON", '{"w": 1}'), "bad": ("JSON", "{")}
    site.publish(as_bytes(data_file(flag("f", rule(1, ("on", 1)), variables=variables))))

    first, asked, bad = (
        explained(server, "f", **context) for context in ({}, {"variableKey": "size"}, {"variableKey": "bad"})
    )

    assert (first["value"], asked["value"], bad["errorCode"]) == ("hello", {"w": 1}, "PARSE_ERROR")


def test_asking_leaves_no_trace(server: LocalServer, site: Site) -> None:
    explained(server, BUTTON)
    sampled(server, BUTTON, plan="pro")

    store = site.client.evaluator.store
    assert "ada" not in store
    assert "sample-1" not in store
    assert not site.client.outbox.status().pending
    assert call(server, "/api/events")["events"] == []


def test_a_flag_that_is_off_gives_nobody_a_variation(server: LocalServer) -> None:
    assert call(server, "/api/sample", "POST", {"flag": "black_friday"}) == {"count": 0, "variations": []}


def test_a_sample_stands_beside_what_is_configured(server: LocalServer) -> None:
    rows = sampled(server, BUTTON)

    assert {key: row["expected"] for key, row in rows.items()} == pytest.approx(
        {"control": 0.4, "short": 0.3, "discount": 0.3}
    )
    assert sum(row["count"] for row in rows.values()) == 10_000
    assert rows == sampled(server, BUTTON)  # the same visitors


# --- requests that make no sense --------------------------------------------------------------------------------


REFUSED: list[tuple[str, str, object, int]] = [
    ("POST", "/api/explain", b"{", 400),
    ("POST", "/api/explain", b"[" * 100_000, 400),
    ("POST", "/api/explain", b'{"flag": "f", "visitorCode": "\xff"}', 400),
    ("POST", "/api/explain", {"flag": "f"}, 400),
    ("POST", "/api/explain", {"flag": "f", "visitorCode": "v", "more": 1}, 400),
    ("POST", "/api/sample", {"flag": BUTTON, "count": 100_001}, 400),
    ("POST", "/api/sample", {"flag": BUTTON, "count": 0}, 400),
    ("POST", "/api/sample", {"flag": "nowhere"}, 404),
    ("POST", "/api/sample", {"flag": BUTTON, "context": {"device": 5}}, 422),
    ("GET", "/api/events?after=x", None, 400),
    ("GET", "/api/events?after=-1", None, 400),
    ("GET", f"/api/events?most={'9' * 5000}", None, 400),
    ("PUT", "/api/overrides/nowhere", {"enabled": True}, 404),
    ("PUT", f"/api/overrides/{BUTTON}", {"variation": "none"}, 422),
    ("PUT", f"/api/overrides/{BUTTON}", {"expositions": {"102": 1.5}}, 422),
    ("PUT", f"/api/overrides/{BUTTON}", {"enabled": "yes"}, 400),
    ("DELETE", "/api/overrides/nowhere", None, 404),
]


def test_what_makes_no_sense_is_refused_in_words(server: LocalServer, site: Site) -> None:
    answers = [call(server, path, method, body, status) for method, path, body, status in REFUSED]

    assert all(list(answer) == ["error"] and answer["error"] for answer in answers)
    assert site.overrides == {}


def test_reading_is_free_here_and_all_else_needs_the_token(server: LocalServer) -> None:
    def status(method: str, path: str, body: bytes | None = None) -> int:
        return ask(server, path, method, body).status

    assert [status("GET", path) for path in ("/", "/api/state", "/api/flags", "/api/events")] == [200] * 4
    assert status("HEAD", "/api/stream") == 200
    assert [status("POST", path, b"{}") for path in ("/api/explain", "/api/sample")] == [401] * 2
    assert [status(method, f"/api/overrides/{BUTTON}", b"{}") for method in ("PUT", "DELETE")] == [401] * 2


# --- overrides ------------------------------------------------------------------------------------------------


def test_an_override_is_shown_everywhere_beside_what_the_data_file_says(server: LocalServer) -> None:
    change = {"enabled": False, "visitors": {"ada": "short"}, "expositions": {"102": 0.5}}

    state = call(server, f"/api/overrides/{BUTTON}", "PUT", change)

    flag = listed(server, BUTTON)
    assert state["overrides"] == {BUTTON: change}
    assert (flag["override"], flag["enabled"], flag["declaredEnabled"]) == (change, False, True)
    [rule] = flag["rules"]
    assert (rule["isOverridden"], rule["exposition"], rule["declaredExposition"]) == (True, 0.5, 1.0)


def test_a_flag_whose_variation_is_everybodys_keeps_its_rules_in_sight(server: LocalServer) -> None:
    both: Json = {"variation": "short", "expositions": {"102": 0.5}}
    call(server, f"/api/overrides/{BUTTON}", "PUT", {"variation": "short"})

    call(server, f"/api/overrides/{BUTTON}", "PUT", both)
    call(server, f"/api/overrides/{BUTTON}", "PUT", both)

    flag = listed(server, BUTTON)
    assert (flag["override"], flag["default"], flag["declaredDefault"]) == (both, "short", "control")
    assert [rule["id"] for rule in flag["rules"]] == ["102"]
    assert sampled(server, BUTTON)["short"]["share"] == 1.0


def test_overrides_end_one_by_one_and_all_at_once(server: LocalServer, site: Site) -> None:
    for key in (BUTTON, "search", "new_checkout"):
        call(server, f"/api/overrides/{key}", "PUT", {"enabled": False})

    call(server, f"/api/overrides/{BUTTON}", "DELETE")
    one_less = set(site.overrides)
    call(server, "/api/overrides/search", "PUT", {})
    none_of_search = set(site.overrides)
    call(server, "/api/overrides", "DELETE")

    assert one_less == {"search", "new_checkout"}
    assert none_of_search == {"new_checkout"}
    assert site.overrides == {}
    assert listed(server, "new_checkout")["enabled"] is True


def test_who_is_given_a_variation_is_told_so(server: LocalServer) -> None:
    call(server, f"/api/overrides/{BUTTON}", "PUT", {"visitors": {"ada": "short"}})

    ada, ben = explained(server, BUTTON), explained(server, BUTTON, "ben")

    assert ada["variant"] == "short"
    assert ada["explanation"]["steps"][0]["title"] == "override for some visitors"
    assert ben["explanation"]["steps"][0]["isAgainst"] is True


def test_flags_of_2x_are_shown_and_not_overridden(server: LocalServer, site: Site) -> None:
    file = data_file(flag("f", rule(1, ("on", 1))))
    site.publish(as_bytes({**file, "featureFlagConfigurations": file["featureFlags"], "featureFlags": []}))

    answer = call(server, "/api/overrides/f", "PUT", {"enabled": False}, 409)

    assert "2.x" in answer["error"]
    assert call(server, "/api/state")["isLegacy"] is True
    assert listed(server, "f")["enabled"] is True


# --- the stream -----------------------------------------------------------------------------------------------


def test_the_stream_tells_the_state_then_what_changes_then_what_was_tracked(server: LocalServer, site: Site) -> None:
    with following(server) as events:
        first = next(events)
        site.override(BUTTON, Override(enabled=False))
        changed = next(events)
        track(server, *({"eventType": "page", "visitorCode": f"v{number}"} for number in range(300)))
        tracked = next(events)

    assert (first[0], first[1]["siteCode"]) == ("state", "a8st4f59bj")
    assert (changed[0], changed[1]["overridden"]) == ("changed", [BUTTON])
    assert (tracked[0], len(tracked[1]["events"]), tracked[1]["left_out"]) == ("tracked", 200, 100)
    assert [event["number"] for event in tracked[1]["events"]] == list(range(101, 301))
    after = call(server, "/api/events?after=298")["events"]
    assert [event["visitor"] for event in after] == ["v298", "v299"]
    assert len(call(server, "/api/events?most=7")["events"]) == 7


def test_the_server_ends_while_somebody_listens(site: Site) -> None:
    server = LocalServer(Serving(site))
    server.start()
    with following(server) as events:
        next(events)

        server.stop()

        assert list(events) == []


# --- hostile text ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_goes_in_and_out_as_data(server: LocalServer, site: Site, text: str) -> None:
    variables = {text: ("STRING", text)}
    named = {**plan_is(text), "name": text}
    hostile = flag(text, rule(1, ("on", 1), segment_id=VIP), variables=variables, defaultVariationKey=text)
    site.publish(as_bytes(data_file(hostile, segments=[named])))
    track(server, {"eventType": text, "visitorCode": text, text: text})

    call(server, f"/api/overrides/{quote(text, safe='')}", "PUT", {"expositions": {"1": 1.0}})
    [told] = call(server, "/api/flags")["flags"]
    answer = explained(server, text, "ada", plan=text)
    [event] = call(server, "/api/events")["events"]

    assert (told["key"], told["rules"][0]["segment"]["name"]) == (text, text)
    assert (answer["flag"], answer["value"], answer["variables"]) == (text, text, {text: text})
    assert (event["type"], event["visitor"], event["parameters"][text]) == (text, text, text)
    assert list(call(server, "/api/state")["overrides"]) == [text]


def test_a_refusal_is_json_whatever_it_quotes(server: LocalServer) -> None:
    answer: Reply = ask(server, f"/api/overrides/{quote(HOSTILE[0])}", "PUT", b"{}", authorization=TOKEN)

    assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
