"""The page in a browser: what people do with it, by mouse and by keyboard, and that hostile text stays text.

Chromium is driven by Playwright and speaks with this machine alone. Nothing waits for a fixed time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.overrides import Override
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from tests.faces import VIP, flag, plan_is, rule
from tests.faces import site as data_file
from tests.programs import is_missing, of_the_system
from tests.server.asking import ask
from tests.vectors import as_bytes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

DEMO = Path(__file__).resolve().parents[2] / "openfeature_kameleoon" / "demo" / "datafile.json"

OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
]

PATIENCE_MILLISECONDS = 20_000

NOTE_VIOLATIONS = "addEventListener('securitypolicyviolation', event => console.error('against the policy', event))"

HOSTILE = "<img src=x onerror=\"console.error('run')\">\u202e'\"</script>"
SHOWN = HOSTILE.replace("\u202e", "\\u{202e}")

PHONE, DESKTOP = (360, 740), (1280, 900)

BADGE = "price_badge"  # percent or amount, half each, for 80 % of the visitors in France


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        is_missing("Playwright is not installed (pip install playwright)")
    chromium = of_the_system("chromium")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=chromium, args=OPTIONS) as browser:
        yield browser


@pytest.fixture
def site() -> Iterator[Site]:
    """The demo's."""
    site = Site("demo-shop")
    site.publish(DEMO.read_bytes())

    yield site

    site.client.close()


@pytest.fixture
def context(browser: Browser, server: LocalServer) -> Iterator[BrowserContext]:
    with browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]}) as context:
        context.set_default_timeout(PATIENCE_MILLISECONDS)
        context.add_init_script(NOTE_VIOLATIONS)
        yield context


@pytest.fixture
def complaints(context: BrowserContext) -> list[str]:
    """What the browser does not like: errors in its console, breaches of the policy, exceptions."""
    complaints: list[str] = []
    context.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    context.on("weberror", lambda error: complaints.append(str(error.error)))
    return complaints


@pytest.fixture
def page(context: BrowserContext, server: LocalServer, complaints: list[str]) -> Iterator[Page]:
    """The page as the command's link opens it; in the end the browser must not have complained."""
    page = context.new_page()
    page.goto(server.page)
    page.locator("#connection.live").wait_for()
    page.locator("#sample td").first.wait_for()

    yield page

    assert complaints == []


def choose(page: Page, key: str) -> None:
    page.locator("#flags button", has_text=key).click()
    page.locator("h2", has_text=key).wait_for()


def try_visitor(page: Page, code: str, context: str) -> None:
    page.fill("#visitor", code)
    page.fill("#context", context)


def result(page: Page, text: str) -> None:
    """Wait until the result says this."""
    page.locator("#result", has_text=text).wait_for()


def track(server: LocalServer, **parameters: str) -> None:
    ask(server, "/visit/events?siteCode=demo-shop", "POST", urlencode(parameters).encode())


# --- flags and visitors ---------------------------------------------------------------------------------------


def test_the_token_is_kept_and_taken_out_of_the_address(page: Page, server: LocalServer) -> None:
    address = page.url
    page.reload()
    page.locator("#result .value").wait_for()

    assert address == f"{server.url}/"
    assert page.evaluate("sessionStorage.getItem('token')") == "the-token"


def test_without_the_token_it_is_asked_for(context: BrowserContext, server: LocalServer) -> None:
    page = context.new_page()
    page.goto(f"{server.url}/")

    page.get_by_label("This page needs the token").fill("the-token")
    page.keyboard.press("Enter")

    page.locator("#result .value").wait_for()
    assert page.locator("#ask").is_hidden()


def test_flags_are_found_by_key_id_and_variation(page: Page) -> None:
    def found(text: str) -> list[str]:
        page.fill("#search", text)
        return page.locator("#flags bdi").all_inner_texts()

    assert len(found("")) == 9
    assert found("BANNER") == ["banner_summer", "banner_loyalty"]
    assert found("1003") == [BADGE]
    assert found("semantic") == ["search_ranking"]
    assert found("nothing") == []
    assert page.inner_text("#found") == "No flag is called that."


def test_a_visitor_is_tried_and_told_why(page: Page) -> None:
    choose(page, BADGE)

    try_visitor(page, "ada", "country=FR\nplan=pro")

    result(page, "15 € de moins")
    tree = page.locator(".tree").inner_text()
    assert 'country is "FR"' in tree
    assert "answers amount" in tree
    assert page.inner_text("#result .tag") == "SPLIT"


def test_a_step_can_be_folded_and_stays_so(page: Page, site: Site) -> None:
    try_visitor(page, "chloe", "beta=true")
    result(page, "true")

    page.locator("#step-0 > summary").click()
    site.override("search_ranking", Override(enabled=False))
    page.locator("#overridden", has_text="search_ranking").wait_for()

    assert page.locator("#step-0").get_attribute("open") is None


def test_a_context_that_makes_no_sense_or_decides_nothing_is_told(page: Page) -> None:
    problem = page.locator("#context-problem")

    page.fill("#context", "country")
    problem.filter(has_text="A line is key=value, not country").wait_for()
    page.fill("#context", "{country")
    problem.filter(has_text="This is no JSON").wait_for()
    assert page.get_attribute("#context", "aria-invalid") == "true"
    page.fill("#context", '{"cuontry": "FR"}')
    result(page, "Decides nothing here: cuontry")

    assert problem.is_hidden()


def test_a_sample_is_drawn_beside_what_is_configured(page: Page) -> None:
    choose(page, BADGE)
    page.fill("#context", "country=FR")

    page.locator("#sample tr", has_text="amount").filter(has_text="40 %").wait_for()
    rows = page.locator("#sample tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["off", "percent", "amount"]
    assert [row.split()[-2:] for row in rows] == [["20", "%"], ["40", "%"], ["40", "%"]]


# --- overrides ------------------------------------------------------------------------------------------------


def test_a_flag_is_switched_and_reset(page: Page, site: Site) -> None:
    page.get_by_role("switch").click()
    result(page, "DISABLED")
    overridden = dict(site.overrides)

    page.get_by_role("button", name="Reset this flag").click()

    page.locator("#overridden").wait_for(state="hidden")
    assert overridden == {"new_checkout": Override(enabled=False)}
    assert site.overrides == {}


def test_a_variation_is_forced_for_everybody_and_for_one(page: Page, site: Site) -> None:
    choose(page, BADGE)
    try_visitor(page, "ada", "")
    result(page, "DEFAULT")

    page.get_by_label("Everybody gets").select_option("percent")
    result(page, "-15 %")
    page.get_by_label("This visitor always gets").select_option("amount")
    result(page, "15 €")
    page.locator(".changes li").nth(1).wait_for()

    assert page.locator(".changes li > span").all_inner_texts() == ["everybody gets percent", "ada gets amount"]
    assert site.overrides[BADGE] == Override(variation="percent", visitors={"ada": "amount"})
    page.locator(".changes li button").last.click()
    result(page, "-15 %")
    assert site.overrides[BADGE] == Override(variation="percent")


def test_the_exposition_of_a_rule_is_changed_and_undone(page: Page, site: Site) -> None:
    choose(page, BADGE)
    page.fill("#context", "country=FR")
    field = page.get_by_label("Exposed by rule 1, in percent")

    field.fill("50")
    field.press("Enter")

    page.locator(".rule .tag", has_text="overridden").wait_for()
    page.locator("#sample tr", has_text="amount").filter(has_text="25 %").wait_for()
    field.fill("80")
    field.press("Enter")
    page.locator("#overridden").wait_for(state="hidden")
    assert site.overrides == {}


def test_what_others_change_arrives_without_a_reload(page: Page, site: Site, server: LocalServer) -> None:
    choose(page, BADGE)
    try_visitor(page, "ada", "country=FR")
    result(page, "15 €")
    page.evaluate("window.isTheSame = true")

    body = as_bytes({"variation": "percent"})
    ask(server, f"/api/overrides/{BADGE}", "PUT", body, authorization="Bearer the-token")
    result(page, "-15 %")
    site.publish(DEMO.read_bytes().replace(b"-15 %", b"-99 %"))
    result(page, "-99 %")
    page.get_by_role("button", name="Reset all").click()

    result(page, "15 €")
    assert page.evaluate("window.isTheSame") is True
    assert site.overrides == {}


def test_it_connects_again_when_the_server_is_back(context: BrowserContext, server: LocalServer) -> None:
    page = context.new_page()
    page.goto(server.page)
    page.locator("#connection.live").wait_for()
    port = int(server.url.rpartition(":")[2])

    server.stop()
    page.locator("#connection", has_text="Reconnecting").wait_for()
    again = Site("another-shop")
    again.publish(DEMO.read_bytes())
    with LocalServer(Serving(again, token="the-token"), port=port):
        page.locator("#site", has_text="another-shop").wait_for()
        page.locator("#connection.live").wait_for()
        page.close()


# --- events ---------------------------------------------------------------------------------------------------


def test_events_arrive_are_filtered_and_wait_while_paused(page: Page, server: LocalServer) -> None:
    rows = page.locator("#events > li")
    track(server, eventType="page", visitorCode="ada", href="https://shop.example/")
    rows.filter(has_text="https://shop.example/").wait_for()
    track(server, eventType="conversion", visitorCode="ben", goalId="7")
    rows.filter(has_text="goalId 7").wait_for()

    page.get_by_label("Visitor code contains").fill("AD")
    of_ada = rows.all_inner_texts()
    page.get_by_label("Visitor code contains").fill("")
    page.get_by_label("Type").select_option("conversion")
    conversions = rows.all_inner_texts()
    page.get_by_label("Type").select_option("")
    page.get_by_role("button", name="Pause").click()
    track(server, eventType="page", visitorCode="chloe")
    page.locator("#counts", has_text="1 since the pause").wait_for()
    paused = rows.count()
    page.get_by_role("button", name="Pause").click()

    assert (len(of_ada), "ada" in of_ada[0]) == (1, True)
    assert (len(conversions), "ben" in conversions[0]) == (1, True)
    assert (paused, rows.count()) == (2, 3)
    assert "chloe" in rows.first.inner_text()


def test_events_that_came_before_the_page_are_shown(
    context: BrowserContext, server: LocalServer, complaints: list[str]
) -> None:
    for number in range(3):
        track(server, eventType="page", visitorCode=f"visitor-{number}", nonce="once")

    page = context.new_page()
    page.goto(server.page)

    page.locator("#counts", has_text="2 duplicates").wait_for()
    page.locator("#events > li").nth(2).wait_for()  # it asks for them by themselves
    assert page.locator("#events > li").count() == 3
    assert complaints == []


# --- hostile text ---------------------------------------------------------------------------------------------


def test_hostile_text_is_shown_as_text(page: Page, site: Site, server: LocalServer) -> None:
    variables = {HOSTILE: ("STRING", HOSTILE)}
    named = {**plan_is(HOSTILE), "name": HOSTILE}
    rules = [rule(1, ("on", 1), segment_id=VIP), rule(2, (HOSTILE, 0.5), kind=HOSTILE)]
    hostile = flag(HOSTILE, *rules, variables=variables, defaultVariationKey=HOSTILE, mutuallyExclusiveGroup=HOSTILE)
    custom_data = [{"index": 0, "id": 501, "name": HOSTILE}]
    broken = {**flag(f"broken {HOSTILE}"), "rules": HOSTILE}
    site.publish(as_bytes(data_file(hostile, broken, segments=[named], customData=custom_data)))
    page.locator("h2", has_text=SHOWN).wait_for()
    site.override(HOSTILE, Override(visitors={HOSTILE[:40]: "on", "__proto__": "on"}))
    track(server, eventType=HOSTILE, visitorCode=HOSTILE, **{HOSTILE: HOSTILE})
    page.locator("#events > li").wait_for()

    try_visitor(page, "__proto__", as_bytes({HOSTILE: HOSTILE, f"no {HOSTILE}": 1}).decode())
    result(page, "on")
    page.locator("#events summary").click()
    page.locator("#variations summary").click()
    page.locator("#sample td").first.wait_for()

    text = page.locator("body").inner_text()
    assert text.count(SHOWN) >= 12
    assert "\u202e" not in text
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1
    choose(page, "broken")
    page.locator("#head .problem").first.wait_for()


# --- for everybody --------------------------------------------------------------------------------------------


def test_everything_is_done_by_keyboard(page: Page, site: Site) -> None:
    press = page.keyboard.press

    page.locator("body").press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    press("/")
    page.keyboard.type("badge")
    press("Enter")
    page.locator("h2", has_text=BADGE).wait_for()
    page.fill("#search", "")
    press("ArrowDown")
    press("ArrowDown")
    assert page.evaluate("document.activeElement.textContent").startswith("search_ranking")
    press("Enter")
    page.locator("h2", has_text="search_ranking").wait_for()
    assert page.evaluate("document.activeElement.textContent").startswith("search_ranking")
    for _ in range(20):
        press("Tab")
        if page.evaluate("document.activeElement.id") == "switch":
            break
    press("Space")
    page.locator('#switch[aria-checked="false"]').wait_for()

    assert page.evaluate("document.activeElement.id") == "switch"  # it was drawn anew, and has the focus still
    assert site.overrides == {"search_ranking": Override(enabled=False)}
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_a_phone_shows_all_without_scrolling_sideways(page: Page, site: Site) -> None:
    site.override("search_ranking", Override(expositions={"7003": 0.5}, visitors={"v" * 200: "hybrid"}))
    site.override(BADGE, Override(variation="amount"))
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    try_visitor(page, "w" * 200, "country=FR\n" + "x" * 100 + "=" + "y" * 200)
    widths = []

    for key in (BADGE, "search_ranking"):
        choose(page, key)
        page.locator("#result", has_text="Decides nothing").wait_for()
        folded = page.locator("details:not([open]) > summary")
        while folded.count():
            folded.first.click()
        widths.append(page.evaluate("document.documentElement.scrollWidth"))

    assert widths == [PHONE[0]] * 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    browser: Browser, server: LocalServer, site: Site, scheme: Any, complaints: list[str]
) -> None:
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        is_missing("axe is not installed (pip install axe-playwright-python)")
    site.override("search_ranking", Override(visitors={"ada": "hybrid"}, expositions={"7003": 0.5}))
    track(server, eventType="page", visitorCode="ada", href="https://shop.example/")
    with browser.new_context(color_scheme=scheme, reduced_motion="reduce", bypass_csp=True) as context:
        page = context.new_page()
        page.goto(f"{server.page}&flag=search_ranking")
        page.locator("#events > li").wait_for()
        try_visitor(page, "ben", "country=FR\nnonsense=1")
        result(page, "Decides nothing")
        page.locator("#variations > summary").click()

        found = Axe().run(page).response["violations"]
        grounds = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert [(fault["id"], fault["impact"], [node["html"] for node in fault["nodes"]]) for fault in found] == []
    red = int(re.findall(r"\d+", grounds)[0])
    assert (red > 128) is (scheme == "light")
