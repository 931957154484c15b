"""A hook that logs each evaluation with its outcome and reason.

Run: python examples/logging_hook.py

The SDK has a ``LoggingHook`` of its own, which writes two records at DEBUG, and failures at ERROR. This one writes
one line, and says neither who the visitor is nor what is known of it.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagValueType
from openfeature.hook import Hook, HookContext, HookHints

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

DATA_FILE = Path(__file__).with_name("flags.json")

log = logging.getLogger("shop.flags")


class OutcomeLog(Hook):
    """One line for each evaluation; a warning when the caller's default had to do."""

    def finally_after(
        self, hook_context: HookContext, details: FlagEvaluationDetails[FlagValueType], hints: HookHints
    ) -> None:
        """Log the outcome: this stage follows success and failure alike."""
        if details.error_code:
            log.warning("%s: default, %s: %s", details.flag_key, details.error_code, details.error_message)
        else:
            rule = details.flag_metadata.get("ruleId", "none")
            log.info("%s: variation %s, %s, rule %s", details.flag_key, details.variant, details.reason, rule)


def main() -> None:
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    configuration = KameleoonClientConfiguration(data_file=DATA_FILE)
    api.set_provider_and_wait(KameleoonProvider("a8st4f59bj", configuration))
    api.add_hooks([OutcomeLog()])
    flags = api.get_client()
    visitor = EvaluationContext("visitor-42", {"plan": "pro"})

    flags.get_boolean_value("new_checkout", False, visitor)
    flags.get_string_value("checkout_button", "Buy", visitor)
    flags.get_boolean_value("black_friday", False, visitor)
    flags.get_integer_value("welcome_text", 0, visitor)
    flags.get_boolean_value("no_such_flag", False, visitor)

    api.shutdown()


if __name__ == "__main__":
    main()
