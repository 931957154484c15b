"""Reports hits and activations: what waits of either, and the two threads that send it, each to its own server.

Outboxes and senders are those of Kameleoon's side; here are the form and the rules of Flagship: bodies with the time
that each waited, what a status means, limits, and the end of waiting (specs/flagship.md 1.14, 4.5 to 4.7).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Protocol

from ..clock import SYSTEM_CLOCK, Clock
from ..tracking.delivery import Answer, Verdict, verdict
from ..tracking.events import Event, Report, Written
from ..tracking.outbox import MemoryOutbox, Outbox, OutboxStatus
from ..tracking.sender import Sender, SenderStatus, flush_all, stop_all
from ..transport.encoding import encode_uri
from .errors import ParamError
from .hits import Hit
from .records import Activation, Record, VisitorIds, activation_batch, hit_batch, single_of

__all__ = ["MOST_BYTES", "Tracker", "TrackerStatus", "judge"]

LIFETIME_SECONDS = 14_400.0
"""A hit or activation that waited so long is worth nothing to the collector."""

MOST_BYTES = 2_500_000
"""Of one request."""

MOST_ACTIVATIONS = 100
MOST_HITS = 20_000
"""In one request."""

MOST_WAITING = 1_000_000
"""Looked at, at a time."""

OF_VISITOR = "\x1f"
"""Between a visitor and one of its records: each is sent, given up or refused alone, yet known as the visitor's."""


def judge(status: int) -> Verdict:
    """What becomes of what was answered so: below 400 it was taken, and 403 says nothing of bots here."""
    if status < 400:
        return Verdict.TAKEN
    return Verdict.LATER if status == 403 else verdict(status)


class Collector(Protocol):
    """What sends bodies: a ``FlagshipApi``."""

    @property
    def env_id(self) -> str:
        """The environment's id."""

    def send_hits(self, body: bytes, *, timeout: float) -> Answer:
        """Send hits; raises ``RequestFailed`` without an answer."""

    def send_activations(self, body: bytes, *, timeout: float) -> Answer:
        """Send activations; raises as ``send_hits``."""

    def abort(self) -> None:
        """End what is under way."""


class TrackerStatus(NamedTuple):
    """What became of hits and of activations, and how sending either goes."""

    hits: OutboxStatus
    activations: OutboxStatus
    sending_hits: SenderStatus
    sending_activations: SenderStatus


@dataclass(frozen=True)
class _Lane:
    """What waits for one server, and what sends it; with ``most_waiting`` it is sent at once."""

    outbox: Outbox
    sender: Sender
    most_waiting: int

    def put(self, report: Report) -> None:
        self.outbox.put(report)
        if self.most_waiting <= 1 or self.outbox.status().pending >= self.most_waiting:
            self.sender.hurry()


class Tracker:
    """Takes hits and activations from any thread without waiting, and delivers them in the background.

    Hits go together, every ``time_interval`` seconds or when ``max_pool_size`` of them wait; with ``is_batching``
    off, each alone and at once. Activations go at once, with those that failed before. With a ``directory`` both wait
    on disk and survive the process; in memory ``capacity`` of either wait at most. ``around`` may put something around
    each outbox, such as a cache. Without ``threads`` only ``flush`` and ``stop`` send.
    """

    def __init__(
        self,
        api: Collector,
        *,
        directory: str | os.PathLike[str] | None = None,
        survives_power_loss: bool = False,
        capacity: int = 100_000,
        max_pool_size: int = 20,
        time_interval: float = 10.0,
        is_batching: bool = True,
        timeout: float = 2.0,
        shutdown_timeout: float = 2.0,
        around: Callable[[Outbox], Outbox] = lambda outbox: outbox,
        threads: bool = True,
        clock: Clock = SYSTEM_CLOCK,
        random: Random | None = None,
    ) -> None:
        self._api = api
        self._clock = clock
        # The wall clock may be set while the process runs: how long something waited does not follow it.
        self._epoch = clock.time() - clock.monotonic()

        def lane(name: str, post: Callable[[bytes, float], Answer], most: int, most_waiting: int) -> _Lane:
            memory = MemoryOutbox(capacity, clock=clock)
            outbox = around(
                memory
                if directory is None
                else _on_disk(directory, f"{api.env_id} flagship {name}", memory, survives_power_loss, clock)
            )
            sender = Sender(
                outbox,
                post,
                api.abort,
                judge=judge,
                interval=time_interval,
                timeout=timeout,
                shutdown_timeout=shutdown_timeout,
                maximum_age=LIFETIME_SECONDS,
                most_events=most,
                most_characters=MOST_BYTES,
                is_exact=True,
                name=f"kameleoon-flagship-{name}",
                threads=threads,
                clock=clock,
                random=random,
            )
            return _Lane(outbox, sender, most_waiting)

        post_hits, most_hits, pool = (
            (self._post_hits, MOST_HITS, max_pool_size) if is_batching else (self._post_hit, 1, 1)
        )
        self._hits = lane("hits", post_hits, most_hits, pool)
        self._activations = lane("activations", self._post_activations, MOST_ACTIVATIONS, 1)
        self._lanes = (self._hits, self._activations)
        self._senders = [each.sender for each in self._lanes]

    # Any thread -------------------------------------------------------------------------------------------------------

    def track(self, hit: Hit, visitor: VisitorIds) -> Record:
        """Have a hit wait to be sent; waits for no more than a disk. What is noted of it.

        Raises ``ParamError`` for one that cannot be sent, of which ``hit.flaw`` tells beforehand.
        """
        return self._put(Record.of_hit(hit, visitor, self._now()), hit.flaw)

    def activate(self, activation: Activation, visitor: VisitorIds) -> Record:
        """Have an activation wait to be sent, as ``track`` does a hit."""
        return self._put(Record.of_activation(activation, visitor, self._now()), activation.flaw)

    def restore(self, records: Iterable[Record]) -> int:
        """Have what a cache kept wait again, with the age that it has; how many of them are not too old for it."""
        fresh = [record for record in records if self._now() - record.timestamp < LIFETIME_SECONDS * 1000]
        for record in fresh:
            self._lane_of(record).put(self._report(record, record.line))
        return len(fresh)

    def forget(self, visitor: VisitorIds) -> None:
        """Give up what waits of a visitor who refused consent, save what tells of the consent itself."""
        theirs = tuple(_key(each) for each in visitor if each)
        for lane in self._lanes:
            lane.outbox.forget(lambda code: code.startswith(theirs))

    def hold(self, is_held: bool) -> None:
        """Send nothing until told otherwise, as in panic mode; what comes in waits (1.14)."""
        for sender in self._senders:
            sender.hold(is_held)

    def status(self) -> TrackerStatus:
        """Numbers of this moment."""
        hits, activations = self._lanes
        return TrackerStatus(
            hits.outbox.status(), activations.outbox.status(), hits.sender.status(), activations.sender.status()
        )

    # The life cycle ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin to send; what still waits when the program ends is sent then."""
        for sender in self._senders:
            sender.start()

    def flush(self, timeout: float | None = None) -> bool:
        """Send now, outages or not; whether nothing waits any more. With a ``timeout`` it waits that long for it."""
        return flush_all(self._senders, timeout)

    def stop(self, timeout: float | None = None) -> None:
        """Send what waits, for ``timeout`` seconds at most (``shutdown_timeout``), and end the threads.

        What was not sent is in ``waiting`` until ``close``, and on disk for a later process.
        """
        stop_all(self._senders, timeout)

    def close(self) -> None:
        """Let go of files; after ``stop``."""
        for lane in self._lanes:
            lane.outbox.close()

    def waiting(self, most: int = MOST_WAITING) -> list[Record]:
        """What waits, hits first: where it is stopped, or has no threads."""
        found: list[Record] = []
        for lane in self._lanes:
            batches = lane.outbox.take(most)
            lane.outbox.release(batches)
            found += [Record.from_line(line) for batch in batches for line in batch.lines]
        return found

    # Into and out of the outboxes -------------------------------------------------------------------------------------

    def _put(self, record: Record, flaw: str) -> Record:
        line = record.line
        if not flaw and not record.visitor_id:
            flaw = "the visitor id is empty"
        if not flaw and len(line) > MOST_BYTES:
            flaw = f"it takes more than {MOST_BYTES} bytes"
        if flaw:
            raise ParamError(f"not sent: {flaw}")
        self._lane_of(record).put(self._report(record, line))
        return record

    def _report(self, record: Record, line: str) -> Report:
        owner = OF_VISITOR if record.is_consent else _key(record.anonymous_id or record.visitor_id)
        event = Event(Written(line), 0)
        made = min(record.timestamp / 1000 - self._epoch, self._clock.monotonic())  # a cache may hold any time
        return Report(f"{owner}{record.id}", (event,), time=made)

    def _lane_of(self, record: Record) -> _Lane:
        return self._activations if record.is_activation else self._hits

    def _now(self) -> int:
        return int((self._epoch + self._clock.monotonic()) * 1000)

    def _post_hits(self, lines: bytes, timeout: float) -> Answer:
        return self._api.send_hits(hit_batch(self._api.env_id, _records(lines), self._now()), timeout=timeout)

    def _post_hit(self, lines: bytes, timeout: float) -> Answer:
        (record,) = _records(lines)
        return self._api.send_hits(single_of(self._api.env_id, record), timeout=timeout)

    def _post_activations(self, lines: bytes, timeout: float) -> Answer:
        body = activation_batch(self._api.env_id, _records(lines), self._now())
        return self._api.send_activations(body, timeout=timeout)


def _key(visitor_id: str) -> str:
    """How the code of a visitor's records begins, and nobody else's: in it the mark is encoded."""
    return f"{encode_uri(visitor_id)}{OF_VISITOR}"


def _records(lines: bytes) -> list[Record]:
    return [Record.from_line(line) for line in lines.split(b"\n")]


def _on_disk(
    directory: str | os.PathLike[str], name: str, memory: MemoryOutbox, survives_power_loss: bool, clock: Clock
) -> Outbox:
    # Imported here: most keep what waits in memory, and need no database.
    from ..tracking.disk import DiskOutbox  # noqa: PLC0415

    return DiskOutbox(directory, name, memory=memory, survives_power_loss=survives_power_loss, clock=clock)
