"""What templates say: the value of a flag for the visitor of the page, and the page's tracking code."""

from __future__ import annotations

from typing import Any

import flask
import jinja2
import pytest
from django.template import Context, Engine

from openfeature_kameleoon import KameleoonProvider
from openfeature_kameleoon.web import Visits, templates
from openfeature_kameleoon.web.jinja import add_globals
from tests.web.frontends import django_site
from tests.web.test_visits import Bare

START = "window.kameleoonQueue=window.kameleoonQueue||[];"


def in_django(source: str, **context: Any) -> str:
    django_site()
    engine = Engine(libraries={"kameleoon": "openfeature_kameleoon.web.django.templatetags.kameleoon"})
    return engine.from_string("{% load kameleoon %}" + source).render(Context(context))


def in_jinja(source: str, **context: Any) -> str:
    environment = jinja2.Environment(autoescape=True)
    add_globals(environment)
    return environment.from_string(source).render(context)


@pytest.fixture
def visited(provider: KameleoonProvider) -> Any:
    """Renders within a visit."""

    def render(language: Any, source: str, **context: Any) -> str:
        with Visits(provider).begin(Bare({"kameleoonVisitorCode": "somebody"})):
            text: str = language(source, **context)
            return text

    return render


@pytest.mark.parametrize(
    ("language", "source", "expected"),
    [
        (in_django, '{% flag "sized" 0 %}', "5"),
        (in_django, '{% flag "sized" 0.5 %}', "5.0"),
        (in_django, '{% flag "sized" "x" variableKey="label" %}', "&lt;b&gt;"),
        (in_django, '{% flag "tested" as is_on %}{% if is_on %}yes{% else %}no{% endif %}', "no"),
        (in_django, '{% flag "nope" "&" %}', "&"),  # the template's own words
        (in_django, '{% flag "nope" given %}', "&lt;"),
        (in_django, '{% flag "sized" 0 plan=given.nothing %}', "5"),
        (in_jinja, '{{ flag("sized", 0, plan=nothing, user=given.nothing) }}', "5"),
        (in_jinja, '{{ flag("sized", 0) }}', "5"),
        (in_jinja, '{{ flag("sized", 0.5) }}', "5.0"),
        (in_jinja, '{{ flag("sized", "x", variableKey="label") }}', "&lt;b&gt;"),
        (in_jinja, '{% if flag("tested") %}yes{% else %}no{% endif %}', "no"),
        (in_jinja, '{{ flag("sized", {}).size }}', "5"),
        (in_jinja, '{{ flag("nope", given) }}', "&lt;"),
    ],
)
def test_a_flag_has_its_value_for_the_visitor(visited: Any, language: Any, source: str, expected: str) -> None:
    assert visited(language, source, given="<") == expected


@pytest.mark.parametrize("default", [None, b"x", object()])
def test_a_default_says_which_type_is_wanted(visited: Any, default: Any) -> None:
    with pytest.raises(TypeError, match="the default of a flag is a boolean, text, number, dict or list, not"):
        visited(lambda source: templates.flag("tested", default), "")


@pytest.mark.parametrize(
    ("language", "source"),
    [
        (in_django, '{% flag "tested" as x %}{% engine_tracking_code nonce %}'),
        (in_jinja, '{% set x = flag("tested") %}{{ engine_tracking_code(nonce) }}'),
    ],
)
def test_the_tracking_code_is_a_script_with_the_pages_nonce(visited: Any, language: Any, source: str) -> None:
    script = visited(language, source, nonce='r4nd0m"><script>alert(1)</script>')

    start, _, rest = script.partition(">")
    assert start == '<script nonce="r4nd0m&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"'
    assert rest.startswith(START)
    assert "'Experiments.assignVariation',1001," in rest
    assert rest.endswith("</script>")


@pytest.mark.parametrize("nonce", [None, ""])
def test_without_a_nonce_the_script_has_none(visited: Any, nonce: str | None) -> None:
    assert visited(in_jinja, "{{ engine_tracking_code(nonce) }}", nonce=nonce) == f"<script>{START}</script>"
    assert visited(in_django, "{% engine_tracking_code nonce=nonce %}", nonce=nonce) == f"<script>{START}</script>"


def test_outside_of_a_request_there_is_no_tracking_code(provider: KameleoonProvider) -> None:
    assert in_jinja("{{ engine_tracking_code() }}") == in_django("{% engine_tracking_code %}") == ""


def test_templates_of_flask_have_both(provider: KameleoonProvider) -> None:
    from openfeature_kameleoon.web.flask import Kameleoon

    app = flask.Flask(__name__)
    Kameleoon(app)
    app.add_url_rule(
        "/", view_func=lambda: flask.render_template_string('{{ flag("nope", 5) }}{{ engine_tracking_code("n") }}')
    )

    assert app.test_client().get("/").text == f'5<script nonce="n">{START}</script>'
