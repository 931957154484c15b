"""``evaluate``: what OpenFeature answers, as text and as JSON, and the exit status."""

from __future__ import annotations

import json
from typing import Any

import click
import pytest
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon.cli.evaluate import ask, guess_type, openfeature_client
from openfeature_kameleoon.cli.source import Source
from openfeature_kameleoon.cli.visitor import context_of
from tests.cli.running import Run, Write
from tests.faces import flag, rule, site
from tests.kameleoon import FakeKameleoon


def answer(run: Run, *arguments: str) -> Any:
    """The JSON that a run of ``evaluate`` writes."""
    return json.loads(run("evaluate", *arguments, "--output", "json").stdout)


def test_an_answer_is_that_of_openfeature(run: Run, shop: str) -> None:
    data = answer(run, "search_ranking", "--visitor", "ada", "--data-file", shop)

    assert data == {
        "flag": "search_ranking",
        "visitor": "ada",
        "type": "string",
        "value": "bm25",
        "variant": "control",
        "reason": "SPLIT",
        "error_code": None,
        "error_message": None,
        "metadata": {
            "siteCode": "offline",
            "version": 1790000000000,
            "ruleType": "EXPERIMENTATION",
            "ruleId": 7003,
            "experimentId": 8003,
            "variationId": 9003,
        },
    }


def test_the_context_targets(run: Run, shop: str) -> None:
    without = answer(run, "priority_support", "--visitor", "eve", "--data-file", shop)
    with_plan = answer(run, "priority_support", "--visitor", "eve", "--context", "plan=pro", "--data-file", shop)

    assert (without["value"], without["reason"]) == (False, "DEFAULT")
    assert (with_plan["value"], with_plan["reason"]) == (True, "TARGETING_MATCH")


@pytest.mark.parametrize(
    ("flag", "options", "code"),
    [
        ("nope", [], "FLAG_NOT_FOUND"),
        ("search_ranking", ["--variable", "nope"], "FLAG_NOT_FOUND"),
        ("search_ranking", ["--type", "integer"], "TYPE_MISMATCH"),
        ("search_ranking", ["--context", "browser=5"], "INVALID_CONTEXT"),
        ("search_ranking", ["--visitor", ""], "TARGETING_KEY_MISSING"),
        ("search_ranking", ["--visitor", "x" * 256], "INVALID_CONTEXT"),
    ],
)
def test_an_error_code_is_shown_and_is_exit_status_1(
    run: Run, shop: str, flag: str, options: list[str], code: str
) -> None:
    arguments = ("evaluate", flag, "--visitor", "ada", "--data-file", shop, *options)

    as_json = run(*arguments, "--output", "json")
    as_text = run(*arguments)

    assert (as_json.exit_code, json.loads(as_json.stdout)["error_code"]) == (1, code)
    assert as_text.exit_code == 1
    assert f"{code}: " in as_text.stdout


def test_a_flag_that_is_switched_off_is_an_answer(run: Run, shop: str) -> None:
    result = run("evaluate", "legacy_export", "--visitor", "ada", "--data-file", shop, "--output", "json")

    data = json.loads(result.stdout)
    assert result.exit_code == 0
    assert (data["value"], data["variant"], data["reason"]) == (False, None, "DISABLED")


@pytest.mark.parametrize(
    ("options", "type_", "value"),
    [
        (["--variable", "algorithm"], "string", "bm25"),
        (["--variable", "results_per_page"], "integer", 20),
        (["--variable", "recency_boost"], "float", 0.0),
        (["--variable", "weights"], "object", {"title": 2, "body": 1}),
        (["--context", '{"variableKey": "weights"}'], "object", {"title": 2, "body": 1}),
        (["--variable", "results_per_page", "--type", "float"], "float", 20.0),
    ],
)
def test_a_variable_is_asked_for_by_its_key(run: Run, shop: str, options: list[str], type_: str, value: object) -> None:
    data = answer(run, "search_ranking", "--visitor", "ada", "--data-file", shop, *options)

    assert (data["type"], data["value"]) == (type_, value)


@pytest.mark.parametrize(
    ("variables", "type_"),
    [
        ([], "boolean"),
        ([("BOOLEAN", True)], "boolean"),
        ([("STRING", "5")], "string"),
        ([("NUMBER", 5)], "integer"),
        ([("NUMBER", 5), ("NUMBER", 0.5)], "float"),
        ([("JSON", "[1]")], "object"),
        ([("JSON", '"text"')], "string"),
        ([("JSON", "null"), ("JSON", "{}")], "object"),
        ([("JSON", "{")], "boolean"),
        ([("STRING", "a"), ("NUMBER", 5)], "boolean"),
    ],
)
def test_the_type_is_guessed_from_what_the_variations_hold(
    written: Write, variables: list[tuple[str, object]], type_: str
) -> None:
    variations = [
        {"key": f"v{number}", "variables": [{"key": "x", "type": declared, "value": value}]}
        for number, (declared, value) in enumerate(variables)
    ]
    path = written({"featureFlags": [{"featureKey": "flag", "variations": variations}]})

    with Source(path, None).client() as client:
        assert guess_type(client, "flag") == type_
        assert guess_type(client, "no such flag") == "boolean"


def test_all_flags_can_be_evaluated_at_once(run: Run, shop: str, shop_data: dict[str, Any]) -> None:
    data = answer(run, "--all", "--visitor", "ada", "--data-file", shop)
    text = run("evaluate", "--all", "--visitor", "ada", "--data-file", shop)

    keys = [flag["featureKey"] for flag in shop_data["featureFlags"]]
    assert [each["flag"] for each in data] == keys
    assert [line.split()[0] for line in text.stdout.splitlines()[1:]] == keys
    assert text.exit_code == 0


def test_one_error_among_all_flags_is_exit_status_1(run: Run, shop_data: dict[str, Any], written: Write) -> None:
    shop_data["featureFlags"][3]["id"] = "no number"

    result = run("evaluate", "--all", "--visitor", "ada", "--data-file", written(shop_data))

    assert result.exit_code == 1
    assert "PARSE_ERROR" in result.stdout


@pytest.mark.parametrize("flags", [[], ["search_ranking", "--all"]])
def test_one_flag_or_all_must_be_asked_for(run: Run, shop: str, flags: list[str]) -> None:
    result = run("evaluate", *flags, "--visitor", "ada", "--data-file", shop)

    assert result.exit_code == 2
    assert "a FLAG is needed, or --all" in result.stderr


def test_the_text_names_the_other_variables(run: Run, shop: str) -> None:
    result = run("evaluate", "search_ranking", "--visitor", "ada", "--data-file", shop)

    lines = dict(line.split(None, 1) for line in result.stdout.splitlines())
    assert lines["value"].strip() == '"bm25"'
    assert lines["variables"].startswith("algorithm, results_per_page, recency_boost, weights")


def test_an_attribute_that_decides_nothing_is_warned_of_beside_the_data(run: Run, shop: str) -> None:
    arguments = ("--visitor", "ada", "--data-file", shop, "--output", "json")

    result = run("evaluate", "price_badge", "--context", "contry=FR", "--context", "plan=pro", *arguments)

    assert "'contry' is not used" in result.stderr
    assert "plan" not in result.stderr
    assert json.loads(result.stdout)["flag"] == "price_badge"


def test_looking_reports_nothing() -> None:
    with FakeKameleoon(site(flag("f", rule(1, ("on", 1))))) as server:
        source = Source(f"{server.url}/v3/site", None)
        with source.client() as client, openfeature_client(client) as flags:
            ask(flags, "f", "boolean", EvaluationContext("ada"))
            waiting = client.outbox.status().pending

    assert waiting == 1
    assert [request.method for request in server.received] == ["GET"]


@pytest.mark.parametrize(
    ("texts", "attributes"),
    [
        ([], {}),
        (["plan=pro"], {"plan": "pro"}),
        (["plan="], {"plan": ""}),
        (["a=1", "b=1.5", "c=true", "d=null"], {"a": 1, "b": 1.5, "c": True, "d": None}),
        (['zip="07"', "zip2=07"], {"zip": "07", "zip2": "07"}),
        (["a=NaN", "b=-Infinity"], {"a": "NaN", "b": "-Infinity"}),
        (["url=https://x?a=b"], {"url": "https://x?a=b"}),
        (['device={"deviceType": "PHONE"}'], {"device": {"deviceType": "PHONE"}}),
        (['{"plan": "pro", "beta": true}', "plan=free"], {"plan": "free", "beta": True}),
    ],
)
def test_context_is_read_as_json_where_it_is_json(texts: list[str], attributes: dict[str, object]) -> None:
    assert context_of(texts) == attributes


@pytest.mark.parametrize("text", ["plan", "=pro", "", '{"plan": ', "{plan: pro}", '{"a": NaN}'])
def test_what_is_no_context_is_refused(run: Run, shop: str, text: str) -> None:
    result = run("evaluate", "price_badge", "--visitor", "ada", "--data-file", shop, "--context", text)

    assert result.exit_code == 2
    assert "Invalid value for '--context'" in result.stderr
    with pytest.raises(click.BadParameter):
        context_of([text])
