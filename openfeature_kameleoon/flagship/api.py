"""Flagship's servers: decisions, context events, activations and hits (specs/flagship.md 2, 4.1, 4.2).

Each call runs on the caller's thread and is made once: retries are the callers' business. What the answers mean to a
visitor is, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..errors import RequestFailed
from ..settings import Secret
from ..transport.answers import decoded_json
from ..transport.attempts import RequestType
from ..transport.http import MEGABYTE, Headers, Http, Response
from ..transport.retry import is_retryable
from .endpoints import V3, Dialect, Endpoints
from .errors import FlagshipParsingError
from .hits import Hit
from .protocol import SDK_CLIENT, SDK_VERSION
from .records import Activation, VisitorIds, as_json, single_activation, single_hit

__all__ = ["FlagshipApi"]

MAX_BYTES = 8 * MEGABYTE

ADVICE: Mapping[int, str] = {
    400: "; check the environment id, and the campaign if one is asked for",
    401: "; check the API key",
    403: "; check the API key and the environment id",
    404: "; check the environment id",
    429: ": too many requests",
}
"""What to do about a status, as far as that can be told."""


class FlagshipApi:
    """The servers of one environment, spoken with as one generation of the SDK does.

    Every ``timeout`` is in seconds and bounds a call. A call raises ``RequestFailed`` when there is no usable answer.
    """

    def __init__(
        self,
        http: Http,
        env_id: str,
        api_key: Secret | str = "",
        *,
        dialect: Dialect = V3,
        endpoints: Endpoints | None = None,
    ) -> None:
        key = api_key if isinstance(api_key, Secret) else Secret(api_key)
        self.env_id = env_id
        self.endpoints = endpoints or Endpoints.of(dialect, has_key=bool(key))
        self._http = http
        self._dialect = dialect
        sdk = {"x-sdk-client": SDK_CLIENT, "x-sdk-version": SDK_VERSION} if dialect.names_sdk else {}
        self._headers: Headers = {"Content-Type": "application/json", **sdk}
        self._with_key: Headers = {**self._headers, "x-api-key": key}

    # Decisions (2.2 to 2.5) -------------------------------------------------------------------------------------------

    def campaigns(
        self,
        visitor: VisitorIds,
        context: Mapping[str, object],
        *,
        consent: bool = True,
        exposes_all_keys: bool = True,
        mode: Literal["", "normal", "simple", "full"] = "",
        extras: Sequence[str] = (),
        decision_group: str | None = None,
        timeout: float = 2.0,
    ) -> dict[str, Any]:
        """A visitor's campaigns as the answer holds them (2.4).

        With ``exposes_all_keys`` flags that a variation lacks are listed as null. A status other than 2xx raises
        ``RequestFailed``, and what is no JSON object ``FlagshipParsingError``.
        """
        query = [*self._query(exposes_all_keys=exposes_all_keys), ("mode", mode)]
        query += [("extras", extra) for extra in extras]
        url = self.endpoints.campaigns_url(self.env_id, parameters=query)
        answer = self._ask(url, self._question(visitor, context, consent, decision_group), timeout)
        return _object(answer, "campaigns")

    def campaign(
        self,
        campaign: str,
        visitor: VisitorIds,
        context: Mapping[str, object],
        *,
        consent: bool = True,
        exposes_all_keys: bool = True,
        decision_group: str | None = None,
        timeout: float = 2.0,
    ) -> dict[str, Any] | None:
        """One of them by its id or slug; ``None`` when the visitor gets nothing of it. Raises as ``campaigns``."""
        query = self._query(exposes_all_keys=exposes_all_keys)
        url = self.endpoints.campaigns_url(self.env_id, campaign, query)
        answer = self._ask(url, self._question(visitor, context, consent, decision_group), timeout)
        return None if answer.status == 204 else _object(answer, "campaign")

    def flags(
        self,
        visitor: VisitorIds,
        context: Mapping[str, object],
        *,
        consent: bool = True,
        decision_group: str | None = None,
        timeout: float = 2.0,
    ) -> dict[str, Any]:
        """A visitor's flags by key, each with its ``value`` and ``metadata``. Raises as ``campaigns``."""
        url = self.endpoints.flags_url(self.env_id, self._query())
        return _object(self._ask(url, self._question(visitor, context, consent, decision_group), timeout), "flags")

    def send_context(self, visitor_id: str, context: Mapping[str, object], *, timeout: float = 2.0) -> Response:
        """Tell a visitor's context (2.6). The answer may have any status; 204 is success, and so is 200."""
        body = as_json({"type": "CONTEXT", "data": dict(context), "visitorId": visitor_id})
        return self._post(self.endpoints.events_url(self.env_id), body, timeout, self._keyed)

    # Activations and hits (4.1, 4.2) ----------------------------------------------------------------------------------

    def activate(self, activation: Activation, visitor: VisitorIds, *, timeout: float = 2.0) -> Response:
        """Tell that a visitor saw a variation, as 1.x does. The answer may have any status; 204 is success."""
        return self.send_activations(single_activation(self.env_id, activation, visitor), timeout=timeout)

    def send_activations(self, body: bytes, *, timeout: float = 2.0) -> Response:
        """The same for many at once: a body of ``records.activation_batch``."""
        return self._post(self.endpoints.activate_url, body, timeout, self._keyed)

    def send_hit(self, hit: Hit, visitor: VisitorIds, *, timeout: float = 2.0) -> Response:
        """Tell what a visitor did, as 1.x does. The answer may have any status; 200 to 299 is success."""
        return self.send_hits(single_hit(self.env_id, hit, visitor), timeout=timeout)

    def send_hits(self, body: bytes, *, timeout: float = 2.0) -> Response:
        """The same for many at once: a body of ``records.hit_batch``; below 400 is success."""
        return self._post(self.endpoints.hits_url, body, timeout, self._headers)

    # The life cycle ---------------------------------------------------------------------------------------------------

    def abort(self) -> None:
        """End every call that is under way on any thread: it raises ``RequestFailed``. Waits for none."""
        self._http.abort()

    def close(self) -> None:
        """End the calls that are under way, and close the connections. Later calls open new ones."""
        self._http.abort()
        self._http.close()

    @property
    def _keyed(self) -> Headers:
        """What goes with a request for which generations differ about the key."""
        return self._with_key if self._dialect.is_keyed else self._headers

    def _query(self, *, exposes_all_keys: bool | None = None) -> list[tuple[str, str]]:
        keys = "" if exposes_all_keys is None else _word(exposes_all_keys)
        return [("exposeAllKeys", keys), ("sendContextEvent", "false" if self._dialect.tells_context else "")]

    def _question(
        self, visitor: VisitorIds, context: Mapping[str, object], consent: bool, decision_group: str | None
    ) -> bytes:
        """The body of a request for decisions: the server refuses one with any other member."""
        known: dict[str, object] = {"visitorId": visitor.visitor_id}
        if self._dialect.tells_consent:
            known |= {"anonymousId": visitor.anonymous_id, "visitor_consent": consent}
        elif visitor.anonymous_id is not None:  # 2.x tells it when there is one
            known["anonymousId"] = visitor.anonymous_id
        if decision_group is not None:
            known["decision_group"] = decision_group
        return as_json({**known, "trigger_hit": False, "context": dict(context)})

    def _ask(self, url: str, body: bytes, timeout: float) -> Response:
        return self._post(url, body, timeout, self._with_key, RequestType.REMOTE_DATA)

    def _post(
        self, url: str, body: bytes, timeout: float, headers: Headers, kind: RequestType = RequestType.TRACKING
    ) -> Response:
        return self._http.request(
            "POST",
            url,
            kind=kind,
            timeout=timeout,
            headers=headers,
            body=body,
            max_bytes=MAX_BYTES,
            max_encoded_bytes=MAX_BYTES,
        )


def _word(switch: bool) -> str:
    return "true" if switch else "false"


def _object(answer: Response, what: str) -> dict[str, Any]:
    status = answer.status
    if not 200 <= status < 300:
        raise RequestFailed(
            f"{what}: the server answered {status}{ADVICE.get(status, '')}",
            status=status,
            retryable=is_retryable(status),
        )
    try:
        decoded: object = decoded_json(answer, what)
    except RequestFailed as failure:
        raise FlagshipParsingError(failure.message) from None
    if not isinstance(decoded, dict):
        raise FlagshipParsingError(f"{what}: the answer is no JSON object")
    return decoded
