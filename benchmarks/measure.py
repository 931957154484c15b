"""How figures are taken and judged: interleaved turns, medians of per-round ratios, limits and verdicts.

Knows no library and no bar; runs on the calling thread. `isolated` gives a measurement a process of its own,
so that no heap, thread or import of one bar disturbs another.
"""

from __future__ import annotations

import random
import statistics
import timeit
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Literal, NamedTuple, ParamSpec, TypeAlias, TypeVar

__all__ = [
    "FULL",
    "QUICK",
    "Effort",
    "Limit",
    "Rounds",
    "Row",
    "Turn",
    "Verdict",
    "at_least",
    "at_most",
    "interleave",
    "isolated",
    "judge",
    "keyword_call",
]

P = ParamSpec("P")
T = TypeVar("T")

Turn: TypeAlias = Callable[[int], float]
"""Makes a number of calls, answers how many seconds they took together."""

Verdict: TypeAlias = Literal["stretch", "met", "missed", "reported"]

NOISE_SHARE = 0.10  # of a ratio above 2 (performance.md 8)
NOISE_NEAR_ONE = 0.05


class Effort(NamedTuple):
    """How much is done for a figure: the knobs that ``--quick`` turns down."""

    rounds: int
    turn_seconds: float
    tail_runs: int
    refreshes: int
    visitors: int
    codes: int
    launches: int
    outage_seconds: float


FULL = Effort(
    rounds=240,
    turn_seconds=0.003,
    tail_runs=3,
    refreshes=4,
    visitors=100_000,
    codes=1_000_000,
    launches=15,
    outage_seconds=10.0,
)
QUICK = Effort(
    rounds=60,
    turn_seconds=0.003,
    tail_runs=1,
    refreshes=2,
    visitors=20_000,
    codes=100_000,
    launches=4,
    outage_seconds=4.0,
)


class Limit(NamedTuple):
    """What a figure must reach. ``noisy``: a ratio of two timings, which gets the allowance for noise."""

    bar: float
    stretch: float
    more_is_better: bool
    noisy: bool


def at_most(bar: float, stretch: float, *, noisy: bool = True) -> Limit:
    """A limit from above: times, sizes."""
    return Limit(bar, stretch, more_is_better=False, noisy=noisy)


def at_least(bar: float, stretch: float, *, noisy: bool = True) -> Limit:
    """A limit from below: rates, and how many times faster."""
    return Limit(bar, stretch, more_is_better=True, noisy=noisy)


class Row(NamedTuple):
    """One line of the result; ``peer`` is the peer's figure in the same unit."""

    bar: int
    what: str
    unit: str
    figure: float
    limit: Limit | None = None
    peer: float | None = None
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """A row without a limit is there to be read: ``reported``."""
        return judge(self.limit, self.figure) if self.limit else "reported"


def judge(limit: Limit, figure: float) -> Verdict:
    """The stretch goal must be reached as it stands; the bar is forgiven the noise of a ratio of timings."""
    sign = 1 if limit.more_is_better else -1
    if sign * figure >= sign * limit.stretch:
        return "stretch"
    allowance = 0.0
    if limit.noisy:
        allowance = NOISE_SHARE * limit.bar if limit.bar > 2 else NOISE_NEAR_ONE
    return "met" if sign * figure >= sign * limit.bar - allowance else "missed"


class Rounds:
    """Seconds per call of each candidate, one figure for each round."""

    def __init__(self, seconds: Mapping[str, list[float]]) -> None:
        self._seconds = seconds

    def ratio(self, candidate: str, base: str) -> float:
        """Median over the rounds of candidate's time / base's time."""
        pairs = zip(self._seconds[candidate], self._seconds[base], strict=True)
        return statistics.median(mine / other for mine, other in pairs)

    def difference(self, candidate: str, base: str) -> float:
        """Median over the rounds of candidate's time - base's time, in seconds per call."""
        pairs = zip(self._seconds[candidate], self._seconds[base], strict=True)
        return statistics.median(mine - other for mine, other in pairs)

    def median(self, candidate: str) -> float:
        """Seconds per call."""
        return statistics.median(self._seconds[candidate])


def interleave(turns: Mapping[str, Turn], *, rounds: int, turn_seconds: float) -> Rounds:
    """Give every candidate one turn of about ``turn_seconds`` in each round, in an order that is drawn anew.

    Whatever else happens on the machine then falls on all of them, and the ratio within a round cancels it. A few
    calls before each turn are not timed: they find the processor's caches as the candidate before has left them.
    """
    calls = {name: _calls_within(turn, turn_seconds) for name, turn in turns.items()}
    seconds: dict[str, list[float]] = {name: [] for name in turns}
    names = list(turns)
    order = random.Random(rounds)
    for _ in range(rounds):
        order.shuffle(names)
        for name in names:
            turns[name](1 + calls[name] // 8)
            seconds[name].append(turns[name](calls[name]) / calls[name])
    return Rounds(seconds)


def _calls_within(turn: Turn, seconds: float) -> int:
    calls = 1
    while (taken := turn(calls)) < seconds / 4:
        calls *= 4
    return max(1, round(calls * seconds / taken))


def keyword_call(call: Callable[..., object], **arguments: object) -> Turn:
    """Turns of one call with keyword arguments, as the OpenFeature client calls a provider.

    The collector stays on, as in an application, and the call is compiled into the loop: a wrapping function
    would add the same 50 ns to everybody and flatter the slower side's ratio.
    """
    names = {f"_{position}": value for position, value in enumerate(arguments.values())}
    passed = ", ".join(f"{name}=_{position}" for position, name in enumerate(arguments))
    bind = "; ".join(["import gc; gc.enable(); call = _call", *(f"{name} = {name}_given" for name in names)])
    given = {f"{name}_given": value for name, value in names.items()}
    return timeit.Timer(f"call({passed})", bind, globals={"_call": call, **given}).timeit


def isolated(function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Run a module-level function in a fresh interpreter and hand back what it returns or raises."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(function, *arguments, **options).result()
