"""The application: what is served, put together of its parts and wrapped in the guard."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .access import Observed, log_access
from .control import VERBS, Control
from .faults import Faults
from .guard import Application, Guard, is_loopback
from .inspector import Inspector
from .kameleoon import Kameleoon
from .metrics import Metrics
from .ofrep import Allowance, Ofrep
from .relay import Relay, RelayedKameleoon
from .sharing import SharedOverrides
from .site import Site
from .tracked import Tracked

if TYPE_CHECKING:
    from .flagship.environment import Environment
    from .flagship.service import FlagshipService

__all__ = ["Serving"]


class Serving:
    """A site that is served: ``app`` is the ASGI application, ``token`` what writes need.

    ``host`` is where it will be bound; elsewhere than on this machine a token must be given, and reads need it, too.
    ``hosts`` are further names that it goes by. ``visitors`` and ``values`` are the Data API's answers.
    ``ofrep_key`` is a key that OFREP needs, besides the token; ``ofrep_rate`` is how many evaluations a client may ask
    for in a second, or else 429. With ``opens_control`` the verbs of the Provider TCK need no token. ``relay`` and
    ``sharing``, which somebody else starts, end with it. ``flagship`` is an environment that is served, too; with it
    the site need have no data file.

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
        relay: Relay | None = None,
        sharing: SharedOverrides | None = None,
        flagship: Environment | None = None,
    ) -> None:
        is_here = is_loopback(host)
        if not is_here and not token:
            raise ValueError(f"whoever can reach {host} could change flags: give a token (KAMELEOON_SERVER_TOKEN)")
        self.site = site
        self.token = token or secrets.token_urlsafe(24)
        self.tracked = Tracked(events_path)
        self.relay, self.sharing = relay, sharing
        self.kameleoon = (
            Kameleoon(site, self.tracked, visitors, values)
            if relay is None
            else RelayedKameleoon(site, self.tracked, relay)
        )
        self.ofrep = Ofrep(site, None if ofrep_rate is None else Allowance(ofrep_rate), flagship)
        self.faults = Faults({"stream": self.kameleoon.streams, "ofrep": self.ofrep.streams})
        self.inspector = Inspector(site, self.tracked, self.kameleoon.streams)
        self.flagship = None if flagship is None else _service(flagship, self.tracked, self.inspector)
        self.metrics = Metrics(site, self.tracked, self.kameleoon.streams, relay, sharing, self.flagship)
        routes = [
            Route("/healthz", self._healthz),
            Route("/readyz", self._readyz),
            Route("/metrics", self.metrics.answer),
            *self.kameleoon.routes,
            *self.ofrep.routes,
            *Control(site, self.tracked, self.faults, self.flagship).routes,
            *self.inspector.routes,
            *(self.flagship.routes if self.flagship is not None else ()),
        ]
        names = {*hosts, host} if host not in ("0.0.0.0", "::") else {*hosts}
        guarded = Guard(
            self.faults.around(Starlette(routes=routes)),
            self.token,
            hosts=names,
            guards_reads=not is_here,
            ofrep_key=ofrep_key,
            unguarded=VERBS if opens_control else (),
        )
        self.app: Application = Observed(guarded, routes, (self.metrics.count, log_access))

    def drain(self) -> None:
        """End what would go on for ever, and let what is under way finish."""
        self.kameleoon.streams.close()
        self.ofrep.streams.close()
        self.inspector.streams.close()
        self.faults.close()

    def close(self) -> None:
        """End what is open, when nothing is answered any more."""
        if self.relay is not None:
            self.relay.stop()
        if self.sharing is not None:
            self.sharing.stop()
        self.site.client.close()
        self.tracked.close()

    async def _healthz(self, request: Request) -> Response:
        return JSONResponse({"status": "ok"})

    async def _readyz(self, request: Request) -> Response:
        """Ready is who can answer, whoever is away meanwhile."""
        is_settled = self.sharing is None or self.sharing.is_settled
        # Who serves a Flagship environment and relays nothing may well have no data file of Kameleoon's.
        has_file = self.site.served is not None or (self.flagship is not None and self.relay is None)
        if self.flagship is not None:
            has_file = has_file and self.flagship.is_ready
        is_ready = has_file and is_settled
        status = "ready" if is_ready else "waiting for Redis" if has_file else "no data file yet"
        parts = {"upstream": self.relay and self.relay.is_up_to_date, "redis": self.sharing and self.sharing.is_up}
        told = {name: "up" if is_up else "away" for name, is_up in parts.items() if is_up is not None}
        return JSONResponse({"status": status, **told}, 200 if is_ready else 503)


def _service(environment: Environment, tracked: Tracked, inspector: Inspector) -> FlagshipService:
    # Imported here: it needs the extra ``flagship``, which whoever has an environment has.
    from .flagship.service import FlagshipService  # noqa: PLC0415

    service = FlagshipService(environment, tracked, inspector.streams)
    inspector.flagship = service.inspector.state
    return service
