"""A JSON variable as a typed configuration object that a flag switches.

Run: python examples/json_configuration.py
"""

from __future__ import annotations

from pathlib import Path

import msgspec
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider

DATA_FILE = Path(__file__).with_name("flags.json")


class Boost(msgspec.Struct, frozen=True):
    """How much a match counts in each part of a document."""

    title: float = 1.0
    body: float = 1.0


class SearchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the search engine is told. The defaults are what it runs with when the flag cannot be answered."""

    engine: str = "bm25"
    page_size: int = 20
    boost: Boost = Boost()


def search_settings(flags: OpenFeatureClient, visitor: EvaluationContext) -> SearchSettings:
    """Settings for this visitor; raises ``msgspec.ValidationError`` when somebody put nonsense into the variable."""
    value = flags.get_object_value("search", {}, visitor)
    return msgspec.convert(value, SearchSettings)


def main() -> None:
    configuration = KameleoonClientConfiguration(data_file=DATA_FILE)
    api.set_provider_and_wait(KameleoonProvider("a8st4f59bj", configuration))
    flags = api.get_client()

    for device in ("DESKTOP", "PHONE"):
        tester = EvaluationContext("visitor-42", {"beta_tester": True, "device": device})
        print(f"{device}:", search_settings(flags, tester))

    api.shutdown()
    print("no provider:", search_settings(flags, EvaluationContext("visitor-42")))


if __name__ == "__main__":
    main()
