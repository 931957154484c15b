"""Kameleoon's protocol: what SDKs of any language ask for, answered as Kameleoon does (specs/kameleoon-sdk.md 1)."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .hub import Hub, event
from .site import Served, Site
from .tracked import Tracked

__all__ = ["Kameleoon"]

TOKEN_SECONDS = 3600

CATCH_UP_SECONDS = 3.0
CATCH_UP_TURNS = 12
MOST_DIGITS = 18


class Kameleoon:
    """Routes for SDKs. ``visitors`` are answers of the Data API by visitor code, ``values`` those by key."""

    def __init__(
        self,
        site: Site,
        tracked: Tracked,
        visitors: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
    ) -> None:
        self.streams = Hub()
        self._site = site
        self._tracked = tracked
        self._visitors = {} if visitors is None else visitors  # an empty one may be filled later
        self._values = {} if values is None else values
        site.listen(self._announce)
        self.routes = [
            Route("/v3/{site_code:path}", self._data_file),
            Route("/sse", self._stream),
            Route("/visit/events", self._events, methods=["POST"]),
            Route("/visit/visitor", self._visitor),
            Route("/map/map", self._value),
            Route("/oauth/token", self._token, methods=["POST"]),
        ]

    def _announce(self, served: Served) -> None:
        self.streams.tell(event("configuration-update-event", {"ts": served.timestamp}))

    async def _data_file(self, request: Request) -> Response:
        await self._catch_up(request.query_params.get("ts", ""))
        served = self._site.served
        if served is None:
            return Response("there is no data file yet", 503, {"Retry-After": "1"})
        headers = {"Last-Modified": served.last_modified, "Cache-Control": "no-cache"}
        if served.is_known(request.headers.get("if-modified-since", "")):
            return Response(status_code=304, headers=headers)
        return Response(served.raw, headers=headers, media_type="application/json")

    async def _catch_up(self, announced: str) -> None:
        """Wait for a data file that another instance may have announced before this one has it, for a moment."""
        if not (self._site.is_shared and announced.isdecimal()):
            return
        for _ in range(CATCH_UP_TURNS):
            served = self._site.served
            if served is None or served.timestamp >= int(announced[:MOST_DIGITS]):
                return
            await self.streams.next(CATCH_UP_SECONDS / CATCH_UP_TURNS)

    async def _stream(self, request: Request) -> Response:
        return self.streams.response(request)

    async def _events(self, request: Request) -> Response:
        self._tracked.take(await request.body(), request.query_params)
        return Response(status_code=200)

    async def _visitor(self, request: Request) -> Response:
        query = request.query_params
        code = query.get("visitorCode") or query.get("mappingValue") or ""
        return JSONResponse(self._visitors.get(code, {}))

    async def _value(self, request: Request) -> Response:
        key = request.query_params.get("key", "")
        return JSONResponse(self._values[key]) if key in self._values else JSONResponse({"error": "no such key"}, 404)

    async def _token(self, request: Request) -> Response:
        """Any credentials will do: nobody is to need Kameleoon's here."""
        token = secrets.token_urlsafe(24)
        return JSONResponse({"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS})
