"""2.x experiments: who is targeted, and which variation falls to whom (specs/kameleoon-sdk.md 3.5, 4.10).

Nothing is remembered or reported here, and a visitor's earlier allocation is not looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import msgspec

from ..datafile.index import DataFileIndex
from ..datafile.model import Experiment, ExperimentVariation, Share
from ..errors import (
    FeatureExperimentNotFound,
    FeatureMalformed,
    FeatureVariationNotFound,
    NotAllocated,
    NotTargeted,
    SiteCodeDisabled,
)
from ..visitors.visitor import Exposure, Visitor
from .bucketing import legacy_experiment_suffix, place
from .evaluation import EXPERIMENT
from .segments import ALL_VISITORS, Segments
from .targeting import Predicate

__all__ = [
    "Allocation",
    "CompiledExperiment",
    "Experiments",
    "associated_data",
    "compile_experiment",
    "experiments_of",
    "trigger",
]

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
    """Compile an experiment. Raises ``FeatureMalformed`` when its segment or a variation id makes no sense."""
    experiment_id = int(experiment.id)
    targeting = (
        segments.compile(experiment.segment, experiment_id)
        if experiment.segment is not None
        else ALL_VISITORS
    )
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


class Experiments(Protocol):
    """What compiles and keeps the experiments of one data file: the ruleset, which imports this module."""

    index: DataFileIndex

    def legacy_experiment(self, experiment_id: int) -> CompiledExperiment | None:
        """The experiment; ``None`` when there is none. Raises ``FeatureMalformed``."""


def trigger(experiments: Experiments, experiment_id: int, visitor: Visitor) -> Exposure:
    """Allocate an experiment to a visitor.

    Raises ``FeatureExperimentNotFound``, ``FeatureMalformed``, ``SiteCodeDisabled``, ``NotTargeted`` and
    ``NotAllocated``.
    """
    experiment = experiments.legacy_experiment(experiment_id)
    if experiment is None:
        raise FeatureExperimentNotFound(f"experiment {experiment_id!r:.40} is not in the data file")
    if not experiment.is_site_enabled:
        raise SiteCodeDisabled(f"the site of experiment {experiment_id} is switched off")
    is_targeted, variation_id = experiment.allocate(visitor)
    if not is_targeted:
        raise NotTargeted(f"the visitor is not targeted by experiment {experiment_id}")
    if variation_id is None:
        raise NotAllocated(f"the visitor is not part of the traffic of experiment {experiment_id}")
    return Exposure(experiment_id, variation_id, EXPERIMENT)


def experiments_of(experiments: Experiments, visitor: Visitor, *, only_allocated: bool) -> list[int]:
    """Ids of the experiments that target the visitor; those of a site that is switched off are among them."""
    ids = []
    for experiment_id in experiments.index.experiments:
        try:
            experiment = experiments.legacy_experiment(experiment_id)
        except FeatureMalformed:  # it says so itself when it is triggered
            continue
        if experiment is not None:
            is_targeted, variation_id = experiment.allocate(visitor)
            if is_targeted and (variation_id is not None or not only_allocated):
                ids.append(experiment_id)
    return ids


def associated_data(index: DataFileIndex, variation_id: int) -> Any:
    """The JSON that developers attached to a variation; of several with this id, the first counts.

    Raises ``FeatureVariationNotFound``, or ``FeatureMalformed`` when it does not decode.
    """
    variation = next((item for item in _variations(index) if str(item.id) == str(variation_id)), None)
    if variation is None:
        raise FeatureVariationNotFound(f"no experiment has the variation {variation_id!r:.40}")
    try:
        return msgspec.json.decode(variation.custom_json or "")
    except (msgspec.DecodeError, RecursionError) as error:
        raise FeatureMalformed(f"the data of variation {variation_id} do not decode: {error}") from error


def _variations(index: DataFileIndex) -> Iterator[ExperimentVariation]:
    for experiment_id in index.experiments:
        try:
            experiment = index.experiment(experiment_id)
        except FeatureMalformed:  # it says so itself when it is triggered
            continue
        if experiment is not None:
            yield from experiment.variations or ()
