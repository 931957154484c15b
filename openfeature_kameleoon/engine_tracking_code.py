"""JavaScript that tells Kameleoon's script in the page what was decided here (specs/kameleoon-sdk.md 12).

Pure. Only integers and two fixed words get into the text, so that nothing a visitor or data file says can run there.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

from .engine.ruleset import Ruleset
from .visitors.traits import Assignment
from .visitors.visitor import Visitor

__all__ = ["engine_tracking_code"]

RECENT_SECONDS = 5.0

QUEUE = "window.kameleoonQueue"


def engine_tracking_code(visitor: Visitor | None, ruleset: Ruleset, *, now: float, monotonic: float) -> str:
    """One line for a ``<script>`` element: the visitor's assignments of less than five seconds ago.

    ``now`` is Unix time, by which assignments from the server are judged; ``monotonic`` is for those made here.
    """
    # A list at once: another thread may add to the mapping meanwhile.
    assignments = [] if visitor is None else list(visitor.assignments.values())
    recent = [item for item in assignments if _is_recent(item, now, monotonic)]
    return f"{QUEUE}={QUEUE}||[];" + "".join(_pushes(recent, ruleset))


def _is_recent(assignment: Assignment, now: float, monotonic: float) -> bool:
    if assignment.evaluated_at == -inf:  # it came from the server
        return assignment.time > now - RECENT_SECONDS
    return assignment.evaluated_at > monotonic - RECENT_SECONDS


def _pushes(assignments: Iterable[Assignment], ruleset: Ruleset) -> Iterable[str]:
    for assignment in assignments:
        experiment_id, variation_id = int(assignment.exposure.experiment_id), int(assignment.exposure.variation_id)
        only_tracks = "false" if ruleset.changes_pages(experiment_id) else "true"
        yield f"{QUEUE}.push(['Experiments.assignVariation',{experiment_id},{variation_id},true]);"
        yield f"{QUEUE}.push(['Experiments.trigger',{experiment_id},{only_tracks}]);"
