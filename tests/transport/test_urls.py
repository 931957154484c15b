from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon.errors import ConfigSettingInvalid
from openfeature_kameleoon.transport.encoding import encode_uri
from openfeature_kameleoon.transport.urls import VISITOR_PARTS, Endpoints, network_domain

VECTORS = Path(__file__).parents[1] / "data" / "vectors"

SITE = "sitecode1"
KAMELEOON = Endpoints()
CUSTOM = Endpoints.for_domain("abtest.example.org")

URLS = {
    "tracking": KAMELEOON.tracking_url(SITE),
    "visitor data, default filter": KAMELEOON.visitor_url(SITE, "v 1/é"),
    "visitor data, everything, mapping value": KAMELEOON.visitor_url(
        SITE, "u1", previous_visits=25, parts=VISITOR_PARTS, is_unique_identifier=True
    ),
    "map": KAMELEOON.map_url(SITE, "key one/2"),
    "configuration": KAMELEOON.configuration_url(SITE),
    "configuration env+ts": KAMELEOON.configuration_url(SITE, environment="staging", timestamp=1_790_000_000_000),
    "sse": KAMELEOON.events_url(SITE),
    "token": KAMELEOON.token_url(SITE),
    "custom: tracking": CUSTOM.tracking_url(SITE),
    "custom: configuration": CUSTOM.configuration_url(SITE),
    "custom: sse": CUSTOM.events_url(SITE),
    "custom: token": CUSTOM.token_url(SITE),
    "custom + dataApiDomain eu-data.kameleoon.io: tracking": CUSTOM.with_data_api("eu-data.kameleoon.io").tracking_url(
        SITE
    ),
    "dataApiDomain eu-data.kameleoon.io: tracking": KAMELEOON.with_data_api("eu-data.kameleoon.io").tracking_url(SITE),
}


def vectors(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return rows


@pytest.mark.parametrize("vector", vectors("encode_uri"), ids=lambda vector: repr(vector["input"]))
def test_values_are_encoded_as_the_reference_client_does(vector: dict[str, str]) -> None:
    assert encode_uri(vector["input"]) == vector["output"]


def test_a_lone_surrogate_is_encoded_and_not_refused() -> None:
    assert encode_uri("a\ud800b") == "a%3Fb"


@pytest.mark.parametrize("vector", vectors("urls"), ids=lambda vector: str(vector["name"]))
def test_urls_are_those_of_the_reference_client(vector: dict[str, str]) -> None:
    assert URLS[vector["name"]] == vector["url"]


def test_visitor_parts_keep_their_order_whatever_the_callers_is() -> None:
    url = KAMELEOON.visitor_url(SITE, "v", parts=["page", "kcs"])

    assert url.endswith("&staticData=true&kcs=true&page=true")


def test_a_site_code_cannot_leave_its_place_in_the_path() -> None:
    assert KAMELEOON.configuration_url("../x?a=b#c") == ("https://sdk-config.kameleoon.eu/v3/..%2Fx%3Fa%3Db%23c")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Abtest.Example.org", "abtest.example.org"),
        ("https://.Foo.com.", "foo.com"),
        ("http://foo.com", "foo.com"),
        ("..foo.com..", "foo.com"),
        ("localhost", "localhost"),
        (".".join(["a"] * 127), ".".join(["a"] * 127)),
    ],
)
def test_a_network_domain_is_put_into_its_plain_form(given: str, expected: str) -> None:
    assert network_domain(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        *(
            "",
            "foo",
            ".https://foo.com",
            "https://http://foo.com",
            "foo.com/path",
            "foo.com:8080",
            "a@foo.com",
        ),
        *("-foo.com", "foo-.com", "foo..com", "fóo.com", "foo.com\n.org", ".".join(["a"] * 128)),
    ],
)
def test_what_is_no_domain_is_refused_by_name(given: str) -> None:
    with pytest.raises(ConfigSettingInvalid) as refusal:
        network_domain(given)

    assert refusal.value.setting == "network_domain"
    assert refusal.value.message.isprintable()


def test_a_scheme_before_a_network_domain_is_ignored_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    network_domain("https://foo.com")

    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("nothing", [None, "", " "])
def test_a_data_file_without_a_data_api_host_resets_nothing(nothing: str | None) -> None:
    moved = KAMELEOON.with_data_api("eu-data.kameleoon.io")

    assert moved.with_data_api(nothing) == moved


def test_a_later_data_api_host_replaces_an_earlier_one() -> None:
    assert KAMELEOON.with_data_api("eu-data.kameleoon.io").with_data_api("asia.kameleoon.net").data == (
        "https://asia.kameleoon.net"
    )
    assert CUSTOM.with_data_api("eu-data.kameleoon.io").with_data_api("asia.kameleoon.net").data == (
        "https://asia.abtest.example.org"
    )


def test_only_the_first_label_of_the_host_is_replaced() -> None:
    mine = Endpoints.for_domain("mydata.com")

    assert mine.with_data_api("eu-data.kameleoon.io").data == "https://eu-data.mydata.com"


@pytest.mark.parametrize(
    "foreign",
    [
        *("evil.example.org", "kameleoon.io.evil.org", "evilkameleoon.io", "169.254.169.254", "[::1]"),
        *(
            "data.kameleoon.io:8443",
            "user@data.kameleoon.io",
            "data.kameleoon.io/x",
            "https://data.kameleoon.io",
        ),
        *(
            "d\u0430ta.kameleoon.io",
            "data.kameleoon.io\nevil.org",
            "evil.org#.kameleoon.io",
        ),
    ],
)
def test_a_data_file_cannot_send_visitors_data_to_a_foreign_host(
    foreign: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert KAMELEOON.with_data_api(foreign) == KAMELEOON

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().isprintable()


@pytest.mark.parametrize("own", ["http://127.0.0.1:8000", "https://collect.example.org", "https://x.example.org/p"])
def test_a_data_file_does_not_move_a_host_that_was_named_in_code(own: str) -> None:
    endpoints = Endpoints(data=own)

    assert endpoints.with_data_api("eu-data.kameleoon.io") == endpoints


def test_a_base_url_named_in_code_is_used_for_its_service_alone() -> None:
    endpoints = Endpoints(configuration="http://127.0.0.1:8000/kameleoon/")

    assert endpoints.configuration_url(SITE) == "http://127.0.0.1:8000/kameleoon/v3/sitecode1"
    assert endpoints.tracking_url(SITE) == KAMELEOON.tracking_url(SITE)


@pytest.mark.parametrize(
    "base",
    [
        *(
            "",
            "127.0.0.1:8000",
            "ftp://127.0.0.1",
            "http://",
            "http://user:pw@127.0.0.1",
            "http://127.0.0.1?a=b",
        ),
        *(
            "http://127.0.0.1#a",
            "http://127.0.0.1:99999",
            "http://a b",
            "http://[::1",
            "http://evil\\@good.org",
        ),
    ],
)
def test_a_base_url_must_be_plain_and_is_not_repeated_when_it_is_not(base: str) -> None:
    with pytest.raises(ConfigSettingInvalid) as refusal:
        Endpoints(events=base)

    assert refusal.value.setting == "events"
    assert "pw" not in refusal.value.message
