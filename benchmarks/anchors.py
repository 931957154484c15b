"""Who is measured: our provider, OpenFeature's InMemoryProvider, Kameleoon's own, ConfigCat's; and contexts.

Each is opened on the same data file or its equivalent, and closed again. What is timed is the bars' business.
Kameleoon's package is used through its public interface only, with its requests answered by `loopback`.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from openfeature.evaluation_context import EvaluationContext, EvaluationContextAttribute
from openfeature.provider import FeatureProvider
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from openfeature_kameleoon import KameleoonClient, KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.transport.urls import Endpoints

from .data import CUSTOM_DATA, NAMED_FLAGS, SPLIT, data_file
from .loopback import served
from .redirect import redirect, redirected

__all__ = [
    "CONTEXTS",
    "EVERYBODY",
    "TRACKING",
    "VISITOR",
    "Connected",
    "Who",
    "configcat",
    "connected",
    "in_memory",
    "key_only",
    "named_attributes",
    "ours",
    "peer",
    "with_custom_data",
    "written",
]

Who: TypeAlias = Literal["ours", "peer"]

EVERYBODY: tuple[Who, Who] = ("ours", "peer")

TRACKING = "BENCHMARKS_TRACKING"
"""While this environment variable is set, `ours` sends its events, too; the processes of the bars inherit it."""

VISITOR = "visitor-2"
"""The measured visitor: inside the exposed half of every named experiment."""

ALL_CUSTOM_DATA = len(CUSTOM_DATA)


def written(directory: str | Path, flags: int, edition: int = 1) -> Path:
    """Write the data file of ``flags`` flags into the directory."""
    path = Path(directory) / f"flags-{flags}-{edition}.json"
    path.write_bytes(data_file(flags, edition))
    return path


def key_only(visitor: str = VISITOR) -> EvaluationContext:
    """A context that has nothing but the targeting key."""
    return EvaluationContext(visitor)


def with_custom_data(visitor: str = VISITOR, count: int = ALL_CUSTOM_DATA) -> EvaluationContext:
    """The first ``count`` custom data in the form that both Kameleoon providers read."""
    items: list[EvaluationContextAttribute] = [
        {"index": index, "values": value} for index, (_, value) in enumerate(CUSTOM_DATA[:count])
    ]
    return EvaluationContext(visitor, {"customData": items})


def named_attributes(visitor: str = VISITOR, count: int = ALL_CUSTOM_DATA) -> EvaluationContext:
    """The same custom data as plain attributes under their names: our form and everybody else's."""
    return EvaluationContext(visitor, dict(CUSTOM_DATA[:count]))


CONTEXTS: Mapping[str, Callable[[], EvaluationContext]] = {
    "key only": key_only,
    "3 custom data": with_custom_data,
    "3 plain attributes": named_attributes,
}


def in_memory() -> InMemoryProvider:
    """OpenFeature's own provider with the named flags, every one a boolean that is on."""
    return InMemoryProvider({key: InMemoryFlag("on", {"on": True, "off": False}) for key in NAMED_FLAGS})


@contextmanager
def ours(path: Path, **settings: Any) -> Iterator[KameleoonProvider]:
    """Our provider on a data file, ready."""
    with ExitStack() as opened:
        endpoints = None
        if TRACKING in os.environ:
            endpoints = _endpoints(opened.enter_context(served(path.parent)).port)
            settings = {"send_events": True, **settings}
        configuration = KameleoonClientConfiguration(data_file=str(path), **settings)
        client = KameleoonClient(path.stem, configuration_object=configuration, endpoints=endpoints, autostart=False)
        opened.callback(client.close)
        yield _ready(KameleoonProvider(path.stem, client=client))


@contextmanager
def peer(path: Path, *, refresh_seconds: float = 3600, session_seconds: float = 1800) -> Iterator[Any]:
    """Kameleoon's own provider on the same data file, ready; it polls and tracks over loopback.

    It ships no types, hence ``Any``. Its minutes may be fractions, and it has one client per site code.
    """
    with served(path.parent) as loopback, redirected(loopback.port):
        provider = _peer(
            path.stem,
            refresh_interval_minute=refresh_seconds / 60,
            session_duration_minute=session_seconds / 60,
            default_timeout_millisecond=60_000,
        )
        try:
            yield provider
        finally:
            provider.shutdown()


class Connected(NamedTuple):
    """A provider, the client behind it, and what an application calls when it has no more use for them."""

    provider: FeatureProvider
    client: Any  # both have the documented methods of KameleoonClient; the peer's ships no types
    close: Callable[[], object]


def connected(who: Who, port: int, site_code: str) -> Connected:
    """Either one, ready, for the rest of the process: all that it does goes over loopback, by default settings."""
    if who == "ours":
        configuration = KameleoonClientConfiguration(**CREDENTIALS)
        client = KameleoonClient(site_code, configuration_object=configuration, endpoints=_endpoints(port))
        return Connected(_ready(KameleoonProvider(site_code, client=client)), client, client.close)
    redirect(port)
    provider = _peer(site_code)
    return Connected(provider, provider.get_client(), provider.shutdown)


CREDENTIALS: Mapping[str, Any] = {"client_id": "client-id", "client_secret": "client-secret"}


def _endpoints(port: int) -> Endpoints:
    url = f"http://127.0.0.1:{port}"
    return Endpoints(configuration=url, events=url, data=url, token=url)


def _peer(site_code: str, **settings: Any) -> Any:
    package = importlib.import_module("kameleoon_openfeature.kameleoon_provider")
    configuration = package.KameleoonClientConfig(*CREDENTIALS.values(), top_level_domain="localhost", **settings)
    return _ready(package.KameleoonProvider(site_code, config=configuration))


def _ready(provider: Any) -> Any:
    provider.initialize(EvaluationContext())
    return provider


@contextmanager
def configcat(directory: str | Path) -> Iterator[FeatureProvider]:
    """ConfigCat's provider, offline, with the equivalent of `SPLIT`: ``plan`` equals premium, then 50/50."""
    provider_package = importlib.import_module("configcat_openfeature_provider")
    client_package = importlib.import_module("configcatclient")
    overrides = importlib.import_module("configcatclient.localfiledatasource")
    behaviour = importlib.import_module("configcatclient.overridedatasource").OverrideBehaviour.LocalOnly
    path = Path(directory) / "configcat.json"
    path.write_text(json.dumps(_CONFIGCAT_FILE))
    options = client_package.ConfigCatOptions(
        polling_mode=client_package.PollingMode.manual_poll(),
        flag_overrides=overrides.LocalFileFlagOverrides(str(path), behaviour),
        offline=True,
    )
    provider: FeatureProvider = provider_package.ConfigCatProvider("localhost", options)
    provider.initialize(EvaluationContext())
    try:
        yield provider
    finally:
        provider.shutdown()


_EQUALS = 28  # ConfigCat's comparators are numbers (its config JSON v6)
_BOOLEAN = 0
_CONFIGCAT_FILE = {
    "f": {
        SPLIT: {
            "t": _BOOLEAN,
            "v": {"b": False},
            "r": [
                {
                    "c": [{"u": {"a": "plan", "c": _EQUALS, "s": "premium"}}],
                    "p": [{"p": 50, "v": {"b": True}}, {"p": 50, "v": {"b": False}}],
                }
            ],
        }
    }
}
