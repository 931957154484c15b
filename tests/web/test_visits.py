"""The core that all adapters share: what it makes of an exchange, and what a new adapter has to supply."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon import Cookie, Geolocation, KameleoonProvider, PageView, UserAgent
from openfeature_kameleoon.cookies import SetCookie
from openfeature_kameleoon.errors import VisitorCodeInvalid
from openfeature_kameleoon.tracking.events import Event
from openfeature_kameleoon.web import Exchange, Visits, current_visit
from openfeature_kameleoon.web.geolocation import CLOUDFRONT, from_headers
from tests.faces import reported
from tests.web.application import PAGE, is_nobody_visiting
from tests.web.conftest import SetProvider


class Bare(Exchange):
    """The least that an adapter can supply."""

    def __init__(self, cookies: Any = "") -> None:
        self._given = cookies
        self.written: list[str] = []

    def read_cookies(self) -> Any:
        return self._given

    def write_cookies(self, cookie: SetCookie) -> None:
        self.written.append(str(cookie))


class Whole(Bare):
    """All that an adapter can tell."""

    def __init__(
        self, cookies: Any = "", *, url: str = "https://shop.test/", method: str = "GET", **headers: str
    ) -> None:
        super().__init__(cookies)
        self._url = url
        self._headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.method = method

    @property
    def url(self) -> str:
        return self._url

    def header(self, name: str) -> str:
        return self._headers.get(name, "")


SOMEBODY = {"kameleoonVisitorCode": "somebody"}


# A new adapter --------------------------------------------------------------------------------------------------------


def test_two_methods_are_all_that_an_adapter_must_supply(provider: KameleoonProvider) -> None:
    exchange = Bare("kameleoonVisitorCode=somebody")

    visit = Visits(provider).begin(exchange)
    with visit:
        value = api.get_client().get_string_value("tested", "none")
    visit.write_cookies(exchange)

    assert visit.visitor_code == "somebody"
    assert value == provider.client.get_variation("somebody", "tested").key
    assert [text.partition(";")[0] for text in exchange.written] == ["kameleoonVisitorCode=somebody"]
    assert visit.context.attributes == {"cookie": Cookie({"kameleoonVisitorCode": "somebody"})}


def test_a_visit_can_be_entered_again_and_ends_with_what_was_before(provider: KameleoonProvider) -> None:
    visits = Visits(provider)
    outer, inner = visits.begin(Bare(SOMEBODY)), visits.begin(Bare({"kameleoonVisitorCode": "another"}))

    with outer:
        for _ in range(2):
            with inner:
                assert current_visit() is inner
                assert api.get_transaction_context() is inner.context
            assert current_visit() is outer
            assert api.get_transaction_context() is outer.context

    assert is_nobody_visiting()


def test_context_that_the_application_had_set_is_there_again_afterwards(provider: KameleoonProvider) -> None:
    with Visits(provider).begin(Bare()):
        pass
    own = EvaluationContext("own")
    api.set_transaction_context(own)

    with Visits(provider).begin(Bare()):
        pass

    assert api.get_transaction_context() is own


def test_a_visit_tells_nothing_of_its_visitor(provider: KameleoonProvider) -> None:
    assert "somebody" not in repr(Visits(provider).begin(Bare(SOMEBODY)))


# What a request tells -------------------------------------------------------------------------------------------------


def test_a_page_tells_all_of_its_visitor(provider: KameleoonProvider) -> None:
    exchange = Whole({"a": "b"}, accept="text/html", user_agent="Mozilla")

    assert Visits(provider).begin(exchange).context.attributes == {
        "userAgent": UserAgent("Mozilla"),
        "pageView": PageView("https://shop.test/"),
        "cookie": Cookie({"a": "b"}),
    }


@pytest.mark.parametrize(
    ("told", "is_page"),
    [
        ({"accept": "text/html"}, True),
        ({"accept": "text/html", "method": "POST"}, False),
        ({"accept": "*/*"}, False),
        ({}, False),
        ({"accept": "text/html", "sec_fetch_dest": "document"}, True),
        ({"accept": "text/html", "sec_fetch_dest": "iframe"}, False),
        ({"accept": "text/html", "sec_fetch_dest": "empty"}, False),
        ({"accept": "text/html", "sec_purpose": "prefetch;prerender"}, False),
        ({"accept": "text/html", "url": ""}, False),
    ],
)
def test_only_what_is_seen_as_a_page_is_a_page(provider: KameleoonProvider, told: Any, is_page: bool) -> None:
    assert ("pageView" in Visits(provider).begin(Whole(**told)).context.attributes) is is_page


def test_nothing_is_remembered_of_a_visitor_who_is_not_evaluated(provider: KameleoonProvider) -> None:
    with Visits(provider).begin(Whole(SOMEBODY, **{k.replace("-", "_"): v for k, v in PAGE.items()})):
        pass

    assert "somebody" not in provider.client.evaluator.store
    assert reported(provider) == []


def test_what_is_told_is_reported_with_the_first_evaluation_and_pages_once_each(provider: KameleoonProvider) -> None:
    visits = Visits(provider)

    for url in ("https://shop.test/1", "https://shop.test/1", "https://shop.test/2"):
        with visits.begin(Whole(SOMEBODY, url=url, accept="text/html", user_agent="Mozilla")):
            for _ in range(3):
                api.get_client().get_string_value("tested", "none")

    pages = [
        event.data.url for event in reported(provider) if isinstance(event, Event) and isinstance(event.data, PageView)
    ]
    assert pages == ["https://shop.test/1", "https://shop.test/1", "https://shop.test/2"]
    visits_of_pages = provider.client.evaluator.visitor("somebody").traits.pages
    assert {url: page.views for url, page in visits_of_pages.items()} == {
        "https://shop.test/1": 2,
        "https://shop.test/2": 1,
    }


def test_what_contexts_tell_is_not_reported_if_the_settings_say_so(set_provider: SetProvider) -> None:
    provider = set_provider(report_context_data=False)
    visits = Visits(provider)

    for _ in range(2):
        with visits.begin(Whole(SOMEBODY, accept="text/html")):
            api.get_client().get_string_value("tested", "none")

    assert not [event for event in reported(provider) if isinstance(event.data, PageView)]


def test_a_user_agent_is_cut(provider: KameleoonProvider) -> None:
    attributes = Visits(provider).begin(Whole(user_agent="x" * 10_000)).context.attributes

    assert attributes["userAgent"] == UserAgent("x" * 1024)


@pytest.mark.parametrize(
    ("cookies", "told"),
    [(True, {"a": "1", "b": "2"}), (False, None), (["b", "c"], {"b": "2"}), ([], None)],
)
def test_which_cookies_are_for_targeting_can_be_chosen(provider: KameleoonProvider, cookies: Any, told: Any) -> None:
    attributes = Visits(provider, cookies=cookies).begin(Bare("a=1; b=2")).context.attributes

    assert attributes.get("cookie") == (told and Cookie(told))


def test_pages_need_not_be_told(provider: KameleoonProvider) -> None:
    visit = Visits(provider, page_views=False).begin(Whole(accept="text/html"))

    assert "pageView" not in visit.context.attributes


# Where the visitor is -------------------------------------------------------------------------------------------------


def test_headers_of_a_delivery_network_tell_where_the_visitor_is(provider: KameleoonProvider) -> None:
    exchange = Whole(
        SOMEBODY,
        cloudfront_viewer_country_name="France",
        cloudfront_viewer_city="Orléans".encode().decode("latin-1"),
        cloudfront_viewer_latitude="47.9",
        cloudfront_viewer_longitude="nan",
    )

    visit = Visits(provider, geolocation=CLOUDFRONT).begin(exchange)
    with visit:
        value = api.get_client().get_string_value("french", "none")

    assert visit.context.attributes["geolocation"] == Geolocation("France", city="Orléans", latitude=47.9)
    assert value == "on"


def test_nobody_is_anywhere_unless_it_is_asked_for(provider: KameleoonProvider) -> None:
    exchange = Whole(cloudfront_viewer_country_name="France")

    assert "geolocation" not in Visits(provider).begin(exchange).context.attributes
    assert Visits(provider, geolocation=CLOUDFRONT).begin(Whole()).context.attributes["geolocation"] is None


def test_headers_of_ones_own_are_read(provider: KameleoonProvider) -> None:
    read = from_headers({"country": "X-Country", "postal_code": "X-Zip"})

    assert read(Whole(x_country="France", x_zip="45000")) == Geolocation("France", postal_code="45000")
    assert read(Whole(x_zip="45000")) is None


@pytest.mark.parametrize("headers", [{}, {"city": "X-City"}, {"country": "X-Country", "planet": "X-Planet"}])
def test_headers_have_to_be_those_of_a_place(headers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="country is needed"):
        from_headers(headers)


# The application's own code -------------------------------------------------------------------------------------------


def test_the_default_code_may_be_asked_for(provider: KameleoonProvider) -> None:
    visits = Visits(provider, default_visitor_code=lambda exchange: exchange.header("x-user") or None)

    assert visits.begin(Whole(x_user="user-1")).visitor_code == "user-1"
    assert visits.begin(Whole(SOMEBODY, x_user="user-1")).visitor_code == "somebody"
    assert len(visits.begin(Whole()).visitor_code) == 16
    assert len(visits.begin(Whole(x_user="a\nb")).visitor_code) == 16  # no code: a new one


def test_a_default_that_is_no_code_is_refused_at_once(provider: KameleoonProvider) -> None:
    with pytest.raises(VisitorCodeInvalid):
        Visits(provider, default_visitor_code="x" * 256)


def test_code_of_the_application_that_fails_costs_no_request(
    provider: KameleoonProvider, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(exchange: Exchange) -> Any:
        raise KeyError("canary")

    caplog.set_level(logging.WARNING)
    visits = Visits(provider, default_visitor_code=fails, consent=lambda exchange: 1 / 0 > 1, geolocation=None)

    codes = {visits.begin(Bare()).visitor_code for _ in range(3)}

    assert len(codes) == 3
    messages = [record.getMessage() for record in caplog.records]
    assert len(messages) == 2
    assert "silent: KeyError in fails, line " in messages[0]
    assert "silent: ZeroDivisionError in <lambda>, line " in messages[1]
