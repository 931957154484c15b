"""One application, unchanged, on Kameleoon and on AB Tasty Flagship: only what is given to set_provider differs.

Both answer offline, from files in examples/vendors/ that hold equivalent flags.

Run: python examples/either_vendor.py
"""

from __future__ import annotations

from pathlib import Path

from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.flagship.provider import FlagshipProvider
from openfeature_kameleoon.flagship.provider_configuration import FlagshipConfiguration

FILES = Path(__file__).with_name("vendors")

PROVIDERS = {
    "Kameleoon": KameleoonProvider(
        "a8st4f59bj", KameleoonClientConfiguration(data_file=FILES / "kameleoon.json", goals={"purchase": 4401})
    ),
    "Flagship": FlagshipProvider(
        "bkk4s7gcmjcg07fke9dg", "an API key", FlagshipConfiguration(data_file=FILES / "flagship.json")
    ),
}

# "plan" and "visits" are custom data of the site on Kameleoon's side, and keys of the context on Flagship's.
VISITORS = [
    EvaluationContext("ann", {"plan": "pro", "visits": 1}),
    EvaluationContext("bob", {"plan": "free", "visits": 12}),
    EvaluationContext("cleo", {"plan": "free", "visits": 0}),
    EvaluationContext("ann"),  # what was told of her is remembered
]


def page(flags: OpenFeatureClient, visitor: EvaluationContext) -> dict[str, object]:
    """What the shop shows a visitor. It knows OpenFeature, and nothing of either vendor."""
    return {
        "checkout": flags.get_boolean_value("new_checkout", False, visitor),
        "welcome": flags.get_string_value("welcome_text", "Welcome", visitor),
        "articles": flags.get_integer_value("page_size", 10, visitor),
        "discount": flags.get_float_value("discount", 0.0, visitor),
        "search": flags.get_object_value("search", {}, visitor),
        "black friday": flags.get_boolean_value("black_friday", False, visitor),
    }


def main() -> None:
    pages = {}
    for name, provider in PROVIDERS.items():
        api.set_provider_and_wait(provider)
        flags = api.get_client()

        pages[name] = [page(flags, visitor) for visitor in VISITORS]
        flags.track("purchase", VISITORS[0], TrackingEventDetails(99.9))

        print(name)
        for visitor, shown in zip(VISITORS, pages[name], strict=True):
            print(f"  {visitor.targeting_key}: {shown}")
        details = flags.get_boolean_details("new_checkout", False, VISITORS[0])
        print(f"  why: variation {details.variant!r}, {details.reason}")
        unknown = flags.get_boolean_details("new_checkout", False)
        print(f"  without a visitor: {unknown.value}, {unknown.error_code}")

    print("both show the same:", pages["Kameleoon"] == pages["Flagship"])
    api.shutdown()


if __name__ == "__main__":
    main()
