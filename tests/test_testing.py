"""What applications test with: a server whose flags are set, clients that follow at once, fixtures that disturb nobody.

The fixtures run as users have them: in a process of their own, on a small project.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider import ProviderStatus
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import CustomData, KameleoonClient, KameleoonProvider
from openfeature_kameleoon.datafile.freshness import StreamState
from openfeature_kameleoon.errors import (
    ConfigSettingInvalid,
    DataFileInvalid,
    FeatureNotFound,
    Initialization,
)
from openfeature_kameleoon.flag_file import from_json
from openfeature_kameleoon.testing import KameleoonServer
from tests.chaos import wait_until
from tests.faces import EXPERIMENT, flag, rule, site
from tests.shops import EXAMPLES

BUTTON = flag(
    "button", rule(1, ("on", 1), kind=EXPERIMENT), variables={"label": ("STRING", "Go"), "size": ("NUMBER", 4)}
)
SITE = site(flag("f", rule(2, ("on", 0.5), ("off", 0.5), kind=EXPERIMENT)), flag("idle"), BUTTON)
ANN, BOB = EvaluationContext("ann"), EvaluationContext("bob")


@pytest.fixture(scope="module")
def of_all() -> Iterator[KameleoonServer]:
    with KameleoonServer(SITE) as server:
        yield server


@pytest.fixture
def server(of_all: KameleoonServer) -> KameleoonServer:
    of_all.reset()
    return of_all


@pytest.fixture
def client(server: KameleoonServer) -> Iterator[KameleoonClient]:
    with server.client() as client:
        yield client


@pytest.fixture
def flags(server: KameleoonServer) -> Iterator[OpenFeatureClient]:
    api.set_provider_and_wait(server.provider(), "testing")

    yield api.get_client("testing")

    api.shutdown()


# --- flags that are set -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["new", "f", "idle"])
def test_a_boolean_is_everybodys(server: KameleoonServer, flags: OpenFeatureClient, key: str) -> None:
    for value in (True, False, True):
        server.set_flag(key, value)

        assert {flags.get_boolean_value(key, not value, visitor) for visitor in (ANN, BOB)} == {value}


@pytest.mark.parametrize(
    ("value", "asked"),
    [
        ("Go!", "get_string_value"),
        ("", "get_string_value"),
        (7, "get_integer_value"),
        (0.5, "get_float_value"),
        ([1, "a", None], "get_object_value"),
        ({"a": 1, "b": "ü", "c": True, "d": {"e": [1]}}, "get_object_value"),
    ],
)
@pytest.mark.parametrize("key", ["new", "button"])
def test_a_value_is_given_as_it_was_set(
    server: KameleoonServer, flags: OpenFeatureClient, key: str, value: Any, asked: str
) -> None:
    server.set_flag(key, value)

    default = type(value)()
    assert getattr(flags, asked)(key, default, ANN) == value


def test_a_value_of_a_flag_that_exists_is_its_first_variable(server: KameleoonServer, client: KameleoonClient) -> None:
    server.set_flag("button", "Stop")

    assert client.get_variation("ann", "button").variables["label"].value == "Stop"
    assert client.is_feature_active("ann", "button")


def test_a_boolean_of_a_flag_that_exists_is_its_variation_with_its_variables(
    server: KameleoonServer, client: KameleoonClient
) -> None:
    server.set_flag("button", True)

    variation = client.get_variation("ann", "button")
    assert (variation.key, variation.variables["size"].value) == ("on", 4)


def test_a_variation_can_be_chosen(server: KameleoonServer, client: KameleoonClient) -> None:
    server.set_flag("f", "a text")

    server.set_flag("f", variation="on")

    assert {client.get_variation(f"v{number}", "f").key for number in range(20)} == {"on"}


def test_what_was_set_last_counts(server: KameleoonServer, flags: OpenFeatureClient) -> None:
    server.override("button", enabled=False)
    server.set_flag("button", "Stop")
    assert flags.get_string_value("button", "", ANN) == "Stop"

    server.override("button", enabled=False)
    assert flags.get_string_details("button", "", ANN).reason == "DISABLED"

    server.set_flag("button", variation="on")
    assert flags.get_string_value("button", "", ANN) == "Go"


def test_overrides_are_for_some_or_by_exposition(server: KameleoonServer, client: KameleoonClient) -> None:
    server.override("idle", visitors={"ann": "on"})
    server.override("button", expositions={"1": 0.0})

    assert [client.get_variation(code, "idle").key for code in ("ann", "bob")] == ["on", "off"]
    assert client.get_variation("ann", "button").key == "off"


@pytest.mark.parametrize("value", [None, object(), b"bytes", {"a": None}])
def test_what_is_no_value_is_refused_and_nothing_changes(
    server: KameleoonServer, client: KameleoonClient, value: Any
) -> None:
    error = pytest.raises(TypeError, match="a flag is set to a boolean")
    with error:
        server.set_flag("idle", value)

    assert client.get_variation("ann", "idle").key == "off"


@pytest.mark.parametrize(("key", "error"), [("f", ConfigSettingInvalid), ("nothing", FeatureNotFound)])
def test_a_variation_that_is_not_there_is_refused_and_nothing_changes(
    server: KameleoonServer, flags: OpenFeatureClient, key: str, error: type[Exception]
) -> None:
    server.set_flag("f", "text")

    with pytest.raises(error):
        server.set_flag(key, variation="third")

    assert flags.get_string_value("f", "", ANN) == "text"


def test_a_reset_of_one_flag_leaves_the_others(server: KameleoonServer, flags: OpenFeatureClient) -> None:
    server.set_flag("idle", True)
    server.set_flag("new", True)
    server.set_flag("newer", True)

    server.reset("idle")
    server.reset("new")

    assert [flags.get_boolean_value(key, False, ANN) for key in ("idle", "new", "newer")] == [False, False, True]
    assert flags.get_boolean_details("new", False, ANN).error_code == "FLAG_NOT_FOUND"


def test_a_reset_has_all_as_it_was(server: KameleoonServer, client: KameleoonClient) -> None:
    server.set_flag("new", 5)
    server.override("f", variation="on")
    server.values["key"] = 5
    client.track_conversion("ann", 5)
    assert server.conversions()

    server.reset()

    assert client.feature_keys() == ["f", "idle", "button"]
    assert {client.get_variation(f"v{number}", "f", track=False).key for number in range(20)} == {"on", "off"}
    assert server.events == []
    assert server.values == {}


# --- where the flags come from ------------------------------------------------------------------------------


def test_a_data_file_on_disk_is_served(tmp_path: Path) -> None:
    path = tmp_path / "flags.json"
    path.write_text(json.dumps(SITE), encoding="utf-8")

    with KameleoonServer(path) as server:
        assert server.client(multi_threading=False).feature_keys() == ["f", "idle", "button"]


def test_a_flag_file_is_served_too(tmp_path: Path) -> None:
    path = tmp_path / "flags.yaml"
    path.write_text(from_json(json.dumps(SITE).encode()), encoding="utf-8")

    with KameleoonServer(path) as server:
        assert server.client(multi_threading=False).feature_keys() == ["f", "idle", "button"]


def test_without_a_data_file_there_are_no_flags_but_those_that_are_set() -> None:
    with KameleoonServer() as server:
        server.set_flag("new", True)

        assert server.client().feature_keys() == ["new"]


@pytest.mark.parametrize("text", ["{", "[]", '{"featureFlags": 5}', '{"holdout": 5}'])
def test_a_data_file_that_is_wrong_is_refused_at_once(tmp_path: Path, text: str) -> None:
    path = tmp_path / "flags.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(DataFileInvalid):
        KameleoonServer(path)


# --- who follows, and when ----------------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"multi_threading": False}, {"real_time_update": False}])
def test_clients_that_were_made_here_follow_at_once(server: KameleoonServer, settings: dict[str, Any]) -> None:
    with server.client(**settings) as client:
        for value in (True, False, True):
            server.set_flag("idle", value)

            assert client.is_feature_active("ann", "idle") is value


def test_others_follow_by_their_stream_or_when_they_are_asked_to(server: KameleoonServer) -> None:
    provider = KameleoonProvider("any-site", server.configuration())
    provider.initialize(EvaluationContext())
    wait_until(lambda: provider.status().data_file.stream.state is StreamState.OPEN)

    server.set_flag("idle", True)
    wait_until(lambda: provider.resolve_boolean_details("idle", False, ANN).value)
    server.set_flag("idle", False)
    server.sync(provider)

    assert not provider.resolve_boolean_details("idle", True, ANN).value
    provider.shutdown()


def test_a_provider_that_is_set_is_ready(flags: OpenFeatureClient) -> None:
    assert flags.get_provider_status() is ProviderStatus.READY


def test_to_sync_what_has_not_begun_says_so(server: KameleoonServer) -> None:
    with pytest.raises(Initialization):
        server.sync(server.provider())


def test_a_provider_may_end_and_begin_again(server: KameleoonServer) -> None:
    provider = server.provider()
    for value in (True, False):
        provider.initialize(EvaluationContext())
        server.set_flag("idle", value)
        assert provider.resolve_boolean_details("idle", not value, ANN).value is value

        provider.shutdown()
        server.set_flag("idle", not value)
        assert provider.resolve_boolean_details("idle", not value, ANN).value is value


def test_the_end_closes_all_that_was_made_here() -> None:
    before = threading.enumerate()
    server = KameleoonServer()
    server.start()
    provider = server.provider()
    provider.initialize(EvaluationContext())
    server.client()

    server.stop()
    server.stop()

    wait_until(lambda: threading.enumerate() == before)


def test_a_server_may_end_as_soon_as_it_has_begun() -> None:
    with KameleoonServer():
        pass


def test_a_client_of_a_server_that_is_not_started_says_what_to_do() -> None:
    server = KameleoonServer()

    with pytest.raises(Initialization):
        server.client(server_url="http://127.0.0.1:9", default_timeout_millisecond=50)


def test_answers_of_the_data_api_can_be_given(server: KameleoonServer, client: KameleoonClient) -> None:
    server.values["stock"] = {"shoes": 5}
    datum = {"time": 1_790_000_001_000, "data": {"index": 0, "valuesCountMap": {"vip": 1}}}
    server.visitors["ann"] = {"currentVisit": {"customDataEvents": [datum]}}

    assert client.get_remote_data("stock") == {"shoes": 5}
    assert client.get_remote_visitor_data("ann") == [CustomData(0, "vip")]


# --- what fails ---------------------------------------------------------------------------------------------


def test_what_fails_is_made_up_for_when_it_is_over(server: KameleoonServer, client: KameleoonClient) -> None:
    server.fail(data_file={"status": 503}, events={"status": 500})
    server.set_flag("idle", True)
    client.track_conversion("ann", 7)
    client.flush(instant=True)
    assert not client.is_feature_active("ann", "idle", track=False)
    wait_until(lambda: client.status().sender.last_error)  # type: ignore[union-attr]  # there is one

    server.fail()

    assert client.is_feature_active("ann", "idle", track=False)
    assert server.wait_for(lambda: server.conversions(goal=7))


def test_a_reset_ends_failures_too(server: KameleoonServer, client: KameleoonClient) -> None:
    server.fail(value={"status": 500})

    server.reset()

    server.values["key"] = 5
    assert client.get_remote_data("key") == 5


@pytest.mark.parametrize(
    "routes", [{"nothing": {"hang": True}}, {"events": {"explode": True}}, {"events": {"drop": True}}, {"events": 503}]
)
def test_what_cannot_fail_so_is_refused(server: KameleoonServer, routes: dict[str, Any]) -> None:
    with pytest.raises(ConfigSettingInvalid):
        server.fail(**routes)


# --- what was tracked ---------------------------------------------------------------------------------------


def test_conversions_are_there_without_waiting(server: KameleoonServer, flags: OpenFeatureClient) -> None:
    flags.track("7", ANN, TrackingEventDetails(9.5))
    flags.track("8", ANN)
    flags.track("7", BOB)

    assert [(each.visitor, each.goal, each.revenue) for each in server.conversions()] == [
        ("ann", 7, 9.5),
        ("ann", 8, 0.0),
        ("bob", 7, 0.0),
    ]
    assert [each.visitor for each in server.conversions(goal=7)] == ["ann", "bob"]
    assert [each.goal for each in server.conversions(visitor="ann")] == [7, 8]
    assert server.conversions(visitor="carl") == []


def test_exposures_are_there_too(server: KameleoonServer, client: KameleoonClient) -> None:
    client.get_variation("ann", "button")

    [event] = server.events
    assert (event.kind, event.visitor, event.parameters["id"], event.goal) == ("experiment", "ann", "1001", None)


def test_what_others_track_is_waited_for(server: KameleoonServer) -> None:
    with KameleoonClient("any-site", configuration_object=server.configuration()) as client:
        client.wait_init()
        client.track_conversion("ann", 7)
        client.flush(instant=True)

        [event] = server.wait_for(lambda: server.conversions(goal=7))

    assert event.visitor == "ann"


def test_who_waits_in_vain_is_shown_what_came_instead(server: KameleoonServer, client: KameleoonClient) -> None:
    client.track_conversion("ann", 7, 9.5)

    with pytest.raises(AssertionError, match=r"within 0.01 s; what came:\n  conversion of 'ann' goalId=7 revenue=9.5"):
        server.wait_for(lambda: server.conversions(goal=8), 0.01)


def test_who_waits_and_nothing_comes_is_told_so(server: KameleoonServer) -> None:
    with pytest.raises(AssertionError, match="no event came"):
        server.wait_for(server.conversions, 0.01)


# --- the fixtures -------------------------------------------------------------------------------------------

STRICT = [sys.executable, "-X", "dev", "-X", "utf8", "-W", "error", "-m", "pytest", "-W", "error"]
STRICT += ["-p", "no:cacheprovider", "-v"]

OWN_PROVIDER = """import threading
import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

ANN = EvaluationContext("ann")

class Own(InMemoryProvider):
    begun = ended = 0
    def initialize(self, *_): self.begun += 1
    def shutdown(self): self.ended += 1

OWN = Own({"a": InMemoryFlag("on", {"on": True})})
api.set_provider_and_wait(OWN)

def threads():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("kameleoon-")]

def is_own():
    return api.get_client().provider is OWN and api.get_client().get_boolean_value("a", False, ANN)

def test_before():
    assert is_own()

@pytest.mark.parametrize("value", [True, False])
def test_flags(kameleoon_flags, value):
    assert api.get_client().provider is kameleoon_flags.provider
    assert len(threads()) > 1
    kameleoon_flags["b"] = value
    assert api.get_client().get_boolean_value("b", not value, ANN) is value
    del kameleoon_flags["b"]
    assert api.get_client().get_boolean_details("b", value, ANN).error_code == "FLAG_NOT_FOUND"

def test_after():
    assert is_own()
    assert (OWN.begun, OWN.ended) == (1, 0)
    assert threads() == ["kameleoon-server"]

def test_an_application_that_shuts_down(kameleoon_flags):
    api.shutdown()

def test_after_that(kameleoon_flags):
    kameleoon_flags["b"] = True
    assert api.get_client().get_boolean_value("b", False, ANN)
"""

TURNS = """import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext

ANN = EvaluationContext("ann")

@pytest.mark.parametrize("turn", [1, 2])
def test_turns(kameleoon_flags, tracked_events, turn):
    assert tracked_events() == []
    assert not api.get_client().get_boolean_value("new", False, ANN)
    kameleoon_flags["new"] = True
    api.get_client().track("7", ANN)
    assert len(tracked_events.conversions(goal=7)) == 1

def test_the_server_alone(kameleoon_server):
    assert kameleoon_server.client().feature_keys() == []
    assert kameleoon_server.events == []
"""

WAITS_IN_VAIN = """from openfeature import api
from openfeature.evaluation_context import EvaluationContext

def test_waits(kameleoon_flags, tracked_events):
    api.get_client().track("7", EvaluationContext("ann"))
    tracked_events.wait_for(lambda: tracked_events.conversions(goal=8), 0.1)
"""

IMPORTED_BEFORE = """import openfeature_kameleoon
import openfeature_kameleoon_pytest
import pytest

def test_as_pytest_does_for_an_installed_plugin():
    pytest.register_assert_rewrite("openfeature_kameleoon", "openfeature_kameleoon_pytest")
"""

NOTHING_LOADED = """import sys

def test_nothing_is_loaded():
    assert "openfeature_kameleoon_pytest" in sys.modules
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & {"openfeature", "openfeature_kameleoon", "starlette", "uvicorn", "requests"}
"""


def run_pytest(folder: Path, *arguments: str, **files: str) -> str:
    """The output of pytest on these files, as strict as it can be."""
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [*STRICT, *arguments], cwd=folder, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a project's tests say, one file after the other in one process."""
    files = {"before": IMPORTED_BEFORE, "own": OWN_PROVIDER, "turns": TURNS, "waits": WAITS_IN_VAIN}
    return run_pytest(tmp_path_factory.mktemp("project"), **files)


def outcomes(output: str, file: str) -> list[str]:
    """Those of one file's tests."""
    return re.findall(rf"^test_{file}\.py::\S+ ([A-Z]+)", output, re.MULTILINE)


def test_pytest_does_not_warn_of_a_program_that_had_the_package_before_it(output: str) -> None:
    assert outcomes(output, "before") == ["PASSED"]


def test_openfeature_is_as_it_was_after_a_test(output: str) -> None:
    assert outcomes(output, "own") == ["PASSED"] * 6


def test_a_test_begins_without_what_the_one_before_did(output: str) -> None:
    assert outcomes(output, "turns") == ["PASSED"] * 3


def test_a_failure_shows_what_came_and_the_line_that_waited(output: str) -> None:
    assert outcomes(output, "waits") == ["FAILED"]
    assert "conversion of 'ann' goalId=7" in output
    assert re.search(r"^test_waits\.py:\d+: AssertionError", output, re.MULTILINE)


def test_the_plugin_brings_nothing_along(tmp_path: Path) -> None:
    assert outcomes(run_pytest(tmp_path, nothing=NOTHING_LOADED), "nothing") == ["PASSED"]


def test_the_tests_of_the_example_pass_in_two_processes_at_once(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))

    assert "18 passed" in run_pytest(tmp_path, "examples/server_tests", "--numprocesses=2", "--dist=each")
