"""What was tracked: events that SDKs have sent, counted, kept for a while, and written down if asked for.

Kameleoon's lines are parsed here; what Flagship's SDKs report is noted by those who read it. On the event loop, or on
the thread that relays.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

__all__ = ["FLAGSHIP", "Tracked"]

FLAGSHIP = "flagship"
"""The ``service`` of what was noted of Flagship's SDKs; Kameleoon's events have none."""

MOST_KEPT = 1000
MOST_NONCES = 100_000
MOST_KINDS = 50
"""Of events that are counted each by itself; more are a mistake, and are counted together."""


class Tracked:
    """The events of a site. ``counts`` is by type; ``duplicates`` came with a nonce that had come before.

    ``path`` is a file of JSON lines, one an event, that is added to. Listeners are called with each event.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.counts: Counter[str] = Counter()
        self.malformed = 0
        self.duplicates = 0
        self._kept: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)
        self._nonces: dict[str, None] = {}
        self._number = 0
        self._listeners: list[Callable[[dict[str, Any]], object]] = []
        self._taking = threading.Lock()
        self._file = path.open("a", encoding="utf-8") if path is not None else None

    def listen(self, listener: Callable[[dict[str, Any]], object]) -> None:
        """Have it called with each event that comes from now on."""
        self._listeners.append(listener)

    def take(self, body: bytes, common: Mapping[str, str]) -> int:
        """Take the lines of a tracking request; how many there were. ``common`` are parameters of its URL (1.7)."""
        lines = [line for line in body.decode(errors="replace").split("\n") if line]
        events = []
        with self._taking:
            for line in lines:
                parameters = dict(parse_qsl(line, keep_blank_values=True))
                if "eventType" not in parameters:
                    self.malformed += 1
                    continue
                events.append(self._take(parameters, common))
            self._write(events)
        self._tell(events)
        return len(lines)

    def note(
        self, kind: str, visitor: str, parameters: Mapping[str, Any], *, words: str = "", problem: str = ""
    ) -> None:
        """Take what an SDK of Flagship reported: ``words`` say what it is about, ``problem`` what is wrong with it."""
        with self._taking:
            self.malformed += bool(problem)
            event = self._kept_as(
                kind, visitor, parameters, service=FLAGSHIP, **_given(words=words, problem=problem), is_duplicate=False
            )
            self._write([event])
        self._tell([event])

    def since(self, number: int = 0, most: int = MOST_KEPT) -> list[dict[str, Any]]:
        """The last events whose ``number`` is larger, the oldest first."""
        with self._taking:
            newest = islice(reversed(self._kept), most)
            return [event for event in reversed(list(newest)) if event["number"] > number]

    def clear(self) -> None:
        """Forget all, but not that nonces have come."""
        with self._taking:
            self._kept.clear()
            self.counts.clear()
            self.malformed = self.duplicates = 0

    def close(self) -> None:
        """End the file."""
        if self._file is not None:
            self._file.close()

    def _take(self, parameters: dict[str, str], common: Mapping[str, str]) -> dict[str, Any]:
        nonce = parameters.get("nonce", "")
        is_duplicate = nonce in self._nonces if nonce else False
        self.duplicates += is_duplicate
        if nonce:
            self._nonces[nonce] = None
            if len(self._nonces) > MOST_NONCES:
                del self._nonces[next(iter(self._nonces))]
        visitor = parameters.get("visitorCode") or parameters.get("mappingValue") or common.get("visitorCode", "")
        return self._kept_as(parameters["eventType"], visitor, parameters, is_duplicate=is_duplicate)

    def _kept_as(self, kind: str, visitor: str, parameters: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        self.counts[kind if kind in self.counts or len(self.counts) < MOST_KINDS else "other"] += 1
        self._number += 1
        event = {
            "number": self._number,
            "time": time.time(),
            "type": kind,
            "visitor": visitor,
            "parameters": parameters,
            **more,
        }
        self._kept.append(event)
        return event

    def _write(self, events: Sequence[Mapping[str, Any]]) -> None:
        if self._file is not None and events:
            self._file.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
            self._file.flush()

    def _tell(self, events: Sequence[dict[str, Any]]) -> None:
        for event in events:
            for listener in self._listeners:
                listener(event)


def _given(**texts: str) -> dict[str, str]:
    return {name: text for name, text in texts.items() if text}
