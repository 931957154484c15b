"""A compiled flag as one function that decides for a visitor (specs/kameleoon-sdk.md 4.1 to 4.4).

A rule compares bytes, a constant answer costs no hash. What overrides the rules (simulation, forced variations, scores)
is rare and goes the told way of explain.py, which decides alike.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from ..datafile.model import IN_HOLDOUT
from ..visitors.traits import Exposure, LegalConsent
from ..visitors.visitor import Visitor
from .bucketing import ALL
from .evaluation import DELIVERY, CompiledFlag, CompiledRule, Evaluation, Group, Holdout, hashing_code

__all__ = ["Decide", "Remember", "compile_decision"]

NO_CONSENT = LegalConsent.NOT_GIVEN

Remember = Callable[[Visitor, Exposure], None]
Decide = Callable[[Visitor, Remember | None], Evaluation]
"""A compiled decision: the visitor, and what to call for a holdout's exposure, which later conditions may look at."""


def compile_decision(flag: CompiledFlag, overridden: Decide) -> Decide:
    """One function that decides for a visitor; ``overridden`` decides for those whom more than the rules concern."""
    decide = _by_rules(flag, overridden)
    if flag.is_enabled and flag.group is not None:
        decide = _by_group(flag, flag.group, decide, overridden)
    if flag.is_enabled and flag.holdout is not None:
        decide = _by_holdout(flag, flag.holdout, decide, overridden)
    return decide


def _by_rules(flag: CompiledFlag, overridden: Decide) -> Decide:
    constant = _constant_answer(flag)
    if constant is not None:

        def constantly(visitor: Visitor, remember: Remember | None) -> Evaluation:
            return overridden(visitor, remember) if visitor.traits.overridden else constant

        return constantly

    split = flag.only_split()
    if split is not None:
        return _by_one_hash(split, flag.no_rule, overridden)

    rules = [(rule.matches, _choice(rule)) for rule in flag.rules]
    no_rule, bucketing_index = flag.no_rule, flag.bucketing_index

    def decide(visitor: Visitor, remember: Remember | None) -> Evaluation:
        if visitor.traits.overridden:
            return overridden(visitor, remember)
        code = hashing_code(visitor, bucketing_index) if bucketing_index else visitor.hashing_code or visitor.code
        for matches, choose in rules:
            if matches is None or matches(visitor):
                evaluation = choose(code, visitor)
                if evaluation is not None:
                    return evaluation
        return no_rule

    return decide


def _by_one_hash(split: CompiledRule, no_rule: Evaluation, overridden: Decide) -> Decide:
    """The plain experiment, which most experiments are: no call but the hash."""
    suffix = split.variation_suffix
    shares = list(zip(split.bounds, split.evaluations, strict=True))

    def decide(visitor: Visitor, remember: Remember | None) -> Evaluation:
        if visitor.traits.overridden:
            return overridden(visitor, remember)
        digest = sha256(((visitor.hashing_code or visitor.code) + suffix).encode()).digest()
        for bound, evaluation in shares:
            if digest <= bound:
                return evaluation
        return no_rule

    return decide


def _constant_answer(flag: CompiledFlag) -> Evaluation | None:
    """The answer that everybody gets, if there is one."""
    if not flag.is_enabled:
        return flag.disabled
    if not flag.rules:
        return flag.no_rule
    rule = flag.rules[0]
    if rule.matches is not None or rule.exposition_bound is not ALL or rule.refused is not None:
        return None
    if rule.type == DELIVERY:
        return rule.evaluations[0] if rule.evaluations else rule.unexposed
    return rule.evaluations[0] if rule.bounds and rule.bounds[0] is ALL else None


Choice = Callable[[str, Visitor], "Evaluation | None"]


def _choice(rule: CompiledRule) -> Choice:
    """What a targeted visitor gets of a rule; ``None`` sends it on to the next rule (4.4)."""
    choose = _delivery(rule) if rule.type == DELIVERY else _experiment(rule)
    return choose if rule.refused is None else _if_consented(rule, rule.refused, choose)


def _delivery(rule: CompiledRule) -> Choice:
    unexposed = rule.unexposed
    exposed = rule.evaluations[0] if rule.evaluations else unexposed
    exposition, suffix = rule.exposition_bound, rule.exposition_suffix
    if exposition is ALL:
        return lambda code, visitor: exposed
    return lambda code, visitor: exposed if sha256((code + suffix).encode()).digest() <= exposition else unexposed


def _experiment(rule: CompiledRule) -> Choice:
    exposition, exposition_suffix = rule.exposition_bound, rule.exposition_suffix
    suffix = rule.variation_suffix
    shares = list(zip(rule.bounds, rule.evaluations, strict=True))

    def choose(code: str, visitor: Visitor) -> Evaluation | None:
        digest = sha256((code + suffix).encode()).digest()
        for bound, evaluation in shares:
            if digest <= bound:
                return evaluation
        return None

    def choose_if_exposed(code: str, visitor: Visitor) -> Evaluation | None:
        if sha256((code + exposition_suffix).encode()).digest() <= exposition:
            return choose(code, visitor)
        return None

    return choose if exposition is ALL else choose_if_exposed


def _if_consented(rule: CompiledRule, refused: Evaluation, choose: Choice) -> Choice:
    exposition, suffix = rule.exposition_bound, rule.exposition_suffix

    def choose_if_consented(code: str, visitor: Visitor) -> Evaluation | None:
        if visitor.traits.consent is NO_CONSENT and sha256((code + suffix).encode()).digest() <= exposition:
            return refused
        return choose(code, visitor)

    return choose_if_consented


def _by_group(flag: CompiledFlag, group: Group, decide: Decide, overridden: Decide) -> Decide:
    """Only the member that the visitor's place falls on is evaluated (4.3)."""
    not_in_group, bucketing_index = flag.not_in_group, flag.bucketing_index
    count, own = len(group.members), group.members.index(flag.key)
    name, span = group.name, 2.0**256

    def decide_in_group(visitor: Visitor, remember: Remember | None) -> Evaluation:
        if visitor.traits.overridden:
            return overridden(visitor, remember)
        code = hashing_code(visitor, bucketing_index)
        place = int.from_bytes(sha256((code + name).encode()).digest(), "big") / span
        return decide(visitor, remember) if min(int(place * count), count - 1) == own else not_in_group

    return decide_in_group


def _by_holdout(flag: CompiledFlag, holdout: Holdout, decide: Decide, overridden: Decide) -> Decide:
    """A visitor's holdout entry is remembered before any rule looks at what the visitor was given (4.2)."""
    suffix, bucketing_index = holdout.suffix, flag.bucketing_index
    shares = list(zip(holdout.bounds, holdout.entries, holdout.exposures, strict=True))

    def decide_beside_holdout(visitor: Visitor, remember: Remember | None) -> Evaluation:
        if visitor.traits.overridden:
            return overridden(visitor, remember)
        if holdout.blocks_refusal and visitor.traits.consent is NO_CONSENT:
            return flag.disabled
        digest = sha256((hashing_code(visitor, bucketing_index) + suffix).encode()).digest()
        for bound, entry, exposure in shares:
            if digest <= bound:
                if remember is not None and exposure is not None:
                    remember(visitor, exposure)
                if entry.variation_key == IN_HOLDOUT:
                    return flag.held_out
                break
        return decide(visitor, remember)

    return decide_beside_holdout
