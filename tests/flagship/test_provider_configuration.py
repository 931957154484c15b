"""Settings of FlagshipProvider: what each may be, and that a constructor tells of what it may not."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest
import requests

from openfeature_kameleoon.errors import ConfigSettingInvalid
from openfeature_kameleoon.flagship.cache_manager import MemoryCacheManager
from openfeature_kameleoon.flagship.provider_configuration import FlagshipConfiguration, flagship_settings
from openfeature_kameleoon.flagship.tracked_events import OF_ITEM, OF_TRANSACTION

ALLOWED: dict[str, list[Any]] = {
    "mode": ["BUCKETING", "DECISION_API", "bucketing"],
    "polling_interval_second": [0, 0.5, 60, 86_400],
    "timeout_millisecond": [1, 2000.5],
    "download_timeout_millisecond": [1, 10_000],
    "data_file": [None, "flags.json", Path("flags.json")],
    "data_file_maximum_size": [0.5, 32],
    "cache_directory": [None, "cache", Path("cache")],
    "visitor_data_maximum_size": [0.1, 100],
    "cache_manager": [None],  # with the mode DECISION_API others, too
    "missing_flag_is_default": [True, False],
    "send_exposures": [True, False],
    "report_context_data": [True, False],
    "send_events": [None, True, False],
    "tracking_interval_millisecond": [200, 10_000, 10_800_000],
    "tracking_pool_size": [0, 20, 5000],
    "tracking_directory": [None, "waiting", Path("waiting")],
    "tracking_survives_power_loss": [True, False],
    "tracking_queue_size": [1, 100_000],
    "shutdown_timeout_millisecond": [1, 2000],
    "server_url": [None, "http://127.0.0.1:8080", "https://relay.example.org/flagship"],
    "decision_api_url": [None, "https://decision.example.org/v2"],
    "session": [None, requests.Session()],
    "multi_threading": [True, False],
}
REFUSED: dict[str, list[Any]] = {
    "mode": ["API", None, 5],
    "polling_interval_second": [-1, float("nan"), "60", True, None],
    "timeout_millisecond": [0, -1, "2", float("inf")],
    "download_timeout_millisecond": [0, None],
    "data_file": ["", 5, "a\0b"],
    "data_file_maximum_size": [0, "32"],
    "cache_directory": [""],
    "visitor_data_maximum_size": [0, -1],
    "cache_manager": [5, "cache", MemoryCacheManager],
    "missing_flag_is_default": [None, 1],
    "send_exposures": [None, "yes"],
    "report_context_data": [0],
    "send_events": ["no"],
    "tracking_interval_millisecond": [199, 10_800_001, None],
    "tracking_pool_size": [-1, 5001, 1.5, True],
    "tracking_directory": [""],
    "tracking_survives_power_loss": [1],
    "tracking_queue_size": [0, 1.5],
    "shutdown_timeout_millisecond": [0],
    "server_url": ["ftp://x", "http://user:password@host", "http://host?x=1"],
    "decision_api_url": ["host"],
    "session": [5, requests.Session],
    "multi_threading": [None],
}
CASES = [(name, value) for name, values in ALLOWED.items() for value in values]
WRONG = [(name, value) for name, values in REFUSED.items() for value in values]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_what_is_allowed_is_held(name: str, value: Any) -> None:
    held = getattr(FlagshipConfiguration(**{name: value}), name)

    assert held in (value, str(value), str(value).upper())


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_refusal_names_the_setting_and_what_is_allowed(name: str, value: Any) -> None:
    allowed = {row.name: row.allowed for row in flagship_settings()}

    with pytest.raises(ConfigSettingInvalid) as refused:
        FlagshipConfiguration(**{name: value})

    assert refused.value.setting == name
    assert refused.value.message.startswith(f"{name} must be {allowed[name]}, not ")


def test_there_are_cases_for_every_setting() -> None:
    names = [field.name for field in dataclasses.fields(FlagshipConfiguration)]

    assert list(ALLOWED) == list(REFUSED) == names == [row.name for row in flagship_settings()]


def test_every_setting_is_described_in_a_line() -> None:
    for row in flagship_settings():
        assert row.description.endswith(".")
        assert len(row.description) < 110
        assert row.unit == "" or row.unit.lower()[:5] in ("secon", "milli", "mb", "hits", "event")


def test_a_name_that_is_none_is_told() -> None:
    with pytest.raises(TypeError, match="polling_intervall"):
        FlagshipConfiguration(polling_intervall=5)  # type: ignore[call-arg]  # that is the point


def test_a_file_on_disk_goes_with_bucketing_alone() -> None:
    with pytest.raises(ConfigSettingInvalid, match="data_file needs the mode BUCKETING"):
        FlagshipConfiguration(data_file="x", mode="DECISION_API")


def test_a_visitor_cache_goes_with_the_decision_api_alone() -> None:
    cache = MemoryCacheManager()

    assert FlagshipConfiguration(cache_manager=cache, mode="DECISION_API").cache_manager is cache
    with pytest.raises(ConfigSettingInvalid, match="cache_manager needs the mode DECISION_API"):
        FlagshipConfiguration(cache_manager=cache)


def test_it_shows_what_was_changed_and_can_be_neither_changed_nor_lost() -> None:
    configuration = FlagshipConfiguration(mode="DECISION_API", timeout_millisecond=500, session=None)

    assert repr(configuration) == "FlagshipConfiguration(mode='DECISION_API', timeout_millisecond=500)"
    assert copy.deepcopy(configuration) == pickle.loads(pickle.dumps(configuration)) == configuration
    with pytest.raises(dataclasses.FrozenInstanceError):
        configuration.mode = "BUCKETING"  # type: ignore[misc]  # that is the point


def test_servers_are_where_they_are_said_to_be() -> None:
    places = FlagshipConfiguration().endpoints
    assert places.bucketing_url("E") == "https://cdn.flagship.io/E/bucketing.json"
    assert places.campaigns_url("E") == "https://decision.flagship.io/v2/E/campaigns/"

    places = FlagshipConfiguration(server_url="http://localhost:1").endpoints
    assert places.bucketing_url("E") == "http://localhost:1/E/bucketing.json"
    assert places.activate_url == "http://localhost:1/v2/activate"

    places = FlagshipConfiguration(decision_api_url="https://own/v2").endpoints
    assert places.campaigns_url("E") == "https://own/v2/campaigns/"
    assert places.bucketing_url("E") == "https://cdn.flagship.io/E/bucketing.json"


def test_the_table_of_the_documentation_is_that_of_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "flagship-provider.md").read_text(encoding="utf-8")

    rows = [line for line in page.splitlines() if line.startswith("| `") and line.count("|") == 5]

    expected = [
        f"| `{row.name}` | `{row.default}` | {row.description} | {row.allowed} |" for row in flagship_settings()
    ]
    assert [row for row in rows if row in expected] == expected


def test_the_attributes_named_in_the_documentation_are_those_read() -> None:
    page = (Path(__file__).parents[2] / "docs" / "flagship-provider.md").read_text(encoding="utf-8")

    assert not [row.name for row in (*OF_TRANSACTION, *OF_ITEM) if f"`{row.name}`" not in page]
