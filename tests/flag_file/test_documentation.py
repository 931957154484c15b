"""docs/flag-file.md says what the code does: its examples are read, its tables are the code's own."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from openfeature_kameleoon.cli.checks import check
from openfeature_kameleoon.cli.commands import command_line
from openfeature_kameleoon.flag_file import as_json, normal, read, write
from openfeature_kameleoon.flag_file.conditions import CONDITIONS
from openfeature_kameleoon.flag_file.form import CustomDatum, Flag, FlagFile, Rule, Segment

PAGE = Path(__file__).resolve().parents[2] / "docs" / "flag-file.md"
TEXT = PAGE.read_text(encoding="utf-8")
DECLARED = "custom_data: [plan, cart_value, beta, device]\n"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def table(first_column: str) -> list[list[str]]:
    """The cells of the one table whose first column has this title, without its head."""
    tables = [text.splitlines() for text in re.findall(r"(?:^\|.*\|\n)+", TEXT, re.MULTILINE)]
    rows = [[[cell.strip() for cell in line[1:-1].split("|")] for line in lines] for lines in tables]
    [found] = [lines for lines in rows if lines[0][0] == first_column]
    return found[2:]


def code_names(cell: str) -> list[str]:
    return re.findall("`([^`]+)`", cell)


def keys(kind: type[msgspec.Struct]) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]


@pytest.mark.parametrize("text", blocks("yaml"))
def test_an_example_is_a_flag_file_with_nothing_wrong(text: str) -> None:
    _, findings = check(as_json(text.encode()))

    problems = [finding for finding in findings if not finding.is_warning]
    assert problems == []
    made = read(text.encode())
    assert normal(read(write(made).encode())) == normal(made)


def test_the_commands_run_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flags.yaml").write_text(blocks("yaml")[0], encoding="utf-8")
    [lines] = blocks("sh")

    for line in lines.splitlines():
        done = CliRunner().invoke(command_line, shlex.split(line)[1:])
        assert done.exit_code == 0, (line, done.output)

    assert (tmp_path / "flags.yaml").read_text(encoding="utf-8") == blocks("yaml")[0]


def test_the_message_shown_is_the_one_told() -> None:
    [message] = re.findall("`(the flag file is wrong .*?did you mean .*?)`", TEXT, re.DOTALL)

    with pytest.raises(Exception, match="wrong at") as caught:
        read(b"flags: {checkout: {rules: [{serve: onn}]}}")

    assert str(caught.value) == message


@pytest.mark.parametrize("row", table("Condition"), ids=lambda row: row[0])
def test_a_condition_of_the_table_reads(row: list[str]) -> None:
    [text] = code_names(row[0])
    rest = f"flags: {{}}\n{DECLARED}segments:\n  buyers: {{plan: pro}}\n  it:\n    {text}\n"

    made: dict[str, Any] = read(rest.encode())

    [group] = made["segments"][1]["conditionsData"]["firstLevel"]
    assert group["conditions"]


def test_every_short_form_of_a_condition_is_documented() -> None:
    documented = [code_names(row[0])[0].partition(":")[0] for row in table("Condition")]

    assert set(documented) - {"plan", "cart_value", "beta", "custom_data", "{targetingType"} == set(CONDITIONS)


@pytest.mark.parametrize(("title", "kind"), [("Key of a flag", Flag), ("Key of a rule", Rule), ("Key", FlagFile)])
def test_a_table_of_keys_is_that_of_the_code(title: str, kind: type[msgspec.Struct]) -> None:
    assert sorted(name for row in table(title) for name in code_names(row[0])) == sorted(keys(kind))


def test_keys_of_segments_and_custom_data_are_documented() -> None:
    [row] = [row for row in table("Key") if row[0] == "`custom_data`"]

    assert code_names(row[1]) == keys(CustomDatum)
    examples = "".join(blocks("yaml"))
    assert all(f" {key}:" in examples for key in keys(Segment))


def test_links_lead_to_titles() -> None:
    titles = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in re.findall("^## (.*)$", TEXT, re.M)}

    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= titles
