"""The client's methods for visitor codes: found in cookies or made, kept there, and who consents to that.

One part of ``KameleoonClient``, on the caller's thread; ``web`` calls it for each request. (specs/kameleoon-sdk.md 8)
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, MutableMapping
from http.cookies import BaseCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from .clock import Clock
from .configuration import KameleoonClientConfiguration
from .cookies import CookieMaker, Cookies, SetCookie, parse_cookies
from .engine.ruleset import Ruleset
from .evaluator import Evaluator, check_visitor_code
from .transport.foreign_text import printable
from .visitors.simulation import parse_simulation
from .visitors.store import VisitorStore
from .visitors.traits import LegalConsent

__all__ = ["SIMULATION_COOKIE", "VISITOR_CODE", "VisitorCodes", "code_in_cookies", "code_in_query", "new_visitor_code"]

_log = logging.getLogger(__name__)

VISITOR_CODE = "kameleoonVisitorCode"
"""The cookie that holds the visitor code, and the parameter of a URL that may."""

SIMULATION_COOKIE = "kameleoonSimulationFFData"

OLD_PREFIX = "_js_"
"""Of codes that old front-end scripts wrote; both are one visitor (8.2)."""


def new_visitor_code() -> str:
    """A code that nobody has: 16 hexadecimal digits."""
    return secrets.token_hex(8)


def code_in_cookies(cookies: dict[str, str]) -> str:
    """The visitor code that cookies hold, empty if they hold none; nobody has checked it."""
    return cookies.get(VISITOR_CODE, "").removeprefix(OLD_PREFIX)


def code_in_query(query: str) -> str:
    """The visitor code that the query of a URL holds, empty if it holds none; nobody has checked it."""
    if VISITOR_CODE not in query:
        return ""
    return parse_qs(query.removeprefix("?")).get(VISITOR_CODE, [""])[0].removeprefix(OLD_PREFIX)


class VisitorCodes:
    """What ``KameleoonClient`` does about visitor codes and legal consent."""

    if TYPE_CHECKING:
        evaluator: Evaluator
        is_ready: Callable[[], bool]
        _store: VisitorStore

        @property
        def ruleset(self) -> Ruleset:
            """The decisions of the data file in use."""

    def __init__(self, configuration: KameleoonClientConfiguration, clock: Clock) -> None:
        self.configuration = configuration
        self._clock = clock
        self._cookies = CookieMaker(
            VISITOR_CODE,
            domain=configuration.top_level_domain,
            max_age_days=configuration.cookie_maximum_age_day,
            same_site=configuration.cookie_same_site,
        )
        self._wrong_simulation = ""  # what was complained of last

    def get_visitor_code(
        self,
        cookies_readonly: Cookies | None = None,
        cookies: Cookies | None = None,
        default_visitor_code: str | None = None,
        *,
        query: str | None = None,
    ) -> str:
        """The code that cookies hold, or else the query of a URL if one is passed, or the default one, or a new one.

        Cookies are a ``Cookie`` header, a mapping of texts, or a ``SimpleCookie``. A code that is new to ``cookies``
        is written into them, unless they are a header, or the visitor must consent first (8.3): a ``SimpleCookie``
        has its attributes, too. As in 2.x, the second argument may be the default code. With the setting
        ``simulation_cookie``, variations that the cookies ask for are simulated. Raises ``VisitorCodeInvalid``.
        """
        if cookies_readonly is not None and isinstance(cookies, str):
            cookies, default_visitor_code = None, cookies
        given = parse_cookies(cookies_readonly or cookies)
        code = code_in_cookies(given)
        is_new = not code
        if is_new:
            code = code_in_query(query or "") or (
                new_visitor_code() if default_visitor_code is None else default_visitor_code
            )
        code = check_visitor_code(code)
        if is_new and isinstance(cookies, MutableMapping) and self.may_keep_code(code):
            self._keep(code, cookies)
        self.simulate(code, given.get(SIMULATION_COOKIE, ""))
        return code

    def set_legal_consent(
        self, visitor_code: str, consent: bool, cookies: MutableMapping[str, Any] | None = None
    ) -> None:
        """Note whether the visitor consents to being tracked; it counts where the site requires it.

        Who does has its code written into ``cookies``, as by ``get_visitor_code``. It is forgotten with the visitor.
        Raises ``VisitorCodeInvalid``.
        """
        answer = LegalConsent.GIVEN if consent else LegalConsent.NOT_GIVEN
        visitor = self._store.change(self.evaluator.visitor(visitor_code), lambda stored: stored.set_consent(answer))
        if consent and cookies is not None:
            self._keep(visitor.code, cookies)

    def may_keep_code(self, visitor_code: str) -> bool:
        """Whether a cookie may hold the visitor's code now (8.3, 8.6).

        Where the site requires consent, once it is given; if a delivery is targeted, until it is refused. It may
        require it as long as there is no data file that says so.
        """
        index = self.ruleset.index
        if index.settings.consent_type != "REQUIRED" and self.is_ready():
            return True
        consent = self.evaluator.visitor(visitor_code).traits.consent
        return consent is LegalConsent.GIVEN or (consent is LegalConsent.UNKNOWN and index.has_targeted_delivery)

    def visitor_code_cookie(self, visitor_code: str, *, is_secure: bool = False) -> SetCookie:
        """The cookie that keeps a code, by the settings; ``is_secure`` says whether the page came by HTTPS.

        Scripts in the page can read it: Kameleoon's does (8.3).
        """
        settings = self.configuration
        if settings.cookie_secure is not None:
            is_secure = settings.cookie_secure
        is_secure = is_secure or settings.cookie_same_site == "None"
        return self._cookies.make(visitor_code, is_secure=is_secure, now=self._clock.time())

    def simulate(self, visitor_code: str, simulation: str) -> None:
        """Have a visitor get the variations of a simulation cookie; an empty one changes nothing (8.5).

        Only with the setting ``simulation_cookie``. What it asks for in vain is logged, once. Raises
        ``VisitorCodeInvalid``.
        """
        if not simulation or not self.configuration.simulation_cookie:
            return
        parsed = parse_simulation(simulation, self.ruleset.index.flag)
        problems = ["the cookie is no JSON object"] if parsed is None else parsed.problems
        if problems and self._wrong_simulation != simulation:
            self._wrong_simulation = simulation
            _log.warning("a simulation is ignored: %s", printable("; ".join(problems)))
        if parsed is None:
            return
        visitor = self.evaluator.visitor(visitor_code)
        if not visitor.known or parsed.variations != visitor.traits.simulated:
            self._store.change(visitor, lambda stored: stored.simulate(parsed.variations))

    def _keep(self, visitor_code: str, cookies: MutableMapping[str, Any]) -> None:
        cookie = self.visitor_code_cookie(visitor_code)
        cookies[cookie.name] = cookie.morsel() if isinstance(cookies, BaseCookie) else cookie.value
