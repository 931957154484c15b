"""The local server in the place of ``FakeKameleoon``: what tests of clients have it serve, and ask it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.guard import Application, Message, Receive, Send
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site
from tests.chaos import Received, wait_until
from tests.kameleoon import EVENTS, Asked
from tests.vectors import as_bytes

__all__ = ["LocalKameleoon"]


class LocalKameleoon(Asked):
    """Serves one site. ``visitors`` and ``values`` are the answers of the Data API; ``renew`` has it begin anew."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.lines: list[str] = []
        self.visitors: dict[str, Any] = {}
        self.values: dict[str, Any] = {}
        self._site = Site("site")
        self._serving = Serving(self._site, visitors=self.visitors, values=self.values)
        self._serving.app = self._overheard(self._serving.app)
        self._server = LocalServer(self._serving)
        self._server.start()
        self.url = self._server.url

    def renew(self, data_file: object) -> None:
        """Serve this, as if nothing had been before."""
        self.publish(data_file)
        self.visitors.clear()
        self.values.clear()
        self.received.clear()
        self.lines.clear()
        self._serving.tracked.clear()

    def publish(self, data_file: object, *, announce: int | None = None) -> None:
        """Have this data file from now on, which it always announces, at a time of its own."""
        self._site.publish(data_file if isinstance(data_file, bytes) else as_bytes(data_file))

    @property
    def open_streams(self) -> int:
        """How many streams are open."""
        return len(self._serving.kameleoon.streams)

    def wait_until_taken(self) -> None:
        """Return once each line that came was taken as an event."""
        wait_until(lambda: self._serving.tracked.counts.total() == len(self.lines))

    def close(self) -> None:
        """End it."""
        self._server.stop()

    def _overheard(self, app: Application) -> Application:
        async def overheard(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
            whole: Message = {"type": "http.request", "body": b"", "more_body": True}
            while whole["more_body"]:
                message = await receive()
                whole["body"] += message.get("body", b"")
                whole["more_body"] = message.get("more_body", False)
            self._note(scope, whole["body"])
            waiting = [whole]

            async def again() -> Message:
                return waiting.pop() if waiting else await receive()

            await app(scope, again, send)

        return overheard

    def _note(self, scope: MutableMapping[str, Any], body: bytes) -> None:
        query = scope["query_string"].decode("latin-1")
        target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        self.received.append(Received(scope["method"], target, headers, body))
        if scope["path"] == EVENTS:
            self.lines += body.decode().split("\n")
