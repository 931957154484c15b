"""From the settings of a framework to a provider that OpenFeature has and options of ``Visits``.

Django's settings and Flask's configuration have the same three names, the rows of ``SETTINGS``.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from openfeature import api
from openfeature.exception import OpenFeatureError

from ..configuration import KameleoonClientConfiguration
from ..errors import ConfigSettingInvalid
from ..provider import KameleoonProvider
from ..transport.foreign_text import printable

__all__ = ["SETTINGS", "options_of", "provider_in_use", "provider_of", "start_provider"]

_log = logging.getLogger(__name__)

SITE_CODE = "KAMELEOON_SITE_CODE"
CONFIGURATION = "KAMELEOON_CONFIGURATION"
OPTIONS = "KAMELEOON_OPTIONS"
SETTINGS: Mapping[str, str] = {
    SITE_CODE: "the site; without one, OpenFeature's provider is used, which must be Kameleoon's",
    CONFIGURATION: "a KameleoonClientConfiguration, its settings by name, or the path of its YAML file",
    OPTIONS: "options of Visits by name; a callable may be named as 'module.name'",
}

CALLABLES = ("consent", "default_visitor_code", "geolocation")
"""Options that may be named; of ``default_visitor_code`` a text is one."""

Settings = Callable[[str], Any]
"""The value of a setting by its name, ``None`` if it is not set."""


def provider_of(settings: Settings) -> KameleoonProvider | None:
    """A new provider, if the settings name a site. Raises ``ConfigException``."""
    site_code = settings(SITE_CODE)
    if not site_code:
        return None
    given = settings(CONFIGURATION)
    if isinstance(given, Mapping):
        given = KameleoonClientConfiguration(**given)
    elif isinstance(given, str | os.PathLike):
        given = KameleoonClientConfiguration.from_file(given)
    return KameleoonProvider(site_code, given)


def start_provider(provider: KameleoonProvider, *, waits: bool = True) -> None:
    """Have OpenFeature use the provider; wait for its data file, unless told not to, for the configured time-out.

    Where none comes, a warning says so, the background goes on trying, and until then callers' defaults are answered.
    """
    if not waits:
        api.set_provider(provider)
        return
    try:
        api.set_provider_and_wait(provider)
    except OpenFeatureError as error:
        _log.warning("no flags yet: %s", printable(error.error_message))


def provider_in_use() -> KameleoonProvider:
    """OpenFeature's provider. Raises ``ConfigSettingInvalid`` if it is not Kameleoon's."""
    provider = api.get_client().provider
    if not isinstance(provider, KameleoonProvider):
        raise ConfigSettingInvalid(
            f"{SITE_CODE} is not set, and OpenFeature has no KameleoonProvider: set one of them before the start",
            setting=SITE_CODE,
        )
    return provider


def options_of(settings: Settings) -> dict[str, Any]:
    """Options of ``Visits``. Raises ``ConfigSettingInvalid`` for a name that leads nowhere."""
    options = dict(settings(OPTIONS) or {})
    for name in CALLABLES:
        value = options.get(name)
        if isinstance(value, str) and (name != "default_visitor_code" or "." in value):
            options[name] = _named(value)
    return options


def _named(path: str) -> Any:
    module, _, name = path.rpartition(".")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigSettingInvalid(f"{OPTIONS}: there is no {path!r:.80}", setting=OPTIONS) from error
