"""Django's development server, as it is run: its reloader's two processes have one provider between them."""

from __future__ import annotations

import json
import socket
import sys
from pathlib import Path

from tests import kameleoon as routes
from tests.chaos import wait_until
from tests.kameleoon import FakeKameleoon
from tests.programs import Server, kameleoon_is, running
from tests.web.application import DATA_FILE

PROJECT = """
from django.http import HttpResponse
from django.urls import path
from openfeature import api

DEBUG = True
INSTALLED_APPS = ["openfeature_kameleoon.web.django"]
KAMELEOON_SITE_CODE = "site"
MIDDLEWARE = ["openfeature_kameleoon.web.django.KameleoonMiddleware"]
ROOT_URLCONF = __name__
SECRET_KEY = "not secret"

urlpatterns = [path("", lambda request: HttpResponse(api.get_client().get_string_value("tested", "none")))]
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def starts(log: Path) -> int:
    return log.read_text().count("development server at http")


def starts_after_a_change(project: Path, log: Path) -> int:
    """Changed at each look: the reloader compares with what it saw first, whenever that was."""
    project.touch()
    return starts(log)


def test_the_reloader_starts_one_provider_and_each_reload_another(tmp_path: Path) -> None:
    project, log, port = tmp_path / "project.py", tmp_path / "log", free_port()
    project.write_text(PROJECT, encoding="utf-8")
    command = [sys.executable, "-m", "django", "runserver", f"127.0.0.1:{port}"]

    with FakeKameleoon(json.dumps(DATA_FILE).encode()) as kameleoon:
        environment = {**kameleoon_is(kameleoon.url, tmp_path), "DJANGO_SETTINGS_MODULE": "project"}
        with running(command, log, cwd=tmp_path, env=environment) as process:
            server = Server(process, port, log)
            wait_until(lambda: starts(log) == 1, 30)
            status, variation = server.get("/")
            requests = [len(kameleoon.requests(routes.DATA_FILE))]

            wait_until(lambda: starts_after_a_change(project, log) == 2, 30)
            again = server.get("/")
            requests.append(len(kameleoon.requests(routes.DATA_FILE)))

    assert (status, again[0]) == (200, 200)
    assert {variation, again[1]} <= {"on", "off"}
    assert requests == [1, 2], log.read_text()
