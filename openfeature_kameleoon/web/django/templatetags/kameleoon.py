"""``{% load kameleoon %}``, then ``{% flag "new_checkout" as is_new %}`` and ``{% engine_tracking_code nonce %}``."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.safestring import SafeString, mark_safe

from ... import templates

__all__ = ["engine_tracking_code", "flag", "register"]

register = template.Library()


@register.simple_tag
def flag(key: str, default: Any = False, **attributes: Any) -> Any:
    """The flag's value for this visitor, of the default's type; an attribute without text is left out.

    Django gives an empty text for a variable that is not there.
    """
    return templates.flag(key, default, **{name: value for name, value in attributes.items() if value != ""})


@register.simple_tag
def engine_tracking_code(nonce: str | None = None) -> SafeString:
    """The ``<script>`` element that tells Kameleoon's script what this visitor got."""
    return mark_safe(templates.engine_tracking_script(nonce))  # it escapes what it is given
