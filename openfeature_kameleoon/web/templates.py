"""What templates say of flags, whatever their language: the value of one, and the page's tracking code.

Runs where the template is rendered, within a visit; the visitor is that of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from .visits import current_visit

__all__ = ["engine_tracking_script", "flag"]

METHODS: Mapping[type, str] = {
    bool: "get_boolean_value",
    str: "get_string_value",
    int: "get_integer_value",
    float: "get_float_value",
    dict: "get_object_value",
    list: "get_object_value",
}
"""OpenFeature's by the type of the default; a boolean is an integer, too, and comes first."""


def flag(key: str, default: Any = False, **attributes: Any) -> Any:
    """The flag's value for this visitor, of the default's type: boolean, text, number, or object.

    ``attributes`` go into the evaluation context: ``variableKey`` names the variable. Raises ``TypeError`` for a
    default of another type.
    """
    method = next((method for kind, method in METHODS.items() if isinstance(default, kind)), None)
    if method is None:
        raise TypeError(f"the default of a flag is a boolean, text, number, dict or list, not {type(default).__name__}")
    context = EvaluationContext(attributes=attributes) if attributes else None
    return getattr(api.get_client(), method)(key, default, context)


def engine_tracking_script(nonce: str | None = None) -> str:
    """A ``<script>`` element that tells Kameleoon's script what this visitor got; empty outside of a request (12).

    ``nonce`` is that of the page's Content-Security-Policy. Place it after the flags were evaluated. It is HTML.
    """
    try:
        visit = current_visit()
    except LookupError:  # a template of something else, such as a mail
        return ""
    attribute = f' nonce="{escape(nonce)}"' if nonce else ""
    return f"<script{attribute}>{visit.engine_tracking_code()}</script>"
