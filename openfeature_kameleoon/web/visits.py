"""A visitor's request: its code is found or made, OpenFeature's transaction context set, and its cookie written.

The core of all adapters; on the thread, or in the task, that handles the request. It knows a request as ``Exchange``.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Callable, Collection
from contextvars import ContextVar
from types import TracebackType
from typing import Any, TypedDict, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.transaction_context import (
    ContextVarsTransactionContextPropagator,
    get_transaction_context,
    set_transaction_context,
    set_transaction_context_propagator,
)

from ..client import KameleoonClient
from ..errors import VisitorCodeInvalid
from ..evaluator import check_visitor_code
from ..provider import KameleoonProvider
from ..transport.foreign_text import from_latin1, printable
from ..visitor_codes import SIMULATION_COOKIE, code_in_cookies, code_in_query, new_visitor_code
from ..visitors.data import Cookie, Geolocation, PageView, UserAgent
from ..visitors.traits import LegalConsent
from .exchange import Exchange

__all__ = ["DefaultCode", "Options", "Visit", "Visits", "current_visit"]

_log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_USER_AGENT = 1024
"""Characters; the rest of a longer one says nothing of the browser."""

DefaultCode = str | Callable[[Exchange], str | None] | None
"""A text, or what answers one, or ``None``, for an exchange."""


class Options(TypedDict, total=False):
    """The options of ``Visits``, which all adapters take."""

    default_visitor_code: DefaultCode
    consent: Callable[[Exchange], bool | None] | None
    page_views: bool
    cookies: bool | Collection[str]
    geolocation: Callable[[Exchange], Geolocation | None] | None


_current: ContextVar[Visit | None] = ContextVar("kameleoon_visit", default=None)


def current_visit() -> Visit:
    """The visit of the request that is being handled here. Raises ``LookupError`` outside of any."""
    visit = _current.get()
    if visit is None:
        raise LookupError("nobody is visiting: this is outside of any request, or the middleware is not installed")
    return visit


class Visits:
    """Makes a ``Visit`` of each request, for the site of a client or provider.

    ``default_visitor_code`` stands for a code that neither cookie nor URL has. ``consent`` answers whether the visitor
    of an exchange has consented to be tracked, ``None`` if it does not know; without it ``set_legal_consent`` of the
    client tells. ``page_views``: pages that are seen count. ``cookies``: which of them are for targeting, all, none, or
    those of these names. ``geolocation`` tells where the visitor is (``geolocation.from_headers``). Raises
    ``VisitorCodeInvalid`` for a default code that is none, and ``TypeError`` for what is no client.
    """

    def __init__(
        self,
        client: KameleoonClient | KameleoonProvider,
        *,
        default_visitor_code: DefaultCode = None,
        consent: Callable[[Exchange], bool | None] | None = None,
        page_views: bool = True,
        cookies: bool | Collection[str] = True,
        geolocation: Callable[[Exchange], Geolocation | None] | None = None,
    ) -> None:
        self.client = client.client if isinstance(client, KameleoonProvider) else client
        if not isinstance(self.client, KameleoonClient):
            raise TypeError(
                "middleware takes a KameleoonClient or KameleoonProvider; for a cookie's domain, as it took in 2.x, "
                "set top_level_domain in its configuration"
            )
        self._default_code = default_visitor_code
        if isinstance(default_visitor_code, str):
            check_visitor_code(default_visitor_code)
        self._consent = consent
        self._page_views = page_views
        self._cookies = cookies
        self._geolocation = geolocation
        self._failed: set[str] = set()

    def begin(self, exchange: Exchange) -> Visit:
        """The visit of a request; enter it around what handles the request."""
        client, cookies = self.client, exchange.cookies
        code = self._visitor_code(exchange, cookies)
        if SIMULATION_COOKIE in cookies:
            client.simulate(code, cookies[SIMULATION_COOKIE])
        if self._consent is not None:
            self._note_consent(code, self._ask(self._consent, exchange))
        return Visit(client, code, EvaluationContext(code, self._attributes(code, exchange, cookies)))

    def _visitor_code(self, exchange: Exchange, cookies: dict[str, str]) -> str:
        """The request's code, or else a new one, if what it brought is none."""
        code = code_in_cookies(cookies)
        if not code and self.client.configuration.visitor_code_from_query:
            code = code_in_query(exchange.query)
        if not code and self._default_code is not None:
            default = self._default_code
            code = (default if isinstance(default, str) else self._ask(default, exchange)) or ""
        if code:
            try:
                return check_visitor_code(code)
            except VisitorCodeInvalid:
                _log.debug("a request brought what is no visitor code: it gets a new one")
        return new_visitor_code()

    def _attributes(self, code: str, exchange: Exchange, cookies: dict[str, str]) -> dict[str, Any]:
        """What the request tells of the visitor: objects, which other providers do not send and logs do not show.

        A visitor that is not known yet becomes so by the first evaluation alone, and so does what is told here.
        """
        client = self.client
        attributes: dict[str, Any] = {}
        user_agent = exchange.header("user-agent")
        if user_agent:
            attributes["userAgent"] = UserAgent(from_latin1(user_agent[:LONGEST_USER_AGENT]))
        if self._page_views and exchange.is_page and (url := exchange.url):
            page = PageView(url)
            # Told at once if it can be: one in a context counts anew only after another page was seen.
            if not client.evaluator.tell(code, page, client.ruleset.index):
                attributes["pageView"] = page
        if self._cookies and cookies:
            attributes["cookie"] = Cookie(self._for_targeting(cookies))
        if self._geolocation is not None:
            attributes["geolocation"] = self._ask(self._geolocation, exchange)
        return attributes

    def _for_targeting(self, cookies: dict[str, str]) -> dict[str, str]:
        names = self._cookies
        return cookies if isinstance(names, bool) else {name: cookies[name] for name in names if name in cookies}

    def _note_consent(self, code: str, answer: bool | None) -> None:
        if answer is not None:
            consent = LegalConsent.GIVEN if answer else LegalConsent.NOT_GIVEN
            if self.client.evaluator.visitor(code).traits.consent is not consent:
                self.client.set_legal_consent(code, answer)

    def _ask(self, question: Callable[[Exchange], T | None], exchange: Exchange) -> T | None:
        """The answer of the application's own code, whose failure costs no request."""
        try:
            return question(exchange)
        except Exception as error:  # foreign code
            place = traceback.extract_tb(error.__traceback__)[-1]
            failure = f"{type(error).__name__} in {place.name}, line {place.lineno} of {place.filename}"
            if failure not in self._failed:  # without its words, which may be the visitor's
                self._failed.add(failure)
                _log.warning("code that the middleware was given failed, and counts as silent: %s", printable(failure))
            return None


class Visit:
    """One request of one visitor. Inside ``with``, evaluations without a targeting key are about this visitor.

    It may be entered again, as for a body that is made while it is sent.
    """

    __slots__ = ("_before", "client", "context", "visitor_code")

    def __init__(self, client: KameleoonClient, visitor_code: str, context: EvaluationContext) -> None:
        self.client = client
        self.visitor_code = visitor_code
        self.context = context
        self._before: tuple[EvaluationContext, Visit | None] | None = None

    def __enter__(self) -> Visit:
        is_first = self._before is None
        self._before = get_transaction_context(), _current.get()
        set_transaction_context(self.context)
        if is_first and get_transaction_context().targeting_key != self.visitor_code:
            set_transaction_context_propagator(ContextVarsTransactionContextPropagator())  # nobody has set any yet
            set_transaction_context(self.context)
        _current.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            context, visit = self._before
            set_transaction_context(context)
            _current.set(visit)

    def write_cookies(self, exchange: Exchange) -> None:
        """Have the response keep the visitor code, for another year or so, where it may (8.3, 8.6).

        Call it when the response's headers are known and not yet sent. A response that is for others, too, gets none.
        """
        client, code, cache_control = self.client, self.visitor_code, exchange.cache_control
        if not (cache_control and _is_for_others(cache_control)) and client.may_keep_code(code):
            exchange.write_cookies(client.visitor_code_cookie(code, is_secure=exchange.is_secure))

    def engine_tracking_code(self) -> str:
        """JavaScript that tells Kameleoon's script in the page what this visitor got (12)."""
        return self.client.get_engine_tracking_code(self.visitor_code)

    def __repr__(self) -> str:
        return "Visit(...)"  # all of it is personal


def _is_for_others(cache_control: str) -> bool:
    """Whether caches that many share may keep a response of this header."""
    directives = cache_control.lower()
    return "public" in directives or "s-maxage" in directives
