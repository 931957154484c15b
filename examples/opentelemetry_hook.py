"""Each evaluation as an OpenTelemetry event, with what Kameleoon knows of it.

Run: python examples/opentelemetry_hook.py

The event is made by the OpenFeature SDK, so nothing but the SDK is needed here. In an application with OpenTelemetry
the events go to the current span: ``EvaluationEvents(lambda *event: trace.get_current_span().add_event(*event))``.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagValueType
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.telemetry import TelemetryAttribute, create_evaluation_event

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

DATA_FILE = Path(__file__).with_name("flags.json")

Attributes = dict[str, bool | int | float | str]


class EvaluationEvents(Hook):
    """Emits ``feature_flag.evaluation`` events, without the visitor code: it is personal data."""

    def __init__(self, emit: Callable[[str, Attributes], object]) -> None:
        self._emit = emit

    def finally_after(
        self, hook_context: HookContext, details: FlagEvaluationDetails[FlagValueType], hints: HookHints
    ) -> None:
        """Emit one event: this stage follows success and failure alike."""
        event = create_evaluation_event(hook_context, details)
        standard = {str(name): str(value) for name, value in event.attributes.items()}
        standard.pop(TelemetryAttribute.CONTEXT_ID, None)
        ours = {f"kameleoon.{name}": value for name, value in details.flag_metadata.items()}
        self._emit(event.name, {**standard, **ours})


def print_event(name: str, attributes: Attributes) -> None:
    print(name)
    for attribute, value in attributes.items():
        print(f"    {attribute}: {value}")


def main() -> None:
    configuration = KameleoonClientConfiguration(data_file=DATA_FILE, environment="staging")
    api.set_provider_and_wait(KameleoonProvider("a8st4f59bj", configuration))
    api.add_hooks([EvaluationEvents(print_event)])
    flags = api.get_client()
    visitor = EvaluationContext("visitor-42", {"plan": "pro"})

    flags.get_boolean_value("new_checkout", False, visitor)
    flags.get_boolean_value("no_such_flag", False, visitor)

    api.shutdown()


if __name__ == "__main__":
    main()
