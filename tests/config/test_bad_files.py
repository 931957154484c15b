"""R7: whatever comes instead of a data file, what is in use stays, in memory and on disk."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from openfeature_kameleoon.datafile.cache import DataFileCache
from openfeature_kameleoon.datafile.changes import changed_flags
from openfeature_kameleoon.datafile.index import DataFileIndex
from openfeature_kameleoon.datafile.live import LiveDataFile
from openfeature_kameleoon.datafile.polling import PollingSource
from openfeature_kameleoon.datafile.scan import breathing
from openfeature_kameleoon.engine.ruleset import Ruleset
from openfeature_kameleoon.engine.scope import Scope
from openfeature_kameleoon.errors import KameleoonError
from openfeature_kameleoon.transport.http import Response
from openfeature_kameleoon.visitors.visitor import Visitor
from tests.clock import FakeClock
from tests.faces import EXPERIMENT, flag, rule, site
from tests.live import HOUR, THEN, Network, run
from tests.vectors import as_bytes

GOOD = as_bytes(
    site(
        flag("checkout", rule(1, ("on", 0.5), ("off", 0.5), kind=EXPERIMENT), variables={"limit": ("NUMBER", 5)}),
        flag("search", rule(2, ("on", 1), segment_id=2001)),
        flag("banner", rule(3, ("on", 0.2), ("off", 0.8), kind=EXPERIMENT, exposition=0.9)),
    )
)
OLDER = as_bytes({**json.loads(GOOD), "dateModified": 1_500_000_000_000, "featureFlags": []})
JSON, HTML = "application/json", "text/html"


def bad_answers() -> Iterator[tuple[int, str, bytes]]:
    """Status, content type and body of what is no data file, or none for now."""
    for length in range(len(GOOD)):
        yield 200, JSON, GOOD[:length]
    for status in (201, 202, 203, 204, 205, 206, 226, 400, 401, 403, 404, 405, 410, 418, 429, 451, 500, 502, 503, 504):
        yield status, JSON, GOOD
        yield status, JSON, b'{"error": "no", "featureFlags": []}'
    for body in (
        *(b"{}", b"[]", b"null", b'""', b"0", b"true", b" ", b"\0", b"\xef\xbb\xbf", b"NaN", b"{]"),
        *(b'{"featureFlags": {}}', b'{"featureFlags": [}', b'{"error": "not found"}'),
        *(b"[" * 100_000, b'{"a":' * 100_000, gzip.compress(GOOD), GOOD + GOOD, GOOD + b"x", b"x" + GOOD, OLDER),
        *(b"<html><title>Welcome to our hotel</title></html>", GOOD.decode().encode("utf-16")),
    ):
        yield 200, JSON, body
    for content_type in (HTML, "", "text/plain", "application/octet-stream"):
        yield 200, content_type, GOOD
    random = Random(7)
    for _ in range(300):
        yield 200, JSON, random.randbytes(random.randrange(200))


def answers(ruleset: Ruleset | None) -> str:
    """A digest of what a hundred visitors get."""
    assert ruleset is not None
    digest = hashlib.sha256()
    for number in range(100):
        visitor = Visitor(f"visitor-{number}")
        for key in ruleset.index.flags:
            digest.update(ruleset.decide(key)(visitor, None).variation_key.encode())
    return digest.hexdigest()


def build(raw: bytes, previous: Ruleset | None) -> tuple[Ruleset, list[str]]:
    breathe = breathing()
    index = DataFileIndex.read(raw, previous=previous.index if previous else None, breathe=breathe)
    changed = list(index.flags) if previous is None else changed_flags(previous.index, index, breathe)
    return Ruleset(index, scope=Scope(lambda: 0.0, lambda: 0.0, "PYTHON", "3.22.2")), changed


def test_r7_no_bad_answer_changes_an_evaluation_or_the_copy_on_disk(tmp_path: Path) -> None:
    clock = FakeClock()

    def good() -> Response:
        return Response(200, {"Content-Type": JSON, "Last-Modified": THEN}, GOOD)

    network = Network(clock, good)
    source = PollingSource(
        network,  # type: ignore[arg-type]  # it speaks for the network, on the simulated clock
        "site1",
        random=Random(7),
        clock=clock,
    )
    cache = DataFileCache(tmp_path, "site1", clock=clock)
    live = LiveDataFile(source, build, cache=cache, threads=False, clock=clock)
    told: list[str] = []
    live.add_listener(lambda event: told.append(event.kind.value))
    assert live.start(5.0)
    in_use, expected, on_disk = live.current, answers(live.current), cache.path.read_bytes()

    count = 0
    for status, content_type, body in bad_answers():
        network.answer = lambda: Response(status, {"Content-Type": content_type}, body)  # noqa: B023  # asked at once
        clock.advance(10.0)
        with pytest.raises(KameleoonError):
            live.refresh()
        assert live.current is in_use
        count += 1

    assert count >= 2000
    assert answers(live.current) == expected
    assert cache.path.read_bytes() == on_disk
    assert told == ["stale"]
    network.answer = good
    run(live, clock, 2 * HOUR)
    assert told == ["stale", "ready"]
    assert answers(live.current) == expected
