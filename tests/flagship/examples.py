"""The example files of specs/flagship.md, and the visitors in them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from openfeature_kameleoon.flagship.records import VisitorIds

__all__ = ["ANONYMOUS", "AUTHENTICATED", "SOMEBODY", "example"]

DATA = Path(__file__).parents[1] / "data"

SOMEBODY = VisitorIds("v1")
ANONYMOUS = VisitorIds("user_#1234")
AUTHENTICATED = VisitorIds("account-77", "user_#1234")


@cache
def example(name: str) -> dict[str, Any]:
    """One of them, by the last part of its name."""
    found: dict[str, Any] = json.loads((DATA / f"flagship-{name}.json").read_text(encoding="utf-8"))
    return found
