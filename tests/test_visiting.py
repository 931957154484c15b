"""Where visitors live is a matter of configuration: with a URL of a Redis they are shared, without one nothing of it
is even imported."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from openfeature_kameleoon.errors import ConfigSettingInvalid
from openfeature_kameleoon.visiting import visitor_store
from openfeature_kameleoon.visitors.data import CustomData
from openfeature_kameleoon.visitors.redis import RedisVisitorStore
from openfeature_kameleoon.visitors.store import MemoryVisitorStore
from tests.redis_server import RedisServer, redis_server
from tests.visitors.sharing import INDEX

__all__ = ["redis_server"]


def test_without_a_redis_visitors_live_in_memory() -> None:
    store = visitor_store(KameleoonClientConfiguration(), "site")

    assert type(store) is MemoryVisitorStore
    store.start()
    assert store.flush(1.0)
    store.close(1.0)


def test_with_a_redis_visitors_are_shared(redis_server: RedisServer) -> None:
    configuration = KameleoonClientConfiguration(redis_url=redis_server.url, redis_timeout_millisecond=500)
    stores = [visitor_store(configuration, "site") for _ in range(2)]
    for store in stores:
        store.start(5.0)

    stores[0].add_data(stores[0].unknown("v"), [CustomData(0, "a")], INDEX)
    assert stores[0].flush(5.0)
    visitor = stores[1].get("v")

    for store in stores:
        store.close(1.0)
    assert visitor is not None
    assert visitor.custom_data == {0: "a"}


def test_without_threads_there_are_none(redis_server: RedisServer) -> None:
    configuration = KameleoonClientConfiguration(redis_url=redis_server.url, multi_threading=False)
    store = visitor_store(configuration, "site")
    store.start(5.0)

    assert isinstance(store, RedisVisitorStore)
    assert store.is_shared
    assert store._writer._run is None
    store.close(1.0)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)

    with pytest.raises(ConfigSettingInvalid, match=r"pip install 'openfeature-kameleoon\[redis\]'"):
        visitor_store(KameleoonClientConfiguration(redis_url="redis://localhost"), "site")


def test_redis_is_imported_only_where_it_is_used() -> None:
    program = (
        "import sys, openfeature_kameleoon\n"
        "from openfeature_kameleoon.visiting import visitor_store\n"
        "visitor_store(openfeature_kameleoon.KameleoonClientConfiguration(), 'site')\n"
        "print([name for name in sys.modules if 'redis' in name])"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


def test_another_program_shares_its_visitors(redis_server: RedisServer) -> None:
    program = (
        "import sys\n"
        "from openfeature_kameleoon import KameleoonClientConfiguration\n"
        "from openfeature_kameleoon.visiting import visitor_store\n"
        "from openfeature_kameleoon.visitors.traits import LegalConsent\n"
        "store = visitor_store(KameleoonClientConfiguration(redis_url=sys.argv[1]), 'site')\n"
        "store.change(store.unknown('from elsewhere'), lambda stored: stored.set_consent(LegalConsent.GIVEN))\n"
        "store.close(5.0)\n"
    )
    subprocess.run([sys.executable, "-c", program, redis_server.url], check=True)

    store = visitor_store(
        KameleoonClientConfiguration(redis_url=redis_server.url, redis_timeout_millisecond=500), "site"
    )
    store.start(5.0)
    visitor = store.get("from elsewhere")
    store.close(1.0)

    assert visitor is not None
    assert visitor.traits.consent.name == "GIVEN"


def test_a_client_that_is_ready_has_reached_redis_or_tried_to(redis_server: RedisServer, tmp_path: Path) -> None:
    (tmp_path / "flags.json").write_text('{"featureFlags": []}')
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"redis://127.0.0.1:{closed.getsockname()[1]}/0"
    reached: list[bool] = []

    for url in (redis_server.url, nobody):
        configuration = KameleoonClientConfiguration(data_file=tmp_path / "flags.json", redis_url=url)
        with KameleoonClient("site", configuration_object=configuration) as client:
            assert client.wait_init()
            store = client.evaluator.store
            assert isinstance(store, RedisVisitorStore)
            reached.append(store.is_shared)

    assert reached == [True, False]
