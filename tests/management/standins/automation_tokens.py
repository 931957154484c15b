"""OAuth of the Automation API stand-in: clients, both flows, tokens that expire or are revoked, and rate windows."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tests.management.standins.automation_fields import Object

__all__ = ["FULL", "PARTNER", "READ_ONLY", "Client", "OAuth", "RateWindows", "Token"]


@dataclass(slots=True)
class Client:
    """Credentials that may ask for tokens; an empty ``redirect_uri`` stands for any."""

    client_id: str
    client_secret: str
    is_read_only: bool = False
    redirect_uri: str = ""

    @property
    def pair(self) -> tuple[str, str]:
        """Id and secret."""
        return self.client_id, self.client_secret


FULL = ("60214-full", "s3cr3t-full")
READ_ONLY = ("60214-read-only", "s3cr3t-read-only")
PARTNER = ("partner-dash", "hush")


@dataclass(slots=True)
class Token:
    """An access token; a shared one is good for results only."""

    value: str
    client_id: str
    expires_at: float
    is_read_only: bool = False
    is_shared: bool = False
    is_revoked: bool = False


class OAuthRefused(Exception):
    """An answer of the token endpoint that is none."""

    def __init__(self, status: int, error: str, description: str = "") -> None:
        super().__init__(status, error)
        self.status = status
        self.body = {"error": error, **({"error_description": description} if description else {})}


@dataclass(slots=True)
class _Code:
    client_id: str
    redirect_uri: str


@dataclass(slots=True)
class OAuth:
    """Who may come in. Everything here is for tests to read and set.

    ``refuses_consent`` lets the user say no; ``rejects_clients_with`` is the status for wrong credentials, 400 being
    seen too; without ``rotates_refresh_tokens`` an answer to a refresh holds no new one, and the old one stays.
    """

    clock: Callable[[], float]
    clients: dict[str, Client] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)
    refresh_tokens: dict[str, str] = field(default_factory=dict)
    lifetime_seconds: int = 7200
    refuses_consent: bool = False
    rotates_refresh_tokens: bool = True
    rejects_clients_with: int = 401
    _codes: dict[str, _Code] = field(default_factory=dict)
    _given: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def __post_init__(self) -> None:
        for pair, is_read_only in ((FULL, False), (READ_ONLY, True), (PARTNER, False)):
            self.clients[pair[0]] = Client(*pair, is_read_only)

    def issue(self, client_id: str = FULL[0], *, is_shared: bool = False) -> str:
        """A new access token, without a call; a shared one as a share call would give."""
        value = self._new("at")
        rights = self.clients[client_id].is_read_only
        self.tokens[value] = Token(value, client_id, self.clock() + self.lifetime_seconds, rights, is_shared)
        return value

    def expire(self) -> None:
        """Let all access tokens be too old."""
        for token in self.tokens.values():
            token.expires_at = self.clock()

    def revoke(self) -> None:
        """Revoke all access tokens; refresh tokens stay."""
        for token in self.tokens.values():
            token.is_revoked = True

    def token(self, header: str | None) -> Token | None:
        """The token of an ``Authorization`` header, revoked ones too; ``None`` for none, an unknown or an old one."""
        scheme, _, value = (header or "").partition(" ")
        found = self.tokens.get(value)
        return found if scheme.lower() == "bearer" and found and self.clock() < found.expires_at else None

    def authorize(self, query: Mapping[str, str]) -> str:
        """Where the browser is sent back to, with a code or an error; refuses where it cannot be sent back."""
        client, uri = self.clients.get(query.get("client_id", "")), query.get("redirect_uri", "")
        if client is None or not uri or client.redirect_uri not in ("", uri):
            raise OAuthRefused(400, "invalid_request", "unknown client_id or redirect_uri")
        answer: dict[str, str]
        if query.get("response_type") != "code":
            answer = {"error": "unsupported_response_type"}
        elif self.refuses_consent:
            answer = {"error": "access_denied"}
        else:
            answer = {"code": self._new("code")}
            self._codes[answer["code"]] = _Code(client.client_id, uri)
        state = {"state": query["state"]} if "state" in query else {}
        parts = urlsplit(uri)
        return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query), *answer.items(), *state.items()])))

    def grant(self, form: Mapping[str, str], basic: tuple[str, str] | None) -> Object:
        """Answer the token endpoint: the credentials come by form or as Basic."""
        client_id, secret = basic or (form.get("client_id", ""), form.get("client_secret", ""))
        client = self.clients.get(client_id)
        if client is None or client.client_secret != secret:
            raise OAuthRefused(self.rejects_clients_with, "invalid_client", "Bad client credentials")
        grant = GRANTS.get(form.get("grant_type", ""))
        if grant is None:
            raise OAuthRefused(400, "unsupported_grant_type")
        more = grant(self, client, form)
        fields: dict[str, Any] = {"token_type": "bearer", "expires_in": self.lifetime_seconds}
        return {"access_token": self.issue(client_id), **more, **fields}

    def _new(self, kind: str) -> str:
        self._given[kind] += 1
        return f"{kind}-stand-in-{self._given[kind]:06d}"

    def _new_refresh_token(self, client: Client) -> Object:
        value = self._new("rt")
        self.refresh_tokens[value] = client.client_id
        return {"refresh_token": value}

    def _for_itself(self, client: Client, form: Mapping[str, str]) -> Object:
        return {}

    def _for_a_code(self, client: Client, form: Mapping[str, str]) -> Object:
        code = self._codes.pop(form.get("code", ""), None)
        if code != _Code(client.client_id, form.get("redirect_uri", "")):
            raise OAuthRefused(400, "invalid_grant")
        return self._new_refresh_token(client)

    def _for_a_refresh_token(self, client: Client, form: Mapping[str, str]) -> Object:
        value = form.get("refresh_token", "")
        if self.refresh_tokens.get(value) != client.client_id:
            raise OAuthRefused(400, "invalid_grant")
        if not self.rotates_refresh_tokens:
            return {}
        del self.refresh_tokens[value]
        return self._new_refresh_token(client)


GRANTS: dict[str, Callable[[OAuth, Client, Mapping[str, str]], Object]] = {
    "client_credentials": OAuth._for_itself,
    "authorization_code": OAuth._for_a_code,
    "refresh_token": OAuth._for_a_refresh_token,
}


@dataclass(slots=True)
class RateWindows:
    """Sliding windows of (seconds, calls) for each token; what is refused does not count."""

    clock: Callable[[], float]
    limits: list[tuple[float, int]] = field(default_factory=lambda: [(10, 50), (3600, 1000)])
    calls: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def wait(self, token: str) -> int:
        """Whole seconds until the next call fits; 0 when it does, and is counted."""
        now, calls = self.clock(), self.calls[token]
        waits = [
            calls[-most] + seconds - now if most else seconds
            for seconds, most in self.limits
            if len(calls) >= most and (not most or calls[-most] > now - seconds)
        ]
        if waits:
            return max(1, math.ceil(max(waits)))
        calls.append(now)
        return 0
