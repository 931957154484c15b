"""Clients and providers on the local server: their own tests, but for those in which a server fails.

What they run on elsewhere is ``FakeKameleoon``; here the same fixtures are the local server.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from types import CodeType, ModuleType

import pytest

from tests import (
    test_client_events,
    test_client_tracking,
    test_client_wait,
    test_following,
    test_provider_streaming,
    test_remote_data,
)
from tests.faces import flag, site
from tests.kameleoon import FakeKameleoon
from tests.server.local import LocalKameleoon
from tests.test_client_tracking import open_client
from tests.test_following import followed
from tests.test_provider_streaming import provider, streamed
from tests.test_remote_data import client, clock

__all__ = ["client", "clock", "followed", "open_client", "provider"]

DATA_FILES: Mapping[ModuleType, object] = {
    test_client_events: test_client_events.FLAGS,
    test_client_tracking: test_client_tracking.SITE,
    test_client_wait: test_client_wait.FLAGS,
    test_following: site(),
    test_provider_streaming: streamed(1, flag("f"), flag("same"), flag("gone")),
    test_remote_data: test_remote_data.FLAGS,
}
"""What the server of each module's tests begins with."""

ITS_TIME = "the server gives each data file a time of its own, which its event tells (test_protocol.py)"
ALWAYS_STREAMED = "all that it serves asks for real-time updates"

EXCEPT = {
    "test_a_data_file_that_a_real_time_event_announced_is_told_as_streamed": ITS_TIME,
    "test_an_edit_is_answered_and_told_by_its_exact_keys_after_its_event": ITS_TIME,
    "test_an_edit_is_in_use_by_its_exact_keys_a_moment_after_its_event": ITS_TIME,
    "test_events_carry_the_access_token": "its tokens are random (test_protocol.py)",
    "test_events_go_to_the_host_that_the_data_file_asks_for_until_another_one_does": "it keeps everybody here",
    "test_every_data_file_that_is_put_to_use_is_told_of_and_no_other": "it serves none that cannot be used",
    "test_the_data_file_decides_on_real_time_updates_unless_the_setting_does": ALWAYS_STREAMED,
    "test_without_threads_everything_is_sent_inside_the_calls_that_say_so": "it runs on a thread of its own",
}
"""Tests that ask for what this server does otherwise, and why."""

FAULTS = {name for name in vars(FakeKameleoon) if not name.startswith("_")} - set(dir(LocalKameleoon))
"""What only the other one does when it is told to: fail, break off, say what a test makes up."""


def names_in(code: CodeType) -> set[str]:
    """The attributes that a function and those in it use."""
    inner = [names_in(each) for each in code.co_consts if isinstance(each, CodeType)]
    return set(code.co_names).union(*inner)


def chosen_from(module: ModuleType) -> dict[str, object]:
    """Those of a server that need not fail."""
    return {
        name: test
        for name, test in inspect.getmembers(module, inspect.isfunction)
        if name.startswith("test_")
        and {"server", "kameleoon"} & set(inspect.signature(test).parameters)
        and not names_in(test.__code__) & FAULTS
    }


TESTS = {module: chosen_from(module) for module in DATA_FILES}

for each in TESTS.values():
    globals().update({name: test for name, test in each.items() if name not in EXCEPT})


@pytest.fixture(scope="module")
def local() -> Iterator[LocalKameleoon]:
    local = LocalKameleoon()
    yield local
    local.close()


@pytest.fixture
def server(local: LocalKameleoon, request: pytest.FixtureRequest) -> Iterator[LocalKameleoon]:
    [data_file] = [
        data_file for module, data_file in DATA_FILES.items() if module.__name__ == request.function.__module__
    ]
    local.renew(data_file)

    yield local

    local.wait_until_taken()


@pytest.fixture
def kameleoon(server: LocalKameleoon) -> LocalKameleoon:
    return server


def test_exceptions_are_tests() -> None:
    names = [name for tests in TESTS.values() for name in tests]

    assert set(EXCEPT) <= set(names)
    assert len(names) == len(set(names)) > 30
