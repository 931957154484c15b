"""What applications that use Flagship test with: flags that are set, campaigns that are overridden, reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon.errors import ConfigSettingInvalid, DataFileInvalid, FeatureNotFound
from openfeature_kameleoon.flagship.provider import FlagshipProvider
from openfeature_kameleoon.flagship.provider_configuration import FlagshipConfiguration
from openfeature_kameleoon.testing import KameleoonServer
from tests.faces import flag
from tests.faces import site as data_file
from tests.flagship.files import bucketing
from tests.server.asking import ask
from tests.vectors import as_bytes

ANN, BOB = EvaluationContext("ann"), EvaluationContext("bob")


@pytest.fixture(scope="module")
def of_all() -> Iterator[KameleoonServer]:
    with KameleoonServer(data_file(flag("f")), flagship_file=bucketing(), flagship_environment="env") as server:
        yield server


@pytest.fixture
def server(of_all: KameleoonServer) -> KameleoonServer:
    of_all.reset()
    return of_all


@pytest.fixture
def flags(server: KameleoonServer) -> Iterator[OpenFeatureClient]:
    """Flags as the decision API gives them, asked anew again and again."""
    configuration = FlagshipConfiguration(
        server_url=server.flagship_url, mode="DECISION_API", polling_interval_second=0.05, tracking_pool_size=1
    )
    api.set_provider_and_wait(FlagshipProvider("env", "any key", configuration), "flagship")

    yield api.get_client("flagship")

    api.shutdown()


@pytest.mark.parametrize("key", ["new", "ctaColor"])
def test_a_flag_is_set_for_everybody(server: KameleoonServer, flags: OpenFeatureClient, key: str) -> None:
    def gives(value: str) -> bool:
        return {flags.get_string_value(key, "", who) for who in (ANN, BOB)} == {value}

    for value in ("blue", "red"):
        server.flagship.set_flag(key, value)

        server.wait_for(partial(gives, value))


@pytest.mark.parametrize("value", [True, 5, 0.5, [1, None], {"a": {"b": "ü"}}])
def test_a_value_is_given_as_it_was_set(server: KameleoonServer, value: Any) -> None:
    server.flagship.set_flag("new", value)

    assert flag_of(server, "new")["value"] == value


def flag_of(server: KameleoonServer, key: str, visitor: str = "ann") -> Any:
    body = as_bytes({"visitorId": visitor, "trigger_hit": False})
    return json.loads(ask(server._server, "/flagship/v2/env/flags", "POST", body).body).get(key)


@pytest.mark.parametrize("name", ["cs8r01camp0000000000", "cta-colour", "CTA colour"])
def test_a_campaign_is_overridden_by_the_names_that_people_know(server: KameleoonServer, name: str) -> None:
    server.flagship.override(name, variation="Variation 1", visitors={"bob": "cs8r01va020000000000"})

    assert (flag_of(server, "ctaColor")["value"], flag_of(server, "ctaColor", "bob")["value"]) == ("green", "orange")
    server.flagship.override(name, paused=True)
    assert flag_of(server, "ctaColor") is None
    server.flagship.reset()
    assert flag_of(server, "ctaColor") is not None


def test_in_panic_nothing_is_given(server: KameleoonServer) -> None:
    server.flagship.panic()
    off = flag_of(server, "ctaColor")
    server.flagship.panic(False)

    assert off is None
    assert flag_of(server, "ctaColor") is not None


def test_another_file_may_be_served(server: KameleoonServer, tmp_path: Path) -> None:
    path = tmp_path / "bucketing.json"
    path.write_bytes(as_bytes(bucketing()).replace(b"ctaColor", b"buttonColor"))

    server.flagship.set_file(path)
    renamed = flag_of(server, "buttonColor")
    server.flagship.set_file(bucketing())

    assert renamed is not None
    assert flag_of(server, "buttonColor") is None


def test_activations_and_hits_are_told(server: KameleoonServer, flags: OpenFeatureClient) -> None:
    server.flagship.override("cta-colour", variation="Variation 1")
    server.wait_for(lambda: flags.get_string_value("ctaColor", "", ANN) == "green")
    flags.track("purchase", ANN)

    [event] = server.wait_for(lambda: server.flagship.hits("EVENT", visitor="ann"))
    activation = server.wait_for(lambda: server.flagship.activations(visitor="ann"))[-1]

    assert (event.fields["ea"], event.problem) == ("purchase", "")
    assert activation.words == "CTA colour: Variation 1"
    assert server.flagship.activations(visitor="bob") == []
    assert server.events == []  # they are Kameleoon's
    server.reset()
    assert server.flagship.reported() == []


def test_what_came_instead_is_shown(server: KameleoonServer) -> None:
    hit = {"cid": "env", "vid": "ann", "ds": "APP", "t": "SCREENVIEW"}
    ask(server._server, "/flagship/", "POST", as_bytes(hit))

    with pytest.raises(AssertionError, match=r"SCREENVIEW of 'ann'.*dl: Field is mandatory"):
        server.wait_for(lambda: False, timeout=0)


def test_a_route_fails(server: KameleoonServer) -> None:
    server.fail(flagship_decisions={"status": 503})
    status = ask(server._server, "/flagship/v2/env/flags", "POST", as_bytes({"visitorId": "v"})).status
    server.reset()

    assert status == 503
    assert flag_of(server, "ctaColor") is not None


def test_what_makes_no_sense_is_refused(server: KameleoonServer) -> None:
    with pytest.raises(FeatureNotFound, match="'nowhere'"):
        server.flagship.override("nowhere", paused=True)
    with pytest.raises(ConfigSettingInvalid, match="'nope'"):
        server.flagship.override("cta-colour", variation="nope")
    with pytest.raises(DataFileInvalid):
        server.flagship.set_file({"campaigns": 5})
    with pytest.raises(DataFileInvalid):
        KameleoonServer(flagship_file="nowhere.json")


def test_without_a_file_there_is_no_flagship() -> None:
    with pytest.raises(ConfigSettingInvalid, match="flagship_file"):
        KameleoonServer().flagship  # noqa: B018  # a property
