"""A whole Flagship on loopback, and providers that speak with it: bucketing file, decisions, activations and hits.

Providers here have no thread unless they are told to: they look at their file, and send, inside explicit calls.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails

from openfeature_kameleoon.clock import SYSTEM_CLOCK, Clock
from openfeature_kameleoon.flagship.provider import FlagshipProvider
from openfeature_kameleoon.flagship.provider_configuration import FlagshipConfiguration
from tests.chaos import Answer, Received, reply
from tests.faces import replace
from tests.flagship.collector import FakeFlagship
from tests.flagship.files import campaign, group, variation

__all__ = ["CAMPAIGNS", "FILE", "NOBODY", "RESOLVERS", "Environment", "decided", "file_of", "offline", "resolve"]

Json = dict[str, Any]

FILE, CAMPAIGNS = "/ENV_ID/bucketing.json", "/v2/ENV_ID/campaigns/"

NOBODY = EvaluationContext()

RESOLVERS: Mapping[type, str] = {
    bool: "resolve_boolean_details",
    str: "resolve_string_details",
    int: "resolve_integer_details",
    float: "resolve_float_details",
    dict: "resolve_object_details",
    list: "resolve_object_details",
}


def file_of(**flags: Any) -> Json:
    """A bucketing file with a campaign of each flag: everybody gets its value, in a variation named after it."""
    return {
        "campaigns": [
            campaign(f"c-{key}", group(f"g-{key}", variation(f"v-{key}", {key: flags[key]}))) for key in flags
        ]
    }


def decided(*, type: str = "ab", **flags: Any) -> Json:
    """An answer of the decision API that gives a visitor these flags, each in a variation named after it."""
    return {
        "campaigns": [
            {
                "id": f"c-{key}",
                "type": type,
                "variationGroupId": f"g-{key}",
                "variation": {"id": f"v-{key}", "modifications": {"type": "JSON", "value": {key: value}}},
            }
            for key, value in flags.items()
        ]
    }


def resolve(
    provider: FlagshipProvider, key: str, default: object, code: Any = "somebody", /, **attributes: Any
) -> FlagResolutionDetails[Any]:
    """Ask as the SDK does: by keyword, for the type of the default."""
    details: FlagResolutionDetails[Any] = getattr(provider, RESOLVERS[type(default)])(
        flag_key=key, default_value=default, evaluation_context=EvaluationContext(code, attributes)
    )
    return details


def offline(folder: Path, content: object, **settings: Any) -> FlagshipProvider:
    """A provider that answers from this bucketing file, and sends nothing."""
    replace(folder / "bucketing.json", content)
    settings = {"data_file": folder / "bucketing.json", "multi_threading": False, **settings}
    provider = FlagshipProvider("ENV_ID", "API_KEY", FlagshipConfiguration(**settings))
    provider.initialize(NOBODY)
    return provider


class Environment(FakeFlagship):
    """One environment: ``file`` is its bucketing file, ``decide`` answers what the decision API is asked.

    ``asked`` are the bodies of requests for decisions, in their order.
    """

    def __init__(self, file: Json | None = None) -> None:
        self.file: object = file_of(f=True) if file is None else file
        self.decide: Callable[[Json], Json] = lambda body: decided(f=True)
        self.asked: list[Json] = []
        self.opened: list[FlagshipProvider] = []
        super().__init__()

    def provider(self, *, clock: Clock = SYSTEM_CLOCK, **settings: Any) -> FlagshipProvider:
        """A provider of it, not initialised yet, that is shut down with the server."""
        settings = {"server_url": self.url, "multi_threading": False, **settings}
        provider = FlagshipProvider("ENV_ID", "API_KEY", FlagshipConfiguration(**settings), clock=clock)
        self.opened.append(provider)
        return provider

    def ready(self, **settings: Any) -> FlagshipProvider:
        """A provider of it that is ready to answer."""
        provider = self.provider(**settings)
        provider.initialize(NOBODY)
        return provider

    def activated(self) -> Counter[tuple[str, str]]:
        """How often which visitor was told to have seen which variation."""
        return Counter((activation["vid"], activation["vaid"]) for activation in list(self.activations))

    def answer_to(self, request: Received) -> Answer:
        """Give the file and decisions, and take what is told, unless told to fail."""
        path = urlsplit(request.target).path
        if path in self._down:
            return self._down[path]
        if path == FILE:
            return reply(200, self.file if isinstance(self.file, bytes) else json.dumps(self.file).encode())
        if path == CAMPAIGNS:
            body = json.loads(request.body)
            self.asked.append(body)
            return reply(200, json.dumps(self.decide(body)).encode())
        return super().answer_to(request)

    def close(self) -> None:
        """End it, and the providers that it made before."""
        for provider in self.opened:
            provider.shutdown()
        super().close()
