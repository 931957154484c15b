"""The shops of examples/ under real servers, with two workers each: who visits, what they get, and what is told of it.

Visitors are the cookie's: in every worker and thread, many at once, after a restart, and whatever a cookie holds.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from http.cookies import SimpleCookie
from itertools import count
from pathlib import Path

import pytest

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration
from tests.chaos import wait_until
from tests.kameleoon import FakeKameleoon
from tests.process.reporting import both_of, told
from tests.programs import START_SECONDS, Server, each_worker
from tests.shops import EXAMPLES, SHOPS, VISITOR_CODE, WORKERS, Customer, Shop, button_in, open_shop, open_shops

PAGES = ("/", "/api/flags")
"""One renders a template, the other is a view of its own kind, which is asynchronous in two of them."""

CUSTOMERS = 12
AT_ONCE = 200

Engine = Callable[[str], str]
"""What the button says to a visitor, by code."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    with open_shops(SHOPS, tmp_path_factory.mktemp("shops")) as servers:
        yield servers


@pytest.fixture(params=SHOPS)
def shop(request: pytest.FixtureRequest) -> Shop:
    return SHOPS[request.param]


@pytest.fixture
def server(shop: Shop, servers: dict[str, Server]) -> Server:
    return next(servers[name] for name in SHOPS if SHOPS[name] is shop)


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    settings = KameleoonClientConfiguration(data_file=EXAMPLES / "flags.json", multi_threading=False)
    with KameleoonClient("a8st4f59bj", configuration_object=settings) as client:
        client.wait_init()
        yield lambda code: str(client.peek_variations(code)["checkout_button"].variables["label"].value)


def get_as(server: Server, code: str, target: str) -> http.client.HTTPConnection:
    """A request of a visitor that waits to be answered."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=START_SECONDS)
    connection.request("GET", target, headers={"Cookie": f"{VISITOR_CODE}={code}"})
    return connection


def answer_of(connection: http.client.HTTPConnection) -> str:
    with closing(connection):
        return connection.getresponse().read().decode()


# Who visits -----------------------------------------------------------------------------------------------------------


def test_who_is_new_gets_a_cookie_and_what_the_engine_says(server: Server, engine: Engine) -> None:
    customers = [Customer() for _ in range(CUSTOMERS)]

    buttons = [button_in(customer.get(server)) for customer in customers]

    assert len({customer.code for customer in customers}) == CUSTOMERS
    assert buttons == [engine(customer.code) for customer in customers]
    assert len(set(buttons)) > 1
    for customer in customers:
        assert re.fullmatch(NEW, customer.code)
        assert (customer.cookie.path, customer.cookie.secure) == ("/", False)


def test_a_visitor_gets_the_same_of_every_worker(shop: Shop, server: Server, engine: Engine) -> None:
    codes = [f"visitor-{number}" for number in range(CUSTOMERS)]
    seen = {}

    for worker in each_worker(server, shop.kind.pid_in, WORKERS):
        seen[worker] = [button_in(answer_of(get_as(server, code, page))) for page in PAGES for code in codes]

    assert len(seen) == WORKERS
    assert all(buttons == [engine(code) for _ in PAGES for code in codes] for buttons in seen.values())


def test_visitors_at_once_never_get_what_is_the_others(server: Server, engine: Engine) -> None:
    ann = "ann"
    bob = next(code for code in map("bob-{}".format, count()) if engine(code) != engine(ann))
    visits = [(code, page) for page in PAGES for code in (ann, bob)] * (AT_ONCE // 4)

    with ExitStack() as opened_connections:
        waiting = [opened_connections.enter_context(closing(get_as(server, *visit))) for visit in visits]
        seen = Counter((code, button_in(answer_of(each))) for (code, _), each in zip(visits, waiting, strict=True))

    assert seen == {(ann, engine(ann)): AT_ONCE // 2, (bob, engine(bob)): AT_ONCE // 2}


def test_a_customer_of_that_plan_sees_the_new_checkout(server: Server) -> None:

    pages = Customer().get(server, "/?plan=pro"), Customer().get(server)

    assert ["background: green" in page for page in pages] == [True, False]


# What a cookie may hold -----------------------------------------------------------------------------------------------

NEW = "[0-9a-f]{16}"

WELL_FORMED = re.compile(
    rb"Set-Cookie: kameleoonVisitorCode=([!#-+\--:<-\[\]-~]+|\"([ !#-+\--:<-\[\]-~]|\\\"|\\\\|\\[0-3][0-7]{2})*\"); "
    rb"expires=\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT; Max-Age=32832000; Path=/; SameSite=Lax",
    re.IGNORECASE,
)

HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", NEW),
    "10 kB": (b"kameleoonVisitorCode=" + b"a" * 10_000, NEW),
    "10 kB beside": (b"kameleoonVisitorCode=ann; b=" + b"b" * 10_000, "ann"),
    "very many": (b"; ".join(b"c%d=%d" % (number, number) for number in range(700)), NEW),
    "no pairs": (b";;=;; = ;===;kameleoonVisitorCode;;", NEW),
    "two of them": (b"kameleoonVisitorCode=ann; kameleoonVisitorCode=bob", "bob"),
    "line breaks, as octal escapes": (b'kameleoonVisitorCode="ann\\015\\012Set-Cookie: evil=1"', NEW),
    "line breaks, as a URL has them": (b"kameleoonVisitorCode=ann%0d%0aSet-Cookie:evil", "ann%0d%0aSet-Cookie:evil"),
    "line breaks of Unicode": ("kameleoonVisitorCode=ann\x85Set-Cookie: evil=1".encode(), NEW),
    "a quote": (b'kameleoonVisitorCode="', '"'),
    "quotes within": (b'kameleoonVisitorCode="a\\"b\\\\c"', r'a"b\\c'),
    "a semicolon within": (b'kameleoonVisitorCode="ann\\073 Domain=evil.example"', r"ann; Domain=evil\.example"),
    "more of ASCII": (b"kameleoonVisitorCode=<script>'&{{7*7}}", re.escape("<script>'&{{7*7}}")),
    "UTF-8": ("kameleoonVisitorCode=zoë".encode(), "zoë"),
    "no UTF-8": (b"kameleoonVisitorCode=\xff\xfe\xc3(", r"(ÿþÃ|\ufffd{3})\("),  # Django replaces it under WSGI
}
"""Cookie headers, and a pattern of the visitor code that each is taken to hold."""


@pytest.mark.parametrize("case", HOSTILE)
def test_whatever_a_cookie_holds_the_answer_sets_one(server: Server, case: str) -> None:
    sent, expected = HOSTILE[case]

    head, _, body = raw_answer(server, b"GET /api/flags HTTP/1.1", b"Host: localhost", b"Cookie: " + sent)

    lines = head.split(b"\r\n")
    set_cookies = [line for line in lines if b"cookie" in line.lower()]
    assert lines[0] == b"HTTP/1.1 200 OK"
    assert button_in(body.decode()) in ("Buy", "Pay now", "Pay less now")
    assert len(set_cookies) == 1
    assert WELL_FORMED.fullmatch(set_cookies[0])
    code = SimpleCookie(set_cookies[0].partition(b":")[2].decode())[VISITOR_CODE].value.encode("latin-1").decode()
    assert re.fullmatch(expected, code)


def raw_answer(server: Server, *lines: bytes) -> tuple[bytes, bytes, bytes]:
    """The answer to a request of these lines, parted where its headers end."""
    with socket.create_connection(("127.0.0.1", server.port), START_SECONDS) as connection:
        connection.sendall(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
        return b"".join(iter(lambda: connection.recv(65_536), b"")).partition(b"\r\n\r\n")


# What is told of them -------------------------------------------------------------------------------------------------


def test_what_visitors_see_and_do_is_told_once_and_other_processes_answer_the_same(
    shop: Shop, server: Server, engine: Engine, tmp_path: Path
) -> None:
    customers = [Customer() for _ in range(CUSTOMERS)]

    with FakeKameleoon((EXAMPLES / "flags.json").read_bytes()) as kameleoon:
        with open_shop(shop, tmp_path, kameleoon.url) as first:
            before = [button_in(customer.get(first)) for customer in customers]
            thanks = [customer.post(first, "/buy") for customer in customers]
        seen, nonces = told(kameleoon), kameleoon.nonces()
    codes = [customer.code for customer in customers]
    after = [button_in(customer.get(server)) for customer in customers]

    assert before == after == [engine(code) for code in codes]
    assert [customer.code for customer in customers] == codes
    assert all("Thank you" in page for page in thanks)
    assert seen == both_of(codes)
    assert set(nonces.values()) == {1}


def test_where_consent_is_required_every_worker_knows_who_has_given_it(
    shop: Shop, engine: Engine, tmp_path: Path
) -> None:
    data_file = json.loads((EXAMPLES / "flags.json").read_text(encoding="utf-8"))
    data_file["configuration"] = {"consentType": "REQUIRED"}
    willing, others = [Customer() for _ in range(CUSTOMERS)], [Customer() for _ in range(CUSTOMERS)]
    answers = [(customer, "yes") for customer in willing] + [(customer, "no") for customer in others]

    with FakeKameleoon(data_file) as kameleoon:
        with open_shop(shop, tmp_path, kameleoon.url) as server:
            for customer, answer in answers:
                customer.get(server)
                customer.post(server, f"/consent?answer={answer}")
            buttons = [
                [button_in(customer.get(server)) for customer, _ in answers]
                for _ in each_worker(server, shop.kind.pid_in, WORKERS)
            ]
            for customer, _ in answers:
                customer.post(server, "/buy")
            wait_until(lambda: len(told(kameleoon)) >= 3 * CUSTOMERS)
        seen = told(kameleoon)

    assert buttons == [[engine(customer.code) for customer in willing] + ["Buy"] * CUSTOMERS] * WORKERS
    assert seen.keys() == {
        *((customer.code, "experiment") for customer in willing),
        *((customer.code, "conversion") for customer, _ in answers),  # Kameleoon asks for no consent to these (7.3)
    }
