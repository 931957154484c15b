"""KameleoonClient: what each method gives, raises, remembers and reports (specs/kameleoon-sdk.md 4.9, 11.1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import (
    KameleoonClient,
    KameleoonClientConfiguration,
)
from openfeature_kameleoon.errors import (
    ConfigFileNotFound,
    DataFileInvalid,
    FeatureEnvironmentDisabled,
    FeatureExperimentNotFound,
    FeatureMalformed,
    FeatureNotFound,
    FeatureVariationNotFound,
    Initialization,
    SiteCodeIsEmpty,
)
from openfeature_kameleoon.visitors.traits import Exposure
from tests.chaos import wait_until
from tests.faces import DELIVERY, EXPERIMENT, VIP, client_of, flag, replace, reported, rule, site, threads

SIZE = {"size": ("NUMBER", 5), "layout": ("JSON", '{"columns": 2}')}
FLAGS = site(
    flag("on", rule(1, ("on", 1)), variables=SIZE),
    flag("off", rule(2, ("off", 1))),
    flag("disabled", rule(3, ("on", 1)), environmentEnabled=False),
    flag("vips", rule(4, ("on", 1), segment_id=VIP)),
    flag("tested", rule(5, ("on", 0.5), ("off", 0.5), kind=EXPERIMENT)),
    {"featureKey": "broken", "rules": 5},
)
OF_ON, OF_OFF = Exposure(1001, 10, DELIVERY), Exposure(1002, 20, DELIVERY)


@pytest.fixture
def client(tmp_path: Path) -> KameleoonClient:
    return client_of(tmp_path, FLAGS)


def data(client: KameleoonClient) -> list[object]:
    return [event.data for event in reported(client)]


def is_stored(client: KameleoonClient, code: str = "somebody") -> bool:
    return code in client.evaluator.store


# --- life -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["", None])
def test_a_client_needs_a_site_code(code: Any) -> None:
    with pytest.raises(SiteCodeIsEmpty, match="a8st4f59bj"):
        KameleoonClient(code)


def test_a_configuration_file_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigFileNotFound):
        KameleoonClient("site", tmp_path / "absent.yaml")


def test_settings_come_from_the_configuration_file(tmp_path: Path) -> None:
    replace(tmp_path / "flags.json", FLAGS)
    path = tmp_path / "client.yaml"
    path.write_text(f"multi_threading: false\ndata_file: {tmp_path / 'flags.json'}\n")

    client = KameleoonClient("site", str(path))

    assert client.wait_init()
    assert client.feature_keys() == ["on", "off", "disabled", "vips", "tested", "broken"]


@pytest.fixture
def following(tmp_path: Path) -> Iterator[Callable[..., KameleoonClient]]:
    """Makes clients with a thread, which end with the test."""
    clients: list[KameleoonClient] = []

    def make(**settings: Any) -> KameleoonClient:
        configuration = KameleoonClientConfiguration(data_file=tmp_path / "flags.json", **settings)
        clients.append(KameleoonClient("site", configuration_object=configuration))
        return clients[-1]

    yield make

    for client in clients:
        client.close()


def test_a_client_follows_its_data_file_from_the_beginning(
    following: Callable[..., KameleoonClient], tmp_path: Path
) -> None:
    replace(tmp_path / "flags.json", FLAGS)
    with following() as client:
        assert threads() == ["kameleoon-configuration"]
        wait_until(client.is_ready)
        assert client.wait_init(0)
        assert client.status().data_file.origin == "file"

    wait_until(lambda: threads() == [])
    assert client.get_variation("somebody", "on").key == "on"  # goes on from what is there
    client.close()


def test_before_any_data_file_no_flag_is_found(following: Callable[..., KameleoonClient], tmp_path: Path) -> None:
    client = following()

    assert not client.wait_init(50)
    assert not client.is_ready()
    assert client.get_variations("somebody") == {}
    assert client.feature_keys() == []
    assert client.get_data_file().feature_flags == {}
    with pytest.raises(FeatureNotFound):
        client.get_variation("somebody", "on")

    replace(tmp_path / "flags.json", FLAGS)
    assert client.wait_init(5000)
    assert client.get_variation("somebody", "on").key == "on"


def test_refresh_says_what_is_wrong_and_what_is_in_use_stays(client: KameleoonClient, tmp_path: Path) -> None:
    replace(tmp_path / "flags.json", "{}")
    with pytest.raises(DataFileInvalid, match="featureFlags"):
        client.refresh()
    assert client.get_variation("somebody", "on").key == "on"

    client.close()
    with pytest.raises(Initialization):
        client.refresh()


def test_a_handler_is_called_each_time_that_flags_change(client: KameleoonClient, tmp_path: Path) -> None:
    calls: list[None] = []
    client.on_update_configuration(lambda: 1 / 0)  # disturbs nobody
    client.on_update_configuration(lambda: calls.append(None))

    for content, count in (({**FLAGS, "dateModified": 5}, 0), (site(), 1), (site(), 1), (FLAGS, 2)):
        replace(tmp_path / "flags.json", content)
        client.refresh()
        assert len(calls) == count

    replace(tmp_path / "flags.json", "{")
    with pytest.raises(DataFileInvalid):
        client.refresh()
    assert len(calls) == 2


def test_a_client_shows_its_site_and_no_secret(tmp_path: Path) -> None:
    client = client_of(tmp_path, FLAGS, client_id="id", client_secret="s3cr3t")

    assert repr(client) == "KameleoonClient('site')"


# --- flags ------------------------------------------------------------------------------------------------------

ASKED: list[tuple[str, bool, object, list[object]]] = [
    # flag, track, result of is_feature_active, what is reported
    ("on", True, True, [OF_ON]),
    ("on", False, True, []),
    ("off", True, False, [OF_OFF]),
    ("vips", True, False, []),
    ("disabled", True, False, []),
    ("nope", True, FeatureNotFound, []),
    ("broken", True, FeatureMalformed, []),
]


@pytest.mark.parametrize(("key", "track", "expected", "events"), ASKED)
def test_is_feature_active(
    client: KameleoonClient, key: str, track: bool, expected: object, events: list[object]
) -> None:
    if isinstance(expected, type):
        with pytest.raises(expected):
            client.is_feature_active("somebody", key, track=track)
    else:
        assert client.is_feature_active("somebody", key, track=track) is expected

    assert data(client) == events
    assert is_stored(client) is (key in ("on", "off"))


@pytest.mark.parametrize(("key", "track", "expected", "events"), ASKED)
def test_get_variation(client: KameleoonClient, key: str, track: bool, expected: object, events: list[object]) -> None:
    error = {"disabled": FeatureEnvironmentDisabled, "nope": FeatureNotFound, "broken": FeatureMalformed}.get(key)
    if error is not None:
        with pytest.raises(error, match=f"'{key}'"):
            client.get_variation("somebody", key, track)
    else:
        assert client.get_variation("somebody", key, track).is_active is expected

    assert data(client) == events
    assert is_stored(client) is (key in ("on", "off"))


def test_a_variation_tells_where_it_comes_from_and_what_it_holds(client: KameleoonClient) -> None:
    chosen, default = client.get_variation("somebody", "on"), client.get_variation("somebody", "vips")

    assert (chosen.key, chosen.name, chosen.id_, chosen.experiment_id) == ("on", "On", 10, 1001)
    assert {key: (item.type, item.value) for key, item in chosen.variables.items()} == {
        "size": ("NUMBER", 5),
        "layout": ("JSON", {"columns": 2}),
    }
    assert (default.key, default.id_, default.experiment_id, default.variables) == ("off", None, None, {})
    assert chosen == client.get_variation("another", "on")


@pytest.mark.parametrize(("only_active", "keys"), [(False, ["on", "off", "vips", "tested"]), (True, ["on", "tested"])])
@pytest.mark.parametrize("track", [True, False])
def test_get_variations_leaves_out_what_cannot_be_answered(
    tmp_path: Path, only_active: bool, keys: list[str], track: bool
) -> None:
    client = client_of(tmp_path, FLAGS)
    client.set_forced_variation("somebody", 1005, "on")

    variations = client.get_variations("somebody", only_active, track)

    assert list(variations) == keys
    assert data(client) == ([OF_ON, OF_OFF, Exposure(1005, 50, EXPERIMENT)] if track else [])


def test_a_flag_that_goes_away_meanwhile_does_not_end_get_variations(client: KameleoonClient, tmp_path: Path) -> None:
    evaluate = client.evaluator.evaluate

    def and_then_all_flags_go(*arguments: Any, **options: Any) -> Any:
        replace(tmp_path / "flags.json", site())
        client.refresh()
        return evaluate(*arguments, **options)

    class Slow:
        evaluate = staticmethod(and_then_all_flags_go)

    client.evaluator = Slow()  # type: ignore[assignment]  # an evaluator that takes its time

    assert list(client.get_variations("somebody")) == ["on", "off", "vips", "tested"]


def test_peek_variations_leaves_no_trace(client: KameleoonClient) -> None:
    peeked = client.peek_variations("somebody"), client.peek_variations("somebody", only_active=True)
    assert not is_stored(client)
    assert data(client) == []

    assert peeked == (client.get_variations("somebody"), client.get_variations("somebody", only_active=True))


def test_a_forced_variation_holds_until_it_is_reset(client: KameleoonClient) -> None:
    for key in ("on", "off"):
        client.set_forced_variation("somebody", 1005, key)
        assert client.get_variation("somebody", "tested").key == key
    before = client.get_variation("another", "tested").key

    client.set_forced_variation("somebody", 1005, None)
    client.set_forced_variation("another", 1005, None)

    assert client.get_variation("somebody", "tested").key == client.peek_variations("somebody")["tested"].key
    assert client.get_variation("another", "tested").key == before


def test_a_forced_variation_may_respect_the_segment(client: KameleoonClient) -> None:
    client.set_forced_variation("somebody", 1004, "on", force_targeting=False)
    assert client.get_variation("somebody", "vips").key == "off"

    client.set_forced_variation("somebody", 1004, "on")
    assert client.get_variation("somebody", "vips").key == "on"


def test_what_is_not_there_cannot_be_forced(client: KameleoonClient) -> None:
    with pytest.raises(FeatureExperimentNotFound, match="99"):
        client.set_forced_variation("somebody", 99, "on")
    with pytest.raises(FeatureVariationNotFound, match="'blue'"):
        client.set_forced_variation("somebody", 1005, "blue")
    client.set_forced_variation("somebody", 99, None)  # nothing to end

    assert not is_stored(client)
