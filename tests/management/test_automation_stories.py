"""The Automation API's client through whole stories, against a server that keeps state and counts requests."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from openfeature_kameleoon.errors import ConfigCredentialsInvalid, ConfigException
from openfeature_kameleoon.management.automation import (
    Automation,
    Condition,
    OAuthApplication,
    ResultsFailed,
    all_of,
    any_of,
    where,
)
from openfeature_kameleoon.management.automation.client import FROM_ENVIRONMENT
from openfeature_kameleoon.management.rest import (
    AnswerMalformed,
    BadRequest,
    Forbidden,
    NotFound,
    ObjectLocked,
    OutcomeUnknown,
    RateLimit,
    Retries,
    ServerError,
    TooManyRequests,
    Unauthorized,
    Window,
)
from tests.clock import FakeClock
from tests.management.standins.automation import FULL, PARTNER, READ_ONLY, AutomationServer, refusing
from tests.management.standins.serving import answering, dropped, dropped_after, once

CLIENT_ID, CLIENT_SECRET = FULL
SITE_ID = 9120
SITE_CODE = "k3v9qd7w2m"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def server(clock: FakeClock) -> Iterator[AutomationServer]:
    with AutomationServer(clock=clock.time) as running:
        yield running


Connect = Callable[..., Automation]


@pytest.fixture
def connect(server: AutomationServer, clock: FakeClock) -> Iterator[Connect]:
    """Make a client of the server whose waits let the clock advance."""
    made: list[Automation] = []

    def client(client_id: str = CLIENT_ID, client_secret: str = CLIENT_SECRET, **options: Any) -> Automation:
        options = {"base_url": server.url, "clock": clock, "wait": clock.advance, **options}
        made.append(Automation(client_id, client_secret, **options))
        return made[-1]

    yield client
    for each in made:
        each.close()


@pytest.fixture
def api(connect: Connect) -> Automation:
    return connect()


def goal(id: int) -> dict[str, Any]:
    return {"name": f"Goal {id}", "siteId": SITE_ID, "type": "CUSTOM", "hasMultipleConversions": True}


def unlimited(server: AutomationServer) -> dict[str, Any]:
    """Let the server refuse nothing, and a client not hold back."""
    server.rates.limits = []
    return {"limit": RateLimit([Window(10**9, 1.0)])}


# --- rate limits ----------------------------------------------------------------------------------------------


def test_a_client_keeps_to_the_windows_and_is_never_refused(api: Automation, clock: FakeClock) -> None:
    begun = clock.monotonic()

    for _ in range(230):
        api.sites.get(SITE_ID)

    assert clock.monotonic() - begun == pytest.approx(40)  # 50 + 50 + 50 + 50 + 30, ten seconds apart


def test_a_storm_of_refusals_slows_the_client_down_and_completes(
    connect: Connect, server: AutomationServer, clock: FakeClock
) -> None:
    api = connect(**unlimited(server))
    server.fill("goals", 1000, goal)
    server.strike(*[refusing(429, retry_after=7)] * 20, *[answering(429)] * 3)
    begun = clock.monotonic()

    names = [each.name for each in api.goals.list()]

    assert len(names) == len(set(names)) == 1000
    assert clock.monotonic() - begun >= 20 * 7 + 10 + 20


def test_a_refused_creation_is_made_when_the_window_opens(connect: Connect, server: AutomationServer) -> None:
    api = connect()
    server.strike(refusing(429, retry_after=3), on=once("POST", "/goals"))

    api.goals.create(name="Lead", site_id=SITE_ID, type="CUSTOM", has_multiple_conversions=False)

    assert [each["name"] for each in server.state.objects["goals"]] == ["Lead"]


def test_patience_ends(connect: Connect, server: AutomationServer) -> None:
    api = connect(retries=Retries(patience_seconds=30.0))
    server.strike(*[refusing(429, retry_after=20)] * 2, on=once("GET", "/goals"))

    with pytest.raises(TooManyRequests) as raised:
        list(api.goals.list())

    assert raised.value.status == 429
    assert raised.value.retryable


# --- pages ----------------------------------------------------------------------------------------------------


def test_a_hundred_thousand_goals_page_through_in_constant_memory(connect: Connect, server: AutomationServer) -> None:
    api = connect(**unlimited(server))
    server.fill("goals", 100_000, goal)

    blocks = [sys.getallocatedblocks() for number, _ in enumerate(api.goals.list(), 1) if number % 1000 == 0]

    assert len(blocks) == 100
    assert max(blocks) - blocks[0] < 100_000  # of memory: a goal takes more than ten
    assert len([entry for entry in server.asked("GET") if entry.path == "/goals"]) == 500


def test_a_list_asks_for_a_page_only_when_it_is_needed(connect: Connect, server: AutomationServer) -> None:
    api = connect(**unlimited(server))
    server.fill("goals", 1000, goal)

    goals = api.goals.list(per_page=100)
    assert not server.asked("GET")
    for _ in range(101):
        next(goals)

    assert len(server.asked("GET")) == 2


def test_a_list_raises_in_the_middle_rather_than_end_early(connect: Connect, server: AutomationServer) -> None:
    api = connect(**unlimited(server))
    server.fill("goals", 500, goal)
    goals = api.goals.list()
    seen = [next(goals) for _ in range(200)]

    server.strike(answering(500, {"message": "out of order"}))
    with pytest.raises(ServerError, match="out of order"):
        next(goals)

    assert len(seen) == 200


@pytest.mark.parametrize("body", ["<html>maintenance</html>", '"text"', '{"a": 1', "7"])
def test_a_page_that_is_no_list_is_an_error(api: Automation, server: AutomationServer, body: str) -> None:
    server.fill("goals", 500, goal)
    goals = api.goals.list()
    next(goals)
    server.strike(answering(200, body))

    with pytest.raises(AnswerMalformed) as raised:
        list(goals)

    assert raised.value.url.startswith(f"{server.url}/goals?page=2&")


def test_a_connection_lost_in_a_page_is_asked_for_again(api: Automation, server: AutomationServer) -> None:
    server.fill("goals", 500, goal)
    server.strike(dropped(), dropped_after(), refusing(503), on=once("GET", "/goals"))

    assert len(list(api.goals.list())) == 500


def test_one_object_in_place_of_a_list_is_a_list_of_one(api: Automation, server: AutomationServer) -> None:
    server.sends_single_objects = True

    assert [site.code for site in api.sites.list()] == [SITE_CODE]


def test_without_a_page_count_a_short_page_is_the_last(api: Automation, server: AutomationServer) -> None:
    server.sends_page_count = False
    server.fill("goals", 401, goal)

    assert len(list(api.goals.list())) == 401


def test_progress_tells_how_far_a_list_has_come(api: Automation, server: AutomationServer) -> None:
    server.fill("goals", 450, goal)
    told: list[tuple[int, int | None]] = []

    list(api.goals.list(progress=lambda done, total: told.append((done, total))))

    assert told == [(200, 600), (400, 600), (450, 450)]


def test_a_search_pages_in_its_body(api: Automation, server: AutomationServer) -> None:
    for number in range(5):
        server.add("feature-flags", featureKey=f"flag-{number}", name=f"Flag {number}", siteCode=SITE_CODE)

    found = api.feature_flags.search(
        (where.site_code == SITE_CODE) & (where.feature_key.like("flag-1") | where.feature_key.like("flag-3")),
        sort=where.feature_key.descending(),
        per_page=1,
    )

    assert [flag.feature_key for flag in found] == ["flag-3", "flag-1"]
    assert [entry.json["page"] for entry in server.asked("POST") if entry.path.endswith("/search")] == [1, 2]


# --- access tokens --------------------------------------------------------------------------------------------


def test_one_token_serves_all_calls(api: Automation, server: AutomationServer) -> None:
    api.sites.get(SITE_ID)
    list(api.goals.list())

    assert [entry.path for entry in server.asked("POST")] == ["/oauth/token"]


def test_a_token_that_expires_in_mid_iteration_is_replaced(api: Automation, server: AutomationServer) -> None:
    server.fill("goals", 600, goal)
    goals = api.goals.list()
    for _ in range(200):
        next(goals)

    server.oauth.expire()

    assert len(list(goals)) == 400
    assert len([entry for entry in server.asked("POST") if entry.path == "/oauth/token"]) == 2


def test_a_token_is_replaced_before_it_expires(api: Automation, server: AutomationServer, clock: FakeClock) -> None:
    api.sites.get(SITE_ID)
    clock.advance(7200 - 59)

    api.sites.get(SITE_ID)

    assert len(server.asked("POST")) == 2
    assert not [entry for entry in server.log if entry.path == "/sites/9120"][2:]


def test_a_revoked_token_is_told_and_not_repeated(api: Automation, server: AutomationServer) -> None:
    api.sites.get(SITE_ID)
    server.oauth.revoke()

    with pytest.raises(Forbidden):
        api.sites.get(SITE_ID)

    assert len(server.asked("GET")) == 2


def test_wrong_credentials_say_what_to_check(connect: Connect) -> None:
    api = connect(client_secret="wr0ng-secret")

    with pytest.raises(Unauthorized, match="check the credentials") as raised:
        api.sites.get(SITE_ID)

    assert "wr0ng-secret" not in f"{raised.value!r} {raised.value.body} {raised.value.url}"


def test_read_only_credentials_may_read_alone(connect: Connect) -> None:
    api = connect(*READ_ONLY)

    assert api.sites.get(SITE_ID).name
    with pytest.raises(Forbidden, match="check the rights"):
        api.sites.update(SITE_ID, description="x")


def test_a_partner_acts_for_a_user_who_consents(server: AutomationServer, clock: FakeClock) -> None:
    kept: list[str] = []
    client_id, client_secret = PARTNER
    application = OAuthApplication(
        client_id,
        client_secret,
        "https://dash.example.net/callback",
        on_refresh_token=kept.append,
        base_url=server.url,
        clock=clock,
    )
    address, state = application.authorization_url()
    callback = browsed(address)

    tokens = application.user_tokens(callback, state)
    with Automation(authentication=tokens, base_url=server.url, clock=clock, wait=clock.advance) as api:
        assert api.sites.get(SITE_ID).code == SITE_CODE
        clock.advance(7200)
        assert api.sites.get(SITE_ID).code == SITE_CODE

    again = application.kept(tokens.refresh_token)
    with Automation(authentication=again, base_url=server.url, clock=clock, wait=clock.advance) as api:
        assert api.sites.get(SITE_ID).code == SITE_CODE
    forms = [entry.body.decode() for entry in server.asked("POST") if entry.path == "/oauth/token"]
    assert [form.partition("&")[0] for form in forms] == [
        "grant_type=authorization_code",
        "grant_type=refresh_token",
        "grant_type=refresh_token",
    ]
    assert kept == ([] if not server.oauth.rotates_refresh_tokens else kept)


def browsed(address: str) -> str:
    """Where the server sends the browser."""
    import requests

    return requests.get(address, allow_redirects=False, timeout=10).headers["Location"]


def test_results_are_opened_with_a_shared_token(server: AutomationServer, connect: Connect) -> None:
    experiment = new_experiment(connect())
    with Automation(token=server.oauth.issue(CLIENT_ID, is_shared=True), base_url=server.url) as outsider:
        request = outsider.experiments.request_results(experiment, conversion_type="CONVERTED_VISITS")

        assert request.data_code


def test_a_client_is_made_from_the_environment(server: AutomationServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in FROM_ENVIRONMENT.values():
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigCredentialsInvalid):
        Automation.from_environment()

    monkeypatch.setenv("KAMELEOON_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("KAMELEOON_CLIENT_SECRET", CLIENT_SECRET)
    monkeypatch.setenv("KAMELEOON_API_URL", server.url)
    with Automation.from_environment(timeout=5.0) as api:
        assert api.sites.get(SITE_ID).code == SITE_CODE


@pytest.mark.parametrize(
    "options", [{}, {"client_id": "a"}, {"client_id": "a", "client_secret": "b", "token": "c"}], ids=str
)
def test_exactly_one_credential_is_needed(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigCredentialsInvalid):
        Automation(**options)


def test_plain_http_is_refused_but_on_this_machine() -> None:
    for url in ("http://api.kameleoon.com", "ftp://api.kameleoon.com", "http://127.0.0.1.example.com"):
        with pytest.raises(ConfigException, match="https"):
            Automation(token="t", base_url=url)
    Automation(token="t", base_url="http://localhost:8000")


def test_no_secret_is_in_a_log_a_repr_or_an_exception(
    server: AutomationServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    api = connect()
    api.sites.get(SITE_ID)
    token = next(iter(server.oauth.tokens))
    shown = [repr(api), repr(api.goals), repr(api.goals.list), repr(vars(api.goals))]
    repeated = (answering(500, f"your header was Bearer {token}"), answering(403, token))
    server.strike(*repeated, on=once("GET", "/sites"))
    for _ in range(2):
        with pytest.raises((ServerError, Forbidden)) as raised:
            api.sites.get(SITE_ID)
        shown += [repr(raised.value), str(raised.value), raised.value.body, repr(raised.value.__dict__)]

    told = "\n".join([caplog.text, *shown])
    for secret in (CLIENT_SECRET, *server.oauth.tokens):
        assert secret not in told


# --- writes whose outcome is not known ------------------------------------------------------------------------


@pytest.mark.parametrize(("fault", "made"), [(dropped(), 0), (dropped_after(), 1)], ids=["before", "after"])
def test_a_connection_lost_in_a_creation_is_an_unknown_outcome(
    api: Automation, server: AutomationServer, fault: Any, made: int
) -> None:
    server.strike(fault, on=once("POST", "/goals"))

    with pytest.raises(OutcomeUnknown, match="look before repeating it") as raised:
        api.goals.create(name="Lead", site_id=SITE_ID, type="CUSTOM", has_multiple_conversions=False)

    assert not raised.value.retryable
    assert len([entry for entry in server.asked("POST") if entry.path == "/goals"]) == 1
    assert len(server.state.objects["goals"]) == made


def test_a_bad_gateway_in_a_creation_is_not_repeated(api: Automation, server: AutomationServer) -> None:
    server.strike(refusing(503), on=once("POST", "/goals"))

    with pytest.raises(ServerError):
        api.goals.create(name="Lead", site_id=SITE_ID, type="CUSTOM", has_multiple_conversions=False)

    assert len([entry for entry in server.asked("POST") if entry.path == "/goals"]) == 1


def test_what_replaces_or_deletes_is_repeated(api: Automation, server: AutomationServer) -> None:
    site = api.sites.get(SITE_ID)
    server.strike(dropped_after(), refusing(503), on=once("PUT", "/sites"))

    site.description = "changed"
    assert api.sites.replace(SITE_ID, body=site).description == "changed"


# --- refusals -------------------------------------------------------------------------------------------------


def test_a_refusal_says_what_the_api_says(api: Automation, server: AutomationServer) -> None:
    with pytest.raises(BadRequest, match="Cannot filter or sort by given field: createdAt"):
        list(api.sites.list(filter=where.createdAt > "2026"))
    with pytest.raises(NotFound) as raised:
        api.goals.get(1)
    assert (raised.value.method, raised.value.url) == ("GET", f"{server.url}/goals/1")
    server.add("experiments", id=77, name="E", siteId=SITE_ID, baseURL="https://a", status="ACTIVE")
    with pytest.raises(BadRequest, match=r"only with statuses \[DRAFT, STOPPED\]"):
        api.experiments.delete(77)
    server.lock("experiments", 77)
    with pytest.raises(ObjectLocked, match="open in the editor"):
        api.experiments.update(77, name="F")


def test_names_of_segments_are_unique(api: Automation) -> None:
    conditions = any_of(Condition(targeting_type="DEVICE_TYPE", device="PHONE"))
    api.segments.create(name="Phones", site_id=SITE_ID, conditions_data=conditions)

    with pytest.raises(BadRequest, match="same name already exists"):
        api.segments.create(name="Phones", site_id=SITE_ID, conditions_data=conditions)


def test_conditions_go_no_deeper_than_two_levels() -> None:
    phone = Condition(targeting_type="DEVICE_TYPE", device="PHONE")

    with pytest.raises(ValueError, match="two levels"):
        all_of(any_of(all_of(phone), all_of(phone)), phone)


# --- results --------------------------------------------------------------------------------------------------


def new_experiment(api: Automation) -> int:
    """A running experiment with a main goal."""
    lead = api.goals.create(name="Lead", site_id=SITE_ID, type="CUSTOM", has_multiple_conversions=False)
    made = api.experiments.create(name="E", site_id=SITE_ID, base_url="https://shop.example.com")
    api.experiments.update(made.id, goals=[lead.id], main_goal_id=lead.id)
    api.experiments.update(made.id, action="ACTIVATE")
    return made.id


def test_results_are_polled_until_they_are_ready(api: Automation, server: AutomationServer, clock: FakeClock) -> None:
    experiment = new_experiment(api)
    server.reports.waits = 3
    request = api.experiments.request_results(experiment, conversion_type="CONVERTED_VISITS")
    begun, told = clock.monotonic(), list[int]()

    results = api.reports.wait(request.data_code, progress=lambda done, total: told.append(done))

    assert clock.monotonic() - begun == 6
    assert told == [0, 2, 4]
    assert [row.is_original for row in results.rows()] == [True, False]


def test_a_report_that_does_not_come_in_time_is_an_error(api: Automation, server: AutomationServer) -> None:
    experiment = new_experiment(api)
    server.reports.waits = 100
    request = api.experiments.request_results(experiment, conversion_type="CONVERTED_VISITS")

    with pytest.raises(ResultsFailed, match=r"still WAITING after 10 s") as raised:
        api.reports.wait(request.data_code, timeout=11)

    assert raised.value.timed_out


def test_a_report_that_fails_is_an_error(api: Automation, server: AutomationServer) -> None:
    experiment = new_experiment(api)
    server.reports.fails = True
    request = api.experiments.request_results(experiment, conversion_type="CONVERTED_VISITS")

    with pytest.raises(ResultsFailed, match="could not be made"):
        api.reports.wait(request.data_code)


def test_a_variation_is_attached_by_the_whole_list(api: Automation) -> None:
    experiment = new_experiment(api)
    (first,) = api.experiments.get(experiment, optional_fields=["variations"]).variations

    second = api.variations.create(name="B", site_id=SITE_ID).id
    assert api.experiments.get(experiment, optional_fields=["variations"]).variations == [first]

    api.experiments.update(
        experiment, variations=[first, second], deviations={"origin": 0.2, str(first): 0.4, str(second): 0.4}
    )
    assert api.experiments.get(experiment, optional_fields=["variations"]).variations == [first, second]
