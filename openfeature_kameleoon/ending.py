"""Has something done when the process ends, as far as Python, or what made the process, lets it.

Children of ``multiprocessing`` end without ``atexit``, from Python 3.13 on without what their parent had registered
there; those of Celery's pool by ``os._exit``. Both have ways of their own to be told, and neither is imported here.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Mapping
from typing import Any

from .forking import resume_after_fork

__all__ = ["AtEnd"]

LAST = -100
"""Priority of a finalizer: after those that end what the program has begun."""


class AtEnd:
    """Has ``work()`` done at the end of this process and, once ``arm`` was called, of every child of it.

    It may be done twice. Not at the end of one that is killed or calls ``os._exit`` itself.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work
        self._armed: set[str] = set()
        atexit.register(work)
        resume_after_fork(self)

    def arm(self) -> None:
        """See to it that this process does the work if one of ``MAKERS`` made it; cheap when that is seen to."""
        for name, arm in MAKERS.items():
            if name in sys.modules and name not in self._armed:
                self._armed.add(name)
                arm(sys.modules[name], self)

    def resume(self) -> None:
        """In a forked child: the same for this process."""
        self._armed.clear()
        self.arm()


def _by_finalizer(util: Any, at_end: AtEnd) -> None:
    util.Finalize(None, at_end.work, exitpriority=LAST)
    util.register_after_fork(at_end, AtEnd.resume)  # a child begins by forgetting all finalizers


def _by_signal(signals: Any, at_end: AtEnd) -> None:
    def end(**_: object) -> None:
        at_end.work()

    signals.worker_process_shutdown.connect(end, weak=False, dispatch_uid=__name__)


MAKERS: Mapping[str, Callable[[Any, AtEnd], None]] = {
    "multiprocessing.util": _by_finalizer,
    "celery.signals": _by_signal,
}
"""What makes processes, by the module that is there when it does, and how it tells of their end."""
