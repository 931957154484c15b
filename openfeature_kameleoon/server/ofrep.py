"""OFREP: flags evaluated for OpenFeature's stock clients of any language (open-feature/protocol, OpenAPI 0.3).

Answers as our own provider does, through it, from memory, on the event loop; flags of a Flagship environment as its
decision API does. Who may ask is the guard's business.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from hmac import compare_digest
from math import ceil
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, UnsetType
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, Reason
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from ..clock import SYSTEM_CLOCK, Clock
from ..context import VARIABLE_KEY
from ..engine.variables import natural_type
from ..errors import FeatureError, NotFoundError
from ..provider import KameleoonProvider
from .guard import OFREP_STREAM
from .hub import Hub, event
from .site import Site

if TYPE_CHECKING:
    from .flagship.environment import Environment

__all__ = ["Allowance", "Ofrep"]

MOST_CLIENTS = 10_000
"""Whose allowance is remembered; with more, whoever came first begins anew."""

BURST_SECONDS = 1.0
"""Of evaluations that may come at once."""


class Asked(msgspec.Struct):
    """The body of a request."""

    context: dict[str, Any] = {}


class Answer(msgspec.Struct):
    """A flag's value. Without one the application's own default is meant (the protocol's ADR 0006).

    ``variant`` is always there, be it empty: clients look it up without asking whether it is.
    """

    key: str
    reason: str
    variant: str
    metadata: Mapping[str, bool | int | float | str]
    value: Any = UNSET


class Refusal(msgspec.Struct):
    """Why there is no value; ``key`` is missing where it is about no single flag."""

    error_code: str = msgspec.field(name="errorCode")
    error_details: str = msgspec.field(name="errorDetails")
    key: str | UnsetType = UNSET


class Endpoint(msgspec.Struct):
    """An address on the server that the client asks already, whatever it calls that."""

    request_uri: str = msgspec.field(name="requestUri")


class EventStream(msgspec.Struct):
    """Where changes are told (the protocol's ADR 0008). Its address is a secret."""

    endpoint: Endpoint
    type: str = "sse"


class Answers(msgspec.Struct):
    """All flags, and how to hear that they may have other values."""

    flags: list[Answer | Refusal]
    event_streams: list[EventStream] = msgspec.field(name="eventStreams")


ERRORS: Mapping[ErrorCode, tuple[int, str]] = {
    ErrorCode.FLAG_NOT_FOUND: (404, "FLAG_NOT_FOUND"),
    ErrorCode.PARSE_ERROR: (400, "PARSE_ERROR"),
    ErrorCode.TARGETING_KEY_MISSING: (400, "TARGETING_KEY_MISSING"),
    ErrorCode.INVALID_CONTEXT: (400, "INVALID_CONTEXT"),
    ErrorCode.TYPE_MISMATCH: (400, "GENERAL"),  # OFREP has no such code: nobody asks for a type
    ErrorCode.PROVIDER_NOT_READY: (500, "PROVIDER_NOT_READY"),
}
"""OpenFeature's error codes, and what each is in OFREP: the HTTP status and the code; any other is 500 and GENERAL."""

_decode = msgspec.json.Decoder(Asked).decode
_encode = msgspec.json.Encoder().encode


class _Refused(Exception):
    """A flag, or all, for which there is no value."""

    def __init__(self, code: ErrorCode, details: str) -> None:
        super().__init__(details)
        self.status, self.code = ERRORS.get(code, (500, "GENERAL"))
        self.details = details

    def refusal(self, key: str | UnsetType = UNSET) -> Refusal:
        """It as it is answered."""
        return Refusal(self.code, self.details, key)


class Allowance:
    """How many evaluations each client may ask for in a second, by a bucket of tokens that fills again."""

    def __init__(self, per_second: float, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._per_second = per_second
        self._most = max(1.0, per_second * BURST_SECONDS)
        self._monotonic = clock.monotonic
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, client: str) -> float:
        """Seconds until the client may ask again; 0.0 if it may now, which is counted."""
        now = self._monotonic()
        tokens, then = self._buckets.get(client, (self._most, now))
        tokens = min(self._most, tokens + (now - then) * self._per_second)
        wait = 0.0 if tokens >= 1.0 else (1.0 - tokens) / self._per_second
        self._buckets[client] = (tokens if wait else tokens - 1.0, now)
        if len(self._buckets) > MOST_CLIENTS:
            del self._buckets[next(iter(self._buckets))]
        return wait


class Ofrep:
    """Routes for OFREP's clients. ``allowance`` is each client's, by its address; none is needed without one.

    ``flagship`` has more flags; of two that are called the same, the site's is meant.
    """

    def __init__(self, site: Site, allowance: Allowance | None = None, flagship: Environment | None = None) -> None:
        self.streams = Hub()
        self._site = site
        self._flagship = flagship
        self._allowance = allowance
        self._secret = secrets.token_urlsafe(24)
        self._event_streams = [EventStream(Endpoint(f"{OFREP_STREAM}?secret={self._secret}"))]
        provider = KameleoonProvider(site.site_code, client=site.client)
        self._resolvers: Mapping[str, Callable[[str, EvaluationContext], FlagResolutionDetails[Any]]] = {
            "boolean": lambda key, context: provider.resolve_boolean_details(key, False, context),
            "string": lambda key, context: provider.resolve_string_details(key, "", context),
            "integer": lambda key, context: provider.resolve_integer_details(key, 0, context),
            "float": lambda key, context: provider.resolve_float_details(key, 0.0, context),
            "object": lambda key, context: provider.resolve_object_details(key, {}, context),
        }
        site.listen(lambda served: self._announce(served.timestamp))
        if flagship is not None:
            flagship.listen(lambda served: self._announce(served.timestamp))
        self.routes = [
            Route("/ofrep/v1/evaluate/flags", self._evaluate_all, methods=["POST"]),
            Route("/ofrep/v1/evaluate/flags/{key:path}", self._evaluate, methods=["POST"]),
            Route(OFREP_STREAM, self._stream),
        ]

    def _answer(self, key: str, context: EvaluationContext) -> Answer:
        """A flag's natural value, as our provider has it."""
        if self._flagship is not None and not self._is_the_sites(key):
            return _answer_of(self._flagship, key, context)
        details = self._details(key, context)
        if details.error_code is not None:
            raise _Refused(details.error_code, details.error_message or "there is no value")
        metadata = details.flag_metadata
        if key in self._site.overrides:
            metadata = {**metadata, "overridden": True}
        reason = str(details.reason)
        value = UNSET if reason == Reason.DISABLED else details.value
        return Answer(key, reason, details.variant or "", metadata, value)

    def _answer_or_refusal(self, key: str, context: EvaluationContext) -> Answer | Refusal:
        try:
            return self._answer(key, context)
        except _Refused as refused:
            return refused.refusal(key)

    def _details(self, key: str, context: EvaluationContext) -> FlagResolutionDetails[Any]:
        details = self._resolvers[self._type(key, context.attributes.get(VARIABLE_KEY))](key, context)
        if details.error_code is ErrorCode.TYPE_MISMATCH:  # variations hold values of several types: this has its own
            others = (resolve(key, context) for resolve in self._resolvers.values())
            return next((other for other in others if other.error_code is None), details)
        return details

    def _type(self, key: str, variable_key: object) -> str:
        ruleset = self._site.client.live.current
        if ruleset is None:
            return "boolean"
        try:
            variations = ruleset.flag(key).answers.variations.values()
        except (NotFoundError, FeatureError):  # the evaluation says so
            return "boolean"
        return natural_type(variations, variable_key if isinstance(variable_key, str) else None)

    def _is_the_sites(self, key: str) -> bool:
        ruleset = self._site.client.live.current
        return ruleset is not None and key in ruleset.index.flags

    def _keys(self) -> Iterator[str]:
        if self._site.served is not None:
            yield from self._site.client.feature_keys()
        if self._flagship is not None and self._flagship.served is not None:
            yield from (key for key in self._flagship.served.declared.flags if not self._is_the_sites(key))

    def _announce(self, timestamp: int) -> None:
        self.streams.tell(event("message", {"type": "refetchEvaluation", "lastModified": timestamp // 1000}))

    async def _evaluate(self, request: Request) -> Response:
        key = request.path_params["key"]
        try:
            return self._limited(request) or _json(self._answer(key, await _context(request)))
        except _Refused as refused:
            return _json(refused.refusal(key), refused.status)

    async def _evaluate_all(self, request: Request) -> Response:
        try:
            return self._limited(request) or self._answers(request, await _context(request))
        except _Refused as refused:
            return _json(refused.refusal(), refused.status)

    def _answers(self, request: Request, context: EvaluationContext) -> Response:
        if not context.targeting_key:
            raise _Refused(ErrorCode.TARGETING_KEY_MISSING, "the context has no targetingKey")
        if self._site.served is None and self._flagship is None:
            raise _Refused(ErrorCode.PROVIDER_NOT_READY, "there is no data file yet")
        flags = [self._answer_or_refusal(key, context) for key in self._keys()]
        body = _encode(Answers(flags, self._event_streams))
        tag = f'"{blake2b(body, digest_size=16).hexdigest()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if _is_among(tag, request.headers.get("if-none-match", "")):
            return Response(status_code=304, headers=headers)
        return Response(body, headers=headers, media_type="application/json")

    async def _stream(self, request: Request) -> Response:
        if not compare_digest(request.query_params.get("secret", "").encode(), self._secret.encode()):
            return Response("the address of the stream is told with all flags", 403)
        return self.streams.response(request)

    def _limited(self, request: Request) -> Response | None:
        """The answer to a client that asks for more than its allowance."""
        if self._allowance is None:
            return None
        wait = self._allowance.take(request.client.host if request.client else "")
        if not wait:
            return None
        seconds = str(ceil(wait))
        refusal = Refusal("GENERAL", f"too many evaluations: come again in {seconds} s")
        return _json(refusal, 429, {"Retry-After": seconds})


def _answer_of(flagship: Environment, key: str, context: EvaluationContext) -> Answer:
    """A flag of a Flagship environment. What a variation sets to null, and what nothing sets, has no value."""
    if not context.targeting_key:
        raise _Refused(ErrorCode.TARGETING_KEY_MISSING, "the context has no targetingKey")
    try:
        evaluation = flagship.evaluate(key, context.targeting_key, context.attributes)
    except NotFoundError as error:
        raise _Refused(ErrorCode.FLAG_NOT_FOUND, error.message) from error
    value = UNSET if evaluation.value is None else evaluation.value
    variant = evaluation.variation.id if evaluation.variation is not None else ""
    return Answer(key, evaluation.reason, variant, evaluation.metadata, value)


async def _context(request: Request) -> EvaluationContext:
    try:
        attributes = _decode(await request.body()).context
    except msgspec.ValidationError as error:
        raise _Refused(ErrorCode.INVALID_CONTEXT, f"the context cannot be read: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _Refused(ErrorCode.PARSE_ERROR, f"the body is no JSON: {error}") from error
    except ClientDisconnect as error:
        raise _Refused(ErrorCode.PARSE_ERROR, "the body is too long, or did not come in time") from error
    key = attributes.pop("targetingKey", None)
    if key is not None and not isinstance(key, str):
        raise _Refused(ErrorCode.INVALID_CONTEXT, "targetingKey must be a string")
    return EvaluationContext(key, attributes)


def _is_among(tag: str, listed: str) -> bool:
    """Whether a header's list of tags has it; compared weakly, as HTTP says."""
    tags = {each.strip().removeprefix("W/") for each in listed.split(",")}
    return tag in tags or "*" in tags


def _json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(_encode(content), status, headers, "application/json")
