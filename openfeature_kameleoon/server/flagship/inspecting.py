"""What the page asks about Flagship: campaigns, flags, why a visitor gets what it gets, overrides; JSON in and out.

Asking leaves no trace. Answers are as the decision API decides, with what it has stored of the visitor. On the event
loop, save what may take long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ...errors import FeatureNotFound, NotFoundError
from ...flagship.engine.explain import explain
from ...flagship.engine.targeting import Visitor
from ..hub import Hub, event
from ..json_api import BadRequest, Question, SampleQuestion, answering, json_response, read
from ..sampling import MOST_VISITORS
from .described import context_keys, described, told, variation_names
from .environment import Environment, Served
from .overrides import Override
from .questions import scalars
from .sampling import sample

__all__ = ["FlagshipInspector"]


class Panic(msgspec.Struct, forbid_unknown_fields=True):
    """Whether there is panic; ``None``, or nothing, leaves it to the file."""

    panic: bool | None = None


class FlagshipInspector:
    """Routes of the page. ``source`` tells where the file comes from, and what is wrong with it, if anything."""

    def __init__(self, environment: Environment, streams: Hub) -> None:
        self.source: Callable[[], tuple[str, str]] = lambda: ("", "")
        self._environment = environment
        self._streams = streams
        self._listed: tuple[Served | None, bytes] = None, b""
        self._keys: tuple[Served | None, list[str]] = None, []
        self._sampling = asyncio.Semaphore(1)
        environment.listen(self._changed)
        self.routes = [
            Route(f"/api/flagship{path}", answering(endpoint), methods=[method])
            for method, path, endpoint in (
                ("GET", "/state", self._state),
                ("GET", "/flags", self._flags),
                ("POST", "/explain", self._explain),
                ("POST", "/sample", self._sample),
                ("PUT", "/panic", self._panic),
                ("DELETE", "/visitors", self._forget),
                ("PUT", "/overrides/{campaign:path}", self._override),
                ("DELETE", "/overrides/{campaign:path}", self._reset),
                ("DELETE", "/overrides", self._reset_all),
            )
        ]

    def state(self) -> dict[str, Any]:
        """What there is now."""
        served, (source, problem) = self._environment.served, self.source()
        return {
            "environment": self._environment.env_id,
            "timestamp": served.timestamp if served else None,
            "panic": served is not None and served.ruleset.panic,
            "declaredPanic": served is not None and served.declared.panic,
            "overrides": msgspec.to_builtins(served.overrides if served else {}),
            "names": {campaign.id: campaign.name for campaign in self._overridden(served)},
            "visitors": len(self._environment.assignments),
            "contextKeys": self._context_keys(served),
            "source": source,
            "problem": problem or None,
        }

    def _overridden(self, served: Served | None) -> list[Any]:
        if served is None or not served.overrides.campaigns:
            return []
        return [campaign for campaign in served.declared.campaigns if campaign.id in served.overrides.campaigns]

    def _context_keys(self, served: Served | None) -> list[str]:
        known_of, keys = self._keys
        if served is not None and served is not known_of:
            keys = context_keys(served.declared)
            self._keys = served, keys
        return keys

    async def _state(self, request: Request) -> Response:
        return json_response(self.state())

    async def _flags(self, request: Request) -> Response:
        served, listing = self._listed
        if served is None or served is not self._environment.served:
            served = self._environment.served
            listing = await asyncio.to_thread(lambda: msgspec.json.encode(described(served)))
            self._listed = served, listing
        return json_response(listing)

    # Why ------------------------------------------------------------------------------------------------------------

    async def _explain(self, request: Request) -> Response:
        """What the decision API would give, errors included, and why."""
        question = await read(request, Question)
        served = self._environment.served
        answer: dict[str, Any] = {
            "flag": question.flag,
            "visitorCode": question.visitor_code,
            "value": None,
            "variant": None,
            "variantName": None,
            "reason": "ERROR",
            "error": None,
            "errorCode": None,
            "metadata": {},
            "variables": {},
            "unused": [name for name in question.context if name not in self._context_keys(served)],
            "explanation": None,
        }
        if not question.visitor_code:
            return json_response({**answer, "error": "the visitor id is empty", "errorCode": "TARGETING_KEY_MISSING"})
        try:
            answer |= self._explained(served, question)
        except FeatureNotFound as error:
            is_paused = served is not None and question.flag in served.declared.flags
            message = "its campaigns are paused" if is_paused else error.message
            answer |= {"error": message, "errorCode": "FLAG_NOT_FOUND"}
        return json_response(answer)

    def _explained(self, served: Served | None, question: Question) -> dict[str, Any]:
        if served is None:
            raise FeatureNotFound("there is no bucketing file yet")
        visitor = Visitor(question.visitor_code, scalars(question.context))
        visitor = self._environment.visitor(served, visitor, [("visitor", visitor.id)])
        explanation = explain(served.ruleset, question.flag, visitor)
        evaluation = explanation.evaluation
        variation = evaluation.variation
        names: dict[str, str] = {}
        for campaign in served.declared.campaigns:
            names |= variation_names(campaign)
        return {
            "value": evaluation.value,
            "variant": variation.id if variation else None,
            "variantName": names.get(variation.id, variation.name) if variation else None,
            "reason": evaluation.reason,
            "metadata": dict(evaluation.metadata),
            "explanation": {"steps": told(explanation.steps, names)},
        }

    async def _sample(self, request: Request) -> Response:
        question = await read(request, SampleQuestion)
        if not 1 <= question.count <= MOST_VISITORS:
            raise BadRequest(f"count lies between 1 and {MOST_VISITORS}")
        served = self._environment.served
        if served is None:
            raise FeatureNotFound("there is no bucketing file yet")
        if question.flag in served.declared.flags and question.flag not in served.ruleset.flags:  # paused
            return json_response({"count": 0, "variations": []})
        async with self._sampling:  # it keeps a processor busy: one at a time
            context = scalars(question.context)
            answer = await asyncio.to_thread(sample, served.ruleset, question.flag, context, question.count)
        return json_response(answer)

    # Overrides ------------------------------------------------------------------------------------------------------

    async def _panic(self, request: Request) -> Response:
        panic = await read(request, Panic)
        await asyncio.to_thread(self._environment.panic, panic.panic)
        return await self._state(request)

    async def _override(self, request: Request) -> Response:
        override = await read(request, Override)
        await asyncio.to_thread(self._environment.override, request.path_params["campaign"], override)
        return await self._state(request)

    async def _reset(self, request: Request) -> Response:
        campaign_id = request.path_params["campaign"]
        if campaign_id not in self._environment.overrides.campaigns:
            raise NotFoundError(f"nothing is overridden of campaign {campaign_id!r:.100}")
        await asyncio.to_thread(self._environment.reset, campaign_id)
        return await self._state(request)

    async def _reset_all(self, request: Request) -> Response:
        await asyncio.to_thread(self._environment.reset)
        return await self._state(request)

    async def _forget(self, request: Request) -> Response:
        self._environment.assignments.clear()
        return await self._state(request)

    def _changed(self, served: Served) -> None:
        self._streams.tell(event("changed", {"timestamp": served.timestamp, "service": "flagship"}))
