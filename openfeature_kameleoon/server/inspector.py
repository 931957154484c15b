"""The page, and what it asks for: JSON in and out, and a stream of what changes.

Asking leaves no trace: nothing is remembered of a visitor that is explained or sampled. Answers are made on the event
loop, save those that may take long; what a data file or an event says is handed on as data.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import threading
from base64 import b64encode
from collections.abc import Callable
from importlib import resources
from typing import Any

import msgspec
from openfeature.exception import ErrorCode
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..context import variable_key
from ..engine.evaluation import Evaluation
from ..engine.variables import natural_value
from ..errors import DataFileInvalid, KameleoonError, NotFoundError
from ..provider import ERROR_CODES
from .described import described_flag, told, unused
from .hub import Hub, event
from .json_api import API_HEADERS, BadRequest, Question, SampleQuestion, answering, json_response, read
from .overrides import Override
from .sampling import MOST_VISITORS, sample
from .site import Served, Site
from .tracked import Tracked

__all__ = ["Inspector"]

BATCH_SECONDS = 0.1
"""Tracked events are told together, as seldom as that."""

MOST_TOLD = 200
"""Events of one batch that are told; whoever misses some asks for them."""


class Inspector:
    """Routes of the page. ``source`` tells where the data file comes from, and what is wrong with it, if anything.

    ``flagship`` tells of the Flagship environment that is served beside it, if one is.
    """

    def __init__(self, site: Site, tracked: Tracked, sdk_streams: Hub) -> None:
        self.streams = Hub()
        self.source: Callable[[], tuple[str, str]] = lambda: ("", "")
        self.flagship: Callable[[], dict[str, Any] | None] = lambda: None
        self._site = site
        self._tracked = tracked
        self._sdk_streams = sdk_streams
        self._instance = secrets.token_hex(4)
        self._page, self._page_headers = _page()
        self._listed: tuple[Served | None, bytes] = None, b""
        self._sampling = asyncio.Semaphore(1)
        self._waiting: list[dict[str, Any]] = []
        self._adding = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        site.listen(self._changed)
        tracked.listen(self._note)
        self.routes = [
            Route("/", self._show),
            *(
                Route(path, answering(endpoint), methods=[method])
                for method, path, endpoint in (
                    ("GET", "/api/state", self._state),
                    ("GET", "/api/flags", self._flags),
                    ("GET", "/api/events", self._events),
                    ("GET", "/api/stream", self._stream),
                    ("POST", "/api/explain", self._explain),
                    ("POST", "/api/sample", self._sample),
                    ("PUT", "/api/overrides/{flag:path}", self._override),
                    ("DELETE", "/api/overrides/{flag:path}", self._reset),
                    ("DELETE", "/api/overrides", self._reset_all),
                )
            ),
        ]

    async def _show(self, request: Request) -> Response:
        return Response(self._page, headers=self._page_headers, media_type="text/html")

    # What there is --------------------------------------------------------------------------------------------------

    async def _state(self, request: Request) -> Response:
        return json_response(self._state_now())

    def _state_now(self) -> dict[str, Any]:
        served, tracked, (source, problem) = self._site.served, self._tracked, self.source()
        index = self._site.client.ruleset.index
        last = tracked.since(0, 1)
        return {
            "instance": self._instance,
            "siteCode": self._site.site_code,
            "timestamp": served.timestamp if served is not None else None,
            "isLegacy": index.is_legacy,
            "sdkStreams": len(self._sdk_streams),
            "overrides": msgspec.to_builtins(served.overrides) if served is not None else {},
            "events": {
                "counts": dict(tracked.counts),
                "malformed": tracked.malformed,
                "duplicates": tracked.duplicates,
                "last": last[0]["number"] if last else 0,
            },
            "source": source,
            "problem": problem or None,
            "customData": sorted(index.custom_data_by_name),
            "flagship": self.flagship(),
        }

    async def _flags(self, request: Request) -> Response:
        served, listing = self._listed
        if served is None or served is not self._site.served:
            served = self._site.served
            listing = await asyncio.to_thread(self._list, served)
            self._listed = served, listing
        return json_response(listing)

    def _list(self, served: Served | None) -> bytes:
        site, ruleset = self._site, self._site.client.ruleset
        flags = []
        for key in ruleset.index.flags:
            override = served.overrides.get(key) if served is not None else None
            try:
                flags.append(described_flag(key, site.flag(key), override, ruleset))
            except KameleoonError as error:
                flags.append({"key": key, "isMalformed": True, "problems": [error.message]})
        return msgspec.json.encode({"timestamp": served.timestamp if served is not None else None, "flags": flags})

    async def _events(self, request: Request) -> Response:
        after, most = (request.query_params.get(name, default) for name, default in (("after", "0"), ("most", "1000")))
        if not (after.isdecimal() and most.isdecimal() and len(after) < 16 and len(most) < 16):
            raise BadRequest("after is the number of an event, most how many are wanted")
        return json_response({"events": self._tracked.since(int(after), int(most))})

    # Why ------------------------------------------------------------------------------------------------------------

    async def _explain(self, request: Request) -> Response:
        """What an SDK would be answered, errors included, and why."""
        question = await read(request, Question)
        index = self._site.client.ruleset.index
        answer: dict[str, Any] = {
            "flag": question.flag,
            "visitorCode": question.visitor_code,
            "value": None,
            "variables": {},
            "variant": None,
            "reason": "ERROR",
            "error": None,
            "errorCode": None,
            "metadata": {},
            "unused": unused(question.context, index),
            "explanation": None,
        }
        try:
            explanation = self._site.client.explain(question.visitor_code, question.flag, question.context)
            evaluation = explanation.evaluation
            tree = {**explanation.as_dict(), "steps": told(explanation.steps, index)}
            answer |= {"explanation": tree, "metadata": dict(evaluation.metadata)}
            answer |= _answered(evaluation, variable_key(question.context))
        except KameleoonError as error:
            answer |= {"error": error.message, "errorCode": _code_of(error)}
        return json_response(answer)

    async def _sample(self, request: Request) -> Response:
        question = await read(request, SampleQuestion)
        if not 1 <= question.count <= MOST_VISITORS:
            raise BadRequest(f"count lies between 1 and {MOST_VISITORS}")
        async with self._sampling:  # it keeps a processor busy: one at a time
            answer = await asyncio.to_thread(sample, self._site.client, question.flag, question.context, question.count)
        return json_response(answer)

    # Overrides ------------------------------------------------------------------------------------------------------

    async def _override(self, request: Request) -> Response:
        key, override = request.path_params["flag"], await read(request, Override)
        self._refuse_legacy()
        self._site.flag(key)
        if override == Override():
            await asyncio.to_thread(self._site.reset, key)
        else:
            await asyncio.to_thread(self._site.override, key, override)
        return await self._state(request)

    async def _reset(self, request: Request) -> Response:
        key = request.path_params["flag"]
        if key not in self._site.overrides:
            raise NotFoundError(f"nothing is overridden of {key!r:.100}")
        await asyncio.to_thread(self._site.reset, key)
        return await self._state(request)

    async def _reset_all(self, request: Request) -> Response:
        await asyncio.to_thread(self._site.reset)
        return await self._state(request)

    def _refuse_legacy(self) -> None:
        if self._site.client.ruleset.index.is_legacy:
            raise DataFileInvalid("data files of 2.x are not overridden")

    # What changes ---------------------------------------------------------------------------------------------------

    async def _stream(self, request: Request) -> Response:
        self._loop = asyncio.get_running_loop()
        return self.streams.response(request, event("state", self._state_now()))

    def _changed(self, served: Served) -> None:
        self.streams.tell(event("changed", {"timestamp": served.timestamp, "overridden": list(served.overrides)}))

    def _note(self, tracked: dict[str, Any]) -> None:
        """Keep an event for the next batch, which the first one to wait has the loop send; on any thread."""
        loop = self._loop
        if loop is None or not self.streams:
            return
        with self._adding:
            self._waiting.append(tracked)
            is_first = len(self._waiting) == 1
        if is_first and not loop.is_closed():
            loop.call_soon_threadsafe(loop.call_later, BATCH_SECONDS, self._tell_batch)

    def _tell_batch(self) -> None:
        with self._adding:
            batch, self._waiting = self._waiting, []
        told_now = batch[-MOST_TOLD:]
        self.streams.tell(event("tracked", {"events": told_now, "left_out": len(batch) - len(told_now)}))


def _answered(evaluation: Evaluation, wanted: str | None) -> dict[str, Any]:
    """The value by the provider's rules: of the variable asked for, or the first; without any, whether it is active."""
    answer: dict[str, Any] = {"variant": evaluation.variation_key, "reason": evaluation.reason}
    if evaluation.is_disabled:  # the caller's own default
        return {**answer, "variant": None}
    variation = evaluation.variation
    value = natural_value(variation, wanted)
    variables = {key: variable.fresh_value() for key, variable in variation.variables.items()}
    return {**answer, "value": value, "variables": variables}


def _code_of(error: KameleoonError) -> str:
    return str(ERROR_CODES.get(type(error), ErrorCode.GENERAL).value)


def _page() -> tuple[bytes, dict[str, str]]:
    """The page, and headers that let it do what it does and nothing else: run its own script, ask its own server."""
    page = (resources.files(__package__) / "page.html").read_bytes()
    script, style = (_hash_of(tag, page) for tag in (b"script", b"style"))
    policy = (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; img-src data:; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return page, {
        **API_HEADERS,
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }


def _hash_of(tag: bytes, page: bytes) -> str:
    """The hash by which a policy allows the page's one element of this kind."""
    found = re.search(b"<%s>(.*?)</%s>" % (tag, tag), page, re.DOTALL)
    return f"sha256-{b64encode(hashlib.sha256(found[1] if found else b'').digest()).decode()}"
