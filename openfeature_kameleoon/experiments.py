"""The client's 2.x experiment methods, and what they answer (specs/kameleoon-sdk.md 4.10, 11.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from .datafile.index import DataFileIndex
from .datafile.model import ExperimentVariation
from .engine.experiments import CompiledExperiment
from .engine.ruleset import Ruleset
from .errors import (
    FeatureExperimentNotFound,
    FeatureMalformed,
    FeatureVariationNotFound,
    NotAllocated,
    NotTargeted,
    SiteCodeDisabled,
)
from .visitors.traits import Exposure
from .visitors.visitor import Visitor

if TYPE_CHECKING:
    from .evaluator import Evaluator

__all__ = ["LegacyExperiments", "allocation", "associated_data", "experiments_of"]


class LegacyExperiments:
    """What ``KameleoonClient`` knows of experiments in data files of 2.x."""

    if TYPE_CHECKING:
        evaluator: Evaluator

        @property
        def ruleset(self) -> Ruleset:
            """The decisions of the data file in use."""

    def trigger_experiment(self, visitor_code: str, experiment_id: int) -> int:
        """Assign and report a variation of a 2.x experiment: its id, 0 for the original.

        Raises ``VisitorCodeInvalid``, ``FeatureExperimentNotFound``, ``SiteCodeDisabled``, ``NotTargeted`` and
        ``NotAllocated``.
        """
        return self.evaluator.trigger_experiment(self.ruleset, experiment_id, visitor_code)

    def get_variation_associated_data(self, variation_id: int) -> Any:
        """The JSON that developers attached to a variation of a 2.x experiment.

        Raises ``FeatureVariationNotFound``, or ``FeatureMalformed`` when it does not decode.
        """
        return associated_data(self.ruleset.index, variation_id)

    def get_experiment_list(self) -> list[int]:
        """Ids of all 2.x experiments."""
        return list(self.ruleset.index.experiments)

    def get_experiment_list_for_visitor(self, visitor_code: str, only_allocated: bool = True) -> list[int]:
        """Ids of the 2.x experiments that the visitor is targeted by, and allocated to; nothing is remembered.

        Raises ``VisitorCodeInvalid``.
        """
        visitor, ruleset = self.evaluator.visitor(visitor_code), self.ruleset
        return experiments_of(ruleset, visitor, only_allocated=only_allocated)


def allocation(ruleset: Ruleset, experiment_id: int, visitor: Visitor) -> Exposure:
    """What falls to the visitor of an experiment.

    Raises ``FeatureExperimentNotFound``, ``SiteCodeDisabled``, ``NotTargeted`` and ``NotAllocated``.
    """
    experiment = _experiment(ruleset, experiment_id)
    if not experiment.is_site_enabled:
        raise SiteCodeDisabled(f"the site of experiment {experiment_id} is switched off")
    is_targeted, variation_id = experiment.allocate(visitor)
    if not is_targeted:
        raise NotTargeted(f"the visitor does not meet the targeting of experiment {experiment_id}")
    if variation_id is None:
        raise NotAllocated(f"the visitor is not part of the traffic of experiment {experiment_id}")
    return Exposure(experiment_id, variation_id, None)


def experiments_of(ruleset: Ruleset, visitor: Visitor, *, only_allocated: bool) -> list[int]:
    """Ids of the experiments that target the visitor and, if asked, have a variation for it."""
    found = []
    for experiment_id in ruleset.index.experiments:
        try:
            is_targeted, variation_id = _experiment(ruleset, experiment_id).allocate(visitor)
        except FeatureMalformed:  # it says so itself when it is triggered
            continue
        if is_targeted and not (only_allocated and variation_id is None):
            found.append(experiment_id)
    return found


def associated_data(index: DataFileIndex, variation_id: int) -> Any:
    """The decoded ``customJson`` of the first variation with this id.

    Raises ``FeatureVariationNotFound``, or ``FeatureMalformed`` when it does not decode.
    """
    for experiment_id in index.experiments:
        for variation in _variations(index, experiment_id):
            if str(variation.id) == str(variation_id):
                try:
                    return msgspec.json.decode(variation.custom_json or "null")
                except (msgspec.DecodeError, RecursionError) as error:
                    raise FeatureMalformed(f"the data of variation {variation_id} does not decode: {error}") from error
    raise FeatureVariationNotFound(f"no experiment has variation {variation_id!r:.40}")


def _variations(index: DataFileIndex, experiment_id: int) -> list[ExperimentVariation]:
    try:
        experiment = index.experiment(experiment_id)
    except FeatureMalformed:  # it says so itself when it is triggered
        return []
    return (experiment.variations if experiment else None) or []


def _experiment(ruleset: Ruleset, experiment_id: int) -> CompiledExperiment:
    experiment = ruleset.legacy_experiment(experiment_id)
    if experiment is None:
        raise FeatureExperimentNotFound(f"the data file has no experiment {experiment_id!r:.40}")
    return experiment
