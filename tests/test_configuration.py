"""Settings: what is accepted, what is refused and how a refusal reads, by keyword argument and from YAML."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import inspect
import json
import logging
import math
import os
import pickle
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import requests

from openfeature_kameleoon import configuration as module
from openfeature_kameleoon.configuration import (
    DEFAULT_CONFIGURATION_PATH,
    KameleoonClientConfig,
    KameleoonClientConfiguration,
    Secret,
    load_configuration,
    settings_table,
)
from openfeature_kameleoon.errors import (
    ConfigCredentialsInvalid,
    ConfigException,
    ConfigFileNotFound,
    ConfigSettingInvalid,
)

CANARY = "s3cr3t-c4n4ry"


def configured(**given: Any) -> KameleoonClientConfiguration:
    """A configuration from settings that a type checker would not let pass."""
    return KameleoonClientConfiguration(**given)


def short(parameter: object) -> str:
    """What names a case in the report: some parameters are very long, one is too long to be printed."""
    return repr(parameter)[:30] if isinstance(parameter, str) else type(parameter).__name__


class Table(NamedTuple):
    default: object
    accepted: list[tuple[object, object]]
    """What is given and what is held."""
    refused: list[tuple[object, str]]
    """What is given and how the message shows it."""
    allowed: str
    together_with: Mapping[str, object] = MappingProxyType({})


POSITIVE_ACCEPTED: list[tuple[object, object]] = [
    (1, 1),
    (0.25, 0.25),
    (1999, 1999),
    (100_000_000, 100_000_000),
]
POSITIVE_REFUSED: list[tuple[object, str]] = [
    (0, "0"),
    (-5, "-5"),
    (100_000_001, "100000001"),
    (math.nan, "nan"),
    (math.inf, "inf"),
    (-math.inf, "-inf"),
    (True, "True"),
    ("60", "'60'"),
    (None, "None"),
    ([60], "<list of 1>"),
    (10**5000, "<int of 16610 bits>"),
]
SWITCH: list[tuple[object, str]] = [(1, "1"), (0, "0"), ("yes", "'yes'"), (None, "None")]
CHOICE = SWITCH[:-1]  # None leaves the choice open
TEXT_REFUSED: list[tuple[object, str]] = [
    (5, "5"),
    (True, "True"),
    (b"text", "<bytes of 4>"),
    (" staging", "' staging'"),
    ("staging\r\nX-Header: 1", r"'staging\r\nX-Header: 1'"),
    ("\x1b[31mred", r"'\x1b[31mred'"),
    ("a\u2028b", r"'a\u2028b'"),
    ("\u202eabc", r"'\u202eabc'"),
    ("x" * 500 + "\n", "'" + "x" * 79 + "..."),
    (Secret("text"), "***"),
]
PATH_REFUSED: list[tuple[object, str]] = [
    ("", "''"),
    ("a\0b", r"'a\x00b'"),
    (b"flags.json", "<bytes of 10>"),
    (3, "3"),
    (True, "True"),
]
DOMAIN_ACCEPTED: list[tuple[object, object]] = [
    ("example.com", "example.com"),
    ("EXAMPLE.Com", "example.com"),
    ("a-b.x1.example.co", "a-b.x1.example.co"),
    ("localhost", "localhost"),
    ("a." * 126 + "a", "a." * 126 + "a"),
]
DOMAIN_REFUSED: list[tuple[object, str]] = [
    ("example", "'example'"),
    ("exa mple.com", "'exa mple.com'"),
    ("-a.com", "'-a.com'"),
    ("a-.com", "'a-.com'"),
    ("a..com", "'a..com'"),
    ("example.com:8080", "'example.com:8080'"),
    ("example.com/path", "'example.com/path'"),
    ("example.com\n", r"'example.com\n'"),
    ("ftp://example.com", "'ftp://example.com'"),
    ("https://https://example.com", "'https://https://example.com'"),
    ("bücher.example", "'bücher.example'"),
    ("\u212aelvin.example", "'\u212aelvin.example'"),
    ("a" * 250 + ".com", "'" + "a" * 79 + "..."),
    ("a." * 127 + "a", "'" + "a." * 39 + "a..."),
    ("https://user:word@example.com", "'***@example.com'"),
    (5, "5"),
    (True, "True"),
]

SESSION = requests.Session()

TABLES: dict[str, Table] = {
    "client_id": Table(
        None, [("id", "id"), ("id:é", "id:é")], TEXT_REFUSED, "printable text", {"client_secret": "secret"}
    ),
    "client_secret": Table(
        None,
        [("secret", Secret("secret")), (Secret("secret"), Secret("secret"))],
        [(5, "***"), (True, "***"), (b"text", "***"), ("secret\n", "***"), (" secret", "***"), ([], "***")],
        "printable text",
        {"client_id": "id"},
    ),
    "environment": Table(
        None, [("staging", "staging"), ("my env", "my env")], [*TEXT_REFUSED, ("", "''")], "printable text"
    ),
    "refresh_interval_minute": Table(60.0, POSITIVE_ACCEPTED, POSITIVE_REFUSED, "minutes greater than 0"),
    "session_duration_minute": Table(30.0, POSITIVE_ACCEPTED, POSITIVE_REFUSED, "minutes greater than 0"),
    "default_timeout_millisecond": Table(10_000, POSITIVE_ACCEPTED, POSITIVE_REFUSED, "milliseconds greater than 0"),
    "tracking_interval_millisecond": Table(
        1_000,
        [(1000, 1000), (1000.5, 1000.5), (5000, 5000)],
        [
            (999.9, "999.9"),
            (5000.1, "5000.1"),
            (math.nan, "nan"),
            (True, "True"),
            ("1000", "'1000'"),
            (None, "None"),
        ],
        "milliseconds from 1000 to 5000",
    ),
    "top_level_domain": Table(
        "",
        [*DOMAIN_ACCEPTED, ("", ""), (".Example.com", ".example.com")],
        [
            *DOMAIN_REFUSED,
            ("example.com.", "'example.com.'"),
            ("..example.com", "'..example.com'"),
            (None, "None"),
        ],
        "a domain",
    ),
    "cookie_maximum_age_day": Table(
        380,
        [(0.5, 0.5), (400, 400)],
        [(0, "0"), (400.1, "400.1"), (math.nan, "nan"), (True, "True"), ("30", "'30'"), (None, "None")],
        "days greater than 0, at most 400",
    ),
    "cookie_same_site": Table(
        "Lax",
        [(word, word) for word in ("Lax", "Strict", "None", "")],
        [
            ("lax", "'lax'"),
            ("Lax; Domain=evil.com", "'Lax; Domain=evil.com'"),
            (None, "None"),
            (["Lax"], "<list of 1>"),
        ],
        "Lax, Strict, the word None, or empty",
    ),
    "cookie_secure": Table(None, [(True, True), (False, False)], CHOICE, "true or false"),
    "visitor_code_from_query": Table(False, [(True, True), (False, False)], SWITCH, "true or false"),
    "simulation_cookie": Table(False, [(True, True), (False, False)], SWITCH, "true or false"),
    "network_domain": Table(
        None,
        [*DOMAIN_ACCEPTED, ("..example.com.", "example.com")],
        [*DOMAIN_REFUSED, ("", "''"), ("...", "'...'"), (".https://foo.com", "'.https://foo.com'")],
        "a domain",
    ),
    "server_url": Table(
        None,
        [
            ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
            ("https://relay.internal", "https://relay.internal"),
            (None, None),
        ],
        [
            ("127.0.0.1:8000", "'127.0.0.1:8000'"),
            ("ftp://relay.internal", "'ftp://relay.internal'"),
            ("https://relay.internal?a=b", "'https://relay.internal?a=b'"),
            ("", "''"),
            (5, "5"),
        ],
        "an http(s) URL",
    ),
    "visitor_data_maximum_size": Table(500, POSITIVE_ACCEPTED, POSITIVE_REFUSED, "MB greater than 0"),
    "multi_threading": Table(True, [(True, True), (False, False)], SWITCH, "true or false"),
    "data_file": Table(
        None, [("flags.json", "flags.json"), (PurePosixPath("a/b.json"), "a/b.json")], PATH_REFUSED, "a path"
    ),
    "data_file_maximum_size": Table(32, POSITIVE_ACCEPTED, POSITIVE_REFUSED, "MB greater than 0"),
    "cache_directory": Table(None, [("cache", "cache"), (PurePosixPath("/a/b"), "/a/b")], PATH_REFUSED, "a path"),
    "report_context_data": Table(True, [(True, True), (False, False)], SWITCH, "true or false"),
    "real_time_update": Table(None, [(True, True), (False, False)], CHOICE, "true or false"),
    "send_events": Table(None, [(True, True), (False, False)], CHOICE, "true or false"),
    "tracking_directory": Table(None, [("spool", "spool"), (PurePosixPath("/a/b"), "/a/b")], PATH_REFUSED, "a path"),
    "tracking_survives_power_loss": Table(False, [(True, True), (False, False)], SWITCH, "true or false"),
    "tracking_queue_size": Table(
        100_000,
        [(1, 1), (100_000_000, 100_000_000)],
        [(0, "0"), (100_000_001, "100000001"), (1.5, "1.5"), (True, "True"), ("1", "'1'"), (None, "None")],
        "a whole number of events",
    ),
    "tracking_directory_maximum_size": Table(256, POSITIVE_ACCEPTED, POSITIVE_REFUSED, "MB greater than 0"),
    "tracking_maximum_age_hour": Table(24.0, POSITIVE_ACCEPTED, POSITIVE_REFUSED, "hours greater than 0"),
    "shutdown_timeout_millisecond": Table(2_000, POSITIVE_ACCEPTED, POSITIVE_REFUSED, "milliseconds greater than 0"),
    "redis_url": Table(
        None,
        [
            ("redis://host:6379/0", Secret("redis://host:6379/0")),
            ("rediss://:secret@host", Secret("rediss://:secret@host")),
            ("unix:///run/redis.sock", Secret("unix:///run/redis.sock")),
        ],
        [("", "***"), ("host:6379", "***"), ("http://host", "***"), ("redis://host\n", "***"), (5, "***")],
        "a URL that begins with redis://",
    ),
    "redis_timeout_millisecond": Table(5, POSITIVE_ACCEPTED, POSITIVE_REFUSED, "milliseconds greater than 0"),
    "goals": Table(
        {},
        [({}, {}), ({"purchase": 12}, {"purchase": 12}), (MappingProxyType({"é": 2**40}), {"é": 2**40})],
        [
            (None, "None"),
            ([("purchase", 12)], "<list of 1>"),
            ({"": 12}, "the event name ''"),
            ({True: 12}, "the event name True"),
            ({"purchase": "12"}, "'12' for 'purchase'"),
            ({"purchase": 12.0}, "12.0 for 'purchase'"),
            ({"purchase": True}, "True for 'purchase'"),
            ({"purchase": 0}, "0 for 'purchase'"),
        ],
        "a mapping of event names to goal ids",
    ),
    "session": Table(
        None,
        [(SESSION, SESSION)],
        [(requests.Session, "<type>"), ("http://proxy", "'http://proxy'"), (object(), "<object>")],
        "a method request",
    ),
    "logger": Table(None, [(None, None)], [], "anything"),
    "target_environment": Table(None, [(None, None)], [], "anything"),
}
ACCEPTED = [(name, given, held) for name, table in TABLES.items() for given, held in table.accepted]
REFUSED = [(name, given, shown) for name, table in TABLES.items() for given, shown in table.refused]
OPTIONAL = [name for name, table in TABLES.items() if table.default is None]


# --- every setting ------------------------------------------------------------------------------------------


def test_every_setting_has_its_table_here() -> None:
    assert [row.name for row in settings_table()] == list(TABLES)


@pytest.mark.parametrize("name", TABLES)
def test_a_setting_left_out_has_its_default(name: str) -> None:
    default = TABLES[name].default

    held = getattr(KameleoonClientConfiguration(), name)

    assert held == default
    assert type(held) is type(default)


@pytest.mark.parametrize(("name", "given", "held"), ACCEPTED, ids=short)
def test_an_allowed_value_is_held(name: str, given: object, held: object) -> None:
    configuration = configured(**TABLES[name].together_with, **{name: given})

    assert getattr(configuration, name) == held
    assert type(getattr(configuration, name)) is type(held)


@pytest.mark.parametrize("name", OPTIONAL)
def test_none_stands_for_an_optional_setting_left_out(name: str) -> None:
    assert configured(**{name: None}) == KameleoonClientConfiguration()


@pytest.mark.parametrize(("name", "given", "shown"), REFUSED, ids=short)
def test_a_refusal_names_the_setting_the_value_and_what_is_allowed(name: str, given: object, shown: str) -> None:
    table = TABLES[name]

    with pytest.raises(ConfigSettingInvalid) as refusal:
        configured(**table.together_with, **{name: given})

    message = refusal.value.message
    assert refusal.value.setting == name
    assert message.startswith(f"{name} must be ")
    assert table.allowed in message
    assert message.endswith(f", not {shown}")
    assert len(message) <= 250
    assert "\n" not in message
    assert refusal.value.__suppress_context__, "how the check works inside is no cause"


@pytest.mark.parametrize(
    ("given", "held"),
    [
        ("https://.Foo.com.", "foo.com"),
        ("HTTP://example.com", "example.com"),
    ],
)
def test_a_protocol_before_a_domain_is_removed_with_a_warning(
    given: str, held: str, caplog: pytest.LogCaptureFixture
) -> None:
    configuration = KameleoonClientConfiguration(network_domain=given)

    assert configuration.network_domain == held
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert held in caplog.text


def test_durations_are_told_in_seconds_without_losing_fractions() -> None:
    configuration = KameleoonClientConfiguration(
        refresh_interval_minute=0.5,
        session_duration_minute=2,
        default_timeout_millisecond=1999,
        tracking_interval_millisecond=1500,
    )

    seconds = [
        configuration.refresh_interval_second,
        configuration.session_duration_second,
        configuration.default_timeout_second,
        configuration.tracking_interval_second,
    ]

    assert seconds == [30.0, 120.0, 1.999, 1.5]
    assert {type(value) for value in seconds} == {float}


# --- the constructor ----------------------------------------------------------------------------------------


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(ConfigSettingInvalid, match="'refresh_intervall_minute'") as refusal:
        configured(refresh_intervall_minute=5)

    assert refusal.value.setting == "refresh_intervall_minute"
    assert "did you mean refresh_interval_minute?" in refusal.value.message


def test_an_unknown_name_without_a_near_one_is_shown_escaped_and_cut() -> None:
    with pytest.raises(ConfigSettingInvalid) as refusal:
        configured(**{"\n" + "é" * 1000: 5})

    assert refusal.value.message == "there is no setting '\\n" + "é" * 77 + "..."


def test_settings_are_given_by_keyword_only() -> None:
    with pytest.raises(TypeError, match="positional"):
        KameleoonClientConfiguration("id", "secret")  # type: ignore[call-arg]  # that is what is tested


@pytest.mark.parametrize(
    ("old", "current"),
    [
        ("actions_configuration_refresh_interval", "refresh_interval_minute"),
        ("default_timeout", "default_timeout_millisecond"),
    ],
)
class TestNames2x:
    def test_are_taken_with_a_deprecation_warning_that_points_at_the_caller(self, old: str, current: str) -> None:
        with pytest.warns(DeprecationWarning, match=f"^{old} is the 2.x name of {current}$") as warned:
            configuration = configured(**{old: 45})

        assert getattr(configuration, current) == 45
        assert warned[0].filename == __file__

    def test_are_refused_beside_the_current_name(self, old: str, current: str) -> None:
        with (
            pytest.warns(DeprecationWarning, match=old),
            pytest.raises(ConfigSettingInvalid, match="both") as refusal,
        ):
            configured(**{current: 60, old: 45})

        assert refusal.value.setting == current
        assert old in refusal.value.message

    def test_stand_in_the_message_when_they_were_given(self, old: str, current: str) -> None:
        with (
            pytest.warns(DeprecationWarning, match=old),
            pytest.raises(ConfigSettingInvalid, match=f"^{old} must be") as refusal,
        ):
            configured(**{old: -1})

        assert refusal.value.setting == current

    def test_are_taken_from_yaml_in_silence(
        self, old: str, current: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        configuration = load_configuration(written(tmp_path, f"{old}: 45"))

        assert getattr(configuration, current) == 45
        assert not caplog.records

    def test_are_refused_beside_the_current_name_in_yaml(self, old: str, current: str, tmp_path: Path) -> None:
        with pytest.raises(ConfigSettingInvalid, match=f"{current} and its 2.x name {old} are both given"):
            load_configuration(written(tmp_path, f"{old}: 45\n{current}: 45"))


@pytest.mark.parametrize(("name", "value"), [("logger", logging.getLogger("own")), ("target_environment", "test")])
def test_settings_without_effect_are_taken_with_a_deprecation_warning(name: str, value: object) -> None:
    with pytest.warns(DeprecationWarning, match=f"^{name}: No effect") as warned:
        configured(**{name: value})

    assert warned[0].filename == __file__


@pytest.mark.parametrize(
    ("given", "absent"),
    [
        ({"client_id": "id"}, "client_secret"),
        ({"client_id": "id", "client_secret": ""}, "client_secret"),
        ({"client_secret": "secret"}, "client_id"),
        ({"client_id": "", "client_secret": "secret"}, "client_id"),
        ({"client_id": "", "client_secret": ""}, "client_id"),
        ({"client_id": ""}, "client_id"),
        ({"client_secret": ""}, "client_id"),
    ],
)
def test_a_client_id_and_its_secret_are_refused_without_each_other(given: dict[str, str], absent: str) -> None:
    with pytest.raises(ConfigCredentialsInvalid, match=f"but {absent} is missing or empty"):
        configured(**given)


def test_credentials_are_there_together_or_not_at_all() -> None:
    assert KameleoonClientConfiguration().credentials is None
    assert KameleoonClientConfiguration(client_id="id", client_secret="secret").credentials == (
        "id",
        Secret("secret"),
    )


def test_what_behaves_like_a_session_is_taken() -> None:
    class Recorder:
        def request(self, *args: Any, **options: Any) -> Any:
            raise NotImplementedError

    recorder = Recorder()

    assert KameleoonClientConfiguration(session=recorder).session is recorder


# --- a value ------------------------------------------------------------------------------------------------


def test_kameleoons_current_name_is_the_same_class() -> None:
    assert KameleoonClientConfig is KameleoonClientConfiguration


def test_a_configuration_is_frozen_and_slotted() -> None:
    configuration = KameleoonClientConfiguration()

    with pytest.raises(dataclasses.FrozenInstanceError):
        configuration.environment = "staging"  # type: ignore[misc]  # that is what is tested

    assert not hasattr(configuration, "__dict__")


def test_goals_are_a_copy() -> None:
    goals = {"purchase": 12}
    configuration = KameleoonClientConfiguration(goals=goals)

    goals["signup"] = 13

    assert configuration.goals == {"purchase": 12}
    assert KameleoonClientConfiguration().goals is not KameleoonClientConfiguration().goals


def test_configurations_compare_and_hash_by_their_settings() -> None:
    one = KameleoonClientConfiguration(goals={"purchase": 1}, client_id="id", client_secret="a")
    same = KameleoonClientConfiguration(goals={"purchase": 1}, client_id="id", client_secret="a")
    other = KameleoonClientConfiguration(goals={"purchase": 1}, client_id="id", client_secret="b")

    assert one == same
    assert hash(one) == hash(same)
    assert one != other


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, dataclasses.replace])
def test_a_copy_is_equal_and_keeps_the_secret(
    copied: Callable[[KameleoonClientConfiguration], KameleoonClientConfiguration],
) -> None:
    configuration = KameleoonClientConfiguration(
        client_id="id",
        client_secret="secret",
        goals={"purchase": 1},
        network_domain="example.com",
        data_file="a",
    )

    assert copied(configuration) == configuration
    assert copied(configuration).credentials == ("id", Secret("secret"))


def test_replacing_a_setting_checks_it() -> None:
    with pytest.raises(ConfigSettingInvalid, match="refresh_interval_minute"):
        dataclasses.replace(KameleoonClientConfiguration(), refresh_interval_minute=0)


def test_a_configuration_without_a_secret_can_be_pickled() -> None:
    configuration = KameleoonClientConfiguration(environment="staging", goals={"purchase": 1})

    assert pickle.loads(pickle.dumps(configuration)) == configuration


def test_repr_of_a_half_built_configuration_does_not_fail() -> None:
    unset = KameleoonClientConfiguration.__new__(KameleoonClientConfiguration)

    assert repr(unset) == "KameleoonClientConfiguration()"


def test_repr_shows_what_differs_from_the_defaults() -> None:
    assert repr(KameleoonClientConfiguration()) == "KameleoonClientConfiguration()"
    assert repr(
        KameleoonClientConfiguration(
            client_id="id",
            client_secret="secret",
            environment="staging",
            refresh_interval_minute=60,
            multi_threading=False,
            goals={"purchase": 1},
            session=SESSION,
        )
    ) == (
        "KameleoonClientConfiguration(client_id='id', client_secret=***, environment='staging', "
        "multi_threading=False, goals=<dict of 1>, session=<Session>)"
    )


# --- what documentation and editors see ---------------------------------------------------------------------


def test_editors_see_every_setting_as_a_keyword_argument() -> None:
    parameters = inspect.signature(KameleoonClientConfiguration).parameters

    assert list(parameters) == list(TABLES)
    assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}


def test_the_table_tells_type_unit_default_and_what_is_allowed() -> None:
    rows = {row.name: row for row in settings_table()}

    timeout = rows["default_timeout_millisecond"]
    assert timeout[:4] == ("default_timeout_millisecond", "float", "milliseconds", "10000")
    assert timeout.allowed == "a number of milliseconds greater than 0, at most 100000000"
    assert timeout.name_2x == "default_timeout"
    assert all(row.description.endswith(".") for row in rows.values())
    assert [row.name for row in rows.values() if not row.in_file] == ["session", "logger"]
    assert [row.default for row in rows.values()] == [repr(table.default) for table in TABLES.values()]


# --- secrets ------------------------------------------------------------------------------------------------


def shown_everywhere(value: object) -> list[str]:
    return [repr(value), str(value), f"{value}", f"{value!s:>40}", f"{[value]}", "%s %r" % (value, value)]  # noqa: UP031  # all ways


def test_a_secret_is_told_by_reveal_alone() -> None:
    secret = Secret(CANARY)

    assert secret.reveal() == CANARY
    assert set(shown_everywhere(secret)) == {"***", " " * 37 + "***", "[***]", "*** ***"}
    assert f"{secret:>5}" == "  ***"
    assert copy.copy(secret) is secret
    assert copy.deepcopy(secret) is secret
    assert not hasattr(secret, "__dict__")
    assert json.dumps({"a": secret}, default=str) == '{"a": "***"}'


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_refuses_to_be_pickled(protocol: int) -> None:
    secret = Secret(CANARY)

    with pytest.raises(TypeError, match="not pickled") as refusal:
        pickle.dumps(secret, protocol)

    assert CANARY not in str(refusal.value)


def test_secrets_compare_by_their_text_and_only_with_each_other() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_no_way_to_show_a_configuration_shows_its_secret(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    configuration = KameleoonClientConfiguration(client_id="id", client_secret=CANARY)
    copies = [configuration, copy.copy(configuration), copy.deepcopy(configuration)]

    logging.getLogger("application").warning("%s %r", configuration, configuration)
    shown = [text for each in copies for text in shown_everywhere(each)]
    shown += [str(dataclasses.asdict(configuration)), str(dataclasses.astuple(configuration))]
    shown += [json.dumps(dataclasses.asdict(configuration), default=str), caplog.text]

    assert not [text for text in shown if CANARY in text]
    assert all("***" in text for text in shown)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(configuration)
    with pytest.raises(TypeError, match="__dict__"):
        vars(configuration)


def with_locals(error: BaseException) -> str:
    """A traceback as error trackers keep it: chained errors, and local variables of the library's frames."""
    told: list[str] = []
    seen: BaseException | None = error
    while seen is not None:
        told += [str(seen), repr(seen.args), repr(vars(seen))]
        frames = traceback.walk_tb(seen.__traceback__)
        told += [repr(frame.f_locals) for frame, _ in frames if frame.f_code.co_filename != __file__]
        seen = seen.__cause__ or seen.__context__
    assert len(told) > 3, "no frame of the library was looked at"
    return "\n".join(told)


@pytest.mark.parametrize(
    "given",
    [
        {"client_secret": CANARY},
        {"client_id": "id", "client_secret": CANARY + "\n"},
        {"client_id": "id", "client_secret": [CANARY]},
        {"client_id": "id", "client_secret": CANARY.encode()},
        {"client_id": "", "client_secret": CANARY},
        {"client_id": "id", "client_secret": CANARY, "refresh_interval_minute": 0},
        {"client_id": "id", "client_secret": CANARY, "unknown": 1},
        {"client_id": "id", "client_secrte": CANARY},
        {"client_id": "id", "password": CANARY},
    ],
)
def test_no_refusal_shows_a_secret_even_with_local_variables(given: dict[str, object]) -> None:
    with pytest.raises(ConfigException) as refusal:
        configured(**given)

    assert CANARY not in with_locals(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        f"client_secret: {CANARY}",
        f"client_secret: {CANARY}\nclient_id: ''",
        f"client_id: id\nclient_secret: [{CANARY}]",
        f"client_id: id\nclient_secret: '{CANARY}",
        f'client_id: id\nclient_secret: "{CANARY}\\q"',
        f"client_id: id\nclient_secret: !{CANARY}",
        f"client_id: id\nclient_secret: !{CANARY}!x y",
        f"client_id: id\nclient_secret: &{CANARY} y",
        f"client_id: id\nclient_secret: *{CANARY}",
        f"client_id: id\nclient_secret: @{CANARY}",
        f"client_id: id\nclient_secret: `{CANARY}",
        f"client_id: id\nclient_secret: {{{CANARY}",
        f"client_id: id\nclient_secret: a: {CANARY}",
        f"client_id: id\nclient_secret: {CANARY}\nclient_secret: {CANARY}",
        f"client_id: id\nclient_secret: {CANARY}\nrefresh_interval_minute: no",
        f"client_id: id\nclient_secrte: {CANARY}\nrefresh_interval_minute: no",
        f"client:\n  secret: {CANARY}\nrefresh_interval_minute: no",
        f"client_secret={CANARY}",
        f"- {CANARY}",
        f"%{CANARY}",
        f"client_secret: {CANARY}\0",
    ],
)
def test_no_refusal_of_a_file_shows_a_secret_even_with_local_variables(
    text: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    path = written(tmp_path, text)

    with pytest.raises(ConfigException) as refusal:
        load_configuration(path)

    assert CANARY not in with_locals(refusal.value)
    assert CANARY not in caplog.text
    assert str(path) in refusal.value.message


@pytest.mark.parametrize(
    "content", [b"client_secret: s3cr3t-c4n4ry\xff", b"client_secret: s3cr3t-c4n4ry" + b" " * (1 << 20)]
)
def test_no_refusal_of_unreadable_bytes_shows_a_secret(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "client.yaml"
    path.write_bytes(content)

    with pytest.raises(ConfigException) as refusal:
        load_configuration(path)

    assert CANARY not in with_locals(refusal.value)


# --- the file -----------------------------------------------------------------------------------------------


def written(folder: Path, text: str) -> Path:
    path = folder / "client.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_setting_of_the_file_is_read(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        """
        client_id: "a1"
        client_secret: "0123"
        environment: staging      # a comment
        refresh_interval_minute: 2.5
        session_duration_minute: 20
        default_timeout_millisecond: 1999
        tracking_interval_millisecond: 2.0e+3
        top_level_domain: .Example.com
        network_domain: abtest.example.org
        visitor_data_maximum_size: 100
        multi_threading: no
        data_file: flags.json
        data_file_maximum_size: .5
        cache_directory: /var/cache/flags
        report_context_data: false
        goals:
            purchase: 12
            "sign up": 13
        """.replace("\n        ", "\n"),
    )

    configuration = KameleoonClientConfiguration.from_file(path)

    assert configuration == KameleoonClientConfiguration(
        client_id="a1",
        client_secret="0123",
        environment="staging",
        refresh_interval_minute=2.5,
        session_duration_minute=20,
        default_timeout_millisecond=1999,
        tracking_interval_millisecond=2000.0,
        top_level_domain=".example.com",
        network_domain="abtest.example.org",
        visitor_data_maximum_size=100,
        multi_threading=False,
        data_file="flags.json",
        data_file_maximum_size=0.5,
        cache_directory="/var/cache/flags",
        report_context_data=False,
        goals={"purchase": 12, "sign up": 13},
    )


@pytest.mark.parametrize(
    "text",
    ["", "\n", "# nothing yet\n", "---\n", "~", "{}", "\ufeff", "environment:\ngoals: ~\nclient_id: null"],
)
def test_a_file_without_settings_gives_the_defaults(text: str, tmp_path: Path) -> None:
    assert load_configuration(written(tmp_path, text)) == KameleoonClientConfiguration()


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "client.yaml"
    path.write_bytes(b"\xef\xbb\xbfenvironment: staging\r\nrefresh_interval_minute: 5\r\n")

    configuration = load_configuration(path)

    assert (configuration.environment, configuration.refresh_interval_minute) == ("staging", 5)


def test_a_setting_of_2x_without_effect_is_passed_over_in_silence(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    configuration = load_configuration(written(tmp_path, "target_environment: prod"))

    assert configuration == KameleoonClientConfiguration()
    assert not caplog.records


def test_unknown_keys_are_ignored_with_one_warning_that_names_them(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(
        tmp_path,
        "enviroment: staging\nsession: x\n7: 1\n'a\\nb': 1\n\"c\\nd\": 2017-13-45\ndata_file: a",
    )

    configuration = load_configuration(path)

    assert configuration == KameleoonClientConfiguration(data_file="a")
    [record] = caplog.records
    message = record.getMessage()
    assert record.levelno == logging.WARNING
    assert str(path) in message
    assert "'enviroment' (did you mean environment?), 'session'" in message
    assert r"7, 'a\\nb', 'c\nd'" in message


def test_many_unknown_keys_do_not_flood_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    load_configuration(written(tmp_path, "".join(f"key{number}: 1\n" for number in range(1000))))

    [record] = caplog.records
    assert record.getMessage().endswith("'key0', 'key1', 'key2', 'key3', 'key4' and 995 more")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("- a\n- b", ["a mapping of settings is expected, not a list"]),
        ("environment staging", ["a mapping of settings is expected, not a str"]),
        ("environment: a\nenvironment: b", ["line 2, column 1", "twice"]),
        ("goals:\n  a: 1\n  'a': 2", ["line 3, column 3", "twice"]),
        ("environment: &name a", ["line 1", "anchors"]),
        ("a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]", ["line 1", "anchors"]),
        ("environment: *name", ["line 1", "aliases"]),
        ("environment: !!python/object/apply:os.system ['true']", ["line 1", "tags"]),
        ("!!python/object/new:type {}", ["line 1", "tags"]),
        ("environment: !!binary aGk=", ["line 1", "tags"]),
        ("environment: !!str 5", ["line 1", "tags"]),
        ("environment: ! a", ["line 1", "tags"]),
        ("environment: 'a", ["line 1", "unexpected end of stream"]),
        ("environment: a: b", ["line 1, column 15", "mapping values are not allowed here"]),
        ("environment:\n\tstaging", ["line 2", "cannot start any token"]),
        ("environment: a\n---\nenvironment: b", ["line 2", "another document"]),
        ("? [a]\n: b", ["line 1", "unhashable key"]),
        ("a: \x07", ["control characters"]),
        ("[" * 5000, ["nested too deeply"]),
        ("- " * 5000, ["nested too deeply"]),
        ("a: [" + "x," * 20_000 + "]", ["too many entries"]),
    ],
    ids=short,
)
def test_unusable_yaml_is_refused_with_the_place_and_the_reason(text: str, parts: list[str], tmp_path: Path) -> None:
    path = written(tmp_path, text)

    with pytest.raises(ConfigException) as refusal:
        load_configuration(path)

    message = refusal.value.message
    assert message.startswith(f"{str(path)!r}: ")
    assert not [part for part in parts if part not in message], message
    assert len(message) <= len(str(path)) + 200


@pytest.mark.parametrize(
    ("text", "setting", "shown"),
    [
        ("environment: no", "environment", "not False"),
        ("environment: 7", "environment", "not 7"),
        ("client_secret: 1234\nclient_id: a", "client_secret", "not ***"),
        ("refresh_interval_minute: 1:30", "refresh_interval_minute", "not '1:30'"),
        ("default_timeout_millisecond: 010000", "default_timeout_millisecond", "not '010000'"),
        ("default_timeout_millisecond: 10_000", "default_timeout_millisecond", "not '10_000'"),
        ("default_timeout_millisecond: 0x10", "default_timeout_millisecond", "not '0x10'"),
        ("default_timeout_millisecond: 0b_", "default_timeout_millisecond", "not '0b_'"),
        ("refresh_interval_minute: .inf", "refresh_interval_minute", "not '.inf'"),
        ("refresh_interval_minute: .nan", "refresh_interval_minute", "not '.nan'"),
        ("refresh_interval_minute: 1.0e+999", "refresh_interval_minute", "not inf"),
        ("refresh_interval_minute: " + "9" * 9000, "refresh_interval_minute", "..."),
        ("refresh_interval_minute: on", "refresh_interval_minute", "not True"),
        ("refresh_interval_minute: '5'", "refresh_interval_minute", "not '5'"),
        ("refresh_interval_minute: 2024-01-01", "refresh_interval_minute", "not '2024-01-01'"),
        ("multi_threading: 1", "multi_threading", "not 1"),
        ("goals: [a]", "goals", "not <list of 1>"),
        ("goals: {on: 1}", "goals", "not the event name True"),
        ("goals: {a: 012}", "goals", "not '012' for 'a'"),
        ("tracking_interval_millisecond: 100", "tracking_interval_millisecond", "not 100"),
        ("default_timeout: 0", "default_timeout_millisecond", "default_timeout must be"),
        ("top_level_domain: a_b.com", "top_level_domain", "not 'a_b.com'"),
    ],
    ids=short,
)
def test_a_refused_value_of_a_file_is_told_with_the_file(text: str, setting: str, shown: str, tmp_path: Path) -> None:
    path = written(tmp_path, text)

    with pytest.raises(ConfigSettingInvalid) as refusal:
        load_configuration(path)

    assert refusal.value.setting == setting
    assert refusal.value.message.startswith(f"{str(path)!r}: {text.partition(':')[0]} must be ")
    assert shown in refusal.value.message


@pytest.mark.parametrize(
    ("text", "environment"),
    [
        ("environment: 2024-02-31", "2024-02-31"),
        ("environment: 'no'", "no"),
        ("environment: '7'", "7"),
        ("environment: 1.2.3", "1.2.3"),
        ("environment: =", "="),
        ("<<: {environment: a}", None),
    ],
)
def test_what_yaml_would_make_something_else_of_stays_text(text: str, environment: str | None, tmp_path: Path) -> None:
    assert load_configuration(written(tmp_path, text)).environment == environment


def test_credentials_of_a_file_are_told_with_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, "client_id: a")

    with pytest.raises(ConfigCredentialsInvalid) as refusal:
        load_configuration(path)

    assert refusal.value.message.startswith(f"{str(path)!r}: client_id and client_secret")


def test_bytes_that_are_no_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "client.yaml"
    path.write_bytes("environment: é".encode("latin-1"))

    with pytest.raises(ConfigException, match="not UTF-8 text from byte 13 on"):
        load_configuration(path)


def test_a_file_of_exactly_a_megabyte_is_read_and_one_byte_more_refused(tmp_path: Path) -> None:
    text = "environment: staging\n#"
    path = written(tmp_path, text + "x" * ((1 << 20) - len(text)))

    assert load_configuration(path).environment == "staging"

    with path.open("a") as file:
        file.write("x")
    with pytest.raises(ConfigException, match="larger than 1048576 bytes"):
        load_configuration(path)


@pytest.mark.parametrize("text", ["a,", "- \n", '"\\x41" ', "a: 1\n", "? a\n", "{a: ", "{a},", "#\n", "|\n ", "\u00e9"])
def test_a_hostile_file_is_settled_in_seconds(text: str, tmp_path: Path) -> None:
    whole = ("[" if "," in text else "") + text * ((1 << 20) // len(text.encode()) - 1)
    path = written(tmp_path, whole)
    started = time.process_time()

    with contextlib.suppress(ConfigException):
        load_configuration(path)

    assert time.process_time() - started < 5


@pytest.mark.parametrize("name", ["absent.yaml", "file.txt/client.yaml"])
def test_a_missing_file_is_told_by_its_own_error(name: str, tmp_path: Path) -> None:
    (tmp_path / "file.txt").touch()
    path = tmp_path / name

    with pytest.raises(ConfigFileNotFound) as refusal:
        load_configuration(str(path))

    assert refusal.value.message == f"{str(path)!r}: there is no such configuration file"


@pytest.mark.parametrize("path", [os.curdir, "a\0b"])
def test_a_file_that_cannot_be_read_is_refused(path: str) -> None:
    with pytest.raises(ConfigException, match="cannot be read: ") as refusal:
        load_configuration(path)

    assert not isinstance(refusal.value, ConfigFileNotFound)
    assert refusal.value.message.startswith(repr(path))


def test_without_a_path_the_default_file_is_read_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DEFAULT_CONFIGURATION_PATH", str(tmp_path / "client.yaml"))

    assert load_configuration() == KameleoonClientConfiguration()

    written(tmp_path, "environment: staging")
    assert load_configuration(None).environment == "staging"


def test_a_default_file_that_is_wrong_is_not_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEFAULT_CONFIGURATION_PATH", str(tmp_path))

    with pytest.raises(ConfigException, match="cannot be read"):
        load_configuration()


def test_the_default_path_is_kameleoons() -> None:
    assert DEFAULT_CONFIGURATION_PATH == "/etc/kameleoon/client-python.yaml"


def test_importing_does_not_load_yaml() -> None:
    program = "import sys, openfeature_kameleoon.configuration; sys.exit('yaml' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
