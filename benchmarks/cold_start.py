"""One cold start: ``python -m benchmarks.cold_start ours|peer <data file> <port>`` prints its seconds.

A program, run once per process by bar 18. It imports nothing before the clock starts but what every
interpreter has, hence the imports inside functions.
"""

from __future__ import annotations

import sys
import time

FLAG = "f_simple"  # data.SIMPLE, without the imports of data


def ours(data_file: str, port: int) -> object:
    """Our first answer, from the file on disk; the port is the peer's."""
    del port
    from openfeature.evaluation_context import EvaluationContext

    from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

    provider = KameleoonProvider("cold", KameleoonClientConfiguration(data_file=data_file))
    provider.initialize(EvaluationContext())
    return provider.resolve_boolean_details(
        flag_key=FLAG, default_value=False, evaluation_context=EvaluationContext("visitor-1")
    ).value


def peer(data_file: str, port: int) -> object:
    """The peer's first answer, the same file over loopback."""
    import importlib

    package = importlib.import_module("kameleoon_openfeature.kameleoon_provider")
    from openfeature.evaluation_context import EvaluationContext

    from .redirect import redirected

    site_code = data_file.rpartition("/")[2].removesuffix(".json")
    with redirected(port):
        configuration = package.KameleoonClientConfig("id", "secret", top_level_domain="localhost")
        provider = package.KameleoonProvider(site_code, config=configuration)
        provider.initialize(EvaluationContext())
        return provider.resolve_boolean_details(
            flag_key=FLAG, default_value=False, evaluation_context=EvaluationContext("visitor-1")
        ).value


if __name__ == "__main__":
    start = time.perf_counter()
    answer = {"ours": ours, "peer": peer}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
    taken = time.perf_counter() - start
    if answer is not True:
        sys.exit(f"{sys.argv[1]} answered {answer!r}")
    print(taken)
