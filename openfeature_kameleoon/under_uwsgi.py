"""What the server uWSGI does otherwise than others: it forks behind Python's back, and may keep threads from running.

A worker that is forked while another thread runs Python may hang before it has begun: none may run before. The module
``uwsgi`` is there in its processes alone, and is asked rather than imported.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from functools import cache

__all__ = ["call_in_workers", "is_before_the_workers", "warn_of_missing_threads"]

_log = logging.getLogger(__name__)


def call_in_workers(callback: Callable[[], object]) -> None:
    """Have uWSGI call it in every worker, forked or not, before what it calls there already.

    Who sets another ``post_fork_hook`` afterwards takes its place.
    """
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is None:
        return
    others = getattr(uwsgi, "post_fork_hook", None)

    def call() -> None:
        callback()
        if others is not None:
            others()

    uwsgi.post_fork_hook = call  # type: ignore[attr-defined]  # uWSGI's way to be told


def is_before_the_workers() -> bool:
    """Whether the application is loaded before there are workers: it has no thread of its own yet, then."""
    uwsgi = sys.modules.get("uwsgi")
    return uwsgi is not None and uwsgi.worker_id() == 0 and uwsgi.mule_id() == 0


@cache
def warn_of_missing_threads() -> None:
    """Warn, once, where threads stand still until the next request."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None and not getattr(uwsgi, "has_threads", True):
        _log.warning(
            "uWSGI runs without threads: flags are not updated and events not sent between requests; set enable-threads"
        )
