"""The reference pages are what the declarations say."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGES: dict[str, Callable[[], str]] = runpy.run_path(str(DOCS / "generate_reference.py"))["PAGES"]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_declarations_say(name: str) -> None:
    page = (DOCS / "management" / f"{name}.md").read_text(encoding="utf-8")

    assert page == PAGES[name](), "run: python docs/generate_reference.py"


def test_every_page_is_made() -> None:
    assert {path.stem for path in (DOCS / "management").glob("*.md")} == set(PAGES)
