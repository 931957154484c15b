"""What tests of the command line share: running it in this process, and data files to run it on."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from openfeature_kameleoon.cli.commands import command_line
from tests.cli.running import Run, Write
from tests.cli.vendors import vault as vault


@pytest.fixture(autouse=True)
def output_is_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody say otherwise: pytest-xdist tells its workers the width of the terminal, CI asks for colours."""
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, with no data file named by the environment."""
    monkeypatch.delenv("KAMELEOON_DATA_FILE", raising=False)
    monkeypatch.delenv("KAMELEOON_SITE_CODE", raising=False)

    def invoke(*arguments: str, input: bytes | None = None) -> Result:
        result = CliRunner().invoke(command_line, arguments, input=input)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def shop() -> str:
    """Path of the demo's data file."""
    return str(resources.files("openfeature_kameleoon") / "demo" / "datafile.json")


@pytest.fixture
def shop_data(shop: str) -> dict[str, Any]:
    """The demo's data file as data, to be changed."""
    data: dict[str, Any] = json.loads(Path(shop).read_text(encoding="utf-8"))
    return data


@pytest.fixture
def written(tmp_path: Path) -> Write:
    """Write data as a data file; gives its path."""

    def write(data: object) -> str:
        path = tmp_path / "datafile.json"
        path.write_text(data if isinstance(data, str) else json.dumps(data), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture
def examples() -> str:
    """Folder of the data files that tests share."""
    return str(Path(__file__).resolve().parents[1] / "data")
