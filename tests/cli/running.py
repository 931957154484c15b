"""The types of the fixtures of these tests, and the command line as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import Result

import openfeature_kameleoon

__all__ = ["Run", "Write", "process"]

Run = Callable[..., Result]
Write = Callable[[object], str]


def process(*command: str, **options: Any) -> subprocess.Popen[str]:
    """Start ``python COMMAND`` where the package is installed; its streams are pipes of text."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAMELEOON_")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(
        [sys.executable, *command],
        **{**pipes, **options},
        cwd=Path(openfeature_kameleoon.__path__[0]).parent,
        env={**environment, "PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
    )
