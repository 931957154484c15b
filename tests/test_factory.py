"""Clients that are shared: one for a site and environment, the same for everybody who asks, until it is forgotten."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import openfeature_kameleoon.configuration
from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonClientFactory
from openfeature_kameleoon.errors import ConfigException, ConfigFileNotFound, SiteCodeIsEmpty
from tests.chaos import wait_until
from tests.faces import flag, replace, rule, site, threads

create, forget = KameleoonClientFactory.create, KameleoonClientFactory.forget


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Callable[..., KameleoonClientConfiguration]]:
    """Makes settings of clients without network; the clients of the site ``site`` end with the test."""
    replace(tmp_path / "flags.json", site(flag("f", rule(1, ("on", 1)))))

    def make(**given: Any) -> KameleoonClientConfiguration:
        return KameleoonClientConfiguration(data_file=tmp_path / "flags.json", **given)

    yield make

    forget("site")
    forget("another")


@pytest.fixture
def default_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration file that is read where none is named; it is not there yet."""
    path = tmp_path / "client-python.yaml"
    monkeypatch.setattr(openfeature_kameleoon.configuration, "DEFAULT_CONFIGURATION_PATH", str(path))
    return path


def written(path: Path, **given: object) -> Path:
    path.write_text("".join(f"{name}: {value}\n" for name, value in given.items()), encoding="utf-8")
    return path


def test_a_site_has_one_client(settings: Callable[..., KameleoonClientConfiguration]) -> None:
    client = create("site", settings())

    assert create("site", settings()) is client
    assert create("site") is client
    assert create("another", settings()) is not client
    assert client.wait_init()


def test_environments_have_clients_of_their_own(settings: Callable[..., KameleoonClientConfiguration]) -> None:
    default, staging = create("site", settings()), create("site", settings(environment="staging"))

    assert default is not staging
    assert [client.configuration.environment for client in (default, staging)] == [None, "staging"]
    assert create("site", settings(environment="staging")) is staging


def test_who_names_no_settings_gets_the_sites_only_client(
    settings: Callable[..., KameleoonClientConfiguration], default_file: Path
) -> None:
    staging = create("site", settings(environment="staging"))
    assert create("site") is staging

    written(default_file, environment="test", multi_threading="false", data_file=staging.configuration.data_file)
    create("site", settings())
    assert create("site").configuration.environment == "test"  # now there are two, and the default file decides


def test_settings_may_come_from_a_file(
    settings: Callable[..., KameleoonClientConfiguration], tmp_path: Path, default_file: Path
) -> None:
    data_file = settings().data_file
    own = written(tmp_path / "own.yaml", environment="own", data_file=data_file)

    client = create("site", config_path=own)

    assert client.configuration.environment == "own"
    assert create("site", None, str(own)) is client
    with pytest.raises(ConfigFileNotFound):
        create("site", config_path=tmp_path / "absent.yaml")
    with pytest.raises(ConfigException):
        create("site", config_path=written(default_file, environment=5))


@pytest.mark.parametrize("site_code", ["", None])
def test_a_site_code_is_needed(site_code: Any) -> None:
    with pytest.raises(SiteCodeIsEmpty):
        create(site_code)


def test_other_settings_for_a_client_that_is_there_are_warned_of_once(
    settings: Callable[..., KameleoonClientConfiguration], caplog: pytest.LogCaptureFixture
) -> None:
    client = create("site", settings(client_id="id", client_secret="s3cr3t"))
    assert create("site", settings(client_id="id", client_secret="s3cr3t")) is client
    assert create("site") is client
    assert caplog.text == ""

    for _ in range(3):
        assert create("site", settings(refresh_interval_minute=5)) is client

    [record] = [record for record in caplog.records if record.levelname == "WARNING"]
    assert "other client_id, client_secret, refresh_interval_minute" in record.getMessage()
    assert "s3cr3t" not in caplog.text


def test_a_client_that_is_forgotten_is_closed_and_made_anew(
    settings: Callable[..., KameleoonClientConfiguration],
) -> None:
    client = create("site", settings())
    assert client.wait_init()

    forget("site")
    wait_until(lambda: threads() == [])
    again = create("site", settings(refresh_interval_minute=5))

    assert again is not client
    assert again.wait_init()
    forget("site")
    forget("site")
    forget("never there")


def test_one_environment_can_be_forgotten_alone(settings: Callable[..., KameleoonClientConfiguration]) -> None:
    clients = {name: create("site", settings(environment=name or None)) for name in ("", "staging", "test")}

    forget("site", "staging")
    forget("site", "")

    assert create("site") is clients["test"]
    assert create("site", settings()) is not clients[""]


def test_all_who_ask_at_once_get_the_same(settings: Callable[..., KameleoonClientConfiguration]) -> None:
    start, clients = threading.Barrier(16), list[KameleoonClient]()

    def ask() -> None:
        start.wait()
        clients.append(create("site", settings()))

    askers = [threading.Thread(target=ask) for _ in range(16)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()

    assert len(clients) == 16
    assert len(set(map(id, clients))) == 1
    assert threads() == ["kameleoon-configuration"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")
def test_a_forked_child_has_the_clients_and_no_lock_of_its_parents(
    settings: Callable[..., KameleoonClientConfiguration],
) -> None:
    client = create("site", settings())
    assert client.wait_init()
    held = threading.Event()
    going_on = threading.Event()

    def hold() -> None:
        from openfeature_kameleoon.factory import _registry

        with _registry.lock:
            held.set()
            going_on.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    child = os.fork()
    if child == 0:
        import signal

        signal.alarm(10)
        os._exit(0 if create("site") is client and client.is_feature_active("somebody", "f") else 1)
    going_on.set()
    holder.join()

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
