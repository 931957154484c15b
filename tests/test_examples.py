"""The programs of examples/ run as they are, print what they promise and leave no thread behind.

Each runs in a process of its own and from a copy, so that it cannot lean on the checkout. Those that need Kameleoon, or
a Redis, meet one of the test's; the others run offline.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.chaos import wait_until
from tests.kameleoon import FakeKameleoon
from tests.process.reporting import told
from tests.programs import kameleoon_is, program, running, serving
from tests.redis_server import RedisServer, redis_server
from tests.shops import EXAMPLES, SHOPS

__all__ = ["redis_server"]

STAY_OFFLINE = """
import os, sys

def stay_offline(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        os._exit(7)

sys.addaudithook(stay_offline)
"""

RUNNER = """
import os, runpy, sys, threading

del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
others = [thread for thread in threading.enumerate() if thread is not threading.main_thread()]
others = [thread for thread in others if not thread.name.startswith("openfeature-event-handler")]  # the SDK's, for life
for thread in others:
    thread.join(2)
sys.exit(", ".join(f"left behind: {thread.name}" for thread in others if thread.is_alive()) or None)
"""
"""Runs a program as ``python <program>`` does, and looks at what it leaves."""

OUTPUT: Mapping[str, list[str]] = {
    "batch_assign.py": [
        "control: 39.9%",
        "discount: 30.0%",
        "short: 30.1%",
        "{'ann': 'on', 'bob': 'off', 'cleo': 'on'}",
    ],
    "either_vendor.py": [
        "Kameleoon",
        "why: variation 'on', TARGETING_MATCH",
        "without a visitor: False, TARGETING_KEY_MISSING",
        "Flagship",
        "why: variation 'new_checkout-on', TARGETING_MATCH",
        "without a visitor: False, TARGETING_KEY_MISSING",
        "both show the same: True",
    ],
    "explain_decision.py": [
        "new_checkout for visitor-42: off (DEFAULT)",
        "does not hold (customDataIndex '0', valueMatchType 'EXACT', value 'pro', seen 'free')",
        "search for visitor-42: semantic (TARGETING_MATCH)",
        "segment: matches (id 502)",
        "short SPLIT ['segment', 'exposition', 'variation']",
    ],
    "json_configuration.py": [
        "DESKTOP: SearchSettings(engine='vectors', page_size=10, boost=Boost(title=1.0, body=1.0))",
        "PHONE: SearchSettings(engine='bm25', page_size=20, boost=Boost(title=2.0, body=1.0))",
        "no provider: SearchSettings(engine='bm25', page_size=20, boost=Boost(title=1.0, body=1.0))",
    ],
    "logging_hook.py": [
        "INFO shop.flags new_checkout: variation on, TARGETING_MATCH, rule 101",
        "INFO shop.flags checkout_button: variation short, SPLIT, rule 102",
        "INFO shop.flags black_friday: variation None, DISABLED, rule none",
        "WARNING shop.flags welcome_text: default, TYPE_MISMATCH: ",
        "WARNING shop.flags no_such_flag: default, FLAG_NOT_FOUND: ",
    ],
    "multi_tenant.py": [
        "acme: sign-on True, 4000 MB, site a8st4f59bj",
        "globex: sign-on False, 250 MB, site c2dj81kx0q",
        "initech: 100 MB",
    ],
    "opentelemetry_hook.py": [
        "feature_flag.evaluation",
        "feature_flag.key: new_checkout",
        "kameleoon.siteCode: a8st4f59bj",
        "kameleoon.environment: staging",
        "kameleoon.ruleId: 101",
        "feature_flag.evaluation",
        "feature_flag.key: no_such_flag",
        "error.type: flag_not_found",
    ],
    "quickstart.py": [
        "new checkout: True",
        "button: Pay now",
        "columns: 2",
        "why: variation 'on', TARGETING_MATCH, rule 101",
        "unknown flag: False FLAG_NOT_FOUND",
    ],
}
"""What the lines of each program's output hold, in this order; other lines may stand between them."""


WITH_SERVERS: Mapping[str, list[str]] = {
    "durable_tracking.py": [
        "the first process ended well: False",
        "the second one delivered what it left: True",
        "events: 2",
    ],
    "serverless.py": [
        "{'label': 'Pay now', 'sent': 'True'}",
        "{'label': 'Pay now', 'sent': 'True'}",
    ],
    "shared_visitors.py": [
        "web: True",
        "worker: True",
        "worker, another visitor: False",
    ],
    "streaming.py": [
        "flags: new_checkout checkout_button search welcome_text black_friday",
        "changed: black_friday",
        "the stream is open and told of 1 new data file",
    ],
}
"""The same of those that need Kameleoon, or a Redis."""

BY_OTHERS = {"celery_tasks.py": "celery --workdir examples --app celery_tasks worker"}
"""Those that something else runs, and how."""

IN_FOLDERS = {
    *("gunicorn_app/app.py", "gunicorn_app/gunicorn.conf.py", "offline_tests/test_checkout.py"),
    *("server_tests/shop.py", "server_tests/test_shop.py"),  # test_testing.py
    *(f"shops/{shop.file}" for shop in SHOPS.values()),  # test_example_shops.py
    *("automation/bulk_accounts.py", "automation/code_in_git.py", "automation/find_winner.py"),
    *("automation/finished_code.py", "automation/flag_life_cycle.py", "automation/goals_everywhere.py"),
    *("automation/launch_experiment.py", "automation/results_dashboard.py"),
    "automation/site_ids.py",  # and those before it: management/test_automation_examples.py
}

TOLD: Mapping[str, Counter[tuple[str, str]]] = {
    "durable_tracking.py": Counter({("ann", "experiment"): 1, ("ann", "conversion"): 1}),
    "serverless.py": Counter({("ann", "customData"): 1, ("ann", "experiment"): 1, ("ann", "conversion"): 1}),
}
"""How often what was told to Kameleoon, by visitor and kind of event; by all others nothing."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder with nothing but examples/ in it."""
    shutil.copytree(EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def kameleoon() -> Iterator[FakeKameleoon]:
    """A Kameleoon that has the data file of the examples."""
    with FakeKameleoon((EXAMPLES / "flags.json").read_bytes()) as server:
        yield server


STRICT = [sys.executable, "-X", "dev", "-X", "utf8", "-W", "error"]
"""An interpreter that lets nothing pass."""


def run(*arguments: str, cwd: Path) -> str:
    """The output of a strict interpreter, which must end well and warn of nothing."""
    done = subprocess.run(
        [*STRICT, *arguments], cwd=cwd, capture_output=True, encoding="utf-8", timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{done.stdout}\n{done.stderr}"
    return done.stdout


def missing(expected: list[str], output: str) -> list[str]:
    """What does not come in the output, in this order."""
    lines = iter(output.splitlines())
    return [each for each in expected if not any(each in line for line in lines)]


@pytest.mark.parametrize("program", OUTPUT)
def test_an_example_runs_as_it_is(program: str, copy: Path) -> None:
    output = run("-c", STAY_OFFLINE + RUNNER, f"examples/{program}", cwd=copy)

    assert missing(OUTPUT[program], output) == []


@pytest.mark.parametrize("name", WITH_SERVERS)
def test_an_example_works_with_servers_as_it_is(
    name: str, copy: Path, kameleoon: FakeKameleoon, request: pytest.FixtureRequest
) -> None:
    environment = kameleoon_is(kameleoon.url, copy)
    if name == "shared_visitors.py":
        environment["REDIS_URL"] = request.getfixturevalue("redis_server").url
    output = copy / "output"

    with running([*STRICT, "-c", RUNNER, f"examples/{name}"], output, cwd=copy, env=environment) as process:
        if name == "streaming.py":
            wait_until(lambda: "flags:" in output.read_text() and kameleoon.open_streams, 20)
            change_a_flag(kameleoon)
        exit_code = process.wait(60)

    assert exit_code == 0, output.read_text()
    assert missing(WITH_SERVERS[name], output.read_text()) == []
    assert told(kameleoon) == TOLD.get(name, Counter())
    assert not [line for line in kameleoon.nonces().values() if line > 1]


def change_a_flag(kameleoon: FakeKameleoon) -> None:
    """Switch a flag on, and tell those who listen."""
    data_file = json.loads((EXAMPLES / "flags.json").read_text(encoding="utf-8"))
    data_file["featureFlags"][-1]["environmentEnabled"] = True
    data_file["dateModified"] += 1
    kameleoon.publish(data_file, announce=data_file["dateModified"])


def both_of_all(visitors: list[str]) -> Counter[tuple[str, str]]:
    """An exposure and a conversion of each."""
    return Counter((visitor, kind) for visitor in visitors for kind in ("experiment", "conversion"))


def test_the_application_of_gunicorn_works(copy: Path, kameleoon: FakeKameleoon) -> None:
    folder = copy / "examples" / "gunicorn_app"
    command = [program("gunicorn"), "--bind", "127.0.0.1:0", "app:application"]
    visitors = [f"visitor-{number}" for number in range(10)]

    with serving(command, copy, r"http://127\.0\.0\.1:(\d+)", kameleoon_is(kameleoon.url, copy), folder) as server:
        pages = [server.get(f"/?visitor={visitor}") for visitor in visitors]
        answers = [server.get(f"/buy?visitor={visitor}") for visitor in visitors]
        wait_until(lambda: server.log.read_text().count("Booting worker") == 2, 20)
        exit_code = server.end()

    assert exit_code == 0
    assert {status for status, _ in (*pages, *answers)} == {200}
    assert {text for _, text in pages} == {"Buy", "Pay now", "Pay less now"}
    assert {text for _, text in answers} == {"Thank you"}
    assert told(kameleoon) == both_of_all(visitors)


def test_the_tasks_of_celery_work(copy: Path, kameleoon: FakeKameleoon, redis_server: RedisServer) -> None:
    pytest.importorskip("celery")
    environment = {**kameleoon_is(kameleoon.url, copy), "BROKER_URL": redis_server.url, "PYTHONWARNINGS": "ignore"}
    worker = [program("celery"), *BY_OTHERS["celery_tasks.py"].split()[1:], "--concurrency", "2", "--loglevel", "INFO"]
    worker += ["--without-mingle", "--without-gossip"]  # there are no others
    log = copy / "log"
    visitors = [f"visitor-{number}" for number in range(10)]
    ask = f"from celery_tasks import send_offer\nfor visitor in {visitors}: send_offer.delay(visitor)"

    with running(worker, log, cwd=copy, env=environment) as process:
        wait_until(lambda: " ready" in log.read_text(), 30)
        subprocess.run([sys.executable, "-c", ask], cwd=copy / "examples", env=environment, timeout=60, check=True)
        wait_until(lambda: log.read_text().count("succeeded in") == len(visitors), 20)
        process.terminate()
        exit_code = process.wait(30)

    assert exit_code == 0, log.read_text()
    assert told(kameleoon) == both_of_all(visitors)


def test_the_visitor_is_in_no_telemetry(copy: Path) -> None:
    assert "visitor-42" not in run("examples/opentelemetry_hook.py", cwd=copy)


def test_the_tests_of_an_application_pass_offline(copy: Path) -> None:
    program = "import sys, pytest; sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', *sys.argv[1:]]))"

    output = run("-c", STAY_OFFLINE + program, "examples/offline_tests", cwd=copy)

    assert "5 passed" in output


def test_every_example_is_here() -> None:
    files = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py")}

    assert {*OUTPUT, *WITH_SERVERS, *BY_OTHERS, *IN_FOLDERS} == files


@pytest.mark.parametrize("name", [*OUTPUT, *WITH_SERVERS])
def test_an_example_says_how_to_run_it(name: str) -> None:
    assert f"Run: python examples/{name}" in (EXAMPLES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", BY_OTHERS)
def test_an_example_says_who_runs_it(name: str) -> None:
    assert f"Run: {BY_OTHERS[name]}" in (EXAMPLES / name).read_text(encoding="utf-8")


def test_the_application_of_gunicorn_says_how_to_run_it() -> None:
    application = (EXAMPLES / "gunicorn_app" / "app.py").read_text(encoding="utf-8")

    assert "gunicorn app:application" in application
