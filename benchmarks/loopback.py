"""What the peer talks to instead of its vendor: data file and token are answered, tracking is swallowed.

A process of its own (``python -m benchmarks.loopback <directory>``), so that serving takes no interpreter
time from who is measured. Site code ``x`` has the data file ``x.json``, read again once it was replaced.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["served"]

TOKEN = b'{"access_token": "benchmark", "expires_in": 86400}'


@contextmanager
def served(directory: Path) -> Iterator[int]:
    """Serve the data files of the directory from another process; yields the loopback port."""
    command = [sys.executable, "-m", "benchmarks.loopback", str(directory)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield int(server.stdout.readline())
        finally:
            server.stdin.close()  # the server ends with its input, also when this process is killed


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.directory = directory
        self._lock = threading.Lock()
        self._contents: dict[str, tuple[float, bytes]] = {}

    def content(self, site_code: str) -> tuple[str, bytes]:
        """``Last-Modified`` and body of the site's data file as it is now."""
        path = self.directory / f"{site_code}.json"
        with self._lock:
            modified = path.stat().st_mtime
            if self._contents.get(site_code, (None,))[0] != modified:
                self._contents[site_code] = (modified, path.read_bytes())
            return formatdate(modified, usegmt=True), self._contents[site_code][1]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        """The data file."""
        modified, body = self.server.content(urlsplit(self.path).path.rpartition("/")[2])
        if self.headers.get("If-Modified-Since") == modified:
            self._answer(304, b"", {})
        else:
            self._answer(200, body, {"Last-Modified": modified})

    def do_POST(self) -> None:
        """A token for who asks, silence for what is tracked."""
        left = int(self.headers["Content-Length"])
        while left > 0:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self._answer(200, TOKEN if self.path.startswith("/oauth/token") else b"{}", {})

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
    threading.Thread(target=server.serve_forever, name="loopback", daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    _serve()
