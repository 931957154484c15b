"""Our server and, under the same settings of uvicorn, a bare endpoint of the same shape, for bar 27 to ask.

A process of its own (``python -m benchmarks.ofrep_server <data file>``), one thread for each server, which only turns
when it is asked. It prints the two ports and ends with its standard input.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from openfeature_kameleoon.server.app import Serving
from openfeature_kameleoon.server.run import LocalServer
from openfeature_kameleoon.server.site import Site

__all__ = ["PATH", "served"]

PATH = "/ofrep/v1/evaluate/flags/"


@contextmanager
def served(data_file: Path) -> Iterator[dict[str, int]]:
    """The ports of both, by who it is."""
    command = [sys.executable, "-m", "benchmarks.ofrep_server", str(data_file)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=Path(__file__).parent.parent, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            ours, bare = map(int, server.stdout.readline().split())
            yield {"ours": ours, "bare": bare}
        finally:
            server.stdin.close()  # the server ends with its input, also when this process is killed


async def _evaluate(request: Request) -> Response:
    """What any endpoint does that takes a context and gives a value as JSON, without an evaluation."""
    content = await request.json()
    metadata = {"siteCode": "x", "version": 1_790_000_000_000, "visitor": content["context"]["targetingKey"]}
    key = request.path_params["key"]
    return JSONResponse({"key": key, "reason": "SPLIT", "variant": "on", "metadata": metadata, "value": True})


def _serve() -> None:
    site = Site("x")
    site.publish(Path(sys.argv[1]).read_bytes())
    bare = Serving(site)
    bare.app = Starlette(routes=[Route(f"{PATH}{{key:path}}", _evaluate, methods=["POST"])])
    with LocalServer(Serving(site)) as ours, LocalServer(bare) as other:
        print(urlsplit(ours.url).port, urlsplit(other.url).port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    _serve()
