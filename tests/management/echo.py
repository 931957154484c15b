"""An API that answers with what it was asked, and a session with it that does not wait."""

from __future__ import annotations

from typing import Any

from flask import Flask, Response, jsonify, request

from openfeature_kameleoon.management.rest import FixedCredential, Rest
from openfeature_kameleoon.settings import Secret
from tests.management.standins.serving import StandIn

__all__ = ["TOKEN", "Echo"]

TOKEN = "canary-t0ken+of/the=tests"
"""As credentials are; the suite's guard of logs knows the word too."""

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


class Echo(StandIn):
    """Answers 200 with the request's target as it was sent.

    ``done`` are the targets that were; ``waits`` is how long its sessions have waited, in seconds.
    """

    def __init__(self) -> None:
        app = Flask(__name__)
        app.add_url_rule("/", view_func=self.answer, defaults={"path": ""}, methods=METHODS)
        app.add_url_rule("/<path:path>", view_func=self.answer, methods=METHODS)
        super().__init__(app)
        self.done: list[str] = []
        self.waits: list[float] = []
        self.sessions: list[Rest] = []

    def answer(self, path: str) -> Response:
        """What was asked."""
        self.done.append(request.environ["RAW_URI"])
        return jsonify(target=request.environ["RAW_URI"])

    def rest(self, **options: Any) -> Rest:
        """A session with a token; closed when the server ends."""
        given = {"url": self.url, "authentication": FixedCredential("Authorization", Secret(f"Bearer {TOKEN}"))}
        session = Rest(**{**given, "wait": self.waits.append, **options})
        self.sessions.append(session)
        return session

    def __enter__(self) -> Echo:
        super().__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        for session in self.sessions:
            session.close()
        super().__exit__(*_)
