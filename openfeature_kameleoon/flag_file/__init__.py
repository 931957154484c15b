"""A small YAML form of data files, for people: read into a data file, and written from one. Pure; any thread."""

from __future__ import annotations

from .normal import normal
from .reading import as_json, read
from .writing import from_json, write

__all__ = ["as_json", "from_json", "normal", "read", "write"]
