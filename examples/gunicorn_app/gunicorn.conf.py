"""What gunicorn is told of the application in ``app.py``.

With ``--worker-class gevent`` this file begins with ``gevent.monkey.patch_all()``: what is loaded in the master must
have been patched before.
"""

from __future__ import annotations

from openfeature import api

workers = 2
preload_app = True  # one start, and the data file once in memory for all workers


def worker_exit(server: object, worker: object) -> None:
    """Before a worker ends, have it send what it has not sent yet, for ``shutdown_timeout_millisecond`` at most."""
    api.shutdown()
