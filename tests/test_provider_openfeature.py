"""The provider behind OpenFeature's own API: contexts, hooks, domains, sync and async, and the SDK's known traps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode, OpenFeatureError
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagEvaluationOptions, FlagValueType
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.provider import ProviderStatus
from openfeature.transaction_context import ContextVarsTransactionContextPropagator

from openfeature_kameleoon import KameleoonProvider
from openfeature_kameleoon.errors import DataFileInvalid
from tests.faces import flag, plan_is, provider_of, rule, site

VISITOR = EvaluationContext("somebody")
VARIABLES = {
    "colour": ("STRING", "red"),
    "size": ("NUMBER", 5),
    "ratio": ("NUMBER", 0.5),
    "beta": ("BOOLEAN", True),
    "layout": ("JSON", '{"columns": [1, 2]}'),
    "methods": ("JSON", '["card"]'),
}
FLAGS = (
    flag("f", rule(1, ("on", 1)), variables=VARIABLES),
    flag("vips", rule(2, ("on", 1), segment_id=2001)),
    flag("off", environmentEnabled=False),
)

VALUES: list[tuple[str, str, object, object]] = [
    ("boolean", "beta", False, True),
    ("string", "colour", "blue", "red"),
    ("integer", "size", 0, 5),
    ("float", "ratio", 0.0, 0.5),
    ("float", "size", 0.0, 5.0),
    ("object", "layout", {}, {"columns": [1, 2]}),
    ("object", "methods", [], ["card"]),
]


@pytest.fixture(autouse=True)
def api_as_it_was() -> Iterator[None]:
    yield

    api.shutdown()


@pytest.fixture
def flags(tmp_path: Path) -> OpenFeatureClient:
    api.set_provider_and_wait(provider_of(tmp_path, site(*FLAGS)))
    return api.get_client()


def ask(
    flags: OpenFeatureClient, is_async: bool, kind: str, key: str, default: Any, context: EvaluationContext | None
) -> FlagEvaluationDetails[Any]:
    """Both ways to details, after seeing that both ways to the value agree."""
    arguments = (key, default, context)
    if is_async:
        value = asyncio.run(getattr(flags, f"get_{kind}_value_async")(*arguments))
        details = asyncio.run(getattr(flags, f"get_{kind}_details_async")(*arguments))
    else:
        value = getattr(flags, f"get_{kind}_value")(*arguments)
        details = getattr(flags, f"get_{kind}_details")(*arguments)
    assert value == details.value
    assert type(value) is type(details.value)
    return details  # type: ignore[no-any-return]  # of a method found by its name


both_ways = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@both_ways
@pytest.mark.parametrize(("kind", "key", "default", "value"), VALUES)
def test_every_type_comes_through(
    flags: OpenFeatureClient, is_async: bool, kind: str, key: str, default: object, value: object
) -> None:
    details = ask(flags, is_async, kind, "f", default, EvaluationContext("somebody", {"variableKey": key}))

    assert details.value == value
    assert type(details.value) is type(value)
    assert (details.flag_key, details.variant, details.reason, details.error_code) == ("f", "on", "STATIC", None)
    assert details.flag_metadata["variationId"] == 10


ERRORS: list[tuple[str, str, EvaluationContext | None, ErrorCode]] = [
    ("boolean", "nope", VISITOR, ErrorCode.FLAG_NOT_FOUND),
    ("boolean", "f", None, ErrorCode.TARGETING_KEY_MISSING),
    ("boolean", "f", EvaluationContext("v\0"), ErrorCode.INVALID_CONTEXT),
    ("integer", "f", EvaluationContext("v", {"variableKey": "beta"}), ErrorCode.TYPE_MISMATCH),  # T1
    ("float", "f", EvaluationContext("v", {"variableKey": "beta"}), ErrorCode.TYPE_MISMATCH),
    ("object", "f", EvaluationContext("v", {"variableKey": "size"}), ErrorCode.TYPE_MISMATCH),
]


@both_ways
@pytest.mark.parametrize(("kind", "key", "context", "code"), ERRORS)
def test_an_error_answers_the_very_default_and_logs_nothing(  # T2, T5
    flags: OpenFeatureClient,
    caplog: pytest.LogCaptureFixture,
    is_async: bool,
    kind: str,
    key: str,
    context: EvaluationContext | None,
    code: ErrorCode,
) -> None:
    default = object()

    details = ask(flags, is_async, kind, key, default, context)

    assert details.value is default
    assert (details.reason, details.error_code, details.variant) == ("ERROR", code, None)
    assert details.error_message
    assert [record for record in caplog.records if record.levelno >= logging.INFO] == []


@both_ways
def test_a_flag_that_is_off_answers_the_very_default(flags: OpenFeatureClient, is_async: bool) -> None:
    default: dict[str, FlagValueType] = {"mine": 1}

    details = ask(flags, is_async, "object", "off", default, VISITOR)

    assert details.value is default
    assert (details.reason, details.error_code) == ("DISABLED", None)


# --- contexts ---------------------------------------------------------------------------------------------------

VIP = EvaluationContext("somebody", {"plan": "vip"})
ALONE = EvaluationContext(attributes={"plan": "vip"})


@both_ways
def test_a_context_comes_from_wherever_openfeature_takes_it(flags: OpenFeatureClient, is_async: bool) -> None:
    def is_vip(code: str, attributes: dict[str, Any] | None = None) -> bool:
        return bool(ask(flags, is_async, "boolean", "vips", False, EvaluationContext(code, attributes or {})).value)

    assert not is_vip("1")
    assert is_vip("2", {"plan": "vip"})
    assert is_vip("2")  # remembered

    api.set_evaluation_context(ALONE)
    assert is_vip("3")
    api.set_evaluation_context(EvaluationContext())

    api.set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
    api.set_transaction_context(ALONE)
    assert is_vip("4")
    assert not is_vip("5", {"plan": "free"})  # the nearest wins
    api.set_transaction_context(EvaluationContext())

    flags.context = ALONE
    assert is_vip("6")


def test_the_visitor_may_be_the_transactions(flags: OpenFeatureClient) -> None:
    api.set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
    api.set_transaction_context(VIP)

    assert flags.get_boolean_value("vips", False)


class Recorder(Hook):
    """Notes each stage that it sees; its ``before`` adds to the context."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, object]] = []

    def before(self, hook_context: HookContext, hints: HookHints) -> EvaluationContext:
        self.stages.append(("before", hook_context.provider_metadata and hook_context.provider_metadata.name))
        return ALONE

    def after(self, hook_context: HookContext, details: FlagEvaluationDetails[FlagValueType], hints: HookHints) -> None:
        self.stages.append(("after", details.variant))

    def error(self, hook_context: HookContext, exception: Exception, hints: HookHints) -> None:
        assert isinstance(exception, OpenFeatureError)
        self.stages.append(("error", exception.error_code))

    def finally_after(
        self, hook_context: HookContext, details: FlagEvaluationDetails[FlagValueType], hints: HookHints
    ) -> None:
        self.stages.append(("finally", details.value))


def test_hooks_see_each_stage_and_may_add_to_the_context(flags: OpenFeatureClient) -> None:
    recorder = Recorder()

    flags.get_boolean_value("vips", False, VISITOR, FlagEvaluationOptions(hooks=[recorder]))
    flags.get_boolean_value("nope", True, VISITOR, FlagEvaluationOptions(hooks=[recorder]))

    name = "Kameleoon Provider"
    assert recorder.stages[:3] == [("before", name), ("after", "on"), ("finally", True)]
    assert recorder.stages[3:] == [("before", name), ("error", ErrorCode.FLAG_NOT_FOUND), ("finally", True)]


# --- domains, events --------------------------------------------------------------------------------------------


def test_providers_of_two_domains_share_nothing(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder, plan in zip(folders, ("vip", "free"), strict=True):
        folder.mkdir()
        content = site(FLAGS[1], segments=[plan_is(plan)])
        api.set_provider_and_wait(provider_of(folder, content), folder.name)
    one, two = (api.get_client(folder.name) for folder in folders)

    assert one.get_boolean_value("vips", False, VIP)
    assert not two.get_boolean_value("vips", False, VIP)
    assert not two.get_boolean_value("vips", False, VISITOR)
    assert two.get_boolean_value("vips", False, EvaluationContext("somebody", {"plan": "free"}))
    assert one.get_boolean_value("vips", False, VISITOR)  # as it was remembered there


def test_a_provider_is_itself_alone(tmp_path: Path) -> None:  # T9: they are keys of the SDK's tables
    provider, other = (provider_of(tmp_path, site()) for _ in range(2))

    assert provider == provider  # the very question
    assert provider != other
    assert len({provider, other}) == 2


@pytest.mark.parametrize("failure", [RuntimeError("the executor is gone"), AttributeError("detached")])
def test_an_event_that_reaches_nobody_disturbs_nobody(  # T8
    tmp_path: Path, caplog: pytest.LogCaptureFixture, failure: Exception
) -> None:
    provider = provider_of(tmp_path, site())
    emitted = []

    def fail(_: object, event: ProviderEvent, details: ProviderEventDetails) -> None:
        emitted.append(event)
        raise failure

    provider.attach(fail)
    (tmp_path / "flags.json").write_text("{")
    with pytest.raises(DataFileInvalid):
        provider.client.refresh()

    assert emitted == [ProviderEvent.PROVIDER_STALE]
    assert "listener" not in caplog.text
    assert provider.client.is_ready()


def test_the_status_is_ready_and_after_shutdown_it_is_not(flags: OpenFeatureClient) -> None:
    assert flags.get_provider_status() is ProviderStatus.READY

    api.shutdown()

    assert not isinstance(api.get_client().provider, KameleoonProvider)
