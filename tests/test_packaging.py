"""What an installation of the package contains, asks for and loads. It must be installed, editable or not."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

import openfeature_kameleoon

NAME = "openfeature-kameleoon"
PACKAGE = "openfeature_kameleoon"
CHECKOUT = Path(__file__).resolve().parents[1]
INSTALLED = Path(openfeature_kameleoon.__path__[0])

NOT_LOADED = (
    *("requests", "urllib3", "yaml", "click", "rich", "django", "flask", "starlette", "aiohttp", "anyio"),
    *("asyncio", "http.client", "http.server", "multiprocessing", "ssl", "unittest", "xml"),
    *(f"{PACKAGE}.{name}" for name in ("cli", "flagship", "management", "migration", "server", "testing", "web")),
)
"""What ``import openfeature_kameleoon`` leaves to those who use it."""


def requirements(extra: str | None = None) -> list[str]:
    """What the installation asks for by itself, or on top of that with an extra."""
    declared = metadata.requires(NAME) or []
    if extra is None:
        return [requirement for requirement in declared if "extra ==" not in requirement]
    return [requirement for requirement in declared if f"extra == '{extra}'" in requirement.replace('"', "'")]


def test_the_version_is_that_of_the_package() -> None:
    assert metadata.version(NAME) == openfeature_kameleoon.__version__


def test_every_file_of_the_package_is_installed() -> None:
    files = {
        path.relative_to(CHECKOUT / PACKAGE)
        for path in (CHECKOUT / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert Path("py.typed") in files
    assert {str(path) for path in files if not (INSTALLED / path).is_file()} == set()


def test_little_is_required() -> None:
    # openfeature-sdk; requests and urllib3, which come together; msgspec; PyYAML; sseclient-py, one file of 4 KB.
    assert 1 <= len(requirements()) <= 6


@pytest.mark.parametrize("extra", metadata.metadata(NAME).get_all("Provides-Extra") or ["no extra at all"])
def test_an_extra_adds_something(extra: str) -> None:
    assert requirements(extra)


def test_only_the_benchmarks_ask_for_packages_of_kameleoon() -> None:
    declared = metadata.requires(NAME) or []

    theirs = [requirement for requirement in declared if requirement.lower().startswith("kameleoon")]

    assert theirs == [requirement for requirement in requirements("benchmarks") if requirement in theirs]


def test_importing_the_package_loads_the_provider_and_the_client_alone() -> None:
    program = f"import {PACKAGE}, json, sys; print(json.dumps(sorted(sys.modules)))"

    loaded = json.loads(subprocess.check_output([sys.executable, "-c", program], cwd=INSTALLED.parent, timeout=30))

    assert {f"{PACKAGE}.provider", f"{PACKAGE}.client"} <= set(loaded)
    assert [name for name in loaded if any(f"{name}.".startswith(f"{row}.") for row in NOT_LOADED)] == []
