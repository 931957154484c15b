"""A bar on stderr for what comes in pages, and a spinner for what is waited for; on a terminal alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from ..output import console

__all__ = ["Bar", "paging", "waiting"]

T = TypeVar("T")

EVERY = 50
"""So many records between two looks at the bar."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar for records, ``most`` at most: those that were taken, of how many there are as far as pages told."""

    progress: Progress
    task: TaskID
    most: int | None

    def __call__(self, done: int, total: int | None) -> None:
        """What a management client calls after each page."""
        if total is not None:
            self.progress.update(self.task, total=total if self.most is None else min(total, self.most))

    def counted(self, records: Iterable[T]) -> Iterator[T]:
        """The records, while the bar follows them."""
        for number, record in enumerate(records):
            if number % EVERY == 0:
                self.progress.update(self.task, completed=number)
            yield record

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Out of the way of what is written meanwhile."""
        if self.progress.disable:
            yield
            return
        self.progress.stop()
        try:
            yield
        finally:
            self.progress.start()


@contextmanager
def paging(what: str, *, most: int | None, is_wanted: bool) -> Iterator[Bar]:
    """A bar for records that come page by page."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with _shown(columns, is_wanted=is_wanted) as progress:
        yield Bar(progress, progress.add_task(what, total=None), most)


@contextmanager
def waiting(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """A spinner with the seconds waited; called with them, and with how many it may be."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:.0f} s"))
    with _shown(columns, is_wanted=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextmanager
def _shown(columns: tuple[ProgressColumn, ...], *, is_wanted: bool) -> Iterator[Progress]:
    screen = console(sys.stderr)
    is_shown = is_wanted and screen.is_terminal
    progress = Progress(*columns, console=screen, transient=True, disable=not is_shown)
    if is_shown:
        progress.start()
    try:
        yield progress
    finally:
        if is_shown:  # else older versions of rich end with an empty line
            progress.stop()
