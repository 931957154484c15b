"""``automation results``: asks, waits, names the variations, draws them and tells the winner."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner

from openfeature_kameleoon.cli.commands import command_line
from openfeature_kameleoon.cli.management.plot import Plotted, bars
from openfeature_kameleoon.management.automation import Automation
from openfeature_kameleoon.management.rest.session import Session
from tests.cli.running import Run
from tests.cli.vendors import Vault
from tests.management.examples import example
from tests.management.standins.automation import FULL, AutomationServer

EXPERIMENT, GOAL = 31877, 44121

WIDE = """\
Basket banner (experiment 31877)
goal 44121, by visits, confidence 95%

Variation           Visits  Conversions   Rate  Improvement  Reliability
Original            10,040          402  4.00%            -            -
★ Big green button   9,980          489  4.90%       +22.5%        98.7%
Small grün          10,011          411  4.10%        +2.5%        61.2%

Conversion rate
Original            ████████████████████████████████████████▉           4.00%
★ Big green button  ██████████████████████████████████████████████████  4.90%
Small grün          █████████████████████████████████████████▉          4.10%

Winner: Big green button, +22.5% at 98.7% reliability.
"""

NARROW = """\
Basket banner (experiment 31877)
goal 44121, by visits, confidence 95%

Original
  402 of 10,040 visits: 4.00%
★ Big green button
  489 of 9,980 visits: 4.90%
  +22.5%, reliability 98.7%
Small grün
  411 of 10,011 visits: 4.10%
  +2.5%, reliability 61.2%

Conversion rate
Original          ████████████▎    4.00%
★ Big green but…  ███████████████  4.90%
Small grün        ████████████▌    4.10%

Winner: Big green button, +22.5% at
98.7% reliability.
"""

ASCII_BARS = """\
Original            #########################################           4.00%
* Big green button  ##################################################  4.90%
Small gr\\xfcn       ##########################################          4.10%
"""


@pytest.fixture
def server(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> Iterator[AutomationServer]:
    monkeypatch.setenv("KAMELEOON_CLIENT_ID", FULL[0])
    monkeypatch.setenv("KAMELEOON_CLIENT_SECRET", FULL[1])
    with AutomationServer() as running:
        monkeypatch.setenv("KAMELEOON_API_URL", running.url)
        running.add("goals", id=GOAL, name="Purchase")
        running.add("variations", id=55310, name="Big green button")
        running.add("variations", id=55311, name="Small grün")
        given: dict[str, Any] = {"mainGoalId": GOAL, "goals": [GOAL], "variations": [55310, 55311]}
        running.add("experiments", id=EXPERIMENT, name="Basket banner", **given)
        running.reports.whole[EXPERIMENT] = example("automation-results")["poll_ready"]["data"]
        running.reports.waits = 0
        yield running


def screen(columns: int, charset: str = "utf-8") -> str:
    """What is seen on a terminal that wide."""
    command = ["automation", "results", str(EXPERIMENT)]
    result = CliRunner(charset=charset).invoke(command_line, command, env={"COLUMNS": str(columns)})
    assert (result.exit_code, result.stderr) == (0, "")
    return "".join(f"{line.rstrip()}\n" for line in result.stdout_bytes.decode(charset).splitlines())


def test_figures_bars_and_the_winner_stand_in_80_columns(server: AutomationServer) -> None:
    assert screen(80) == WIDE


def test_in_40_columns_figures_stand_below_names(server: AutomationServer) -> None:
    assert screen(40) == NARROW


def test_without_unicode_the_bars_are_ascii(server: AutomationServer) -> None:
    assert ASCII_BARS in screen(80, "ascii")


def test_json_has_all_figures(run: Run, server: AutomationServer) -> None:
    found = json.loads(run("automation", "results", str(EXPERIMENT), "--output", "json").stdout)

    assert (found["experiment"], found["goal"], found["winner"]) == (EXPERIMENT, GOAL, "55310")
    assert found["variations"][0] == {
        "id": "0",
        "name": "Original",
        "reference": True,
        "visits": 10040,
        "visitors": 8120,
        "conversions": 402,
        "conversion_rate": 4.0,
        "improvement": 0.0,
        "reliability": 0.0,
        "winner": False,
    }
    assert [row["winner"] for row in found["variations"]] == [False, True, False]


def test_a_higher_confidence_may_leave_no_winner(run: Run, server: AutomationServer) -> None:
    shown = run("automation", "results", str(EXPERIMENT), "--confidence", "0.99").stdout

    assert "No winner yet at 99% confidence." in shown
    assert "★" not in shown


def test_what_is_asked_for_is_what_the_options_say(run: Run, server: AutomationServer) -> None:
    days = ("--from", "2026-04-02", "--to", "2026-04-30")

    shown = run("automation", "results", str(EXPERIMENT), "--goal", "44121", "--by", "visitor", *days).stdout

    assert server.asked("POST")[-1].json == {
        "conversionType": "CONVERTED_VISITS",
        "goalsIds": [GOAL],
        "referenceVariationId": "0",
        "visitorData": True,
        "allVariationsData": True,
        "sequentialTesting": True,
        "dateIntervals": [{"start": "2026-04-02T00:00:00", "end": "2026-04-30T23:59:59"}],
    }
    assert "8,120" in shown
    assert "Visitors" in shown


def test_a_time_begins_with_the_experiment_unless_said_otherwise(run: Run, server: AutomationServer) -> None:
    server.state.find("experiments", EXPERIMENT)["dateStarted"] = "2026-04-01T08:00:00Z"

    run("automation", "results", str(EXPERIMENT), "--to", "2026-04-30T12:00:00")

    assert server.asked("POST")[-1].json["dateIntervals"] == [
        {"start": "2026-04-01T08:00:00", "end": "2026-04-30T12:00:00"}
    ]


def test_the_report_is_waited_for(run: Run, server: AutomationServer) -> None:
    server.reports.waits = 3

    result = run("automation", "results", str(EXPERIMENT), "--every", "0.001")

    assert result.exit_code == 0
    assert len([asked for asked in server.asked("GET") if asked.path == "/results"]) == 4


def test_a_report_that_is_late_is_given_up(run: Run, server: AutomationServer) -> None:
    server.reports.waits = 9

    result = run("automation", "results", str(EXPERIMENT), "--timeout", "0")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "is still WAITING after 0 s; wait for it longer" in result.stderr


def test_a_report_that_fails_is_an_error(run: Run, server: AutomationServer) -> None:
    server.reports.fails = True

    result = run("automation", "results", str(EXPERIMENT))

    assert (result.exit_code, result.stdout) == (2, "")
    assert "could not be made; ask for it anew" in result.stderr


def test_without_a_main_goal_one_must_be_named(run: Run, server: AutomationServer) -> None:
    server.add("experiments", id=5, name="No aim", mainGoalId=None, goals=[7, 8])

    result = run("automation", "results", "5")

    assert result.exit_code == 2
    assert "experiment 5 has no main goal: name one with --goal; its goals are 7, 8" in result.stderr


def test_a_variation_that_is_gone_keeps_its_number(run: Run, server: AutomationServer) -> None:
    server.state.objects["variations"].remove(55311)

    assert "Variation 55311" in run("automation", "results", str(EXPERIMENT)).stdout


def test_a_report_without_figures_says_so(run: Run, server: AutomationServer) -> None:
    server.reports.whole[EXPERIMENT] = {"variationData": {}}

    assert "there are no figures yet" in run("automation", "results", str(EXPERIMENT)).stdout


def test_a_flag_is_compared_with_its_control_variation(run: Run, server: AutomationServer) -> None:
    flag = server.add("feature-flags", featureKey="new_basket", name="New basket", primaryGoalId=GOAL)
    rule = {
        "type": "EXPERIMENTATION",
        "name": "Half and half",
        "controlVariationKey": "off",
        "exposition": 100.0,
        "trafficAllocations": [{"variationKey": key, "exposition": 50.0} for key in ("on", "off")],
    }
    with Session() as session, Automation(*FULL, base_url=server.url, session=session) as client:
        place = (flag["siteCode"], "new_basket", "production")
        changed = client.feature_flags.update_environment(*place, name="New basket", rollout_rules=[rule])
    shares = changed.environment_configurations[-1].rollout_rules[0].traffic_allocations
    on, off = (str(share.variation_id) for share in shares)
    server.reports.whole[flag["id"]] = {
        "variationData": {
            id_: {
                "breakdownData": {
                    "_reference": {
                        "generalData": {
                            "visitCount": 1000,
                            "visitorCount": 900,
                            "goalsData": {str(GOAL): {"convertedVisitCount": 10, "conversionRate": 1.0, **figures}},
                        }
                    }
                }
            }
            for id_, figures in ((on, {"improvementRate": 30.0, "reliability": 0.97}), (off, {}))
        }
    }

    found = json.loads(run("automation", "results", str(flag["id"]), "--flag", "--output", "json").stdout)

    assert server.asked("POST")[-1].json["referenceVariationId"] == off
    assert (found["feature_flag"], found["name"], found["winner"]) == (flag["id"], "New basket", on)
    assert [(row["name"], row["reference"]) for row in found["variations"]] == [("off", True), ("on", False)]


def test_a_flag_that_is_not_there_is_said(run: Run, server: AutomationServer) -> None:
    result = run("automation", "results", "99", "--flag")

    assert (result.exit_code, result.stderr) == (2, "Error: there is no feature flag 99\n")


# --- the plot -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [20, 40, 80, 200])
@pytest.mark.parametrize("is_ascii", [False, True])
def test_bars_are_aligned_and_no_wider_than_asked(width: int, is_ascii: bool) -> None:
    rows = [
        Plotted("a", 0.0, "0.00%"),
        Plotted("a very long name of a variation", 3.0, "3.00%"),
        Plotted("b", 1.5, "9%"),
    ]

    drawn = list(bars(rows, width, is_ascii=is_ascii))

    assert {len(line) for line in drawn} == {max(len(line) for line in drawn)}
    assert len(drawn[0]) <= width
    assert not is_ascii or "".join(drawn).isascii()


def test_bars_are_drawn_in_eighths_and_hold_what_is_negative_or_nothing() -> None:
    rows = [Plotted("a", 8.0, "8"), Plotted("b", 4.5, "4.5"), Plotted("c", -2.0, "-2")]

    assert list(bars(rows, 1 + 2 + 8 + 2 + 3)) == [
        "a  ████████    8",
        "b  ████▌     4.5",
        "c             -2",
    ]
    assert list(bars([Plotted("a", 0.0, "0")], 14)) == [f"a  {' ' * 8}  0"]
    assert list(bars([], 80)) == []


def test_wide_letters_take_two_cells() -> None:
    rows = [Plotted("緑のボタン", 1.0, "1"), Plotted("green", 1.0, "1")]

    first, second = bars(rows, 40)

    assert first.index("█") + len("緑のボタン") == second.index("█")


def test_on_a_terminal_it_is_seen_to_wait(run: Run, server: AutomationServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", lambda _: True)
    server.reports.waits = 2

    result = run("automation", "results", str(EXPERIMENT), "--every", "0.001")

    assert "waiting for the report" in result.stderr
    assert "waiting" not in result.stdout
