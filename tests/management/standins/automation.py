"""A stand-in of the Kameleoon Automation API over loopback HTTP: state in memory, written from the specification.

What is served is the table ``ROUTES`` of ``automation_routes``; here are the order of the checks, the two OAuth
endpoints and what may go wrong on the way. Calls are served one at a time, on the threads of the HTTP server.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException

from tests.management.standins.automation_fields import MESSAGES, Object, Refused
from tests.management.standins.automation_results import Audiences, Reports
from tests.management.standins.automation_routes import ROUTES
from tests.management.standins.automation_state import SITE_CODE, State
from tests.management.standins.automation_tokens import (
    FULL,
    PARTNER,
    READ_ONLY,
    OAuth,
    OAuthRefused,
    RateWindows,
    Token,
)
from tests.management.standins.automation_verbs import RESOURCES, Answer, Api, Call, Route
from tests.management.standins.serving import Fault, StandIn, answering

__all__ = ["FULL", "PARTNER", "READ_ONLY", "AutomationServer", "Held", "refusing"]

PREFIXES = ("", "/v1")
PAGE_COUNT = "X-Pagination-Page-Count"


def refusing(status: int, *, retry_after: int | None = None) -> Fault:
    """The API's own refusal with this status, for ``strike``."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    return answering(status, {"message": MESSAGES[status]}, headers)


class Held(Fault):
    """A slow answer: it comes when ``release`` is called, or after so many seconds."""

    def __init__(self, at_most_seconds: float = 30) -> None:
        self._at_most_seconds = at_most_seconds
        self._is_released = threading.Event()
        self.is_reached = threading.Event()

    def release(self) -> None:
        """Let the answer go."""
        self._is_released.set()

    def before(self, asked: Request) -> Response | None:
        """Wait, then leave it to the app."""
        self.is_reached.set()
        self._is_released.wait(self._at_most_seconds)
        return None


class AutomationServer(StandIn):
    """The API with one account, one site, three environments and the clients ``FULL``, ``READ_ONLY`` and ``PARTNER``.

    ``state``, ``oauth``, ``reports``, ``audiences`` and ``rates`` have the rest of the switches.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.time, limits: list[tuple[float, int]] | None = None
    ) -> None:
        super().__init__(Flask(__name__))
        self.state = State(RESOURCES, clock)
        self.reports = Reports()
        self.audiences = Audiences()
        self.oauth = OAuth(clock)
        self.rates = RateWindows(clock)
        if limits is not None:
            self.rates.limits = limits
        self.sends_retry_after = True
        self.sends_page_count = True
        self.sends_single_objects = False
        self._api = Api(self.state, self.reports, self.audiences)
        self._lock = threading.Lock()
        self._seed()
        self._route()

    def __enter__(self) -> AutomationServer:
        super().__enter__()
        return self

    @property
    def site(self) -> Object:
        """The seeded site."""
        return self.state.site_by_code(SITE_CODE)

    def add(self, resource: str, **fields: Any) -> Object:
        """A new object, on the seeded site unless said otherwise; ``resource`` as in its path: ``feature-flags``."""
        with self._lock:
            return self.state.add(resource, fields)

    def fill(self, resource: str, count: int, make: Callable[[int], Object]) -> range:
        """Very many objects, built only while looked at: ``make`` gives fields by id. Answers the ids."""
        with self._lock:
            return self.state.fill(resource, count, make)

    def lock(self, resource: str, id_: int) -> None:
        """Answer 423 to whoever writes this object, until it leaves ``state.locked``."""
        self.state.locked.add((resource, id_))

    def _seed(self) -> None:
        person = {"email": "ines.moreau@example.com", "firstName": "Ines", "lastName": "Moreau", "status": "ACTIVATED"}
        self.state.add("accounts", {**person, "amClientId": FULL[0], "amClientSecret": FULL[1]})
        self.state.add("sites", {"name": "Harbour Shop", "url": "https://shop.example.com", "code": SITE_CODE})

    def _route(self) -> None:
        for prefix in PREFIXES:
            self._add("POST", f"{prefix}/oauth/token", self._token)
            self._add("GET", f"{prefix}/oauth/authorize", self._authorize)
            for route in ROUTES:
                self._add(route.method, f"{prefix}{route.path}", self._serving(route))
        self.app.register_error_handler(HTTPException, _as_message)
        self.app.register_error_handler(OAuthRefused, lambda refused: _json(refused.body, refused.status))
        self.app.register_error_handler(Refused, _refusal)

    def _add(self, method: str, path: str, view: Callable[..., Response]) -> None:
        self.app.add_url_rule(path, f"{method} {path}", view, methods=[method], provide_automatic_options=False)

    def _serving(self, route: Route) -> Callable[..., Response]:
        def view(**path: Any) -> Response:
            with self._lock:
                self._let_in(route)
                return self._answered(route.handle(self._api, Call(path, request.args, _body())))

        return view

    def _let_in(self, route: Route) -> None:
        """Token, rate, permission: 401, 429, 403."""
        token = self.oauth.token(request.headers.get("Authorization"))
        if token is None:
            raise Refused(401)
        seconds = self.rates.wait(token.value)
        if seconds:
            raise Refused(429, headers={"Retry-After": str(seconds)} if self.sends_retry_after else {})
        if not _may(token, route.rights):
            raise Refused(403)

    def _answered(self, answer: Answer) -> Response:
        headers = {PAGE_COUNT: str(answer.pages)} if answer.pages is not None and self.sends_page_count else {}
        is_single = self.sends_single_objects and isinstance(answer.body, list) and len(answer.body) == 1
        if answer.status == 204:
            return Response(status=204)
        return _json(answer.body[0] if is_single else answer.body, answer.status, headers)

    def _token(self) -> Response:
        basic = request.authorization
        pair = (basic.username or "", basic.password or "") if basic and basic.type == "basic" else None
        with self._lock:
            return _json(self.oauth.grant(request.form, pair))

    def _authorize(self) -> Response:
        with self._lock:
            return Response(status=302, headers={"Location": self.oauth.authorize(request.args)})


def _may(token: Token, rights: str) -> bool:
    if token.is_revoked or (token.is_shared and rights != "results"):
        return False
    return not (token.is_read_only and rights == "write")


def _body() -> Object:
    """The body of a write; 400 unless it is a JSON object that says so."""
    if request.method not in ("POST", "PUT", "PATCH"):
        return {}
    if request.mimetype != "application/json":
        raise Refused(400, "Content-Type must be application/json")
    try:
        body = json.loads(request.get_data(cache=True))
    except ValueError as error:
        raise Refused(400, "The body is not valid JSON") from error
    if not isinstance(body, dict):
        raise Refused(400, "The body must be a JSON object")
    return body


def _json(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json.dumps(body), status, headers, content_type="application/json")


def _refusal(refused: Refused) -> Response:
    return _json({"message": refused.message}, refused.status, refused.headers)


def _as_message(error: HTTPException) -> Response:
    """Routes that are none, and methods that they lack, in the API's words."""
    status = error.code or 500
    allow = dict(header for header in error.get_headers() if header[0] == "Allow")
    return _json({"message": MESSAGES.get(status, error.name)}, status, allow)
