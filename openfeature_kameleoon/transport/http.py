"""One HTTP exchange, whole or not at all: no redirects, a total deadline, capped sizes, one kind of failure.

Owns the session; statuses, retries and credentials are the callers' business. Runs on the calling thread;
several threads may call at once.
"""

from __future__ import annotations

import http.cookiejar
import ssl
import time
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

import requests
import requests.adapters
import requests.exceptions
import urllib3.exceptions

from ..errors import RequestFailed
from .deadline import DeadlineAdapter
from .foreign_text import printable

if TYPE_CHECKING:
    from ..configuration import HttpSession

__all__ = ["MEGABYTE", "Http", "Response"]

MEGABYTE = 1 << 20
CHUNK_BYTES = 65536
STATUSES_WITHOUT_BODY = frozenset({204, 304})

FAILURES: tuple[tuple[type[BaseException], str, bool], ...] = (
    (ssl.SSLCertVerificationError, "the server's certificate was refused; check the CA bundle", False),
    (requests.exceptions.ProxyError, "the proxy did not let it through", True),
    (urllib3.exceptions.ProxyError, "the proxy did not let it through", True),
    (urllib3.exceptions.NameResolutionError, "the host name does not resolve", True),
    (ConnectionRefusedError, "the connection was refused", True),
    (urllib3.exceptions.NewConnectionError, "no connection could be made", True),
    (requests.exceptions.ConnectTimeout, "no connection in time", True),
    (urllib3.exceptions.ConnectTimeoutError, "no connection in time", True),
    (requests.exceptions.Timeout, "no complete answer in time", True),
    (urllib3.exceptions.TimeoutError, "no complete answer in time", True),
    (TimeoutError, "no complete answer in time", True),
    (requests.exceptions.SSLError, "TLS failed", True),
    (ssl.SSLError, "TLS failed", True),
    (urllib3.exceptions.ProtocolError, "the answer was cut short", True),
    (requests.exceptions.ConnectionError, "the connection failed", True),
    (ConnectionError, "the connection failed", True),
    (ValueError, "the URL or a header cannot be sent as it is", False),
    (requests.exceptions.RequestException, "the exchange failed", True),
    (urllib3.exceptions.HTTPError, "the exchange failed", True),
    (OSError, "it could not be sent; check the CA bundle and the client certificate", True),
)
"""What other libraries raise, most telling first: what we say instead, and whether trying again may help.

Their own texts hold whole URLs, visitor codes included, so none of them is passed on, not even as a cause.
"""


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered, with any status but a redirect's."""

    status: int
    headers: Mapping[str, str]
    """Looked up without regard to case."""
    body: bytes
    """Whole and decompressed."""


class Http:
    """Makes requests through one session.

    A session of the user's own is used as it is: its headers, proxies, certificates, adapters and
    authentication count, and it is never closed. Only our own, or one with a ``DeadlineAdapter``, holds a
    server that drips headers to the time-out; with any other it is per read until the body begins.
    """

    def __init__(self, session: HttpSession | None = None) -> None:
        self._is_ours = session is None
        self._session: Any = session if session is not None else _new_session()

    def request(
        self,
        method: str,
        url: str,
        *,
        timeout: float,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        max_bytes: int = 32 * MEGABYTE,
        max_encoded_bytes: int = 32 * MEGABYTE,
    ) -> Response:
        """Exchange one request for one whole answer within ``timeout`` seconds; waits as long.

        ``max_bytes`` bounds the body after decompression, ``max_encoded_bytes`` what comes over the wire.
        Raises ``RequestFailed`` when there is no answer, when it is a redirect, cut short, otherwise encoded
        than announced, or too large.
        """
        what = f"{method} {_place(url)}"
        if timeout <= 0:
            raise RequestFailed(f"{what}: no time left")
        deadline = time.monotonic() + timeout
        status = None
        try:
            with self._open(what, method, url, timeout, dict(headers or {}), body) as response:
                status = response.status_code
                chunks = _capped(_as_announced(response, deadline), max_encoded_bytes)
                pieces = _decoded(chunks, response.headers.get("Content-Encoding", ""), max_bytes)
                return Response(status, response.headers, b"".join(_capped(pieces, max_bytes)))
        except _BadBody as flaw:
            failure = RequestFailed(f"{what}: {flaw}", status=status, retryable=flaw.retryable)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = _failure(what, error)
        raise failure  # out here, so that the foreign exception is not even its context

    def renew(self) -> None:
        """Forget every open connection and touch none: after a fork the parent still speaks through them."""
        if self._is_ours:
            self._session = _new_session()
            return
        for adapter in getattr(self._session, "adapters", {}).values():
            if isinstance(adapter, requests.adapters.HTTPAdapter):
                pickled: Any = adapter  # its stubs leave pickling out
                pickled.__setstate__(pickled.__getstate__())  # new pools, same settings

    def close(self) -> None:
        """Close our connections; later requests open new ones. A session of the user's stays as it is."""
        if self._is_ours:
            self._session.close()

    def _open(
        self, what: str, method: str, url: str, timeout: float, headers: dict[str, str], body: bytes | None
    ) -> requests.Response:
        """Send the request and read the answer's headers; the body is still to come."""

        def refuse_redirect(response: requests.Response, **_: object) -> None:
            # A hook, as requests reads and inflates a redirect's body, uncapped, even if it may not follow.
            if 300 <= response.status_code < 400 and response.status_code != 304:
                response.close()
                target = _host(url, response.headers.get("Location", ""))
                raise RequestFailed(
                    f"{what}: redirected to {target}; redirects are not followed",
                    status=response.status_code,
                    retryable=False,
                )

        session = self._session
        has_own_auth = getattr(session, "auth", None) and "Authorization" not in headers
        own_hooks = getattr(session, "hooks", {}).get("response", ())
        response: requests.Response = session.request(
            method,
            url,
            headers={**headers, "Accept-Encoding": "gzip"},
            data=body,
            auth=None if has_own_auth else _no_auth,
            timeout=timeout,
            allow_redirects=False,
            stream=True,
            hooks={"response": [refuse_redirect, *own_hooks]},
        )
        return response


class _BadBody(Exception):
    """The body of an answer is not what was announced or allowed."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


def _new_session() -> requests.Session:
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, DeadlineAdapter(pool_connections=2, pool_maxsize=2))
    session.cookies.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=()))  # nobody's memory
    return session


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Passed so that requests does not take credentials from ``.netrc`` or the URL and overwrite ours."""
    return request


def _place(url: str) -> str:
    """Host, port and path of a URL: what may be told of it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable address"
    return printable(parts.netloc.rpartition("@")[2] + parts.path)


def _host(url: str, location: str) -> str:
    """Host of where a redirect from ``url`` leads."""
    try:
        return printable(urlsplit(urljoin(url, location)).hostname, 100)
    except ValueError:
        return "an unreadable address"


def _failure(what: str, error: BaseException) -> RequestFailed:
    causes = list(_causes(error))
    for kind, message, retryable in FAILURES:
        if any(isinstance(cause, kind) for cause in causes):
            return RequestFailed(f"{what}: {message} ({type(causes[-1]).__name__})", retryable=retryable)
    return RequestFailed(f"{what}: the exchange failed ({type(error).__name__})")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it wraps: urllib3 keeps that in ``reason``, requests in its arguments."""
    seen: set[int] = set()
    inner: Any = error
    while isinstance(inner, BaseException) and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        wrapped = [getattr(inner, "reason", None), *inner.args, inner.__cause__]
        inner = next((candidate for candidate in wrapped if isinstance(candidate, BaseException)), None)


def _as_announced(response: requests.Response, deadline: float) -> Iterator[bytes]:
    """The body as it comes over the wire; its length is checked against the announced one."""
    announced = response.headers.get("Content-Length")
    if "Transfer-Encoding" in response.headers or response.status_code in STATUSES_WITHOUT_BODY:
        announced = None
    came = 0
    while chunk := response.raw.read1(CHUNK_BYTES, decode_content=False):
        came += len(chunk)
        if time.monotonic() > deadline:
            raise TimeoutError
        yield chunk
    if announced is not None and announced != str(came):
        raise _BadBody(f"{came} bytes came where {printable(announced, 20)} were announced")


def _capped(pieces: Iterator[bytes], max_bytes: int) -> Iterator[bytes]:
    room = max_bytes
    for piece in pieces:
        room -= len(piece)
        if room < 0:
            raise _BadBody(f"the answer is over {max_bytes} bytes long", retryable=False)
        yield piece


def _decoded(chunks: Iterator[bytes], encoding: str, max_bytes: int) -> Iterator[bytes]:
    """The body as it was meant. Inflated here: neither requests nor urllib3 caps what comes out."""
    coding = encoding.strip().lower()
    if coding in ("", "identity"):
        yield from chunks
        return
    if coding not in ("gzip", "x-gzip"):
        raise _BadBody(f"encoded as {printable(coding, 20)}, where only gzip was offered", retryable=False)
    inflate = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    is_empty = True
    for chunk in chunks:
        is_empty = False
        try:
            yield inflate.decompress(chunk, max_bytes + 1)  # the one byte too many is seen by _capped
        except zlib.error:
            raise _BadBody("the gzip encoding is broken") from None
    if not is_empty and (not inflate.eof or inflate.unused_data):
        raise _BadBody("the gzip encoding is broken")
