"""One session with a management API: authentication, rate limits, time-outs, retries; failures as ``ApiError``.

A call runs, and waits, on the thread that makes it. What is repeated by itself: any call that a rate limit refused,
idempotent ones after 502 to 504 and lost connections, and once, with a renewed credential, what was answered 401.
"""

from __future__ import annotations

import json as json_codec
import logging
import random
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import IO, Any, Protocol
from urllib.parse import quote, urlsplit

import requests

from ...clock import SYSTEM_CLOCK, Clock
from ...errors import ConfigException
from ...settings import Secret
from ...transport.failures import FOREIGN, failure_of, was_sent
from ...transport.foreign_text import printable
from ...transport.retry import retry_after
from .authentication import Authentication, Bearing, exchange_of
from .errors import AnswerMalformed, ApiError, ApiUnreachable, Exchange, OutcomeUnknown, error_for
from .limits import RateLimit

__all__ = ["Query", "Rest", "Retries", "Session", "Wait", "base_url"]

_log = logging.getLogger(__name__)

Query = Iterable[tuple[str, object]]
"""Names and values of a query, in the order sent; a value of ``None`` is left out."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
Session = requests.Session
"""What callers bring for their own proxies, CA bundle and adapters."""

IDEMPOTENT = SAFE | {"PUT", "DELETE"}
LONG_WAIT_SECONDS = 5.0
"""From here on a wait is told of in the log."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Wait(Protocol):
    """How a call waits: ``threading.Event().wait``, and what tests give instead."""

    def __call__(self, seconds: float, /) -> object:
        """Come back after so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """When a call is repeated by itself, and how long is waited before; all in seconds."""

    attempts: int = 4
    """So often at most, for what is idempotent, after ``passing`` statuses and lost connections."""
    first_seconds: float = 1.0
    """The first wait; each further one is twice as long."""
    limited: frozenset[int] = frozenset({429})
    """Statuses that say the call was refused before anything was done: any call is repeated after these."""
    limited_seconds: float = 10.0
    """The first wait after one of those that does not say how long; doubled each time."""
    limited_longest_seconds: float = 600.0
    passing: frozenset[int] = frozenset({502, 503, 504})
    patience_seconds: float = 7200.0
    """A call that would have to wait for longer than this altogether is given up."""
    told_in: tuple[str, ...] = ()
    """Headers, besides ``Retry-After``, that say how long to wait; the longest counts."""


class Rest:
    """A session with the API under ``base_url``. Usable by many threads; ``close`` gives its connections back.

    ``session`` brings the caller's proxies, CA bundle and adapters; ``limit`` may be shared with other sessions of the
    same credential. Raises ``ConfigException`` for a base URL that is neither HTTPS nor on this machine.
    """

    def __init__(
        self,
        url: str,
        authentication: Authentication,
        *,
        timeout: float | None = 30.0,
        retries: Retries = Retries(),
        limit: RateLimit | None = None,
        errors: Mapping[int | type[ApiError], type[ApiError]] | None = None,
        user_agent: str = "openfeature-kameleoon",
        session: Session | None = None,
        clock: Clock = SYSTEM_CLOCK,
        wait: Wait | None = None,
    ) -> None:
        self.url = base_url(url)
        self._authentication = authentication
        self._timeout = timeout
        self._retries = retries
        self._limit = limit
        self._errors = errors or {}
        self._user_agent = user_agent
        self._owns_session = session is None
        self._session = session or Session()
        self.clock = clock
        self.wait = wait or threading.Event().wait

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.url}>"

    def close(self) -> None:
        """Give connections back; those of a session that the caller brought are the caller's."""
        if self._owns_session:
            self._session.close()

    def call(self, method: str, path: str, **request: Any) -> Any:
        """As ``send``; the answer decoded from JSON, ``None`` when it is empty. Raises ``AnswerMalformed`` too."""
        return self.decoded(self.send(method, path, **request))

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        json: object = ...,
        data: bytes | IO[bytes] | Mapping[str, str | Secret] | None = None,
        headers: Mapping[str, str] | None = None,
        authentication: Authentication | None = None,
        is_read: bool = False,
    ) -> requests.Response:
        """Send a request until it is answered with success (2xx), and give that answer.

        ``path`` is relative to the base URL, already encoded, or a whole URL of the same host. ``json`` is sent as such
        when given, ``None`` included; a mapping as ``data`` is sent as a form. ``authentication`` takes the place of
        the session's own; ``is_read`` says that nothing changes there although the method is POST. Raises ``ApiError``.
        """
        sent = {"User-Agent": self._user_agent, "Accept": "application/json", **(headers or {})}
        if json is not ...:
            data = json_codec.dumps(json).encode()
            sent["Content-Type"] = "application/json"
        call = _Call(method, self._address(path, query), sent, data, is_read)
        own = authentication or self._authentication
        file: Any = data if hasattr(data, "seek") else None
        start = file.tell() if file is not None else 0
        waited, tries, was_renewed = 0.0, 0, False
        while True:
            self._take_turn()
            credential = own.header()
            try:
                return self._attempt(call, credential)
            except ApiError as error:
                if file is not None:
                    file.seek(start)
                if error.status == 401 and credential is not None and not was_renewed:
                    was_renewed = own.renew(credential[1])
                    if was_renewed:
                        continue
                tries += 1
                pause = self._pause(error, call, tries)
                if pause is None or waited + pause > self._retries.patience_seconds:
                    raise
                waited += pause
                self._tell(pause, f"{method} {printable(call.url.partition('?')[0])}: {error.status or error.problem}")
                self.wait(pause)

    def decoded(self, answer: requests.Response) -> Any:
        """An answer's JSON; ``None`` when it is empty. Raises ``AnswerMalformed``."""
        if answer.status_code == 204 or not answer.content.strip():
            return None
        try:
            return json_codec.loads(answer.content)
        except (ValueError, RecursionError) as error:
            raise self.malformed(answer, "the answer is not JSON; is the base URL right?") from error

    def malformed(self, answer: requests.Response, problem: str) -> ApiError:
        """What to raise of an answer that is JSON, and not what it ought to be."""
        return self._error(AnswerMalformed, exchange_of(answer), problem)

    def _address(self, path: str, query: Query) -> str:
        url = path if path.startswith(("https://", "http://")) else f"{self.url}/{path.lstrip('/')}"
        if urlsplit(url)[:2] != urlsplit(self.url)[:2]:
            raise ValueError(f"the credentials are for {self.url}, not for {printable(urlsplit(url).hostname)}")
        pairs = "&".join(
            f"{quote(name, safe='')}={quote(_text(value), safe='')}" for name, value in query if value is not None
        )
        return f"{url}{'&' if '?' in url else '?'}{pairs}" if pairs else url

    def _take_turn(self) -> None:
        if self._limit is not None and (ahead := self._limit.reserve()) > 0:
            self._tell(ahead, "the API's rate limit is reached")
            self.wait(ahead)

    def _attempt(self, call: _Call, credential: tuple[str, Secret] | None) -> requests.Response:
        try:
            answer = self._session.request(
                call.method,
                call.url,
                headers=dict(call.headers),
                data=call.body,
                auth=Bearing(credential),
                timeout=self._timeout,
                allow_redirects=False,  # a redirect would turn a write into a read, and take the credential along
            )
        except FOREIGN as error:
            told = failure_of(f"{call.method} {urlsplit(call.url).hostname}", error)
            is_unknown = call.is_write and was_sent(error)
            raised = self._error(
                OutcomeUnknown if is_unknown else ApiUnreachable,
                Exchange(call.method, call.url),
                told.message.partition(": ")[2],
                retryable=call.is_repeatable if is_unknown else told.retryable,
            )
            raised.timed_out = told.timed_out
            raise raised from None
        if 200 <= answer.status_code < 300:
            return answer
        problem = "a redirect, which is not followed; is the base URL right?" if answer.is_redirect else ""
        exchange = exchange_of(answer, call.method, call.url, call.secrets)
        raise self._error(error_for(answer.status_code), exchange, problem)

    def _error(
        self, kind: type[ApiError], exchange: Exchange, problem: str = "", *, retryable: bool | None = None
    ) -> ApiError:
        named = self._errors.get(exchange.status or 0) or self._errors.get(kind) or self._errors.get(ApiError) or kind
        return named(exchange, problem, retryable=retryable)

    def _pause(self, error: ApiError, call: _Call, tries: int) -> float | None:
        """Seconds to wait before the next try; ``None`` when there is none."""
        rules = self._retries
        if error.status in rules.limited:
            told = max(self._told(error.exchange.headers), 0.0)
            doubled = min(rules.limited_seconds * 2.0 ** min(tries - 1, 16), rules.limited_longest_seconds)
            return told or doubled
        is_passing = error.status in rules.passing or (error.status is None and error.retryable)
        if not is_passing or not call.is_repeatable or tries >= rules.attempts:
            return None
        return self._told(error.exchange.headers) or rules.first_seconds * 2.0 ** (tries - 1) * random.uniform(0.8, 1.2)

    def _told(self, headers: Mapping[str, str]) -> float:
        now = self.clock.time()
        named = [
            retry_after({"Retry-After": headers.get(name, "")}, now=now, most=inf) for name in self._retries.told_in
        ]
        return max([retry_after(headers, now=now, most=inf), *named])

    def _tell(self, seconds: float, reason: str) -> None:
        if seconds >= LONG_WAIT_SECONDS:
            _log.warning("%s; waiting %.0f s", reason, seconds)


@dataclass(frozen=True, slots=True)
class _Call:
    """What is sent, as often as it takes."""

    method: str
    url: str
    headers: Mapping[str, str]
    data: Any
    is_read: bool

    @property
    def body(self) -> Any:
        if not isinstance(self.data, Mapping):
            return self.data
        return {name: value.reveal() if isinstance(value, Secret) else value for name, value in self.data.items()}

    @property
    def secrets(self) -> list[Secret]:
        form = self.data.values() if isinstance(self.data, Mapping) else ()
        return [value for value in form if isinstance(value, Secret)]

    @property
    def is_write(self) -> bool:
        return not self.is_read and self.method not in SAFE

    @property
    def is_repeatable(self) -> bool:
        return self.is_read or self.method in IDEMPOTENT


def base_url(url: str) -> str:
    """A base URL without its last slash; raises ``ConfigException`` unless it is HTTPS or on this machine."""
    try:
        parts = urlsplit(url)
        is_base = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port that is no number, a bracket left open
        is_base = False
    if not is_base or not url.isprintable() or any(letter in url for letter in " @?#"):
        raise ConfigException("the base URL is none such as https://api.example.com, without user, query and fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ConfigException(
            f"the base URL of {printable(parts.hostname)} begins with {printable(parts.scheme)}://: credentials travel"
            " by https:// alone, save to this machine itself"
        )
    return url.rstrip("/")


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
