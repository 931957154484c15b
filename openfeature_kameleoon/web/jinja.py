"""Globals for Jinja's templates: ``{{ flag("button", "Buy") }}`` and ``{{ engine_tracking_code(nonce) }}``.

Flask has them by its extension; with Starlette and FastAPI, ``add_globals(templates.env)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import templates

try:
    from jinja2 import Environment, Undefined
    from markupsafe import Markup
except ImportError as error:
    raise ImportError(
        "globals for templates need Jinja: pip install 'openfeature-kameleoon[flask]' or [starlette]"
    ) from error

__all__ = ["GLOBALS", "add_globals", "engine_tracking_code", "flag"]


def flag(key: str, default: Any = False, **attributes: Any) -> Any:
    """The flag's value for this visitor, of the default's type; an attribute that is undefined is left out."""
    known = {name: value for name, value in attributes.items() if not isinstance(value, Undefined)}
    return templates.flag(key, default, **known)


def engine_tracking_code(nonce: str | None = None) -> Markup:
    """The ``<script>`` element that tells Kameleoon's script what this visitor got."""
    return Markup(templates.engine_tracking_script(nonce))


GLOBALS: Mapping[str, Callable[..., Any]] = {"flag": flag, "engine_tracking_code": engine_tracking_code}
"""By the names that templates call them."""


def add_globals(environment: Environment) -> None:
    """Let the templates of an environment use them."""
    environment.globals.update(GLOBALS)
