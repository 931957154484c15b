"""Kameleoon's Data API: reporting events, asking for visitors' data and values (specs/kameleoon-sdk.md 1.4, 1.7-1.9).

Each call runs on the caller's thread and is made once: retries are the callers' business, save for a refused token.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable
from typing import Any

from ..errors import RequestFailed
from ..forking import renew_after_fork
from ..settings import Secret
from .answers import decoded_json, is_json
from .attempts import RequestType
from .http import MEGABYTE, Headers, Http, Response
from .retry import is_retryable
from .token import AccessTokens
from .urls import Endpoints

__all__ = ["DataApi"]

MAX_BYTES = 8 * MEGABYTE
FOR_TOKEN = 0.5
"""The part of the time left that waiting for a token may take: a request without one has the rest."""


class DataApi:
    """One site's Data API, with an access token where one is to be had.

    ``timeout`` is in seconds, and bounds a call with all its requests. A call raises ``RequestFailed`` when there is
    no usable answer.
    """

    def __init__(self, http: Http, tokens: AccessTokens | None, site_code: str, endpoints: Endpoints) -> None:
        self.endpoints = endpoints
        self._http = http
        self._tokens = tokens
        self._site_code = site_code
        self._aborts = 0
        self._domain: str | None = None
        renew_after_fork(self)

    def use_domain(self, data_api_domain: str | None) -> None:
        """Speak with the host that a data file asks for from now on; without one, with the same as before (1.2)."""
        if data_api_domain != self._domain:  # so that one that is ignored is warned of once
            self._domain = data_api_domain
            self.endpoints = self.endpoints.with_data_api(data_api_domain)

    def send_events(self, body: bytes, *, timeout: float) -> Response:
        """Report lines of events (1.7). The answer may have any status: what it means is the sender's business."""
        url = self.endpoints.tracking_url(self._site_code)
        return self._ask("POST", url, RequestType.TRACKING, timeout, {"Content-Type": "*/*"}, body)

    def relay_events(
        self, body: bytes, parameters: Iterable[tuple[str, str]], user_agent: str, *, timeout: float
    ) -> Response:
        """The same for events of another SDK: ``parameters`` are its own of the URL, the user agent a visitor's."""
        url = self.endpoints.relayed_tracking_url(self._site_code, parameters)
        headers = {"Content-Type": "*/*", **({"User-Agent": user_agent} if user_agent else {})}
        return self._ask("POST", url, RequestType.TRACKING, timeout, headers, body)

    def visitor(
        self,
        visitor_code: str,
        *,
        previous_visits: int = 1,
        parts: Collection[str] = ("currentVisit", "customData"),
        is_unique_identifier: bool = False,
        timeout: float,
    ) -> Any | None:
        """What the server knows of a visitor, as decoded JSON (1.8); ``None`` for nothing, as for ``value``."""
        url = self.endpoints.visitor_url(
            self._site_code,
            visitor_code,
            previous_visits=previous_visits,
            parts=parts,
            is_unique_identifier=is_unique_identifier,
        )
        return _content(self._ask("GET", url, RequestType.REMOTE_VISITOR_DATA, timeout), "visitor data")

    def value(self, key: str, *, timeout: float) -> Any | None:
        """The JSON value that is kept under a key (1.9).

        ``None`` when the server answers without content: 403, its answer to what it takes for a bot, 204, 304, or
        something else than JSON; and for ``null``. Any other status than 2xx raises ``RequestFailed``.
        """
        url = self.endpoints.map_url(self._site_code, key)
        return _content(self._ask("GET", url, RequestType.REMOTE_DATA, timeout), "remote data")

    def has_token(self, timeout: float) -> bool:
        """Whether there is an access token, or one is to be had within ``timeout`` seconds (1.10)."""
        return self._tokens is not None and self._tokens.get(timeout) is not None

    def abort(self) -> None:
        """End every call that is under way on any thread: it raises ``RequestFailed``. Waits for none."""
        self._aborts += 1
        if self._tokens is not None:
            self._tokens.abandon()
        self._http.abort()

    def close(self) -> None:
        """End the calls that are under way, and close the connections. Later calls open new ones."""
        self.abort()
        if self._tokens is not None:
            self._tokens.close()
        self._http.close()

    def renew(self) -> None:
        """In a forked child: connections and locks of its own."""
        self._http.renew()
        if self._tokens is not None:
            self._tokens.renew()

    def _ask(
        self,
        method: str,
        url: str,
        kind: RequestType,
        timeout: float,
        headers: Headers | None = None,
        body: bytes | None = None,
    ) -> Response:
        """The answer, whatever its status.

        When a token is refused (401), it is asked again with a new one, and in the end without any (1.4).
        """
        end, aborts, tokens = time.monotonic() + timeout, self._aborts, self._tokens

        def send(token: Secret | None) -> Response:
            if self._aborts != aborts:
                raise RequestFailed(f"{kind.value}: ended on this side", timed_out=True)
            return self._http.request(
                method,
                url,
                kind=kind,
                timeout=end - time.monotonic(),
                headers={**(headers or {}), **_bearing(token)},
                body=body,
                max_bytes=MAX_BYTES,
                max_encoded_bytes=MAX_BYTES,
            )

        if tokens is None:
            return send(None)
        token = tokens.get(FOR_TOKEN * (end - time.monotonic()))
        answer = send(token)
        if token is None or answer.status != 401:
            return answer
        tokens.discard(token)
        fresh = tokens.get(FOR_TOKEN * (end - time.monotonic()))
        if fresh is not None:
            if fresh != token:
                answer = send(fresh)
                if answer.status != 401:
                    return answer
            tokens.give_up(fresh)
        return send(None)


def _bearing(token: Secret | None) -> Headers:
    return {} if token is None else {"Authorization": Secret(f"Bearer {token.reveal()}")}


def _content(answer: Response, what: str) -> Any | None:
    status = answer.status
    if status in (204, 304, 403):
        return None
    if not 200 <= status < 300:
        advice = "; check client_id and client_secret" if status == 401 else ""
        raise RequestFailed(
            f"{what}: the server answered {status}{advice}", status=status, retryable=is_retryable(status)
        )
    return decoded_json(answer, what) if is_json(answer) else None
