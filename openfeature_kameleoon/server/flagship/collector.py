"""The collector: hits one by one or in a batch, each looked at and shown (specs/flagship.md 4.2 to 4.7).

On the event loop. What makes no sense is noted with what is wrong; a body of which nothing makes sense is refused.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..guard import OF_FLAGSHIP
from ..tracked import Tracked
from .decision_api import answering
from .environment import Environment
from .hits import NO_ENVIRONMENT, hit_flaws, hits_of, told
from .questions import decoded, refusal_of_fields

__all__ = ["Collector"]

DIAGNOSTICS = ("troubleshooting", "analytics")
"""What SDKs of other languages tell of themselves; it is taken, and is nobody's event."""

MOST_SHOWN = 40


class Collector:
    """Routes for hits."""

    def __init__(self, environment: Environment, tracked: Tracked) -> None:
        self._environment = environment
        self._tracked = tracked
        self.routes = [
            Route(OF_FLAGSHIP, answering(self._hits), methods=["POST"]),
            *(Route(f"{OF_FLAGSHIP}{name}", self._diagnostics, methods=["POST"]) for name in DIAGNOSTICS),
        ]

    async def _hits(self, request: Request) -> Response:
        hits = hits_of(decoded(await request.body()))
        flaws = [self._flaws(hit) for hit in hits]
        for hit, wrong in zip(hits, flaws, strict=True):
            kind, visitor = hit.get("t"), hit.get("vid")
            self._tracked.note(
                kind[:MOST_SHOWN] if isinstance(kind, str) and kind else "no type",
                visitor if isinstance(visitor, str) else "",
                {name: value for name, value in hit.items() if name not in ("t", "vid", "ds")},
                problem=told(wrong),
            )
        if all(flaws):
            raise refusal_of_fields(flaws[0] if flaws else {"h": "Field is mandatory."})
        return Response(status_code=204)

    def _flaws(self, hit: dict[str, object]) -> dict[str, str]:
        flaws = hit_flaws(hit)
        if "cid" not in flaws and not self._environment.is_served(str(hit["cid"])):
            flaws["cid"] = NO_ENVIRONMENT
        return flaws

    async def _diagnostics(self, request: Request) -> Response:
        await request.body()
        return Response(status_code=204)
