"""``status``: whether a site's services answer, how old its data file is, and which events wait on this machine."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import click

from ..client import KameleoonClient
from ..datafile.freshness import StreamState
from ..status import ClientStatus
from ..tracking.spool import Spool
from .output import console, foreign, output_option, table, write_json
from .source import Source, source_options

__all__ = ["status"]

LOOK_SECONDS = 0.05
PENDING = (StreamState.CONNECTING, StreamState.WAITING)


@click.command()
@source_options
@output_option
def status(source: Source, output: str) -> None:
    """Show how it goes with a site: data file, real-time updates, access token, events that wait to be sent.

    It connects as a process of yours would, and sends no events. Those that wait in tracking_directory are counted for
    all processes of this machine. Exit status 1: something does not answer.
    """
    configuration = source.live_configuration()
    with KameleoonClient(source.site, configuration_object=configuration) as client:
        client.wait_init()
        _wait_for_stream(client, configuration.default_timeout_second)
        found = client.status()
        services = {
            "data_file": _data_file(client, found),
            "stream": _stream(found),
            "token": _token(client, configuration.default_timeout_second),
        }
    waiting = list(_waiting(configuration.tracking_directory, source.site))
    if output == "json":
        write_json({**services, "waiting": waiting})
    else:
        _show(source.name, services, waiting)
    if any(service is not None and service["problem"] for service in services.values()):
        raise SystemExit(1)


def _wait_for_stream(client: KameleoonClient, seconds: float) -> None:
    """Until the stream is open, or time is up: it is opened in the background, once the data file asks for it."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while client.status().data_file.stream.state in PENDING and time.monotonic() < deadline:
        if client.status().data_file.stream.last_error:
            return
        pause.wait(LOOK_SECONDS)


def _data_file(client: KameleoonClient, found: ClientStatus) -> dict[str, Any]:
    state = found.data_file
    return {
        "state": state.state.value,
        "source": state.origin,
        "age_seconds": state.age_seconds,
        "modified": _date(state.date_modified),
        "flags": len(client.feature_keys()),
        "problems": len(client.ruleset.index.problems),
        "problem": state.last_error,
    }


def _stream(found: ClientStatus) -> dict[str, Any] | None:
    stream = found.data_file.stream
    if stream.state is StreamState.OFF:
        return None
    is_open = stream.state is StreamState.OPEN
    return {"state": stream.state.value, "problem": "" if is_open else stream.last_error or "it did not open in time"}


def _token(client: KameleoonClient, seconds: float) -> dict[str, Any] | None:
    if client.configuration.credentials is None:
        return None
    is_there = client.data_api.has_token(seconds)
    problem = "" if is_there else "there is no access token: check client_id and client_secret"
    return {"state": "valid" if is_there else "missing", "problem": problem}


def _waiting(directory: str | os.PathLike[str] | None, site_code: str) -> Iterator[dict[str, Any]]:
    """The files in which processes keep events, without those that are empty."""
    for path in Spool(directory, site_code).databases() if directory is not None else ():
        try:
            events, oldest = _counted(path)
        except sqlite3.Error as error:
            yield {"process": _owner(path), "events": None, "age_seconds": None, "problem": type(error).__name__}
            continue
        if events:
            age = max(0.0, time.time() - oldest)
            yield {"process": _owner(path), "events": events, "age_seconds": age, "problem": ""}


def _counted(path: Path) -> tuple[int, float]:
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=1.0)
    try:
        count, oldest = connection.execute("SELECT count(*), min(time) FROM events").fetchone()
    finally:
        connection.close()
    return count, oldest or 0.0


def _owner(path: Path) -> int:
    return int(path.name.split("-")[2])


def _date(milliseconds: int) -> str | None:
    if not milliseconds:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, timezone.utc).isoformat(timespec="seconds")


def _show(name: str, services: Mapping[str, dict[str, Any] | None], waiting: list[dict[str, Any]]) -> None:
    listing = table("What", "State", "Details")
    for service, facts in services.items():
        state, details = ("off", "") if facts is None else (facts["state"], facts["problem"] or _details(facts))
        listing.add_row(service.replace("_", " "), state, foreign(details))
    listing.add_row("events", f"{sum(row['events'] or 0 for row in waiting)} waiting", _in_words(waiting))
    out = console()
    out.print(foreign(name, "bold"))
    out.print(listing)


def _details(facts: dict[str, Any]) -> str:
    """What more there is to say of a service that answers."""
    if "flags" not in facts:
        return ""
    problems = f", {facts['problems']} problems: see validate" if facts["problems"] else ""
    return f"{facts['flags']} flags, modified {facts['modified'] or 'at an unknown time'}{problems}"


def _in_words(waiting: list[dict[str, Any]]) -> str:
    return "; ".join(
        f"process {row['process']}: {row['problem'] or str(row['events'])}"
        + (f", the oldest {row['age_seconds']:.0f} s" if row["age_seconds"] is not None else "")
        for row in waiting
    )
