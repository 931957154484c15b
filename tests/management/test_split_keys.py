"""Keys of segments: files of them, and parts of ten thousand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import responses

from openfeature_kameleoon.management.split.exceptions import HTTPIncorrectParametersError, InvalidArgumentException
from openfeature_kameleoon.management.split.resources import SegmentDefinition
from tests.management.split_rows import standard

URL = "https://api.split.io/internal/api/v2/segments/e/vip"
VIP = SegmentDefinition({"name": "vip", "environment": {"id": "e"}})
AWKWARD = ["plain", "a,b", "with |bars|", 'quo"te', "ünïcode", " blank ", "line\nbreak"]


def page(keys: list[str], offset: int, count: int) -> dict[str, Any]:
    return {"keys": [{"key": key} for key in keys], "offset": offset, "limit": 100, "count": count}


def sent_parts(service: responses.RequestsMock) -> list[tuple[str, dict[str, Any]]]:
    """What was uploaded or removed: the end of the address, and the body."""
    sent = [call.request for call in service.calls if call.request.method == "PUT"]
    return [((request.url or "").rpartition("/")[2], json.loads(request.body or "")) for request in sent]


def test_exported_keys_are_one_a_line_and_quoted_only_where_they_must_be(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    with standard() as client, responses.RequestsMock() as service:
        service.get(f"{URL}/keys", json=page(AWKWARD, 0, len(AWKWARD)))

        assert VIP.export_keys_to_csv(str(file), client) is True

    lines = file.read_bytes().decode().split("\r\n")
    assert lines == ["plain", "|a,b|", "|with ||bars|||", 'quo"te', "ünïcode", " blank ", "|line\nbreak|", ""]


def test_exporting_replaces_a_file_when_all_keys_have_come_and_not_before(tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    file.write_text("before")
    with standard() as client, responses.RequestsMock() as service:
        service.get(f"{URL}/keys", json=page(["a"] * 100, 0, 150))
        service.get(f"{URL}/keys", status=400, json={"code": 400})

        with pytest.raises(HTTPIncorrectParametersError):
            VIP.export_keys_to_csv(file, client)

    assert file.read_text() == "before"
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_exported_can_be_imported(tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    with standard() as client, responses.RequestsMock() as service:
        service.get(f"{URL}/keys", json=page(AWKWARD, 0, len(AWKWARD)))
        service.put(f"{URL}/uploadKeys", json={})
        VIP.export_keys_to_csv(file, client)

        assert VIP.import_keys_from_csv(file, replace_keys=True, comment="c", apiclient=client) is True

        assert sent_parts(service) == [("uploadKeys?replace=true", {"keys": AWKWARD, "comment": "c"})]


@pytest.mark.parametrize("content", ["a\nb\n", "a\r\nb", "\ufeffa\n\n\nb\n"])
def test_files_of_other_tools_are_read_too(tmp_path: Path, content: str) -> None:
    file = tmp_path / "keys.csv"
    file.write_bytes(content.encode())
    with standard() as client, responses.RequestsMock() as service:
        service.put(f"{URL}/uploadKeys", json={})

        VIP.import_keys_from_csv(file, apiclient=client)

        assert sent_parts(service) == [("uploadKeys?replace=false", {"keys": ["a", "b"], "comment": ""})]


def test_a_line_of_several_columns_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("a\nb,c\n")

    with standard() as client, responses.RequestsMock(), pytest.raises(InvalidArgumentException, match="line 2 has 2"):
        VIP.import_keys_from_csv(file, apiclient=client)


def test_many_keys_are_imported_in_parts_of_which_the_first_alone_replaces() -> None:
    keys = [f"k{number}" for number in range(20_001)]
    given = {"keys": keys, "comment": "c"}
    with standard() as client, responses.RequestsMock() as service:
        service.put(f"{URL}/uploadKeys", json={})

        assert VIP.import_keys_from_json("true", given, client) is True

        sent = sent_parts(service)
    assert [target for target, _ in sent] == ["uploadKeys?replace=true"] + ["uploadKeys?replace=false"] * 2
    assert [(len(body["keys"]), body["comment"]) for _, body in sent] == [(10_000, "c"), (10_000, "c"), (1, "c")]
    assert [key for _, body in sent for key in body["keys"]] == keys
    assert given == {"keys": keys, "comment": "c"}


def test_a_part_that_is_refused_ends_the_import() -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.put(f"{URL}/uploadKeys", json={})
        service.put(f"{URL}/uploadKeys", status=400, json={"code": 400})

        with pytest.raises(HTTPIncorrectParametersError):
            VIP.import_keys_from_json(False, {"keys": ["k"] * 30_000}, client)

        assert len(service.calls) == 2


def test_no_keys_are_one_call_that_empties_the_segment() -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.put(f"{URL}/uploadKeys", json={})

        VIP.import_keys_from_json(True, {"keys": [], "comment": "c"}, client)

        assert sent_parts(service) == [("uploadKeys?replace=true", {"keys": [], "comment": "c"})]


def test_many_keys_are_removed_in_parts() -> None:
    with standard() as client, responses.RequestsMock() as service:
        service.put(f"{URL}/removeKeys", json={})

        assert VIP.remove_keys({"keys": ["k"] * 10_001, "comment": "c"}, client) is True

        assert [len(body["keys"]) for _, body in sent_parts(service)] == [10_000, 1]
