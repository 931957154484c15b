"""One HTTP exchange, whole or not at all: no redirects, a total deadline, capped sizes, one kind of failure.

Owns the session; statuses, retries and credentials are the callers' business. Runs on the calling thread;
several threads may call at once.
"""

from __future__ import annotations

import http.cookiejar
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
import requests.adapters

from ..errors import RequestFailed
from ..forking import renew_after_fork
from ..settings import Secret
from .attempts import Attempt, Observer, RequestType
from .bodies import Unusable, as_announced, capped, decoded
from .byte_stream import ByteStream
from .deadline import DeadlineAdapter
from .exchange import Exchange, Exchanges
from .failures import FOREIGN, ended, failure_of, host, place
from .foreign_text import printable

if TYPE_CHECKING:
    from ..settings import HttpSession

__all__ = ["MEGABYTE", "ByteStream", "Headers", "Http", "Response"]

MEGABYTE = 1 << 20

_logger = logging.getLogger(__name__)

Headers = Mapping[str, str | Secret]
"""Headers of a request. A secret among them is revealed on its way out, and to no traceback."""


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered, with any status but a redirect's."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes = field(repr=False)
    """Whole and decompressed. Not shown: it may hold a token, or what is known of a visitor."""


class _Call(NamedTuple):
    what: str
    method: str
    url: str
    headers: Headers
    body: bytes | None
    encoding: str = "gzip"


class Http:
    """Makes requests through one session.

    A session of the user's own is used as it is: its headers, proxies, certificates, adapters and authentication
    count, and it is never closed. Only our own, or one with a ``DeadlineAdapter``, holds a server that drips headers
    to the time-out; with any other it is per read until the body begins. ``observe`` is told of each request, on the
    thread that made it. Of our own session so many ``connections`` to a server are kept.
    """

    def __init__(
        self, session: HttpSession | None = None, *, observe: Observer | None = None, connections: int = 2
    ) -> None:
        self._is_ours = session is None
        self._connections = connections
        self._session: Any = session if session is not None else _new_session(connections)
        self._exchanges = Exchanges()
        self._observe = observe
        self._has_told_of_observer = False
        renew_after_fork(self)

    def request(
        self,
        method: str,
        url: str,
        *,
        kind: RequestType,
        timeout: float,
        headers: Headers | None = None,
        body: bytes | None = None,
        max_bytes: int = 32 * MEGABYTE,
        max_encoded_bytes: int = 32 * MEGABYTE,
    ) -> Response:
        """Exchange one request for one whole answer within ``timeout`` seconds; waits as long.

        ``max_bytes`` bounds the body after decompression, ``max_encoded_bytes`` what comes over the wire.
        Raises ``RequestFailed`` when there is no answer, when it is a redirect, cut short, otherwise encoded
        than announced, or too large.
        """
        call = _Call(f"{method} {place(url)}", method, url, headers or {}, body)
        if timeout <= 0:
            raise RequestFailed(f"{call.what}: no time left", timed_out=True)
        started = time.monotonic()
        exchange = Exchange(started + timeout)
        try:
            answer = self._exchange(call, exchange, timeout, max_bytes, max_encoded_bytes)
        finally:
            self._exchanges.ended(exchange)
        seconds = time.monotonic() - started
        if isinstance(answer, RequestFailed):
            self._tell(Attempt(kind, seconds, None, answer))
            raise answer
        self._tell(Attempt(kind, seconds, answer.status, None))
        return answer

    def stream(
        self, url: str, *, headers: Headers | None = None, connect_timeout: float, silence_seconds: float
    ) -> ByteStream:
        """Open a stream: a GET whose body is read as it comes, with any status but a redirect's.

        Waits ``connect_timeout`` seconds for the connection and the answer's headers together. No observer is
        told (10.7). Raises ``RequestFailed`` as ``request`` does.
        """
        call = _Call(f"GET {place(url)}", "GET", url, headers or {}, None, encoding="identity")
        exchange = Exchange(time.monotonic() + connect_timeout)
        opened = self._opened(call, exchange, (connect_timeout, silence_seconds))
        if isinstance(opened, RequestFailed):
            self._exchanges.ended(exchange)
            raise opened
        exchange.deadline, exchange.patience = math.inf, silence_seconds
        return ByteStream(call.what, opened, exchange, self._exchanges)

    def abort(self) -> None:
        """End every exchange and stream that is under way on any thread: they raise ``RequestFailed``.

        Does not wait for them. What blocks on a socket returns at once, on Linux in the middle of connecting too;
        elsewhere connecting goes on to its time-out, and looking up a name does everywhere. With a session of the
        user's without a ``DeadlineAdapter`` an exchange ends at its next piece of the body or at its time-out.
        Requests that begin later are not touched.
        """
        self._exchanges.abort()

    def renew(self) -> None:
        """In a forked child: forget every connection and touch none, as the parent still speaks through them."""
        self._exchanges.renew()
        if self._is_ours:
            self._session = _new_session(self._connections)
            return
        for adapter in getattr(self._session, "adapters", {}).values():
            if isinstance(adapter, requests.adapters.HTTPAdapter):
                pickled: Any = adapter  # its stubs leave pickling out
                pickled.__setstate__(pickled.__getstate__())  # new pools, same settings

    def close(self) -> None:
        """Close our connections; later requests open new ones. A session of the user's stays as it is."""
        if self._is_ours:
            self._session.close()

    def _exchange(
        self, call: _Call, exchange: Exchange, timeout: float, max_bytes: int, max_encoded_bytes: int
    ) -> Response | RequestFailed:
        """The answer, or why there is none.

        To be raised by the caller: so a foreign exception is not even its context, and no traceback leads through
        frames that know a revealed secret.
        """
        status = None
        try:
            with self._exchanges.begun(exchange), self._open(call, timeout) as response:
                status = response.status_code
                chunks = capped(as_announced(response, exchange), max_encoded_bytes)
                pieces = decoded(chunks, response.headers.get("Content-Encoding", ""), max_bytes)
                return Response(status, response.headers, b"".join(capped(pieces, max_bytes)))
        except Unusable as flaw:
            return flaw.failure(call.what, status)
        except FOREIGN as error:
            return ended(call.what) if exchange.is_aborted else failure_of(call.what, error)

    def _opened(
        self, call: _Call, exchange: Exchange, timeouts: tuple[float, float]
    ) -> requests.Response | RequestFailed:
        """An answer whose body is still to come, or why there is none; to be raised by the caller, as above."""
        try:
            with self._exchanges.begun(exchange):
                response = self._open(call, timeouts)
        except Unusable as flaw:
            return flaw.failure(call.what, None)
        except FOREIGN as error:
            return ended(call.what) if exchange.is_aborted else failure_of(call.what, error)
        coding = response.headers.get("Content-Encoding", "").strip().lower()
        if coding in ("", "identity"):
            return response
        response.close()
        text = f"{call.what}: encoded as {printable(coding, 20)}, where no encoding was offered"
        return RequestFailed(text, status=response.status_code, retryable=False)

    def _open(self, call: _Call, timeout: float | tuple[float, float]) -> requests.Response:
        """Send the request and read the answer's headers; the body is still to come."""

        def refuse_redirect(response: requests.Response, **_: object) -> None:
            # A hook, as requests reads and inflates a redirect's body, uncapped, even if it may not follow.
            status = response.status_code
            if 300 <= status < 400 and status != 304:
                response.close()
                target = host(call.url, response.headers.get("Location", ""))
                told = f"redirected to {target}; redirects are not followed"
                raise Unusable(told, status=status, retryable=False)

        session = self._session
        has_own_auth = getattr(session, "auth", None) and "Authorization" not in call.headers
        own_hooks = getattr(session, "hooks", {}).get("response", ())
        response: requests.Response = session.request(
            call.method,
            call.url,
            headers={**_revealed(call.headers), "Accept-Encoding": call.encoding},
            data=call.body,
            auth=None if has_own_auth else _no_auth,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
            hooks={"response": [refuse_redirect, *own_hooks]},
        )
        return response

    def _tell(self, attempt: Attempt) -> None:
        if self._observe is None:
            return
        try:
            self._observe(attempt)
        except Exception as error:  # foreign code: it must not break the request
            if not self._has_told_of_observer:
                self._has_told_of_observer = True
                _logger.warning("the observer of requests failed; that is told once", exc_info=error)


def _new_session(connections: int) -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, DeadlineAdapter(pool_connections=2, pool_maxsize=connections))
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=()))  # nobody's memory
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Passed so that requests does not take credentials from ``.netrc`` or the URL and overwrite ours."""
    return request


def _revealed(headers: Headers) -> dict[str, str]:
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in headers.items()}
