"""2.x experiments: who is targeted, and which variation falls to whom (specs/kameleoon-sdk.md 3.5, 4.10).

Nothing is remembered or reported here, and a visitor's earlier allocation is not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..datafile.model import Experiment, Share
from ..errors import FeatureMalformed
from ..visitors.visitor import Visitor
from .bucketing import legacy_experiment_suffix, place
from .segments import ALL_VISITORS, Segments
from .targeting import Predicate

__all__ = ["Allocation", "CompiledExperiment", "compile_experiment"]

ORIGIN = "origin"
"""Another spelling of variation ``0``, the original page."""


class Allocation(NamedTuple):
    """Whether a visitor is targeted, and what fell to it: 0 is the original, ``None`` is no traffic."""

    is_targeted: bool
    variation_id: int | None


@dataclass(frozen=True, slots=True)
class CompiledExperiment:
    """A 2.x experiment; ``shares`` are variation ids with their part of the traffic, in the file's order."""

    id: int
    is_site_enabled: bool
    matches: Predicate | None
    suffix: str
    shares: Sequence[tuple[int, float]]

    def allocate(self, visitor: Visitor) -> Allocation:
        """What falls to the visitor, by the code that the caller passed: 2.x links no codes."""
        if self.matches is not None and not self.matches(visitor):
            return Allocation(is_targeted=False, variation_id=None)
        rest = place(visitor.code + self.suffix)
        for variation_id, share in self.shares:
            rest -= share  # not a running sum: 2.x subtracts, and floats tell the two apart
            if rest < 0:
                return Allocation(is_targeted=True, variation_id=variation_id)
        return Allocation(is_targeted=True, variation_id=None)


def compile_experiment(experiment: Experiment, segments: Segments) -> CompiledExperiment:
    """Compile an experiment. Raises ``FeatureMalformed`` if its segment or a variation id makes no sense."""
    experiment_id = int(experiment.id)
    targeting = segments.compile(experiment.segment, experiment_id) if experiment.segment is not None else ALL_VISITORS
    return CompiledExperiment(
        id=experiment_id,
        is_site_enabled=experiment.site_enabled is True,
        matches=targeting.matches,
        suffix=legacy_experiment_suffix(
            experiment_id, [(share.variation_id, share.value) for share in experiment.respool_time or ()]
        ),
        shares=[(_variation_id(share, experiment_id), share.value) for share in experiment.deviations or ()],
    )


def _variation_id(share: Share, experiment_id: int) -> int:
    if share.variation_id == ORIGIN:
        return 0
    try:
        return int(share.variation_id)
    except ValueError as error:
        raise FeatureMalformed(
            f"experiment {experiment_id} has the variation id {share.variation_id!r:.40}, which is no number"
        ) from error
