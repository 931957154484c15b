"""What a forked child must make anew: locks that a thread of the parent held at that moment, connections, threads."""

from __future__ import annotations

import os
import weakref
from typing import Protocol

__all__ = ["Renewable", "renew_after_fork"]


class Renewable(Protocol):
    """Something that a forked child cannot use as its parent left it."""

    def renew(self) -> None:
        """Make anew what the child must not share; runs in the child, before anything else there."""


_alive: weakref.WeakSet[Renewable] = weakref.WeakSet()


def renew_after_fork(owner: Renewable) -> None:
    """Have ``owner.renew()`` called in every child that this process forks, for as long as the owner lives."""
    _alive.add(owner)


def _renew_all() -> None:
    for owner in list(_alive):
        owner.renew()


# Once for the process: the interpreter's list of fork handlers is one from which nothing can be taken off.
if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_renew_all)
