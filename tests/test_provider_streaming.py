"""What a provider tells, and answers, while Kameleoon's stream of updates comes and goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.datafile.freshness import StreamState
from tests.chaos import reply, wait_until
from tests.faces import Heard, Json, flag, rule, site, value
from tests.kameleoon import DATA_FILE, SSE, FakeKameleoon

READY, STALE = ProviderEvent.PROVIDER_READY, ProviderEvent.PROVIDER_STALE
CHANGED = ProviderEvent.PROVIDER_CONFIGURATION_CHANGED


def streamed(date_modified: int, *flags: Json) -> Json:
    return site(*flags, dateModified=date_modified, configuration={"realTimeUpdate": True})


@pytest.fixture
def server() -> Iterator[FakeKameleoon]:
    server = FakeKameleoon(streamed(1, flag("f"), flag("same"), flag("gone")))
    with server:
        yield server


@pytest.fixture
def provider(server: FakeKameleoon) -> Iterator[KameleoonProvider]:
    """One that polls every half second, with an open stream after whose opening was looked."""
    configuration = KameleoonClientConfiguration(refresh_interval_minute=0.5 / 60, send_events=False)
    client = KameleoonClient("site", configuration_object=configuration, endpoints=server.endpoints, autostart=False)
    provider = KameleoonProvider("site", client=client)
    provider.initialize(EvaluationContext())
    wait_until(lambda: client.live.status().stream.state is StreamState.OPEN)
    server.wait_for_requests(DATA_FILE, 2)

    yield provider

    client.close()


def test_an_edit_is_answered_and_told_by_its_exact_keys_after_its_event(
    server: FakeKameleoon, provider: KameleoonProvider
) -> None:
    heard = Heard(provider)
    assert value(provider) is False

    server.publish(streamed(2, flag("f", rule(1, ("on", 1))), flag("same"), flag("new")), announce=2)

    (changed,) = heard.wait_for(CHANGED)
    assert sorted(changed.flags_changed or []) == ["f", "gone", "new"]
    assert value(provider) is True
    assert server.requests(DATA_FILE)[-1].target == "/v3/site?ts=2"


def test_an_outage_of_everything_is_told_once_and_its_end_too(
    server: FakeKameleoon, provider: KameleoonProvider
) -> None:
    heard = Heard(provider)

    server.break_down(DATA_FILE, reply(503))
    server.break_down(SSE, reply(503))
    server.drop_streams()
    heard.wait_for(STALE)
    assert value(provider) is False

    server.publish(streamed(2, flag("f", rule(1, ("on", 1))), flag("same"), flag("gone")))
    server.break_down(DATA_FILE, None)
    _, changed = heard.wait_for(READY, CHANGED)
    assert changed.flags_changed == ["f"]
    assert value(provider) is True


def test_that_a_stream_is_lost_is_no_news_as_polling_takes_over(
    server: FakeKameleoon, provider: KameleoonProvider
) -> None:
    heard = Heard(provider)

    server.drop_streams()
    server.publish(streamed(2, flag("f", rule(1, ("on", 1))), flag("same"), flag("gone")), announce=2)

    heard.wait_for(CHANGED)
