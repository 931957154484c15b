"""The shops of examples/, served as each of them says, from a copy; and customers, who keep cookies and send forms."""

from __future__ import annotations

import re
import shutil
import socket
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.cookiejar import Cookie, CookieJar
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, ProxyHandler, build_opener

import pytest

from tests.chaos import wait_until
from tests.programs import START_SECONDS, Server, kameleoon_is, program, serving

__all__ = ["EXAMPLES", "SHOPS", "VISITOR_CODE", "WORKERS", "Customer", "Shop", "button_in", "open_shop", "open_shops"]

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

WORKERS = 2

VISITOR_CODE = "kameleoonVisitorCode"


class Kind(NamedTuple):
    """A server: what has it take a free port, and patterns for the lines that tell of port and workers."""

    options: tuple[str, ...]
    port_in: str
    pid_in: str


KINDS: Mapping[str, Kind] = {
    "gunicorn": Kind(
        (
            "--bind",
            "127.0.0.1:0",
            "--limit-request-field_size",
            "20000",
        ),  # it refuses longer headers than 8190 by itself
        r"Listening at: http://127\.0\.0\.1:(\d+)",
        r"Booting worker with pid: (\d+)",
    ),
    "uvicorn": Kind(
        ("--port", "0"),
        r"Uvicorn running on http://127\.0\.0\.1:(\d+)",
        r"Started server process \[(\d+)\]",
    ),
}


class Shop(NamedTuple):
    """A file of examples/shops, and the program that it says to run."""

    file: str
    runs_under: str

    @property
    def kind(self) -> Kind:
        """What is to be known of the server."""
        return KINDS[self.runs_under]

    @property
    def command(self) -> list[str]:
        """What the file says, word by word, at a port that is free."""
        text = (EXAMPLES / "shops" / self.file).read_text(encoding="utf-8")
        said = re.search(rf"^(?:Run|Or): cd examples/shops && {self.runs_under} (.+)$", text, re.MULTILINE)
        assert said, f"{self.file} does not say how {self.runs_under} runs it"
        return [program(self.runs_under), *self.kind.options, *said[1].split()]


SHOPS: Mapping[str, Shop] = {
    "Django": Shop("django_shop.py", "gunicorn"),
    "Django, asynchronous": Shop("django_shop.py", "uvicorn"),
    "Flask": Shop("flask_shop.py", "gunicorn"),
    "FastAPI": Shop("fastapi_shop.py", "uvicorn"),
}


@contextmanager
def open_shop(shop: Shop, folder: Path, kameleoon: str | None = None) -> Iterator[Server]:
    """A shop, offline, or with Kameleoon at that address. It is to end well, and soon, when it is told to."""
    if shop.runs_under == "gunicorn":
        pytest.importorskip("gunicorn")
    shutil.copytree(EXAMPLES, folder / "examples", ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    environment = kameleoon_is(kameleoon or "http://127.0.0.1:9", folder)
    if kameleoon is None:
        del environment["KAMELEOON_SITE_CODE"]

    with serving(shop.command, folder, shop.kind.port_in, environment, folder / "examples" / "shops") as server:
        wait_until(lambda: is_open(server.port), START_SECONDS)
        yield server
        assert server.end() == 0
        assert "Traceback" not in server.log.read_text()


@contextmanager
def open_shops(names: Iterable[str], folder: Path) -> Iterator[dict[str, Server]]:
    """Several of them, offline. They take a while to open and to close, and do so at the same time."""

    def opened(name: str, stack: ExitStack) -> Server:
        own = folder / name
        own.mkdir()
        return stack.enter_context(open_shop(SHOPS[name], own))

    with ExitStack() as all_of_them, ThreadPoolExecutor() as pool:
        stacks = {name: all_of_them.enter_context(ExitStack()) for name in names}
        yield dict(zip(stacks, pool.map(opened, stacks, stacks.values()), strict=True))
        list(pool.map(ExitStack.close, stacks.values()))


def is_open(port: int) -> bool:
    """Whether connections are taken: with several workers, uvicorn tells of the port before they are."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


class Customer:
    """A browser without scripts: it keeps cookies, follows redirects, and sends the hidden fields of the last page."""

    def __init__(self) -> None:
        self.cookies = CookieJar()
        self.page = ""
        self._open = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.cookies)).open

    def get(self, shop: Server, target: str = "/") -> str:
        """The text of an answer."""
        with self._open(f"http://127.0.0.1:{shop.port}{target}", timeout=START_SECONDS) as answer:
            self.page = answer.read().decode()
        return self.page

    def post(self, shop: Server, target: str) -> str:
        """The same of one that a form led to."""
        form = urlencode(re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', self.page)).encode()
        with self._open(f"http://127.0.0.1:{shop.port}{target}", form, START_SECONDS) as answer:
            self.page = answer.read().decode()
        return self.page

    @property
    def cookie(self) -> Cookie:
        """The one that holds the visitor code."""
        return next(cookie for cookie in self.cookies if cookie.name == VISITOR_CODE)

    @property
    def code(self) -> str:
        """The visitor code."""
        return self.cookie.value or ""


def button_in(text: str) -> str:
    """What the button says, on the page or as the API tells."""
    found = re.search(r'(?:class="buy">|"checkout_button": ?")([^<"]+)', text)
    assert found, text
    return found[1]
