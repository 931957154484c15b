"""``assign``: one flag for every visitor code of a CSV file, whole or not at all."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pytest

from openfeature_kameleoon import CustomData
from openfeature_kameleoon.cli.csv_files import CHUNK_ROWS
from openfeature_kameleoon.cli.source import Source
from tests.cli.running import Run, Write

CODES = [f"visitor-{number}" for number in range(50)]


def rows(text: str) -> list[list[str]]:
    """The rows of a CSV file."""
    return list(csv.reader(io.StringIO(text)))


@pytest.fixture
def assigned(run: Run, shop: str) -> Any:
    """Assign a flag to the visitors of a text; gives the run."""

    def assign(flag: str, text: str | bytes, *options: str) -> Any:
        given = text.encode() if isinstance(text, str) else text
        arguments = ("--visitors", "-", "--output", "-", "--data-file", shop, *options)
        return run("assign", flag, *arguments, input=given)

    return assign


def test_every_code_gets_the_variation_that_a_new_visitor_gets(assigned: Any, shop: str) -> None:
    result = assigned("search_ranking", "\n".join(CODES))

    with Source(shop, None).client() as client:
        expected = [[code, client.get_variation(code, "search_ranking", track=False).key] for code in CODES]
    assert result.exit_code == 0
    assert rows(result.stdout) == [["visitor_code", "variation_key"], *expected]


def test_columns_named_like_custom_data_are_used(assigned: Any, shop: str) -> None:
    lines = (
        ["visitor_code,country,city"]
        + [f"{code},FR,Lyon" for code in CODES[:25]]
        + [f"{code},," for code in CODES[25:]]
    )

    result = assigned("price_badge", "\n".join(lines))

    with Source(shop, None).client() as client:
        french = [(code, [CustomData("country", "FR")]) for code in CODES[:25]]
        expected = list(client.assign("price_badge", [*french, *CODES[25:]]))
    keys = [key for _, key in rows(result.stdout)[1:]]
    assert keys == expected
    assert {"percent", "amount"} <= set(keys[:25])
    assert set(keys[25:]) == {"off"}
    assert "not used: city" in result.stderr


@pytest.mark.parametrize(
    ("first", "options", "has_header"),
    [
        ("visitor_code", [], True),
        ("Visitor Code", [], True),
        ("userId", [], True),
        ("first,country", [], True),
        ("first", [], False),
        ("visitor-7", [], False),
        ("first,second", [], False),
        ("first", ["--header"], True),
        ("visitor_code", ["--no-header"], False),
        ("first,second", ["--column", "second"], True),
    ],
)
def test_a_header_is_recognised_or_told(assigned: Any, first: str, options: list[str], has_header: bool) -> None:
    result = assigned("search_ranking", f"{first}\na,b\nc,d\n", *options)

    assert len(rows(result.stdout)) == 1 + (2 if has_header else 3)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_that_of_the_first_line(assigned: Any, delimiter: str) -> None:
    text = f"plan{delimiter}visitor_code\r\npro{delimiter}ada\r\nfree{delimiter}ben\r\n"

    result = assigned("priority_support", text, "--column", "visitor_code")

    assert rows(result.stdout)[1:] == [["ada", "on"], ["ben", "off"]]


def test_the_delimiter_can_be_told(assigned: Any) -> None:
    result = assigned("search_ranking", "visitor;code|x\nada;1|2\n", "--delimiter", "pipe", "--header")

    assert [code for code, _ in rows(result.stdout)[1:]] == ["ada;1"]


def test_what_spreadsheets_write_can_be_read(assigned: Any) -> None:
    text = b'\xef\xbb\xbf"visitor_code","plan"\r\n"ada","pro"\r\n\r\n"b,""e""n","free"\r\n'

    result = assigned("priority_support", text)

    assert rows(result.stdout)[1:] == [["ada", "on"], ['b,"e"n', "off"]]


def test_other_columns_can_be_kept(assigned: Any) -> None:
    with_header = assigned(
        "priority_support", "plan,id,city\npro,ada,Lyon\nfree,ben\n", "--column", "id", "--keep-columns"
    )
    without = assigned("search_ranking", "ada,1,x\nben,2,y\n", "--keep-columns")

    assert rows(with_header.stdout) == [
        ["visitor_code", "variation_key", "plan", "city"],
        ["ada", "on", "pro", "Lyon"],
        ["ben", "off", "free", ""],
    ]
    assert with_header.stderr.count("not used") == 0
    assert [row[2:] for row in rows(without.stdout)] == [["column_2", "column_3"], ["1", "x"], ["2", "y"]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("visitor_code\nada\nb\x01n\n", 3),
        ("ada\n" + "x" * 256 + "\n", 2),
        ("visitor_code,plan\n\n\nada,\n,pro\n", 5),
        ('x,visitor_code\n"two\nlines",ada\nshort\n', 4),
        ("code\n" + "ada\n" * (2 * CHUNK_ROWS) + '""\n', 2 * CHUNK_ROWS + 2),
    ],
)
def test_what_is_no_visitor_code_stops_it_with_the_line(assigned: Any, text: str, line: int) -> None:
    options = ("--column", "visitor_code") if text.startswith("x,") else ()

    result = assigned("search_ranking", text, *options)

    assert result.exit_code == 2
    assert f"Error: -, line {line}: a visitor code " in result.stderr


def test_what_is_no_visitor_code_can_be_skipped(assigned: Any) -> None:
    text = "visitor_code,plan\nada,pro\n,pro\nben,free\nb\x01d,pro\n"

    result = assigned("priority_support", text, "--skip-invalid", "--keep-columns")

    assert result.exit_code == 0
    assert rows(result.stdout)[1:] == [["ada", "on", "pro"], ["ben", "off", "free"]]
    assert "rows left out, for want of a valid visitor code: 2" in result.stderr


def test_many_rows_stay_in_order(assigned: Any) -> None:
    codes = [f"v{number}" for number in range(2 * CHUNK_ROWS + 5)]

    result = assigned("search_ranking", "\n".join(codes))

    assert [code for code, _ in rows(result.stdout)[1:]] == codes
    assert f"{len(codes):,} visitors of search_ranking" in result.stderr


def test_who_got_what_is_told_in_numbers(assigned: Any) -> None:
    result = assigned("priority_support", "id,plan\n1,pro\n2,pro\n3,pro\n4,free\n")

    lines = [line.split() for line in result.stderr.splitlines()]
    assert lines[-2:] == [["on", "3", "75.00%"], ["off", "1", "25.00%"]]


def test_no_visitors_are_no_rows(assigned: Any) -> None:
    result = assigned("search_ranking", "")

    assert (result.exit_code, result.stdout) == (0, "visitor_code,variation_key\n")


def test_files_are_gzip_where_their_name_says_so(run: Run, shop: str, tmp_path: Path) -> None:
    visitors, output = tmp_path / "codes.csv.gz", tmp_path / "out.csv.gz"
    visitors.write_bytes(gzip.compress("\n".join(CODES).encode()))
    arguments = ("assign", "search_ranking", "--visitors", str(visitors), "--output", str(output), "--data-file", shop)

    run(*arguments)
    first = output.read_bytes()
    run(*arguments)

    assert [row[0] for row in rows(gzip.decompress(first).decode())[1:]] == CODES
    assert output.read_bytes() == first


def test_an_older_file_stays_until_the_new_one_is_whole(run: Run, shop: str, tmp_path: Path) -> None:
    visitors, output = tmp_path / "codes.csv", tmp_path / "out.csv"
    output.write_text("older", encoding="utf-8")
    visitors.write_text("ada\n" * (3 * CHUNK_ROWS) + "b\x01d\n", encoding="utf-8")
    arguments = ("assign", "search_ranking", "--visitors", str(visitors), "--output", str(output), "--data-file", shop)

    failed = run(*arguments)
    after_failure = output.read_text(encoding="utf-8")
    done = run(*arguments, "--skip-invalid")

    assert (failed.exit_code, after_failure) == (2, "older")
    assert done.exit_code == 0
    assert len(rows(output.read_text(encoding="utf-8"))) == 3 * CHUNK_ROWS + 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes.csv", "out.csv"]


def test_a_link_stays_one_and_a_file_may_be_replaced_by_its_own_answer(run: Run, shop: str, tmp_path: Path) -> None:
    file, link = tmp_path / "codes.csv", tmp_path / "link.csv"
    file.write_text("visitor_code\nada\n", encoding="utf-8")
    link.symlink_to(file)

    run("assign", "search_ranking", "--visitors", str(link), "--output", str(link), "--data-file", shop)

    assert link.is_symlink()
    assert rows(file.read_text(encoding="utf-8"))[1:] == [["ada", "control"]]


def test_a_device_is_written_to_and_not_replaced(run: Run, shop: str, tmp_path: Path) -> None:
    link = tmp_path / "nothing"
    link.symlink_to("/dev/null")

    result = run(
        "assign", "search_ranking", "--visitors", "-", "--output", str(link), "--data-file", shop, input=b"ada"
    )

    assert result.exit_code == 0
    assert Path("/dev/null").is_char_device()
    assert [path.name for path in tmp_path.iterdir()] == ["nothing"]


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (None, "codes.csv", "cannot be read: No such file or directory"),
        (b"ada\n\xff\xfe\n", "codes.csv", "is not UTF-8 text"),
        (b"ada\n" + b"x" * 200_000, "codes.csv", "line 2: field larger than field limit"),
        (b"ada\n", "codes.csv.gz", "is no complete gzip file"),
        (gzip.compress(b"ada\n" * 1000, mtime=0)[:-20], "codes.csv.gz", "is no complete gzip file"),
    ],
)
def test_visitors_that_cannot_be_read_are_status_2_and_no_file(
    run: Run, shop: str, tmp_path: Path, content: bytes | None, name: str, message: str
) -> None:
    visitors, output = tmp_path / name, tmp_path / "out.csv"
    if content is not None:
        visitors.write_bytes(content)

    result = run("assign", "search_ranking", "--visitors", str(visitors), "--output", str(output), "--data-file", shop)

    assert result.exit_code == 2
    assert result.stderr.startswith("Error: ")
    assert message in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ([name] if content is not None else [])


def test_a_file_that_cannot_be_written_is_status_2(run: Run, shop: str, tmp_path: Path) -> None:
    arguments = ("assign", "search_ranking", "--visitors", "-", "--data-file", shop)

    in_no_folder = run(*arguments, "--output", str(tmp_path / "no" / "out.csv"), input=b"ada\n")
    on_full_disk = run(*arguments, "--output", "/dev/full", input=b"ada\n" * 10_000)

    assert (in_no_folder.exit_code, on_full_disk.exit_code) == (2, 2)
    assert "cannot be written: No such file or directory" in in_no_folder.stderr
    assert "/dev/full cannot be written: No space left on device" in on_full_disk.stderr


@pytest.mark.parametrize(
    ("flag", "options", "message"),
    [
        ("nope", [], "feature flag 'nope' is not in the data file"),
        ("legacy_export", [], "'legacy_export' is switched off"),
        ("search_ranking", ["--column", "nope"], "there is no column 'nope': there are 'visitor_code', 'plan'"),
        ("search_ranking", ["--column", "plan", "--no-header"], "--column needs a header"),
    ],
)
def test_what_cannot_be_assigned_is_status_2_before_anything_is_written(
    assigned: Any, flag: str, options: list[str], message: str
) -> None:
    result = assigned(flag, "visitor_code,plan\nada,pro\n", *options)

    assert (result.exit_code, result.stdout) == (2, "")
    assert message in result.stderr


def test_a_flag_that_does_not_decode_cannot_be_assigned(run: Run, shop_data: dict[str, Any], written: Write) -> None:
    shop_data["featureFlags"][1]["id"] = "no number"
    arguments = ("--visitors", "-", "--output", "-", "--data-file", written(shop_data))

    result = run("assign", "search_ranking", *arguments, input=b"ada")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "does not decode" in result.stderr
