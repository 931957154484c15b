"""Servers that load an application once and fork their workers: all is told once, and nothing is to be set (R13)."""

from __future__ import annotations

import re
import shutil
import sys
import types
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, under_uwsgi
from tests.kameleoon import FakeKameleoon
from tests.process.reporting import NEWS, both_of, told
from tests.programs import Server, each_worker, kameleoon_is, program, serving

WORKERS = 2
AT_ONCE = 12
VISITORS = 10
"""For each worker."""

CHECKOUT = 202
"""Id of the experiment in the data file of the examples."""

EXAMPLES = Path(__file__).parents[2] / "examples"
PROGRAMS = Path(__file__).parent / "programs"


def installed(name: str) -> str:
    """A server's program; without it the test is skipped."""
    path = program(name)
    if not shutil.which(path):
        pytest.skip(f"{name} is not installed (pip install {name})")
    return path


def visit(server: Server, targets: Iterable[str]) -> list[str]:
    """What the server answers to all of these, some at once."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(server.get, targets))
    assert {status for status, _ in answers} == {200}
    return [text for _, text in answers]


# gunicorn -------------------------------------------------------------------------------------------------------------

PATCHED = "from gevent import monkey\n\nmonkey.patch_all()\n"
"""What gevent asks for: that everything is patched before it is loaded."""

PID_OF_GUNICORN = r"Booting worker with pid: (\d+)"
PORT_OF_GUNICORN = r"Listening at: http://127\.0\.0\.1:(\d+)"


@contextmanager
def gunicorn(kameleoon: FakeKameleoon, folder: Path, kind: str, *options: str) -> Iterator[Server]:
    """The example's application under gunicorn, with workers of a kind."""
    application = folder / "gunicorn_app"
    shutil.copytree(EXAMPLES / "gunicorn_app", application)
    if kind == "gevent":
        pytest.importorskip("gevent")
        settings = application / "gunicorn.conf.py"
        settings.write_text(settings.read_text().replace("from openfeature", f"{PATCHED}\nfrom openfeature"))
    command = [installed("gunicorn"), "--bind", "127.0.0.1:0", "--worker-class", kind, *options, "app:application"]
    environment = kameleoon_is(kameleoon.url, folder)

    with serving(command, folder, PORT_OF_GUNICORN, environment, application) as server:
        yield server
        assert server.end() == 0
        assert "Traceback" not in server.log.read_text()


@pytest.fixture
def kameleoon() -> Iterator[FakeKameleoon]:
    with FakeKameleoon((EXAMPLES / "flags.json").read_bytes()) as server:
        yield server


@pytest.mark.parametrize("kind", ["sync", "gthread", "gevent"])
def test_r13_the_workers_of_gunicorn_report_once(kameleoon: FakeKameleoon, kind: str, tmp_path: Path) -> None:
    visitors: list[str] = []

    with gunicorn(kameleoon, tmp_path, kind) as server:
        for worker in each_worker(server, PID_OF_GUNICORN, WORKERS):
            some = [f"visitor {number} of {worker}" for number in range(VISITORS)]
            visit(server, (f"/?visitor={quote(visitor)}" for visitor in some))
            visit(server, (f"/buy?visitor={quote(visitor)}" for visitor in some))
            visitors += some

    assert len(visitors) == WORKERS * VISITORS
    assert told(kameleoon) == both_of(visitors)
    assert set(kameleoon.nonces().values()) == {1}
    assert {event["id"] for event in kameleoon.events() if event["eventType"] == "experiment"} == {str(CHECKOUT)}


def test_r13_workers_that_are_replaced_leave_nothing_behind(kameleoon: FakeKameleoon, tmp_path: Path) -> None:
    visitors = [f"visitor-{number}" for number in range(40)]

    with gunicorn(kameleoon, tmp_path, "sync", "--max-requests", "5") as server:
        for visitor in visitors:
            visit(server, [f"/?visitor={visitor}"])
        replaced = len(re.findall(PID_OF_GUNICORN, server.log.read_text())) - WORKERS

    assert replaced >= 40 // 5 - WORKERS
    assert told(kameleoon) == Counter({(visitor, "experiment"): 1 for visitor in visitors})
    assert set(kameleoon.nonces().values()) == {1}


# uWSGI ----------------------------------------------------------------------------------------------------------------

PORT_OF_UWSGI = r"bound to TCP address 127\.0\.0\.1:(\d+)"

UWSGIS: dict[str, list[str]] = {
    "as it comes": ["--enable-threads"],
    "with threads": ["--threads", "4"],
    "loaded in the workers": ["--enable-threads", "--lazy-apps"],
    "with the hooks of Python": ["--enable-threads", "--py-call-uwsgi-fork-hooks"],
}
RARER = ("with threads", "with the hooks of Python")


@pytest.mark.parametrize(
    "kind", ["as it comes", "loaded in the workers", *(pytest.param(kind, marks=pytest.mark.soak) for kind in RARER)]
)
def test_r13_the_workers_of_uwsgi_report_once_and_follow_the_data_file(
    server: FakeKameleoon, kind: str, tmp_path: Path
) -> None:
    command = [installed("uwsgi"), "--http-socket", "127.0.0.1:0", "--wsgi-file", str(PROGRAMS / "uwsgi_app.py")]
    command += ["--master", "--processes", str(WORKERS), "--need-app", "--die-on-term", "--disable-logging"]
    command += ["--virtualenv", sys.prefix, *UWSGIS[kind]]
    visitors: list[str] = []
    answers: list[str] = []

    with serving(command, tmp_path, PORT_OF_UWSGI, kameleoon_is(server.url, tmp_path)) as uwsgi:
        while len(answers_by_worker(answers)) < WORKERS:
            some = [f"visitor-{len(visitors) + number}" for number in range(AT_ONCE)]
            answers += visit(uwsgi, (f"/?visitor={visitor}" for visitor in some))
            visitors += some
        server.publish(NEWS)
        later = dict(answers_by_worker(answers))
        while {answer.split()[0] for answer in later.values()} != {"off"}:
            later.update(answers_by_worker(visit(uwsgi, ["/"] * AT_ONCE)))
        server.wait_for_lines(2 * len(visitors))  # now, as uWSGI does not clean up a worker that is busy at the end
        assert uwsgi.end() == 0
        log = uwsgi.log.read_text()

    assert set(answers_by_worker(answers).values()) == {"on kameleoon-configuration kameleoon-sender"}
    assert told(server) == both_of(visitors)
    assert set(server.nonces().values()) == {1}
    assert "Traceback" not in log


def answers_by_worker(answers: Iterable[str]) -> dict[str, str]:
    """The last answer of each."""
    return dict(answer.split(maxsplit=1) for answer in answers)


def test_r13_uwsgi_without_threads_is_warned_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    without_threads = types.SimpleNamespace(has_threads=0)  # so says 2.0.24 and earlier; later ones always have them
    monkeypatch.setitem(sys.modules, "uwsgi", without_threads)
    under_uwsgi.warn_of_missing_threads.cache_clear()
    settings = KameleoonClientConfiguration(data_file=EXAMPLES / "flags.json")

    for _ in range(2):
        with KameleoonClient("site", configuration_object=settings) as client:
            assert client.wait_init()

    assert [record.getMessage() for record in caplog.records] == [
        "uWSGI runs without threads: flags are not updated and events not sent between requests; set enable-threads"
    ]
    under_uwsgi.warn_of_missing_threads.cache_clear()
