"""What everybody talks to instead of Kameleoon: data file and token are answered, what is tracked is kept.

A process of its own (``python -m benchmarks.loopback <directory>``), so that serving takes no interpreter
time from who is measured. Site code ``x`` has the data file ``x.json``, read again once it was replaced. A line
on its standard input says how to answer what is tracked, or asks what has come; who asks looks into it.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from .arrivals import Arrival

__all__ = ["Loopback", "Manner", "served"]

TOKEN = b'{"access_token": "benchmark", "expires_in": 86400}'

Manner: TypeAlias = Literal["up", "500", "down", "hang"]
"""How what is tracked is answered. ``down`` ends all connections and refuses any; who asks while the server hangs
gets no answer later either."""


class Loopback:
    """The server as its user sees it, from one thread at a time."""

    def __init__(self, port: int, commands: IO[str], answers: IO[str]) -> None:
        self.port = port
        self._commands = commands
        self._answers = answers

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, manner: Manner) -> None:
        """Answer what is tracked so from now on; only when it is ``up`` anything is taken."""
        self._ask(manner)

    def lines(self) -> int:
        """How many event lines were taken so far; asking costs the server next to nothing."""
        return int(self._ask("lines"))

    def arrivals(self) -> list[Arrival]:
        """Everything that was taken so far, in order."""
        return [Arrival(at, body) for at, body in self._ask("arrivals")]

    def wait_for(self, lines: int, seconds: float) -> bool:
        """Wait until so many event lines were taken in all, or the time is over; whether they were."""
        deadline = time.monotonic() + seconds
        while self.lines() < lines:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.02)
        return True

    def _ask(self, command: str) -> Any:
        print(command, file=self._commands, flush=True)
        return json.loads(self._answers.readline())


@contextmanager
def served(directory: Path) -> Iterator[Loopback]:
    """Serve the data files of the directory from another process."""
    command = [sys.executable, "-m", "benchmarks.loopback", str(directory)]
    root = Path(__file__).parent.parent
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=root, text=True) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield Loopback(int(server.stdout.readline()), server.stdin, server.stdout)
        finally:
            server.stdin.close()  # the server ends with its input, also when this process is killed


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directory = directory
        self.manner: Manner = "up"
        self.settling = threading.Lock()  # a request is taken and answered, or the manner changes
        self.connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._contents: dict[str, tuple[float, bytes]] = {}
        self._arrivals: list[tuple[float, bytes]] = []
        self._lines = 0

    def content(self, site_code: str) -> tuple[str, bytes]:
        """``Last-Modified`` and body of the site's data file as it is now."""
        path = self.directory / f"{site_code}.json"
        with self._lock:
            modified = path.stat().st_mtime
            if self._contents.get(site_code, (None,))[0] != modified:
                self._contents[site_code] = (modified, path.read_bytes())
            return formatdate(modified, usegmt=True), self._contents[site_code][1]

    def keep(self, body: bytes) -> None:
        """Take what was tracked; it is looked into when somebody asks."""
        self._arrivals.append((time.monotonic(), body))
        self._lines += body.count(b"\n") + 1

    def obey(self, command: str) -> object:
        """Do as a line says, or answer what it asks for."""
        if command == "lines":
            return self._lines
        if command == "arrivals":
            return [(at, body.decode()) for at, body in self._arrivals]
        self._change(command)  # type: ignore[arg-type]  # `Loopback` sends nothing else
        return command

    def accept_connections(self) -> None:
        """Serve, on a thread of its own."""
        threading.Thread(target=self.serve_forever, args=(0.01,), name="loopback", daemon=True).start()

    def _change(self, manner: Manner) -> None:
        before = self.manner
        if manner == "down" and before != "down":
            self.shutdown()
            self.socket.close()
            # Bound, but not listening: connections are refused, and nobody else gets the port.
            self.socket = socket.socket(self.address_family, self.socket_type)
            self.server_bind()
        with self.settling:
            self.manner = manner
            for connection in list(self.connections) if manner == "down" else ():
                with contextlib.suppress(OSError):  # the other side was first
                    connection.shutdown(socket.SHUT_RDWR)
        if before == "down" and manner != "down":
            self.server_activate()
            self.accept_connections()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who is measured ends its connections as it likes; anything else is a mistake here."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else an answer's second packet may wait 40 ms for the first one's receipt
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def do_GET(self) -> None:
        """The data file."""
        modified, body = self.server.content(urlsplit(self.path).path.rpartition("/")[2])
        if self.headers.get("If-Modified-Since") == modified:
            self._answer(304, b"", {})
        else:
            self._answer(200, body, {"Last-Modified": modified})

    def do_POST(self) -> None:
        """A token for who asks; what is tracked is taken, unless the server was told to fail."""
        body = self._body()
        if self.path.startswith("/oauth/token"):
            self._answer(200, TOKEN, {})
            return
        with self.server.settling:
            manner = self.server.manner
            if manner == "up":
                self.server.keep(body)
                self._answer(200, b"{}", {})
            elif manner == "500":
                self._answer(500, b"{}", {})
        self.close_connection = manner in ("down", "hang")
        if manner == "hang":
            self.connection.recv(1)  # nothing comes but the end

    def _body(self) -> bytes:
        parts = []
        left = int(self.headers["Content-Length"])
        while left > 0:
            parts.append(self.rfile.read(min(left, 1 << 20)))
            if not parts[-1]:
                raise ConnectionError("the request was cut")
            left -= len(parts[-1])
        return b"".join(parts)

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: requests are not what is looked at."""


def _serve() -> None:
    server = _Server(Path(sys.argv[1]))
    server.accept_connections()
    print(server.server_address[1], flush=True)
    for line in sys.stdin:
        print(json.dumps(server.obey(line.strip())), flush=True)


if __name__ == "__main__":
    _serve()
