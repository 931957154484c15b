"""``convert``: a data file as a flag file, and back; and the other commands on a flag file."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from openfeature_kameleoon.flag_file import normal
from tests.cli.running import Run

FLAG_FILE = "flags:\n  new_checkout: true\n  price: {variations: {low: {text: 15 €}}}\n"


@pytest.fixture
def flags(tmp_path: Path) -> Path:
    path = tmp_path / "flags.yaml"
    path.write_text(FLAG_FILE, encoding="utf-8")
    return path


def test_a_data_file_becomes_a_flag_file_and_comes_back(run: Run, shop: str, tmp_path: Path) -> None:
    there, back = tmp_path / "flags.yaml", tmp_path / "datafile.json"

    first = run("convert", shop, str(there))
    second = run("convert", str(there), str(back))

    assert (first.exit_code, first.stdout, first.stderr) == (0, "", f"{there} is written\n")
    assert second.exit_code == 0
    assert there.read_text(encoding="utf-8").startswith("flags:\n  new_checkout:\n")
    assert normal(json.loads(back.read_bytes())) == normal(json.loads(Path(shop).read_bytes()))


@pytest.mark.parametrize("out", [(), ("-",)])
def test_without_out_it_goes_to_stdout(run: Run, flags: Path, out: tuple[str, ...]) -> None:
    result = run("convert", str(flags), *out)

    assert (result.exit_code, result.stderr) == (0, "")
    assert [flag["featureKey"] for flag in json.loads(result.stdout_bytes)["featureFlags"]] == ["new_checkout", "price"]
    assert "15 €" in result.stdout_bytes.decode()


def test_what_comes_from_stdin_tells_what_it_is(run: Run, shop: str) -> None:
    flag_file = run("convert", "-", input=Path(shop).read_bytes())
    data_file = run("convert", "-", input=flag_file.stdout_bytes)

    assert (flag_file.exit_code, data_file.exit_code) == (0, 0)
    assert normal(json.loads(data_file.stdout_bytes)) == normal(json.loads(Path(shop).read_bytes()))


def test_nothing_is_written_over_unless_forced(run: Run, shop: str, flags: Path) -> None:
    refused = run("convert", shop, str(flags))
    untouched = flags.read_text(encoding="utf-8")
    forced = run("convert", shop, str(flags), "--force")

    assert refused.exit_code == 2
    assert refused.stderr == f"Error: {flags} is there already; --force writes over it\n"
    assert untouched == FLAG_FILE
    assert forced.exit_code == 0
    assert "search_ranking" in flags.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "text", "out", "message"),
    [
        ("in.yaml", "flags: {a: 5}", "out.json", "the flag file is wrong at flags.a: expected a mapping"),
        ("in.yaml", "flags: &a {}", "out.json", "aliases (*)"),
        ("in.json", "{", "out.yaml", "cut off"),
        ("in.json", "{}", "out.yaml", "lists no feature flags"),
        ("in.yaml", "flags: {}", "out.yml", "in.yaml becomes JSON: OUT ends in .json"),
        ("in.json", '{"featureFlags": []}', "out.json", "in.json becomes YAML: OUT ends in .yaml or .yml"),
        ("in.json", '{"featureFlags": []}', "no/out.yaml", "cannot be written: No such file or directory"),
    ],
)
def test_what_cannot_be_converted_writes_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str, out: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(name).write_text(text, encoding="utf-8")

    result = run("convert", name, out)

    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""
    assert os.listdir() == [name]


def test_a_file_that_is_not_there_is_one_line(run: Run) -> None:
    result = run("convert", "no.json")

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: no.json cannot be read: No such file or directory\n"


# --- the other commands -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (("flags",), "new_checkout"),
        (("validate",), "2 flags"),
        (("evaluate", "new_checkout", "--visitor", "ada"), "true"),
        (("explain", "new_checkout", "--visitor", "ada"), "new_checkout for ada: on"),
    ],
)
def test_a_command_takes_a_flag_file(run: Run, flags: Path, command: tuple[str, ...], told: str) -> None:
    result = run(*command, "--data-file", str(flags))

    assert result.exit_code == 0, result.stderr
    assert told in result.stdout


def test_visitors_are_assigned_by_a_flag_file(run: Run, flags: Path, tmp_path: Path) -> None:
    codes = tmp_path / "codes.csv"
    codes.write_text("ada\n", encoding="utf-8")

    result = run("assign", "new_checkout", "--data-file", str(flags), "--visitors", str(codes), "--output", "-")

    assert result.stdout == "visitor_code,variation_key\nada,on\n"


@pytest.mark.parametrize("command", [("flags", "--data-file"), ("validate",)])
def test_a_flag_file_that_is_wrong_is_told_with_the_place(run: Run, flags: Path, command: tuple[str, ...]) -> None:
    flags.write_text("flags: {new_checkout: {rules: [{serve: onn}]}}", encoding="utf-8")

    result = run(*command, str(flags))

    assert result.exit_code == 2
    told = "wrong at flags.new_checkout.rules[0].serve: there is no variation 'onn'; did you mean 'on'?"
    assert told in result.stdout + result.stderr
