"""Kameleoon in web applications: each request's visitor, for all OpenFeature calls in it.

Adapters are modules of their own: ``wsgi``, ``asgi``, ``django``, ``flask``; ``jinja`` has globals for templates. For
any other framework, derive from ``Exchange``. The rest of the library imports nothing of this.
"""

from .exchange import Exchange
from .setup import start_provider
from .visits import Visit, Visits, current_visit

__all__ = ["Exchange", "Visit", "Visits", "current_visit", "start_provider"]
