"""What one process learns of a visitor, all know: visitors are shared through Redis (extra ``redis``).

Run: python examples/shared_visitors.py (REDIS_URL=redis://... if it is not on this machine)
"""

from __future__ import annotations

import os
from pathlib import Path

from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

DATA_FILE = Path(__file__).with_name("flags.json")


def main() -> None:
    # A URL may hold a password: it is kept as a secret. Evaluations wait for Redis for this long at most.
    configuration = KameleoonClientConfiguration(
        data_file=DATA_FILE,
        redis_url=os.environ.get("REDIS_URL", "redis://localhost:6379/0"),
        redis_timeout_millisecond=200,
    )
    # Two providers stand for two processes here.
    providers = {process: KameleoonProvider("a8st4f59bj", configuration) for process in ("web", "worker")}
    for process, provider in providers.items():
        api.set_provider_and_wait(provider, domain=process)
    web, worker = api.get_client(domain="web"), api.get_client(domain="worker")

    # The web process knows the customer's plan, and the segment of the flag asks for it.
    print("web:", web.get_boolean_value("new_checkout", False, EvaluationContext("ann", {"plan": "pro"})))

    # It is written beside evaluations; closing waits for it, for shutdown_timeout_millisecond at most.
    providers["web"].shutdown()

    # The worker was told nothing of the plan.
    print("worker:", worker.get_boolean_value("new_checkout", False, EvaluationContext("ann")))
    print("worker, another visitor:", worker.get_boolean_value("new_checkout", False, EvaluationContext("bob")))

    api.shutdown()


if __name__ == "__main__":
    main()
