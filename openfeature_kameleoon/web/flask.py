"""Extension for Flask: ``Kameleoon(app)``, with ``KAMELEOON_SITE_CODE`` in its configuration.

It is the WSGI middleware, which sees all requests, and the globals of templates.
"""

from __future__ import annotations

from typing import Any

from ..client import KameleoonClient
from ..provider import KameleoonProvider
from .setup import options_of, provider_in_use, provider_of, start_provider
from .wsgi import KameleoonWSGIMiddleware

try:
    from flask import Flask
except ImportError as error:
    raise ImportError("Flask is needed: pip install 'openfeature-kameleoon[flask]'") from error
from .jinja import GLOBALS

__all__ = ["Kameleoon"]


class Kameleoon:
    """Gives each request of an application its visitor, and its templates ``flag`` and ``engine_tracking_code``.

    Without a ``client``, which may be a provider, the settings say which (``setup.SETTINGS``): OpenFeature is given a
    provider, which is waited for. ``options`` are those of ``Visits``, before those of the settings. Raises
    ``ConfigException``.
    """

    def __init__(
        self, app: Flask | None = None, client: KameleoonClient | KameleoonProvider | None = None, **options: Any
    ) -> None:
        self._client = client
        self._options = options
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Do so for another application, or for one that was not there when this was made."""
        settings = app.config.get
        client = self._client
        if client is None:
            client = provider_of(settings)
            if client is not None:
                start_provider(client)
        middleware = KameleoonWSGIMiddleware(
            app.wsgi_app, client or provider_in_use(), **{**options_of(settings), **self._options}
        )
        app.wsgi_app = middleware  # type: ignore[method-assign]  # the way that Flask documents for middleware
        for name, function in GLOBALS.items():
            app.add_template_global(function, name)
        app.extensions["kameleoon"] = self
