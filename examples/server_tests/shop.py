"""A tiny application: it asks for flags, and tells when somebody bought something."""

from __future__ import annotations

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.track import TrackingEventDetails

GOALS = {"purchase": 4401}
"""Kameleoon's goals by their names here: the provider's setting ``goals``."""


def checkout_page(user: str) -> str:
    visitor = EvaluationContext(user)
    flags = api.get_client()
    page = "new" if flags.get_boolean_value("new_checkout", False, visitor) else "old"
    return f"{page} page, button {flags.get_string_value('checkout_button', 'Buy', visitor)!r}"


def buy(user: str, price: float) -> float:
    """The price after a discount, which is a variable of the button's experiment."""
    visitor = EvaluationContext(user, {"variableKey": "discount"})
    flags = api.get_client()
    paid = price * (1 - flags.get_float_value("checkout_button", 0.0, visitor))
    flags.track("purchase", visitor, TrackingEventDetails(paid))
    return paid
