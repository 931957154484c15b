"""Records on screen: secrets masked wherever they lie, fields found by either name, columns that tell most."""

from __future__ import annotations

from typing import Any

import pytest

from openfeature_kameleoon.cli.management.records import all_columns, chosen, main_columns, shown, text_of, value_at
from openfeature_kameleoon.management.automation.accounts import Account
from openfeature_kameleoon.management.automation.sites import Site
from openfeature_kameleoon.management.rest.fields import Record, field
from tests.cli.running import process


class Lock(Record):
    name = field(str)
    combination = field(str, is_secret=True)


class House(Record):
    id = field(int)
    front_door = field(Lock)
    doors = field(list[Lock])
    by_room = field(dict[str, Lock])


LOCK = {"name": "front", "combination": "4711"}
MASKED = {"name": "front", "combination": "***"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"frontDoor": LOCK}, {"frontDoor": MASKED}),
        ({"doors": [LOCK]}, {"doors": [MASKED]}),
        ({"byRoom": {"hall": LOCK}}, {"byRoom": {"hall": MASKED}}),
        ({"byRoom": {"api_token": {"key": "k"}}}, {"byRoom": {"api_token": {"key": "k"}}}),
        ({"extra": {"byKey": {"token": "t"}}}, {"extra": {"byKey": {"token": "***"}}}),
        (
            {"accessToken": "t", "hasToken": True, "tokenCount": 3},
            {"accessToken": "***", "hasToken": True, "tokenCount": 3},
        ),
        ({"socket_token": "t", "api_key": ""}, {"socket_token": "***", "api_key": ""}),
        ({"datafile": {"sdk_key": "k", "id": 5}}, {"datafile": {"sdk_key": "***", "id": 5}}),
        ({"apiTokens": [{"id": "k", "name": "n"}]}, {"apiTokens": [{"id": "***", "name": "n"}]}),
        ({"passwords": ["a", "b"]}, {"passwords": ["***", "***"]}),
        ({"featureKey": "a", "apiKeyType": "admin"}, {"featureKey": "a", "apiKeyType": "admin"}),
    ],
)
def test_secrets_are_masked_wherever_they_lie(raw: dict[str, Any], expected: dict[str, Any]) -> None:
    before = repr(raw)

    assert shown(House(raw)) == expected
    assert repr(raw) == before


def test_what_is_no_record_is_shown_by_its_members() -> None:
    class Plain:
        def __init__(self) -> None:
            self.id = 7
            self.secret = "hidden"

    assert shown(Plain()) == shown({"id": 7, "secret": "hidden"}) == {"id": 7, "secret": "***"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("site_id", 9),
        ("siteId", 9),
        ("base_url", "https://a"),
        ("baseURL", "https://a"),
        ("rules.0.name", "first"),
        ("rules.5.name", None),
        ("rules.name", None),
        ("siteId.name", None),
        ("deep.er_still", 1),
        ("none", None),
    ],
)
def test_a_field_is_found_by_either_name_and_below_others(name: str, value: object) -> None:
    record = {"siteId": 9, "baseURL": "https://a", "rules": [{"name": "first"}], "deep": {"erStill": 1}}

    assert value_at(record, name) == value
    assert chosen(record, [name]) == {name: value}


def test_main_columns_are_few_flat_and_no_secrets() -> None:
    raw = {"id": 1, "name": "Shop", "url": "https://a", "domainNames": ["a"], "experimentConfig": {}, "code": "abc"}

    assert main_columns(Site, [raw]) == ["id", "name", "description", "type", "code", "dateCreated"]
    assert not {"password", "amClientSecret"} & set(main_columns(Account, []))
    assert main_columns(None, [{"zeta": 1, "key": "k", "list": [1]}, {"zeta": None, "alpha": 2.5}]) == [
        "key",
        "zeta",
        "alpha",
    ]


def test_all_columns_are_those_declared_and_those_there() -> None:
    assert all_columns(Lock, [{"colour": "red"}]) == ["name", "combination", "colour"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (True, "true"), (7, "7"), ("a\nb", "a\nb"), ([1, "é"], '[1, "é"]'), ({}, "{}")],
)
def test_values_become_text(value: object, text: str) -> None:
    assert text_of(value) == text


# --- who does not use them does not pay for them ------------------------------------------------------------------


def test_the_help_loads_no_management_client() -> None:
    program = """
import sys
from openfeature_kameleoon.cli.commands import command_line
try:
    command_line(["--help"])
except SystemExit:
    pass
heavy = [name for name in sys.modules if name.startswith(("openfeature_kameleoon.management", "keyring"))]
sys.stderr.write(repr(heavy))
"""
    with process("-c", program) as child:
        stdout, stderr = child.communicate(timeout=20)

    assert stderr == "[]"
    assert "automation" in stdout
    assert "optimizely" in stdout
