"""Django's ASGI application with an end: in ``asgi.py``, import ``get_asgi_application`` from here.

Django's own knows nothing of the life of a server, ASGI's ``lifespan``: with it, what waits is not delivered when a
server such as uvicorn is asked to end.
"""

from __future__ import annotations

from typing import cast

from django.core.asgi import get_asgi_application as application_of_django

from ..asgi import Application, Receive, Scope, Send, delivering
from ..setup import provider_in_use

__all__ = ["get_asgi_application"]


def get_asgi_application() -> Application:
    """Django's, which delivers what waits before the server ends."""
    answer = cast("Application", application_of_django())  # it takes what any server passes

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await answer(scope, receive, send)

    return application


async def _live(receive: Receive, send: Send) -> None:
    await receive()
    client = provider_in_use().client
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await delivering(send, client)({"type": "lifespan.shutdown.complete"})
