"""What may be told of a request, and what we say instead of the exceptions of other libraries. Pure; any thread."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
import requests.exceptions
import urllib3.exceptions

from ..errors import RequestFailed
from .foreign_text import printable

__all__ = ["FOREIGN", "ended", "failure_of", "host", "place", "was_sent"]

FOREIGN = (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError)
"""What requests and urllib3 raise of an exchange."""

NO_CONNECTION = "no connection in time"
NO_ANSWER = "no complete answer in time"

FAILURES: tuple[tuple[type[BaseException], str, bool], ...] = (
    (ssl.SSLCertVerificationError, "the server's certificate was refused; check the CA bundle", False),
    (requests.exceptions.ProxyError, "the proxy did not let it through", True),
    (urllib3.exceptions.ProxyError, "the proxy did not let it through", True),
    (urllib3.exceptions.NameResolutionError, "the host name does not resolve", True),
    (ConnectionRefusedError, "the connection was refused", True),
    (urllib3.exceptions.NewConnectionError, "no connection could be made", True),
    (requests.exceptions.ConnectTimeout, NO_CONNECTION, True),
    (urllib3.exceptions.ConnectTimeoutError, NO_CONNECTION, True),
    (requests.exceptions.Timeout, NO_ANSWER, True),
    (urllib3.exceptions.TimeoutError, NO_ANSWER, True),
    (TimeoutError, NO_ANSWER, True),
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

BEFORE_SENDING = (
    *(ssl.SSLCertVerificationError, requests.exceptions.ProxyError, urllib3.exceptions.ProxyError),
    *(urllib3.exceptions.NewConnectionError, ConnectionRefusedError),
    *(requests.exceptions.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError),
    *(requests.exceptions.InvalidSchema, ValueError),
)
"""What is raised while nothing is sent yet; a name that does not resolve is a ``NewConnectionError``.

``ValueError`` is a URL or a header that cannot be sent as it is.
"""


def place(url: str) -> str:
    """Host, port and path of a URL: what may be told of it."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an unreadable address"
    return printable(parts.netloc.rpartition("@")[2] + parts.path)


def host(url: str, location: str) -> str:
    """Host of where a redirect from ``url`` leads."""
    try:
        return printable(urlsplit(urljoin(url, location)).hostname, 100)
    except ValueError:
        return "an unreadable address"


def ended(what: str) -> RequestFailed:
    """What we say of an exchange that was aborted."""
    return RequestFailed(f"{what}: ended on this side", timed_out=True)


def failure_of(what: str, error: BaseException) -> RequestFailed:
    """What we say of another library's exception."""
    causes = list(_causes(error))
    for kind, message, retryable in FAILURES:
        if any(isinstance(cause, kind) for cause in causes):
            text = f"{what}: {message} ({type(causes[-1]).__name__})"
            return RequestFailed(text, retryable=retryable, timed_out=message in (NO_CONNECTION, NO_ANSWER))
    return RequestFailed(f"{what}: the exchange failed ({type(error).__name__})")


def was_sent(error: BaseException) -> bool:
    """Whether a request that failed so may have reached the server."""
    return not any(isinstance(cause, BEFORE_SENDING) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it wraps: urllib3 keeps that in ``reason``, requests in its arguments."""
    seen: set[int] = set()
    inner: Any = error
    while isinstance(inner, BaseException) and id(inner) not in seen:
        seen.add(id(inner))
        yield inner
        wrapped = [getattr(inner, "reason", None), *inner.args, inner.__cause__]
        inner = next((candidate for candidate in wrapped if isinstance(candidate, BaseException)), None)
