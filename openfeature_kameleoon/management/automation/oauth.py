"""Access tokens for the Automation API: client credentials, and authorization codes with refresh (spec 2).

A token is fetched by the call that needs it; calls that need it meanwhile wait for the same one.
"""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlencode, urlsplit

from ...clock import SYSTEM_CLOCK, Clock
from ...errors import ConfigCredentialsInvalid
from ...settings import Secret
from ...transport.foreign_text import printable
from ..rest.authentication import ANONYMOUS, FixedCredential
from ..rest.errors import AnswerMalformed, Exchange
from ..rest.session import Rest, Session, Wait

__all__ = ["BASE_URL", "AccessToken", "AuthorizationRefused", "ClientCredentials", "OAuthApplication", "UserTokens"]

BASE_URL = "https://api.kameleoon.com"
TOKEN_PATH = "/oauth/token"
AUTHORIZE_PATH = "/oauth/authorize"
EARLY_SECONDS = 60.0
"""A token is not used in its last minute."""


class AuthorizationRefused(ConfigCredentialsInvalid):
    """The user has refused, or the callback is not the answer to what was asked; the message tells which."""


class _Grant(NamedTuple):
    token: Secret
    expiry: float
    refresh_token: Secret | None


class _TokenServer:
    """Where tokens come from: the API's own host."""

    def __init__(self, base_url: str, options: Mapping[str, Any]) -> None:
        self._rest = Rest(base_url, ANONYMOUS, **options)
        self.clock = self._rest.clock

    @property
    def url(self) -> str:
        return self._rest.url

    def grant(
        self, form: Mapping[str, str | Secret], application: FixedCredential | None = None, *, can_repeat: bool = True
    ) -> _Grant:
        answer = self._rest.send("POST", TOKEN_PATH, data=form, authentication=application, is_read=can_repeat)
        try:
            body = self._rest.decoded(answer)
        except AnswerMalformed as error:
            raise self.malformed(error.problem) from None
        match body:
            case {"access_token": str(token), "expires_in": int(seconds)} if token and seconds > 0:
                refresh = body.get("refresh_token")
                expiry = self.clock.monotonic() + max(seconds - EARLY_SECONDS, 0.0)
                return _Grant(Secret(token), expiry, Secret(refresh) if isinstance(refresh, str) else None)
        raise self.malformed("the answer holds no access_token with its expires_in")

    def malformed(self, problem: str) -> AnswerMalformed:
        """Without the answer's body: a token may be in it."""
        return AnswerMalformed(Exchange("POST", self._rest.url + TOKEN_PATH, 200), problem)


class _Tokens:
    """A token that is kept until shortly before its end, and fetched anew by one caller for all."""

    def __init__(self, server: _TokenServer) -> None:
        self._server = server
        self._lock = threading.Lock()
        self._held: _Grant | None = None
        self._fetch: Future[_Grant] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} for {self._server.url}>"

    def header(self) -> tuple[str, Secret]:
        """``Authorization`` with a token that is good for a minute at least. Raises ``ApiError``."""
        with self._lock:
            held, fetch = self._held, self._fetch
            if held is not None and self._server.clock.monotonic() < held.expiry:
                return _bearer(held.token)
            is_mine = fetch is None
            if fetch is None:
                fetch = self._fetch = Future()
        if is_mine:
            self._run(fetch)
        return _bearer(fetch.result().token)

    def renew(self, refused: Secret) -> bool:
        """Forget the token that was refused, unless another is held by now; there is always another try."""
        with self._lock:
            if self._held is not None and _bearer(self._held.token)[1] == refused:
                self._held = None
        return True

    def _run(self, fetch: Future[_Grant]) -> None:
        try:
            grant = self._grant()
        except BaseException as error:  # those who wait for it must hear of it, whatever it is
            with self._lock:
                self._fetch = None
            fetch.set_exception(error)
            return
        with self._lock:
            self._held, self._fetch = grant, None
        fetch.set_result(grant)

    def _grant(self) -> _Grant:
        raise NotImplementedError


class ClientCredentials(_Tokens):
    """A Kameleoon customer's own credentials: for its own account and sites (spec 2.1)."""

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        base_url: str = BASE_URL,
        timeout: float = 30.0,
        session: Session | None = None,
        clock: Clock = SYSTEM_CLOCK,
        wait: Wait | None = None,
    ) -> None:
        options = {"timeout": timeout, "session": session, "clock": clock, "wait": wait}
        super().__init__(_TokenServer(base_url, options))
        self._client_id = client_id
        self._client_secret = Secret(client_secret)

    def _grant(self) -> _Grant:
        return self._server.grant(
            {
                "grant_type": "client_credentials",
                "client_id": self._client_id,
                "client_secret": self._client_secret,
            }
        )


class UserTokens(_Tokens):
    """The tokens of a user who has consented; the access token is refreshed without asking again (spec 2.3).

    ``OAuthApplication`` makes them.
    """

    def __init__(
        self,
        server: _TokenServer,
        application: FixedCredential,
        refresh_token: Secret,
        on_refresh_token: Callable[[str], object] | None,
        granted: _Grant | None = None,
    ) -> None:
        super().__init__(server)
        self._application = application
        self._refresh_token = refresh_token
        self._on_refresh_token = on_refresh_token
        self._held = granted

    @property
    def refresh_token(self) -> str:
        """What to keep for the next start, as safe as a password."""
        return self._refresh_token.reveal()

    def _grant(self) -> _Grant:
        form: dict[str, str | Secret] = {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        grant = self._server.grant(form, self._application)
        if grant.refresh_token is not None and grant.refresh_token != self._refresh_token:
            self._refresh_token = grant.refresh_token
            if self._on_refresh_token is not None:
                self._on_refresh_token(self._refresh_token.reveal())
        return grant


class OAuthApplication:
    """A technology partner's application, which acts for Kameleoon users with their consent (spec 2.3).

    Send the user to ``authorization_url``, keep its state, and give the address that the browser comes back to, with
    that state, to ``user_tokens``. ``on_refresh_token`` is called with each new refresh token, so that it can be kept
    for the next start; ``kept`` takes it then.
    """

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        redirect_uri: str,
        *,
        on_refresh_token: Callable[[str], object] | None = None,
        base_url: str = BASE_URL,
        timeout: float = 30.0,
        session: Session | None = None,
        clock: Clock = SYSTEM_CLOCK,
        wait: Wait | None = None,
    ) -> None:
        options = {"timeout": timeout, "session": session, "clock": clock, "wait": wait}
        self._server = _TokenServer(base_url, options)
        self._client_id = client_id
        self._redirect_uri = redirect_uri
        self._on_refresh_token = on_refresh_token
        both = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode("ascii")
        self._basic = FixedCredential("Authorization", Secret(f"Basic {both}"))

    def authorization_url(self, state: str | None = None) -> tuple[str, str]:
        """Where to send the browser, and the state that must come back with it: random unless given."""
        state = state or secrets.token_urlsafe(24)
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._client_id,
                "redirect_uri": self._redirect_uri,
                "state": state,
            }
        )
        return f"{self._server.url}{AUTHORIZE_PATH}?{query}", state

    def user_tokens(self, callback_url: str, state: str) -> UserTokens:
        """The tokens for the address that the browser came back to. Raises ``AuthorizationRefused``, ``ApiError``."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(callback_url).query).items()}
        if not secrets.compare_digest(query.get("state", "").encode(), state.encode()):
            raise AuthorizationRefused("the callback's state is not the one that was sent: it answers nothing of ours")
        if "code" not in query:
            raise AuthorizationRefused(f"no authorization: {printable(query.get('error', 'the callback has no code'))}")
        form: dict[str, str | Secret] = {
            "grant_type": "authorization_code",
            "code": Secret(query["code"]),
            "redirect_uri": self._redirect_uri,
        }
        grant = self._server.grant(form, self._basic, can_repeat=False)  # a code is good for one exchange
        if grant.refresh_token is None:
            raise self._server.malformed("the answer holds no refresh_token")
        if self._on_refresh_token is not None:
            self._on_refresh_token(grant.refresh_token.reveal())
        return UserTokens(self._server, self._basic, grant.refresh_token, self._on_refresh_token, grant)

    def kept(self, refresh_token: str) -> UserTokens:
        """The tokens of a user who has consented earlier, by the refresh token that was kept."""
        return UserTokens(self._server, self._basic, Secret(refresh_token), self._on_refresh_token)


class AccessToken(FixedCredential):
    """An access token got elsewhere, or the shared token of somebody without an account (spec 2.5)."""

    def __init__(self, token: str) -> None:
        super().__init__(*_bearer(Secret(token)))


def _bearer(token: Secret) -> tuple[str, Secret]:
    return "Authorization", Secret(f"Bearer {token.reveal()}")
