"""The providers of both vendors on equivalent flags: what one test asks of either.

A data file here is described by its boolean flags; ``Vendor.file`` says the same in the vendor's words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.flagship.provider import FlagshipProvider
from openfeature_kameleoon.flagship.provider_configuration import FlagshipConfiguration
from openfeature_kameleoon.providing import SharedProvider
from tests.chaos import ChaosServer
from tests.faces import flag, rule, site
from tests.flagship.files import campaign, group, variation

__all__ = ["BOTH", "FLAGSHIP", "KAMELEOON", "Provider", "Vendor", "value"]

Json = dict[str, Any]
Provider = KameleoonProvider | FlagshipProvider


def _of_kameleoon(**flags: bool) -> Json:
    return site(*(flag(key, *([rule(1, ("on", 1))] if is_on else [])) for key, is_on in flags.items()))


def _of_flagship(**flags: bool) -> Json:
    return {
        "campaigns": [campaign(key, group(key, variation(f"v-{key}", {key: is_on}))) for key, is_on in flags.items()]
    }


def _kameleoon(source: Path | ChaosServer, seconds: float, settings: Mapping[str, Any]) -> KameleoonProvider:
    data_file = source.url if isinstance(source, ChaosServer) else source
    given = {"send_events": False, "default_timeout_millisecond": seconds * 1000, **settings}
    return KameleoonProvider("site", KameleoonClientConfiguration(data_file=data_file, **given))


def _flagship(source: Path | ChaosServer, seconds: float, settings: Mapping[str, Any]) -> FlagshipProvider:
    where = {"server_url": source.url} if isinstance(source, ChaosServer) else {"data_file": source}
    given = {"send_events": False, "download_timeout_millisecond": seconds * 1000, **where, **settings}
    return FlagshipProvider("site", "api key", FlagshipConfiguration(**given))


@dataclass(frozen=True)
class Vendor:
    """One vendor: its provider's name, what it says of itself with each event, and how its files say things."""

    name: str
    labels: Mapping[str, str]
    file: Callable[..., Json]
    make: Callable[[Path | ChaosServer, float, Mapping[str, Any]], Provider]
    to_check: str
    """What somebody is told to check whom the server refuses."""
    unreadable: ErrorCode
    """What is answered while there is a file, which does not decode."""

    def open(
        self, opened: list[SharedProvider], source: Path | ChaosServer, *, seconds: float = 10.0, **settings: Any
    ) -> Provider:
        """A provider, not initialised yet, that the fixture ``opened`` shuts down; it waits so long for its file."""
        provider = self.make(source, seconds, settings)
        opened.append(provider)
        return provider

    def refresh(self, provider: Provider) -> None:
        """Have it look for a new file now."""
        (provider.client if isinstance(provider, KameleoonProvider) else provider).refresh()


KAMELEOON = Vendor(
    name="Kameleoon Provider",
    labels={"siteCode": "site"},
    file=_of_kameleoon,
    make=_kameleoon,
    to_check="site code",
    unreadable=ErrorCode.PROVIDER_NOT_READY,
)
FLAGSHIP = Vendor(
    name="ABTasty",
    labels={"envId": "site"},
    file=_of_flagship,
    make=_flagship,
    to_check="environment id",
    unreadable=ErrorCode.PARSE_ERROR,
)
BOTH = (KAMELEOON, FLAGSHIP)


def value(provider: Provider) -> bool | ErrorCode:
    """What the provider answers for the flag ``f``: its value, or the error code."""
    details = provider.resolve_boolean_details("f", False, EvaluationContext("somebody"))
    return details.error_code or details.value
