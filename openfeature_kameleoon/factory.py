"""One client for each site and environment, shared by all of a process that ask for it (specs/kameleoon-sdk.md 10.3).

The one place where code that has nothing to do with each other meets: clients and providers that are made directly
share nothing.
"""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import fields

from .client import KameleoonClient
from .configuration import KameleoonClientConfiguration, load_configuration
from .errors import SiteCodeIsEmpty
from .forking import renew_after_fork

__all__ = ["KameleoonClientFactory"]

_log = logging.getLogger(__name__)


class _Registry:
    """The clients of this process, by site code and environment; the empty one is the default environment."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.clients: dict[tuple[str, str], KameleoonClient] = {}
        self.has_warned: set[tuple[str, str]] = set()
        renew_after_fork(self)

    def renew(self) -> None:
        """In a forked child: the clients stay, the lock is one that nobody holds."""
        self.lock = threading.Lock()


_registry = _Registry()


class KameleoonClientFactory:
    """Gives the client of a site and environment: the same one each time, until it is forgotten.

    Kameleoon's factory has one client for a site code, whatever the environment. Who closes a client closes it for all
    who have it: ``forget`` ends it, and has the next one asked for be new.
    """

    @staticmethod
    def create(
        site_code: str,
        config: KameleoonClientConfiguration | None = None,
        config_path: str | os.PathLike[str] | None = None,
    ) -> KameleoonClient:
        """The client of the site, in the environment that the settings name; it is made if there is none.

        Settings are ``config``'s, or those of the YAML file at ``config_path``; without either, the site's client if
        there is just one, or else the settings of the default file. They have no effect on a client that is there
        already: that they differ is told by a warning, once. Raises ``SiteCodeIsEmpty`` and ``ConfigException``.
        """
        if not site_code:
            raise SiteCodeIsEmpty("a site code is needed: it is shown in Kameleoon's app, such as 'a8st4f59bj'")
        is_asked_plainly = config is None and config_path is None
        if is_asked_plainly:
            with _registry.lock:
                of_site = [client for (site, _), client in _registry.clients.items() if site == site_code]
            if len(of_site) == 1:
                return of_site[0]
        settings = config or load_configuration(config_path)
        key = site_code, settings.environment or ""
        with _registry.lock:
            client = _registry.clients.get(key)
            if client is None:
                client = _registry.clients[key] = KameleoonClient(site_code, configuration_object=settings)
                return client
            is_news = key not in _registry.has_warned
            differing = "" if is_asked_plainly else _differing(client.configuration, settings)
            if differing:
                _registry.has_warned.add(key)
        if differing and is_news:
            _log.warning("there is a client of this site and environment, with other %s: it is used", differing)
        return client

    @staticmethod
    def forget(site_code: str, environment: str | None = None) -> None:
        """Close the site's clients, or the one of an environment, for everybody; ``create`` makes new ones.

        The default environment is ``""``. What waits to be sent is, within the shutdown time-out.
        """
        with _registry.lock:
            keys = [key for key in _registry.clients if key[0] == site_code and environment in (None, key[1])]
            forgotten = [_registry.clients.pop(key) for key in keys]
            _registry.has_warned.difference_update(keys)
        for client in forgotten:
            client.close()


def _differing(one: KameleoonClientConfiguration, other: KameleoonClientConfiguration) -> str:
    """The names of settings that are not the same; values may be secret."""
    return ", ".join(each.name for each in fields(one) if getattr(one, each.name) != getattr(other, each.name))
