"""The specifications' example documents of the management APIs."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["example"]

DATA = Path(__file__).resolve().parents[1] / "data" / "management"


@cache
def _text(name: str) -> str:
    return (DATA / f"{name}.json").read_text(encoding="utf-8")


def example(name: str) -> Any:
    """A document by its file's name, without ``.json``; a fresh copy each time."""
    return json.loads(_text(name))
