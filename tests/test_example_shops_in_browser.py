"""The shops of examples/ in a browser: the cookie that it keeps, and the script that runs under a strict policy.

Chromium is driven by Playwright, each shop by its own server. Neither speaks with anything but this machine.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.kameleoon import FakeKameleoon
from tests.programs import Server, is_missing, of_the_system
from tests.shops import EXAMPLES, SHOPS, VISITOR_CODE, open_shop, open_shops

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

NAMES = ("Django", "Flask", "FastAPI")

OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
]

PATIENCE_MILLISECONDS = 20_000

DAY = 86_400

ADD_SCRIPT = """
nonce => {
    const script = document.createElement("script");
    if (nonce) script.nonce = document.querySelector("script").nonce;
    script.textContent = "window.wasRun = true";
    document.body.append(script);
    return window.wasRun === true;
}
"""

NOTE_VIOLATIONS = "addEventListener('securitypolicyviolation', event => console.error('against the policy', event))"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    with open_shops(NAMES, tmp_path_factory.mktemp("shops")) as servers:
        yield servers


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        is_missing("Playwright is not installed (pip install playwright)")
    chromium = of_the_system("chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=OPTIONS) as browser:
        yield browser


@pytest.fixture(params=NAMES)
def server(request: pytest.FixtureRequest, servers: dict[str, Server]) -> Server:
    return servers[request.param]


@pytest.fixture
def context(browser: Browser, server: Server) -> Iterator[BrowserContext]:
    """A visitor of the shop, of whom nothing is known yet."""
    with browser.new_context(base_url=f"http://127.0.0.1:{server.port}") as context:
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        context.add_init_script(NOTE_VIOLATIONS)
        yield context


@pytest.fixture
def complaints(context: BrowserContext) -> list[str]:
    """What the browser does not like: errors in its console, exceptions, requests that fail, answers that are none."""
    complaints: list[str] = []
    context.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    context.on("requestfailed", lambda request: complaints.append(f"{request.url}: {request.failure}"))
    context.on(
        "response", lambda answer: complaints.append(f"{answer.url}: {answer.status}") if not answer.ok else None
    )
    return complaints


@pytest.fixture
def page(context: BrowserContext, complaints: list[str]) -> Page:
    """The shop's first page, as the visitor sees it."""
    page = context.new_page()
    page.goto("/")
    return page


def code_of(context: BrowserContext) -> str:
    """The visitor code in the browser's cookie."""
    return next(cookie["value"] for cookie in context.cookies() if cookie["name"] == VISITOR_CODE)


def button_on(page: Page) -> str:
    return page.inner_text(".buy")


def test_the_visitor_code_is_kept_for_a_year_where_scripts_can_read_it(page: Page, context: BrowserContext) -> None:
    cookie = next(cookie for cookie in context.cookies() if cookie["name"] == VISITOR_CODE)

    assert re.fullmatch("[0-9a-f]{16}", cookie["value"])
    assert (cookie["sameSite"], cookie["path"], cookie["domain"]) == ("Lax", "/", "127.0.0.1")
    assert (cookie["httpOnly"], cookie["secure"]) == (False, False)
    assert cookie["expires"] == pytest.approx(time.time() + 380 * DAY, abs=DAY / 24)
    assert f"{VISITOR_CODE}={cookie['value']}" in page.evaluate("document.cookie")


def test_what_a_visitor_sees_stays_the_same(page: Page, context: BrowserContext, complaints: list[str]) -> None:
    code, button = code_of(context), button_on(page)

    seen = []
    for _ in range(5):
        page.reload()
        seen.append((code_of(context), button_on(page)))
    tab = context.new_page()
    tab.goto("/")
    seen.append((code_of(context), button_on(tab)))

    assert set(seen) == {(code, button)}
    assert complaints == []


def test_another_browser_is_another_visitor(page: Page, context: BrowserContext, browser: Browser) -> None:
    with browser.new_context() as other:
        other.new_page().goto(page.url)

        assert code_of(other) != code_of(context)


def test_the_tracking_code_runs_and_nothing_is_complained_of(page: Page, complaints: list[str]) -> None:
    shown, queue = button_on(page), page.evaluate("window.kameleoonQueue")
    page.reload()
    nonces = {page.evaluate("document.querySelector('script').nonce")}

    page.reload()
    nonces.add(page.evaluate("document.querySelector('script').nonce"))

    assert queue == [
        ["Experiments.assignVariation", 202, variation_of(shown), True],
        ["Experiments.trigger", 202, True],
    ]
    assert len(nonces - {""}) == 2
    assert complaints == []


def variation_of(label: str) -> int:
    """The id of the variation that has this label, by the data file."""
    flags = json.loads((EXAMPLES / "flags.json").read_text(encoding="utf-8"))["featureFlags"]
    flag = next(flag for flag in flags if flag["featureKey"] == "checkout_button")
    key = next(each["key"] for each in flag["variations"] if each["variables"][0]["value"] == label)
    shares = flag["rules"][0]["variationByExposition"]
    return int(next(share["variationId"] for share in shares if share["variationKey"] == key))


def test_a_script_without_the_nonce_is_refused(page: Page, complaints: list[str]) -> None:
    was_run = page.evaluate(ADD_SCRIPT, False)

    assert was_run is False
    assert [text for text in complaints if "script" in text and "Content Security Policy" in text]


def test_a_script_with_the_nonce_is_run(page: Page, complaints: list[str]) -> None:
    was_run = page.evaluate(ADD_SCRIPT, True)

    assert was_run is True
    assert complaints == []


def test_a_visitor_buys_and_answers_by_buttons(page: Page, context: BrowserContext, complaints: list[str]) -> None:
    button = button_on(page)

    page.click(".buy")
    page.wait_for_url("**/thanks")
    thanks = page.inner_text("h1")
    page.click("a")
    with page.expect_navigation():  # from the page to itself
        page.click("text=Yes")
    consent = [cookie["value"] for cookie in context.cookies() if cookie["name"] == "consent"]

    assert (thanks, consent, button_on(page)) == ("Thank you", ["yes"], button)
    assert [text for text in complaints if not text.endswith((": 302", ": 303"))] == []


def test_each_page_that_a_browser_shows_is_told_once(browser: Browser, tmp_path: Path) -> None:
    with FakeKameleoon((EXAMPLES / "flags.json").read_bytes()) as kameleoon:
        with open_shop(SHOPS["Flask"], tmp_path, kameleoon.url) as server, browser.new_context() as context:
            shop, page = f"http://127.0.0.1:{server.port}", context.new_page()
            page.goto(f"{shop}/")
            page.reload()
            page.click(".buy")
            page.wait_for_url("**/thanks")
            code, user_agent = code_of(context), page.evaluate("navigator.userAgent")
        events = list(kameleoon.events())

    assert {event["visitorCode"] for event in events} == {code}
    assert {event["userAgent"] for event in events if "userAgent" in event} == {user_agent}
    pages = Counter(event["href"] for event in events if event["eventType"] == "page")
    assert pages == {f"{shop}/": 2, f"{shop}/thanks": 1}
