"""A fleet's surroundings: relays of a fake Kameleoon, the lines that SDKs send them, and the command as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openfeature_kameleoon import KameleoonClientConfiguration
from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.relay import Relay
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.sharing import SharedOverrides
from openfeature_kameleoon.server.site import Site
from openfeature_kameleoon.settings import Secret
from tests.chaos import PATIENCE_SECONDS, wait_until
from tests.server.asking import Reply, ask

__all__ = ["FLAGS", "SITE", "TRACKING", "Instance", "dated", "instance", "lines", "report", "serve_process", "written"]

SITE = "a8st4f59bj"
FLAGS = Path(__file__).resolve().parents[2] / "examples" / "flags.json"
TRACKING = f"/visit/events?sdkName=NODEJS&sdkVersion=5.1.0&siteCode={SITE}&bodyUa=true"


def dated(modified: int, **members: Any) -> dict[str, Any]:
    """The examples' data file with another date."""
    content: dict[str, Any] = json.loads(FLAGS.read_bytes())
    return {**content, "dateModified": modified, **members}


class Instance:
    """A server of the site with all that stands behind it."""

    def __init__(self, site: Site, relay: Relay, sharing: SharedOverrides | None, server: LocalServer) -> None:
        self.site, self.sharing, self.server = site, sharing, server
        self.relay = relay

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str | None) -> Reply:
        return ask(self.server, path, method, body, **headers)

    def data_file(self, since: str | None = None, query: str = "") -> Reply:
        return self.ask(f"/v3/{SITE}{query}", if_modified_since=since)


@contextmanager
def instance(
    upstream: str, redis: str | None = None, *, waits_seconds: float = PATIENCE_SECONDS, **settings: Any
) -> Iterator[Instance]:
    """A relay of what is at ``upstream`` that has begun; it waits so long for a data file."""
    configuration = KameleoonClientConfiguration(server_url=upstream, redis_url=redis, **settings)
    site = Site(SITE, configuration, is_shared=redis is not None)
    relay = Relay(site, configuration)
    sharing = SharedOverrides(Secret(redis), site) if redis is not None else None
    with LocalServer(Serving(site, token="the-token", relay=relay, sharing=sharing)) as server:
        if sharing is not None:
            sharing.start()
        relay.start(waits_seconds)
        yield Instance(site, relay, sharing, server)


def lines(count: int, first: int = 0) -> list[str]:
    """So many events of as many visitors."""
    return [f"nonce={n:016X}&eventType=activity&visitorCode=visitor-{n}" for n in range(first, first + count)]


def report(server: LocalServer, events: list[str], path: str = TRACKING, **headers: str | None) -> int:
    """Send events as an SDK does; the status of the answer."""
    return ask(server, path, "POST", "\n".join(events).encode(), content_type="*/*", **headers).status


def written(folder: Path, **settings: Any) -> Path:
    """A file of settings."""
    path = folder / "client-python.yaml"
    path.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in settings.items()), encoding="utf-8")
    return path


class _Process(LocalServer):
    """Stands for a server that is elsewhere, so that it is asked in the same way."""

    def __init__(self, url: str, process: subprocess.Popen[str]) -> None:
        self.url = url
        self.process = process
        self.told: list[str] = []


@contextmanager
def serve_process(*options: str, environment: Mapping[str, str] | None = None) -> Iterator[_Process]:
    """``serve`` as a process of its own, on a free port, once it answers; killed if it is not ended before."""
    command = [sys.executable, "-m", "openfeature_kameleoon.cli", "serve", "--port", "0", *options]
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("KAMELEOON_")}
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**surroundings, **(environment or {})},
    )
    told: list[str] = []
    stderr = process.stderr
    assert stderr is not None
    reader = threading.Thread(target=lambda: told.extend(iter(stderr.readline, "")), daemon=True)
    reader.start()
    try:
        wait_until(lambda: process.poll() is not None or any("is served at " in line for line in told), 30.0)
        url = next((line.rpartition(" is served at ")[2].strip() for line in told if "is served at " in line), "")
        assert url, told
        served = _Process(url, process)
        served.told = told
        yield served
    finally:
        process.kill()
        process.wait()
        reader.join()
        stderr.close()
