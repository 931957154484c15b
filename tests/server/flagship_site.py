"""A Flagship environment that is served, and what SDKs ask of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.flagship.environment import Environment
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from tests.server.asking import Reply, ask
from tests.vectors import as_bytes

__all__ = ["ENV_ID", "TOKEN", "FlagshipSite", "flagship_site"]

ENV_ID = "ENV_ID"
TOKEN = "Bearer the-token"

Json = dict[str, Any]


class FlagshipSite:
    """A server of one environment."""

    def __init__(self, environment: Environment, server: LocalServer) -> None:
        self.environment, self.server = environment, server

    def publish(self, file: Any) -> None:
        self.environment.publish(as_bytes(file))

    def clear(self) -> None:
        """As at the start, but for the file."""
        self.environment.reset()
        self.environment.assignments.clear()
        self.server.serving.tracked.clear()

    def post(self, path: str, body: object = None, status: int = 200, **headers: str) -> Any:
        """What is answered below /flagship; the status must be this one."""
        raw = body if isinstance(body, bytes) else as_bytes({"visitorId": "visitor-1"} if body is None else body)
        reply = ask(self.server, f"/flagship{path}", "POST", raw, **headers)
        assert reply.status == status, reply
        return json.loads(reply.body) if reply.body else None

    def file(self, since: str | None = None, env_id: str = ENV_ID) -> Reply:
        return ask(self.server, f"/flagship/{env_id}/bucketing.json", if_modified_since=since)

    def call(self, path: str, method: str = "GET", body: object = None, status: int = 200) -> Any:
        """What the page is answered, with the token shown."""
        raw = None if body is None else body if isinstance(body, bytes) else as_bytes(body)
        reply = ask(self.server, path, method, raw, authorization=TOKEN)
        assert reply.status == status, reply
        return json.loads(reply.body)

    def flags(self, visitor_id: str = "visitor-1", context: Mapping[str, Any] | None = None, **fields: Any) -> Json:
        """A visitor's flags, each a pair of its value and the variation's id, as the vectors have them."""
        question = {"visitorId": visitor_id, "context": dict(context or {}), "trigger_hit": False, **fields}
        answer = self.post(f"/v2/{ENV_ID}/flags?exposeAllKeys=false", question)
        return {key: [flag["value"], flag["metadata"]["variationId"]] for key, flag in answer.items()}

    def reported(self, *kinds: str) -> list[Json]:
        """What was reported of these kinds, or of any."""
        return [event for event in self.server.serving.tracked.since() if not kinds or event["type"] in kinds]


@contextmanager
def flagship_site(file: Any, env_id: str = ENV_ID, **settings: Any) -> Iterator[FlagshipSite]:
    """A server of this bucketing file, beside which there is no data file of Kameleoon's."""
    environment = Environment(env_id)
    environment.publish(as_bytes(file))
    site = Site("local")
    with LocalServer(Serving(site, token="the-token", flagship=environment, **settings)) as server:
        yield FlagshipSite(environment, server)
