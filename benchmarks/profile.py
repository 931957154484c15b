"""Where an evaluation's time goes: ``python -m benchmarks.profile [flag] [--context NAME] [--calls N]``.

The profiler's own cost falls on every function call, so shares are to be read, not sums; the time of a call
without the profiler is printed above. Not a bar: this is for whoever works on one.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import tempfile
from contextlib import ExitStack

from . import anchors
from .data import EXP3, NAMED_FLAGS
from .measure import interleave, keyword_call


def main() -> None:
    """Time one flag plainly, then profile it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("flag", nargs="?", choices=NAMED_FLAGS, default=EXP3)
    parser.add_argument("--context", choices=anchors.CONTEXTS, default="3 custom data")
    parser.add_argument("--calls", type=int, default=100_000)
    options = parser.parse_args()

    with ExitStack() as opened:
        path = anchors.written(opened.enter_context(tempfile.TemporaryDirectory()), 100)
        provider = opened.enter_context(anchors.ours(path))
        arguments = {
            "flag_key": options.flag,
            "default_value": False,
            "evaluation_context": anchors.CONTEXTS[options.context](),
        }
        turns = {
            "ours": keyword_call(provider.resolve_boolean_details, **arguments),
            "in memory": keyword_call(anchors.in_memory().resolve_boolean_details, **arguments),
        }
        rounds = interleave(turns, rounds=40, turn_seconds=0.01)
        print(
            f"{options.flag}, {options.context}: {1e9 * rounds.median('ours'):,.0f} ns, "
            f"{rounds.ratio('ours', 'in memory'):.2f} x InMemory"
        )
        with cProfile.Profile() as profile:
            turns["ours"](options.calls)
    pstats.Stats(profile).strip_dirs().sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
