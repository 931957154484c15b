"""One data file, compiled on demand: a flag becomes a decision when it is first asked for, and stays one.

Any thread may ask; two that ask for the same flag first may both compile it, to the same effect. A refresh makes a new
ruleset that takes over the decisions of flags that did not change.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

from ..datafile.index import DataFileIndex
from ..datafile.model import Rule
from ..errors import FeatureExperimentNotFound, FeatureMalformed, FeatureVariationNotFound
from ..visitors.traits import ForcedVariation
from .compilation import compile_flag
from .decision import Decide, compile_decision
from .evaluation import CompiledFlag
from .experiments import CompiledExperiment, compile_experiment
from .explain import walk
from .scope import Scope
from .segments import Segments
from .targeting import Predicate

__all__ = ["Ruleset"]

_PAGE_TYPES = ("JS", "CSS")
_NAMING_PAGE_TYPES = [f'"{kind}"'.encode() for kind in _PAGE_TYPES]


class Ruleset:
    """The decisions of one data file. ``index`` is its undecoded side, for everything but deciding.

    ``scope`` gives conditions the time and the SDK's name; ``labels`` stand in the metadata of every evaluation.
    ``changed`` are the keys whose decisions may not be taken over from ``previous``.
    """

    __slots__ = (
        "_experiments",
        "_labels",
        "_legacy_experiments",
        "_malformed",
        "_page_experiments",
        "decisions",
        "flags",
        "index",
        "segments",
    )

    def __init__(
        self,
        index: DataFileIndex,
        *,
        scope: Scope,
        labels: Mapping[str, str] | None = None,
        previous: Ruleset | None = None,
        changed: Collection[str] = (),
    ) -> None:
        self.index = index
        self.segments = Segments(index, scope)
        self.flags: dict[str, CompiledFlag] = {}
        self.decisions: dict[str, Decide] = {}
        self._labels: dict[str, str | int] = {**(labels or {}), "version": index.date_modified}
        self._experiments: dict[int, tuple[str, Rule]] | None = None
        self._legacy_experiments: dict[int, CompiledExperiment] = {}
        self._malformed: dict[str, str] = {}
        self._page_experiments: frozenset[int] | None = None
        if previous is not None:
            self._take_over(previous, frozenset(changed))

    @property
    def date_modified(self) -> int:
        """When the data file was last changed, in Unix milliseconds; 0 when it does not say."""
        return self.index.date_modified

    def decide(self, key: str) -> Decide:
        """The flag's decision, compiled if it was not yet. Raises ``FeatureNotFound`` and ``FeatureMalformed``."""
        decision = self.decisions.get(key)
        if decision is None:
            flag = self.flag(key)
            decision = self.decisions[key] = compile_decision(flag, partial(walk, flag))
        return decision

    def flag(self, key: str) -> CompiledFlag:
        """The flag with all its answers, compiled if it was not yet. Raises as ``decide`` does."""
        flag = self.flags.get(key)
        if flag is None:
            if key in self._malformed:  # to find that out may have taken long
                raise FeatureMalformed(self._malformed[key])
            try:
                flag = compile_flag(key, self.index.flag(key), self.index, self.segments, self._labels)
            except RecursionError as error:
                raise FeatureMalformed(f"feature flag {key!r:.100} is nested too deeply") from error
            except FeatureMalformed as error:
                self._malformed[key] = error.message
                raise
            flag = self.flags.setdefault(key, flag)  # another thread's, if that was first: a decision is made of it
        return flag

    def experiment(self, experiment_id: int) -> tuple[str, Rule] | None:
        """The flag key and rule of an experiment; the first call decodes every flag. The last of duplicates counts."""
        if self._experiments is None:
            experiments: dict[int, tuple[str, Rule]] = {}
            for key in self.index.flags:
                try:
                    definition = self.index.flag(key)
                except FeatureMalformed:  # it says so itself when it is asked for
                    continue
                experiments.update({rule.experiment_id or 0: (key, rule) for rule in definition.rules or ()})
            self._experiments = experiments
        return self._experiments.get(experiment_id)

    def changes_pages(self, experiment_id: int) -> bool:
        """Whether the experiment's flag has JavaScript or CSS in its first variation (2.3); the first call may decode.

        A flag that does not speak of any is not decoded for it.
        """
        if self._page_experiments is None:
            found: set[int] = set()
            for key, flag in self.index.flags.items():
                if any(kind in flag.text for kind in _NAMING_PAGE_TYPES):
                    found.update(_page_experiments(self.index, key))
            self._page_experiments = frozenset(found)
        return experiment_id in self._page_experiments

    def forced_variation(self, experiment_id: int, variation_key: str, *, ignores_targeting: bool) -> ForcedVariation:
        """A variation of an experiment as it is to be forced.

        Raises ``FeatureExperimentNotFound`` and ``FeatureVariationNotFound``.
        """
        found = self.experiment(experiment_id)
        if found is None:
            raise FeatureExperimentNotFound(f"no rule of the data file has experiment {experiment_id!r:.40}")
        for entry in found[1].variation_by_exposition or ():
            if entry.variation_key == variation_key:
                return ForcedVariation(experiment_id, variation_key, entry.variation_id, ignores_targeting)
        raise FeatureVariationNotFound(f"experiment {experiment_id} has no variation {variation_key!r:.60}")

    def audiences(self) -> Iterator[tuple[int, Predicate | None]]:
        """The segments whose audience is tracked, with whom they match outside of any campaign (2.5)."""
        for segment_id in self.index.audience_segments():
            try:
                targeting = self.segments.targeting(segment_id)
            except FeatureMalformed:  # told in the index's problems, or by the flags that use it
                continue
            if targeting is not None:
                yield segment_id, targeting.matches

    def legacy_experiment(self, experiment_id: int) -> CompiledExperiment | None:
        """A 2.x experiment, compiled if it was not yet; ``None`` when there is none. Raises ``FeatureMalformed``."""
        experiment = self._legacy_experiments.get(experiment_id)
        if experiment is None:
            definition = self.index.experiment(experiment_id)
            if definition is not None:
                experiment = compile_experiment(definition, self.segments)
                self._legacy_experiments[experiment_id] = experiment
        return experiment

    def _take_over(self, previous: Ruleset, changed: frozenset[str]) -> None:
        for key, decision in list(previous.decisions.items()):
            if key not in changed and key in self.index.flags:
                flag = previous.flags[key]
                flag.answers.stamp(self.index.date_modified)
                self.flags[key] = flag
                self.decisions[key] = decision


def _page_experiments(index: DataFileIndex, key: str) -> Iterator[int]:
    """The experiments of a flag, if its first variation changes the page."""
    try:
        definition = index.flag(key)
    except FeatureMalformed:  # it says so itself when it is asked for
        return
    first = next(iter(definition.variations or ()), None)
    if first is not None and any(variable.type in _PAGE_TYPES for variable in first.variables or ()):
        yield from (rule.experiment_id or 0 for rule in definition.rules or ())
