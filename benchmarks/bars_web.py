"""Bar 26: what the middleware adds to a request, beside the same application without it.

One interleaved run in a process of its own for each framework, with the peer's only middleware, for WSGI, on the same
application. The figures are of this machine; ratios are reported with them. CPU time: nothing here waits, and what else
runs on the machine does not cancel in a difference as in a ratio.
"""

from __future__ import annotations

import asyncio
import importlib
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from typing import Any, NamedTuple

from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from . import anchors
from .data import SIMPLE
from .measure import Effort, Limit, Rounds, Row, at_most, interleave, isolated
from .web_apps import FRAMEWORKS, Answer, Pages, Server, WsgiServer, plain_wsgi

__all__ = ["BARS", "CASES", "answers", "keeps_code"]

VISITOR = "9f86d081884c7d65"
CODE_COOKIE = "kameleoonVisitorCode"
OTHER_COOKIES = (
    "_ga=GA1.1.1437812345.1752912345; _ga_4XKPQ2J7LM=GS2.1.s1752912345$o3$g1$t1752912399$j6$l0$h0;"
    " sessionid=k3v9c0r8z1x5q7w2m4n6b8t0y2u4i6o8; csrftoken=Jd82hGk19sLq04mZpX7vBn35TcWyRf6U; cookie_consent=all"
)
COOKIES = f"{OTHER_COOKIES}; {CODE_COOKIE}={VISITOR}"
PLAIN, ASKING, TELLING = "/shoes/plain", "/shoes/asking", "/shoes/telling"
OVERHEAD, RATIO = "us on top of the bare app", "x the bare app"


class Case(NamedTuple):
    """A request of the bare application, one of that with the middleware, and what the latter may take longer."""

    bare_path: str
    path: str
    cookies: str
    limit: Limit | None = None
    has_peer: bool = False

    @property
    def body(self) -> bytes:
        return b"hello" if self.path == PLAIN else b"yes"

    def path_of(self, who: str) -> str:
        return self.bare_path if who == "bare" else self.path

    def among(self, servers: Mapping[str, Server]) -> list[tuple[str, Server]]:
        """Who is asked it."""
        return [(who, server) for who, server in servers.items() if who != "peer" or self.has_peer]


CASES: Mapping[str, Case] = {
    "known visitor": Case(PLAIN, PLAIN, COOKIES, at_most(30, 15, noisy=False), has_peer=True),
    "new visitor": Case(PLAIN, PLAIN, OTHER_COOKIES, has_peer=True),
    f"{SIMPLE} evaluated": Case(TELLING, ASKING, COOKIES),  # the peer's middleware sets no context to do it in
}


def overhead(effort: Effort) -> list[Row]:
    """Bar 26: each framework by itself."""
    return [row for framework in FRAMEWORKS for row in isolated(of_framework, framework, effort)]


def of_framework(framework: str, effort: Effort) -> list[Row]:
    """The rows of one framework, whose application is bare, has our middleware, or for WSGI the peer's."""
    with opened(framework) as servers, tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        if framework == "WSGI":
            provider = stack.enter_context(anchors.peer(anchors.written(directory, 100)))
            middleware: Any = importlib.import_module("kameleoon").KameleoonWSGIMiddleware
            servers["peer"] = WsgiServer(middleware(plain_wsgi(pages(), None), provider.get_client()))
        _must_agree(servers)
        turns = {
            f"{what}, {who}": server.turn(case.path_of(who), case.cookies)
            for what, case in CASES.items()
            for who, server in case.among(servers)
        }
        rounds = interleave(turns, rounds=effort.rounds, turn_seconds=effort.turn_seconds)
    return [
        row
        for what, case in CASES.items()
        for row in _rows(framework, what, case.limit, rounds, has_peer=f"{what}, peer" in turns)
    ]


def _rows(framework: str, what: str, limit: Limit | None, rounds: Rounds, *, has_peer: bool) -> list[Row]:
    def extra(who: str) -> float:
        return 1e6 * rounds.difference(f"{what}, {who}", f"{what}, bare")

    def ratio(who: str) -> float:
        return rounds.ratio(f"{what}, {who}", f"{what}, bare")

    name = f"{framework}, {what}"
    return [
        Row(26, name, OVERHEAD, extra("ours"), limit, extra("peer") if has_peer else None),
        Row(26, name, RATIO, ratio("ours"), peer=ratio("peer") if has_peer else None),
    ]


@contextmanager
def opened(framework: str) -> Iterator[dict[str, Server]]:
    """Servers of the bare application and of that with our middleware; the visitor is known there."""
    with (
        tempfile.TemporaryDirectory() as directory,
        anchors.ours(anchors.written(directory, 100)) as provider,
        closing(asyncio.new_event_loop()) as loop,
    ):
        api.set_provider_and_wait(provider)
        provider.resolve_boolean_details(SIMPLE, False, EvaluationContext(VISITOR))
        server = FRAMEWORKS[framework].server
        yield {"bare": server(loop, pages()), "ours": server(loop, pages(), provider)}


def pages() -> Pages:
    """A page that evaluates nothing, one that does for the request's visitor, and one that names a visitor itself."""
    get_boolean_value = api.get_client().get_boolean_value

    def asking() -> bytes:
        return b"yes" if get_boolean_value(SIMPLE, False) else b"no"

    def telling() -> bytes:
        return b"yes" if get_boolean_value(SIMPLE, False, EvaluationContext(anchors.VISITOR)) else b"no"

    return {PLAIN: lambda: b"hello", ASKING: asking, TELLING: telling}


def answers(framework: str) -> dict[str, list[Answer]]:
    """What the bare application and that with our middleware answer in each case."""
    with opened(framework) as servers:
        return {what: [answer for _, answer in _answers(case, servers)] for what, case in CASES.items()}


def _must_agree(servers: Mapping[str, Server]) -> None:
    """A figure for another answer is worth nothing: it is the page, and a middleware keeps the visitor's code."""
    for case in CASES.values():
        for who, answer in _answers(case, servers):
            if (answer.status, answer.body, keeps_code(answer)) != (200, case.body, who != "bare"):
                raise RuntimeError(f"{who} answers {answer}")


def _answers(case: Case, servers: Mapping[str, Server]) -> list[tuple[str, Answer]]:
    return [(who, server.answer(case.path_of(who), case.cookies)) for who, server in case.among(servers)]


def keeps_code(answer: Answer) -> bool:
    """Whether an answer sets the cookie of the visitor code."""
    return any(name.lower() == "set-cookie" and f"{CODE_COOKIE}=" in value for name, value in answer.headers)


BARS: Mapping[int, Callable[[Effort], list[Row]]] = {26: overhead}
