"""The page where Flagship is served: its flags are found, tried, explained and overridden, and reports arrive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.flagship.environment import Environment
from openfeature_kameleoon.server.flagship.overrides import Override, Overrides
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from tests.flagship.files import bucketing, campaign, group, rule, targeting, variation
from tests.programs import is_missing
from tests.server.asking import ask
from tests.server.test_page import (
    DEMO,
    HOSTILE,
    PHONE,
    SHOWN,
    browser,
    choose,
    complaints,
    context,
    result,
    track,
    try_visitor,
)
from tests.vectors import as_bytes

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

__all__ = ["browser", "complaints", "context"]

CTA = "cs8r01camp0000000000"
ORIGINAL, FIRST, SECOND = (f"cs8r01va0{number}0000000000" for number in range(3))
HIT = {"cid": "env", "vid": "ada", "ds": "APP", "t": "SCREENVIEW", "dl": "home"}


@pytest.fixture
def environment() -> Environment:
    environment = Environment("env")
    environment.publish(as_bytes(bucketing()))
    return environment


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site("demo-shop")
    yield site
    site.client.close()


@pytest.fixture
def server(site: Site, environment: Environment) -> Iterator[LocalServer]:
    """A server that serves nothing of Kameleoon's until a test has it do so."""
    with LocalServer(Serving(site, token="the-token", flagship=environment)) as server:
        yield server


@pytest.fixture
def page(context: BrowserContext, server: LocalServer, complaints: list[str]) -> Iterator[Page]:
    page = context.new_page()
    page.goto(f"{server.page}&flagship=ctaColor")
    page.locator("#connection.live").wait_for()
    page.locator("h2", has_text="ctaColor").wait_for()
    page.locator("#sample td").first.wait_for()

    yield page

    assert complaints == []


def report(server: LocalServer, path: str, **fields: Any) -> int:
    return ask(server, f"/flagship{path}", "POST", as_bytes(fields)).status


def test_flags_are_found_by_key_campaign_and_variation(page: Page) -> None:
    def found(text: str) -> list[str]:
        page.fill("#search", text)
        return page.locator("#flags bdi").all_inner_texts()

    assert "ctaColor" in found("")
    assert found("CTACOLOR") == ["ctaColor"]
    assert found("cta-colour") == found(CTA) == found("cta colour") == ["ctaColor", "ctaLabel"]
    assert found(SECOND) == ["ctaColor", "ctaLabel"]
    assert found("nothing at all") == []
    assert "Flagship" not in page.locator("#flags").inner_text()


def test_a_visitor_is_tried_and_told_why(page: Page) -> None:
    try_visitor(page, "visitor-1", "nonsense=1")
    result(page, "Decides nothing here: nonsense")

    result(page, "orange")
    tree = page.locator(".tree").inner_text()
    assert page.inner_text("#result .tag") == "SPLIT"
    assert "campaign CTA colour" in tree
    assert "bucket: Variation 2" in tree
    assert "this visitor's place: 0.7500" in tree


def test_rules_and_what_they_look_at_are_in_words(page: Page) -> None:
    choose(page, "discount")
    scenarios = page.locator("#rules").inner_text()
    page.get_by_role("button", name="country").click()
    page.keyboard.type("FR\nage=31")

    result(page, "TARGETING_MATCH")
    assert 'country is one of "FR", "BE" and age ≥ 18' in scenarios
    assert 'seen: "FR"' in page.locator("#more-of-it .tree").inner_text()


def test_a_sample_is_drawn_beside_what_is_configured(page: Page) -> None:
    rows = page.locator("#sample tbody tr").all_inner_texts()

    assert [row.split("\t")[0].strip() for row in rows] == ["Original", "Variation 1", "Variation 2"]
    assert [row.split()[-2:] for row in rows] == [["34", "%"], ["33", "%"], ["33", "%"]]


def test_a_variation_is_forced_for_everybody_and_for_one_and_undone(page: Page, environment: Environment) -> None:
    try_visitor(page, "visitor-1", "")
    result(page, "orange")

    page.get_by_label("Everybody gets").select_option("Variation 1")
    result(page, "green")
    page.get_by_label("This visitor always gets").select_option("Original")
    result(page, "The caller's default")
    page.locator(".changes li").nth(1).wait_for()

    texts = page.locator(".changes li > span").all_inner_texts()
    assert texts == ["everybody gets Variation 1", "visitor-1 gets Original"]
    assert environment.overrides.campaigns == {CTA: Override(variation=FIRST, visitors={"visitor-1": ORIGINAL})}
    assert "1 campaign overridden: CTA colour" in page.locator("#overridden").inner_text()
    page.locator(".changes li button").last.click()
    result(page, "green")
    page.get_by_role("button", name="Reset this campaign").click()
    result(page, "orange")
    assert not environment.overrides


def test_a_campaign_is_paused_and_all_is_reset(page: Page, environment: Environment) -> None:
    page.get_by_role("switch", name="Campaign CTA colour runs").click()
    result(page, "its campaigns are paused")
    page.locator("#sample", has_text="The flag is off").wait_for()

    page.get_by_role("button", name="Reset all").click()

    page.locator("#overridden").wait_for(state="hidden")
    page.locator("#sample td").first.wait_for()
    assert not environment.overrides


def test_panic_is_switched_on_and_off(page: Page, environment: Environment) -> None:
    page.get_by_role("switch", name="Panic").click()
    result(page, "DISABLED")
    page.locator("#panicking").wait_for()
    assert environment.overrides == Overrides(panic=True)

    page.get_by_role("switch", name="Panic").click()

    result(page, "SPLIT")
    page.locator("#panicking").wait_for(state="hidden")
    assert not environment.overrides


def test_visitors_that_are_remembered_can_be_forgotten(
    page: Page, server: LocalServer, environment: Environment
) -> None:
    report(server, "/v2/env/campaigns", visitorId="ada")
    page.locator("#flagship", has_text="1 visitor remembered").wait_for()

    page.get_by_role("button", name="Forget visitors").click()

    page.locator("#flagship", has_text="0 visitors remembered").wait_for()
    assert len(environment.assignments) == 0


def test_activations_and_hits_arrive_beside_kameleoons_events(page: Page, server: LocalServer) -> None:
    rows = page.locator("#events > li")
    track(server, eventType="page", visitorCode="ben", href="https://shop.example/")
    report(server, "/v2/activate", cid="env", vid="ada", caid="cs8r01vg000000000000", vaid=FIRST)
    report(server, "/", **{**HIT, "dl": ""})
    report(server, "/", **{**HIT, "t": "SEGMENT", "s": {"age": "31"}})

    rows.filter(has_text="SEGMENT").filter(has_text='s {"age":"31"}').wait_for()
    rows.filter(has_text="CTA colour: Variation 1").wait_for()
    rows.filter(has_text="dl: Field is mandatory.").wait_for()
    page.get_by_label("Visitor code contains").fill("ada")
    of_ada = rows.count()
    page.get_by_label("Type").select_option("ACTIVATE")

    assert (of_ada, rows.count()) == (3, 1)
    page.locator("#counts", has_text="1 malformed").wait_for()


def test_what_others_change_arrives_without_a_reload(page: Page, environment: Environment) -> None:
    try_visitor(page, "visitor-1", "")
    result(page, "orange")

    environment.publish(as_bytes(bucketing()).replace(b'"orange"', b'"purple"'))

    result(page, "purple")
    assert page.url.endswith("/#flagship=ctaColor")


def test_flags_of_both_stand_beside_each_other(page: Page, site: Site, environment: Environment) -> None:
    same = campaign("c", group("g", variation("v", {"new_checkout": "theirs"})))
    environment.publish(as_bytes({"campaigns": [same]}))
    site.publish(DEMO.read_bytes())
    ours = page.locator("#flags button", has_text="new_checkout").filter(has_not_text="Flagship")
    theirs = page.locator("#flags button", has_text="new_checkout").filter(has_text="Flagship")

    ours.click()  # whichever the page has chosen by itself: from here on each click is a step to go back
    page.get_by_role("switch", name="On").wait_for()
    theirs.click()
    result(page, "theirs")
    assert page.inner_text("#rules-title").startswith("Scenarios")
    ours.click()
    page.get_by_role("switch", name="On").wait_for()

    assert page.inner_text("#rules-title").startswith("Rules")
    assert page.locator("#flags [aria-current]").count() == 1
    page.go_back()
    result(page, "theirs")


def test_hostile_text_is_shown_as_text(page: Page, environment: Environment, server: LocalServer) -> None:
    some = [rule("CONTAINS", HOSTILE, HOSTILE), rule(HOSTILE, HOSTILE, HOSTILE)]
    rules = targeting(some, [rule("CONTAINS", HOSTILE, "")])
    named = {"name": HOSTILE}
    groups = [
        group(HOSTILE, variation(HOSTILE, {HOSTILE: HOSTILE}, **named), targeting=rules, **named),
        group("__proto__", variation("__proto__", {HOSTILE: 1, "__proto__": 1}), **named),
    ]
    hostile = campaign(HOSTILE, *groups, type=HOSTILE, slug=HOSTILE, **named)
    environment.publish(as_bytes({"campaigns": [hostile, campaign("__proto__", *groups)]}))
    page.locator("h2", has_text=SHOWN).wait_for()
    environment.override(HOSTILE, Override(visitors={HOSTILE[:40]: HOSTILE, "__proto__": "__proto__"}))
    report(server, "/v2/activate", cid="env", vid=HOSTILE, caid=HOSTILE, vaid=HOSTILE)
    report(server, "/", **{**HIT, "t": HOSTILE, "vid": HOSTILE, HOSTILE: {HOSTILE: HOSTILE}})

    try_visitor(page, HOSTILE[:40], as_bytes({HOSTILE: HOSTILE, f"no {HOSTILE}": 1}).decode())
    result(page, SHOWN[:40])
    page.locator("#events > li").nth(1).wait_for()
    folded = page.locator("details:not([open]) > summary")
    while folded.count():
        folded.first.click()

    text = page.locator("body").inner_text()
    assert text.count(SHOWN) >= 12
    assert "\u202e" not in text
    assert page.locator("img").count() == 0
    assert page.locator("script").count() == 1


def test_everything_is_done_by_keyboard(page: Page, environment: Environment) -> None:
    press = page.keyboard.press

    def go_to(element: str) -> None:
        for _ in range(40):
            press("Tab")
            if page.evaluate("document.activeElement.id") == element:
                return
        raise AssertionError(f"{element} is not reached")

    page.locator("body").press("/")
    page.keyboard.type("vipbanner")
    press("Enter")
    page.locator("h2", has_text="vipBanner").wait_for()
    go_to("panic")
    press("Space")
    page.locator('#panic[aria-checked="true"]').wait_for()
    assert page.evaluate("document.activeElement.id") == "panic"  # it was drawn anew, and has the focus still
    press("Space")
    page.locator('#panic[aria-checked="false"]').wait_for()
    go_to("switch-0")
    press("Space")
    page.locator('#switch-0[aria-checked="false"]').wait_for()

    assert page.evaluate("document.activeElement.id") == "switch-0"
    assert environment.overrides == Overrides(campaigns={"cs8r02camp0000000000": Override(paused=True)})


def test_a_phone_shows_all_without_scrolling_sideways(
    page: Page, environment: Environment, server: LocalServer
) -> None:
    environment.override(CTA, Override(variation=FIRST, visitors={"v" * 200: SECOND}))
    environment.panic(False)
    report(server, "/v2/activate", cid="env", vid="a" * 200, caid="cs8r01vg000000000000", vaid=FIRST)
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    try_visitor(page, "w" * 200, "country=FR\n" + "x" * 100 + "=" + "y" * 200)
    widths = []

    for key in ("ctaColor", "discount"):
        choose(page, key)
        page.locator("#result", has_text="Decides nothing").wait_for()
        folded = page.locator("details:not([open]) > summary")
        while folded.count():
            folded.first.click()
        widths.append(page.evaluate("document.documentElement.scrollWidth"))

    assert widths == [PHONE[0]] * 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_fault(
    browser: Browser, server: LocalServer, environment: Environment, scheme: Any, complaints: list[str]
) -> None:
    try:
        from axe_playwright_python.sync_playwright import Axe
    except ImportError:
        is_missing("axe is not installed (pip install axe-playwright-python)")
    environment.override(CTA, Override(variation=FIRST, visitors={"ada": SECOND}))
    report(server, "/", **HIT)
    report(server, "/", **{**HIT, "dl": ""})
    with browser.new_context(color_scheme=scheme, reduced_motion="reduce", bypass_csp=True) as context:
        page = context.new_page()
        page.goto(f"{server.page}&flagship=ctaColor")
        page.locator("#events > li").nth(1).wait_for()
        try_visitor(page, "ben", "country=FR\nnonsense=1")
        result(page, "Decides nothing")
        page.locator("#variations-0 > summary").click()
        calm = Axe().run(page).response["violations"]
        environment.panic(True)
        page.locator("#panicking").wait_for()
        result(page, "DISABLED")

        found = [*calm, *Axe().run(page).response["violations"]]

    assert [(fault["id"], fault["impact"], [node["html"] for node in fault["nodes"]]) for fault in found] == []
