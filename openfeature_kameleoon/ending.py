"""Has something done when the process ends, as far as Python, or what made the process, lets it.

Children of ``multiprocessing``, and of ``billiard``, which Celery has in its place, end without ``atexit``, from Python
3.13 on without what their parent had registered there; both have finalizers of their own. Neither is imported here.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable

from .forking import resume_after_fork

__all__ = ["AtEnd"]

MAKERS = ("multiprocessing.util", "billiard.util")

LAST = -100
"""Priority of a finalizer: after those that end what the program has begun."""


class AtEnd:
    """Has ``work()`` done at the end of this process and, once ``arm`` was called, of every child of it.

    It may be done twice. Not at the end of one that is killed or calls ``os._exit``.
    """

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._armed: set[str] = set()
        atexit.register(work)
        resume_after_fork(self)

    def arm(self) -> None:
        """See to it that this process does the work if one of ``MAKERS`` made it; cheap when that is seen to."""
        for name in MAKERS:
            if name in sys.modules and name not in self._armed:
                self._armed.add(name)
                util = sys.modules[name]
                util.Finalize(None, self._work, exitpriority=LAST)
                util.register_after_fork(self, AtEnd.resume)  # a child begins by forgetting all finalizers

    def resume(self) -> None:
        """In a forked child: the same for this process."""
        self._armed.clear()
        self.arm()
