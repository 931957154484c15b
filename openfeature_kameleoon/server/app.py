"""The application: what is served, put together of its parts and wrapped in the guard."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .control import VERBS, Control
from .faults import Faults
from .guard import Application, Guard, is_loopback
from .inspector import Inspector
from .kameleoon import Kameleoon
from .ofrep import Allowance, Ofrep
from .site import Site
from .tracked import Tracked

__all__ = ["Serving"]


class Serving:
    """A site that is served: ``app`` is the ASGI application, ``token`` what writes need.

    ``host`` is where it will be bound; elsewhere than on this machine a token must be given, and reads need it, too.
    ``hosts`` are further names that it goes by. ``visitors`` and ``values`` are the Data API's answers.
    ``ofrep_key`` is a key that OFREP needs, besides the token; ``ofrep_rate`` is how many evaluations a client may ask
    for in a second, or else 429. With ``opens_control`` the verbs of the Provider TCK need no token.

    Raises ``ValueError`` for a place without a token.
    """

    def __init__(
        self,
        site: Site,
        *,
        host: str = "127.0.0.1",
        hosts: Collection[str] = (),
        token: str = "",
        visitors: Mapping[str, Any] | None = None,
        values: Mapping[str, Any] | None = None,
        events_path: Path | None = None,
        ofrep_key: str = "",
        ofrep_rate: float | None = None,
        opens_control: bool = False,
    ) -> None:
        is_here = is_loopback(host)
        if not is_here and not token:
            raise ValueError(f"whoever can reach {host} could change flags: give a token (--token)")
        self.site = site
        self.token = token or secrets.token_urlsafe(24)
        self.tracked = Tracked(events_path)
        self.kameleoon = Kameleoon(site, self.tracked, visitors, values)
        self.ofrep = Ofrep(site, None if ofrep_rate is None else Allowance(ofrep_rate))
        self.faults = Faults({"stream": self.kameleoon.streams, "ofrep": self.ofrep.streams})
        self.inspector = Inspector(site, self.tracked, self.kameleoon.streams)
        routes = [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            *self.kameleoon.routes,
            *self.ofrep.routes,
            *Control(site, self.tracked, self.faults).routes,
            *self.inspector.routes,
        ]
        names = {*hosts, host} if host not in ("0.0.0.0", "::") else {*hosts}
        self.app: Application = Guard(
            self.faults.around(Starlette(routes=routes)),
            self.token,
            hosts=names,
            guards_reads=not is_here,
            ofrep_key=ofrep_key,
            unguarded=VERBS if opens_control else (),
        )

    def end_streams(self) -> None:
        """End what would never end by itself, so that the server can."""
        self.kameleoon.streams.end()
        self.ofrep.streams.end()
        self.faults.close()
        self.inspector.streams.end()

    def close(self) -> None:
        """End what is open, once no request is under way any more."""
        self.site.client.close()
        self.tracked.close()

    async def _healthz(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readyz(self, request: Request) -> Response:
        is_ready = self.site.served is not None
        return JSONResponse({"status": "ready" if is_ready else "no data file yet"}, 200 if is_ready else 503)
