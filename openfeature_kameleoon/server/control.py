"""What a test has the server do: stop and start again, serve a change, be as at the start, and fail.

The verbs are those of the control API of OpenFeature's Provider TCK (open-feature/spec, Appendix F). On the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..datafile.model import FeatureFlag
from ..errors import FeatureMalformed, FeatureNotFound, KameleoonError
from ..visitors.store import MemoryVisitorStore
from .faults import Fault, Faults, Seconds
from .overrides import Override
from .site import Site
from .tracked import Tracked

if TYPE_CHECKING:
    from .flagship.service import FlagshipService

__all__ = ["VERBS", "Control"]

VERBS = ("/start", "/stop", "/restart", "/change", "/reset")
"""Paths of the verbs, each a POST."""

DEFAULT = "default"
"""The TCK's name of the one configuration that there is: the data file."""

CHANGING_FLAG = "changing-flag"
"""The TCK's name of the flag that it has changed."""

RESTART_SECONDS = 5.0


class Control:
    """Routes for tests: the verbs, and ``/api/faults``."""

    def __init__(self, site: Site, tracked: Tracked, faults: Faults, flagship: FlagshipService | None = None) -> None:
        self._site = site
        self._flagship = flagship
        self._tracked = tracked
        self._faults = faults
        self._starting: asyncio.TimerHandle | None = None
        verbs = (self._start, self._stop, self._restart, self._change, self._reset)
        self.routes = [
            *(Route(path, verb, methods=["POST"]) for path, verb in zip(VERBS, verbs, strict=True)),
            Route("/api/faults", self._tell_faults),
            Route("/api/faults", self._set_faults, methods=["PUT"]),
            Route("/api/faults", self._clear_faults, methods=["DELETE"]),
        ]

    async def _start(self, request: Request) -> Response:
        """Answer, and as the data file says: what was changed is forgotten."""
        configuration = request.query_params.get("config", DEFAULT)
        if configuration != DEFAULT:
            return _refusal(f"there is no configuration {configuration!r:.60}, but {DEFAULT} alone")
        self._start_now()
        self._forget_overrides()
        return JSONResponse({"status": "started"})

    async def _stop(self, request: Request) -> Response:
        self._start_now()
        self._faults.stop()
        return JSONResponse({"status": "stopped"})

    async def _restart(self, request: Request) -> Response:
        """Stop, and start after so many seconds, with all that was changed; this is answered at once."""
        try:
            seconds = msgspec.convert(request.query_params.get("seconds", RESTART_SECONDS), Seconds, strict=False)
        except msgspec.ValidationError as error:
            return _refusal(f"seconds: {error}")
        self._start_now()
        self._faults.stop()
        self._starting = asyncio.get_running_loop().call_later(seconds, self._start_now)
        return JSONResponse({"status": "restarting", "seconds": seconds})

    async def _change(self, request: Request) -> Response:
        """Give everybody another variation of a flag, and the default one the next time.

        It is the flag that the parameter ``flag`` names, or that of the TCK, or else the first that has several.
        """
        try:
            flag = self._flag_to_change(request.query_params.get("flag"))
            override = self._next(flag)
            self._site.override(flag.feature_key, override)
        except KameleoonError as error:
            return _refusal(error.message)
        return JSONResponse({"status": "changed", "flag": flag.feature_key, "variation": override.variation})

    async def _reset(self, request: Request) -> Response:
        """Be as at the start; nonces that have come stay known."""
        self._start_now()
        self._faults.set({})
        self._tracked.clear()
        self._forget_overrides()
        if self._flagship is not None:
            self._flagship.environment.assignments.clear()
        store = self._site.client.evaluator.store
        if isinstance(store, MemoryVisitorStore):
            for visitor in list(store):
                store.forget(visitor)
        return JSONResponse({"status": "reset"})

    async def _tell_faults(self, request: Request) -> Response:
        return _json(self._faults.by_route)

    async def _set_faults(self, request: Request) -> Response:
        try:
            faults = msgspec.json.decode(await request.body(), type=dict[str, Fault])
            self._faults.set(faults)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as error:
            return _refusal(str(error))
        except ClientDisconnect:
            return _refusal("the body is too long, or did not come in time")
        return _json(faults)

    async def _clear_faults(self, request: Request) -> Response:
        self._faults.set({})
        return _json({})

    def _forget_overrides(self) -> None:
        if self._site.overrides:
            self._site.reset()
        if self._flagship is not None:
            self._flagship.environment.reset()

    def _start_now(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None
        self._faults.start()

    def _flag_to_change(self, wanted: str | None) -> FeatureFlag:
        index = self._site.client.ruleset.index
        if wanted is not None or CHANGING_FLAG in index.flags:
            return index.flag(CHANGING_FLAG if wanted is None else wanted)
        for key in index.flags:
            with contextlib.suppress(FeatureMalformed):  # it costs only itself
                flag = index.flag(key)
                if len(flag.variations or ()) > 1:
                    return flag
        raise FeatureNotFound("no flag has two variations to change between")

    def _next(self, flag: FeatureFlag) -> Override:
        keys = [variation.key for variation in flag.variations or ()]
        default = flag.default_variation_key
        others = [key for key in keys if key != default]
        if not others:
            raise FeatureNotFound(f"flag {flag.feature_key!r:.60} has no variation but its default one")
        override = self._site.overrides.get(flag.feature_key, Override())
        is_back = override.variation == others[0] and default in keys
        return replace(override, variation=default if is_back else others[0])


def _json(content: object) -> Response:
    return Response(msgspec.json.encode(content), media_type="application/json")


def _refusal(problem: str) -> Response:
    return JSONResponse({"message": problem}, 400)
