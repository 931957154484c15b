"""The Django application: it sets OpenFeature's provider when Django is set up, once in each program that serves."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from ...provider import KameleoonProvider
from ..setup import provider_of, start_provider

__all__ = ["KameleoonConfig", "setting"]

COMMANDS = ("manage.py", "django-admin", "django-admin.py")


def setting(name: str) -> object:
    """One of Django's settings; ``None`` if it is not set."""
    return getattr(settings, name, None)


class KameleoonConfig(AppConfig):
    """Sets the provider that the settings describe; without a site code the application has set one itself.

    Servers and workers wait for the data file. Management commands do not, and the process that only watches files for
    ``runserver`` sets none. Raises ``ConfigException``.
    """

    name = "openfeature_kameleoon.web.django"
    label = "kameleoon"
    verbose_name = "Kameleoon"

    provider: KameleoonProvider | None = None

    def ready(self) -> None:
        """Called by Django once its settings are there."""
        if self.provider is None and not _only_watches_files():
            self.provider = provider_of(setting)
            if self.provider is not None:
                start_provider(self.provider, waits=not _is_command())


def _only_watches_files() -> bool:
    """Whether this is the parent of the process that ``runserver`` serves in, and begins anew when a file changes."""
    is_reloading = "runserver" in sys.argv and "--noreload" not in sys.argv
    return is_reloading and os.environ.get("RUN_MAIN") != "true"


def _is_command() -> bool:
    return Path(sys.argv[0]).name in COMMANDS and sys.argv[1:2] != ["runserver"]
