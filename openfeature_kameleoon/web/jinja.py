"""Globals for Jinja's templates: ``{{ flag("button", "Buy") }}`` and ``{{ engine_tracking_code(nonce) }}``.

Flask has them by its extension; with Starlette and FastAPI, ``add_globals(templates.env)``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .templates import engine_tracking_script, flag

try:
    from jinja2 import Environment
    from markupsafe import Markup
except ImportError as error:
    raise ImportError(
        "globals for templates need Jinja: pip install 'openfeature-kameleoon[flask]' or [starlette]"
    ) from error

__all__ = ["GLOBALS", "add_globals", "engine_tracking_code"]


def engine_tracking_code(nonce: str | None = None) -> Markup:
    """The ``<script>`` element that tells Kameleoon's script what this visitor got."""
    return Markup(engine_tracking_script(nonce))


GLOBALS: Mapping[str, Callable[..., Any]] = {"flag": flag, "engine_tracking_code": engine_tracking_code}
"""By the names that templates call them."""


def add_globals(environment: Environment) -> None:
    """Let the templates of an environment use them."""
    environment.globals.update(GLOBALS)
