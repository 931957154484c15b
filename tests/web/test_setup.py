"""From a framework's settings to a provider: which one, when it is waited for, and what is wrong with a setting."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask
import pytest
from django.apps import apps
from django.test import override_settings
from openfeature import api
from openfeature.provider import ProviderStatus

from openfeature_kameleoon import KameleoonClientConfiguration, KameleoonProvider
from openfeature_kameleoon.errors import ConfigException, ConfigSettingInvalid
from openfeature_kameleoon.web import Exchange
from openfeature_kameleoon.web.flask import Kameleoon
from openfeature_kameleoon.web.setup import options_of, provider_of, start_provider
from tests.chaos import wait_until
from tests.faces import replace
from tests.web.application import DATA_FILE
from tests.web.frontends import ask_wsgi, django_site


@pytest.fixture(autouse=True)
def shut_down() -> Iterator[None]:
    yield

    api.shutdown()


@pytest.fixture
def data_file(tmp_path: Path) -> Path:
    path = tmp_path / "flags.json"
    replace(path, DATA_FILE)
    return path


def settings_on(path: Path, **more: Any) -> dict[str, Any]:
    return {"KAMELEOON_SITE_CODE": "site", "KAMELEOON_CONFIGURATION": {"data_file": path}, **more}


def consents(exchange: Exchange) -> bool:
    return True


# Settings -------------------------------------------------------------------------------------------------------------


def test_the_configuration_is_given_in_any_form(tmp_path: Path) -> None:
    path = tmp_path / "kameleoon.yaml"
    path.write_text("environment: staging", encoding="utf-8")
    forms = [{"environment": "staging"}, path, str(path), KameleoonClientConfiguration(environment="staging")]

    for form in forms:
        provider = provider_of({"KAMELEOON_SITE_CODE": "site", "KAMELEOON_CONFIGURATION": form}.get)
        assert provider is not None
        assert provider.client.site_code == "site"
        assert provider.client.configuration.environment == "staging"


def test_without_a_site_there_is_no_provider_to_make() -> None:
    assert provider_of(dict[str, Any]().get) is None


@pytest.mark.parametrize("configuration", [{"enviroment": "x"}, "/nowhere/kameleoon.yaml"])
def test_a_wrong_configuration_is_refused(configuration: Any) -> None:
    with pytest.raises(ConfigException):
        provider_of({"KAMELEOON_SITE_CODE": "site", "KAMELEOON_CONFIGURATION": configuration}.get)


def test_options_may_name_what_is_to_be_called() -> None:
    options = options_of({"KAMELEOON_OPTIONS": {"consent": f"{__name__}.consents", "page_views": False}}.get)

    assert options == {"consent": consents, "page_views": False}
    assert options_of({"KAMELEOON_OPTIONS": {"default_visitor_code": "everybody"}}.get) == {
        "default_visitor_code": "everybody"
    }


@pytest.mark.parametrize("name", ["nowhere.consents", f"{__name__}.nobody", "consents"])
def test_a_name_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(ConfigSettingInvalid, match=f"there is no '{name}'"):
        options_of({"KAMELEOON_OPTIONS": {"consent": name}}.get)


def test_a_start_without_a_data_file_goes_on_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    settings = KameleoonClientConfiguration(data_file=tmp_path / "none", default_timeout_millisecond=10)

    start_provider(KameleoonProvider("site", settings))

    assert "no flags yet: " in caplog.text
    assert api.get_client().get_boolean_value("tested", True) is True


def test_who_does_not_wait_has_a_provider_all_the_same(data_file: Path) -> None:
    provider = KameleoonProvider("site", KameleoonClientConfiguration(data_file=data_file))

    start_provider(provider, waits=False)

    assert api.get_client().provider is provider
    wait_until(lambda: api.get_client().get_provider_status() is ProviderStatus.READY)


# Flask ----------------------------------------------------------------------------------------------------------------


def test_flask_has_the_provider_of_its_configuration(data_file: Path) -> None:
    app = flask.Flask(__name__)
    app.config.update(settings_on(data_file, KAMELEOON_OPTIONS={"default_visitor_code": "everybody"}))
    app.add_url_rule("/", view_func=lambda: api.get_client().get_string_value("tested", "none"))

    kameleoon = Kameleoon()
    kameleoon.init_app(app)
    reply = ask_wsgi(app)

    assert app.extensions["kameleoon"] is kameleoon
    assert reply.body in (b"on", b"off")
    assert "=everybody;" in reply.set_cookies[0]


def test_flask_uses_the_provider_that_openfeature_has(data_file: Path) -> None:
    api.set_provider_and_wait(KameleoonProvider("site", KameleoonClientConfiguration(data_file=data_file)))
    app = flask.Flask(__name__)

    Kameleoon(app, default_visitor_code="everybody")

    assert "=everybody;" in ask_wsgi(app).set_cookies[0]


def test_flask_without_any_provider_says_what_to_set() -> None:
    with pytest.raises(ConfigSettingInvalid, match="KAMELEOON_SITE_CODE is not set, and OpenFeature has no Kameleoon"):
        Kameleoon(flask.Flask(__name__))


# Django ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Django application, before Django has called it."""
    django_site()
    config: Any = apps.get_app_config("kameleoon")
    monkeypatch.setattr(config, "provider", None)
    monkeypatch.setattr(sys, "argv", ["gunicorn"])
    return config


def test_django_has_the_provider_of_its_settings_once(config: Any, data_file: Path) -> None:
    with override_settings(**settings_on(data_file)):
        config.ready()
        first = config.provider
        config.ready()

    assert api.get_client().provider is first is config.provider
    assert api.get_client().get_provider_status() is ProviderStatus.READY


def test_django_without_a_site_leaves_the_provider_to_the_application(config: Any) -> None:
    config.ready()

    assert config.provider is None


@pytest.mark.parametrize(
    ("arguments", "run_main", "is_set", "is_waited_for"),
    [
        (["manage.py", "runserver"], None, False, False),  # it only watches files
        (["manage.py", "runserver"], "true", True, True),
        (["manage.py", "runserver", "--noreload"], None, True, True),
        (["manage.py", "migrate"], None, True, False),
        (["/usr/bin/django-admin", "shell"], None, True, False),
        (["gunicorn", "shop.wsgi"], None, True, True),
        (["celery", "worker"], None, True, True),
    ],
)
def test_django_starts_once_under_the_reloader_and_waits_where_it_serves(
    config: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    arguments: list[str],
    run_main: str | None,
    is_set: bool,
    is_waited_for: bool,
) -> None:
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.delenv("RUN_MAIN", raising=False)
    if run_main is not None:
        monkeypatch.setenv("RUN_MAIN", run_main)
    never_there = {"data_file": tmp_path / "none", "default_timeout_millisecond": 10}

    with override_settings(KAMELEOON_SITE_CODE="site", KAMELEOON_CONFIGURATION=never_there):
        config.ready()
    wait_until(lambda: api.get_client().get_provider_status() is not ProviderStatus.NOT_READY)

    assert (config.provider is not None) is is_set
    assert ("no flags yet" in caplog.text) is is_waited_for


# Without the frameworks -----------------------------------------------------------------------------------------------

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {missing!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Missing())
import {module}
"""


def importing(module: str, *missing: str) -> str:
    """What Python says when it cannot import a module; empty if it can."""
    program = WITHOUT.format(module=module, missing=missing)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, encoding="utf-8", timeout=30, check=False
    )
    return done.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize(
    "module", ["", ".web", ".web.wsgi", ".web.asgi", ".web.setup", ".web.templates", ".web.geolocation"]
)
def test_what_needs_no_framework_works_without_any(module: str) -> None:
    missing = ("django", "asgiref", "flask", "starlette", "jinja2", "markupsafe")

    assert importing(f"openfeature_kameleoon{module}", *missing) == ""


@pytest.mark.parametrize(
    ("module", "missing", "says"),
    [
        ("django", "django", "ImportError: Django is needed: pip install 'openfeature-kameleoon[django]'"),
        ("flask", "flask", "ImportError: Flask is needed: pip install 'openfeature-kameleoon[flask]'"),
        (
            "jinja",
            "jinja2",
            "ImportError: globals for templates need Jinja: pip install 'openfeature-kameleoon[flask]' or [starlette]",
        ),
    ],
)
def test_what_needs_one_says_which_extra_to_install(module: str, missing: str, says: str) -> None:
    assert importing(f"openfeature_kameleoon.web.{module}", missing) == says
