"""Kameleoon's way to set up logging: what is logged at which level, and to whom."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from openfeature_kameleoon.kameleoon_logger import KameleoonLogger, LogLevel

LOGGER = logging.getLogger("openfeature_kameleoon")
LEVELS = {
    LogLevel.ERROR: logging.ERROR,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.INFO: logging.INFO,
    LogLevel.DEBUG: logging.DEBUG,
}


class Notebook(list[tuple[LogLevel, str]]):
    def log(self, level: LogLevel, message: str) -> None:
        self.append((level, message))


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    level, handlers = LOGGER.level, list(LOGGER.handlers)

    yield

    LOGGER.setLevel(level)
    LOGGER.handlers[:] = handlers


@pytest.fixture
def notebook() -> Notebook:
    notebook = Notebook()
    KameleoonLogger.set_logger(notebook)
    return notebook


def log_at_every_level() -> None:
    for name, level in LEVELS.items():
        logging.getLogger("openfeature_kameleoon.client").log(level, "at %s", name.name)


@pytest.mark.parametrize("level", LogLevel)
@pytest.mark.parametrize("kind", [LogLevel, int])
def test_what_is_above_the_level_is_not_logged(notebook: Notebook, level: LogLevel, kind: type[int]) -> None:
    KameleoonLogger.set_log_level(kind(level))

    log_at_every_level()

    assert notebook == [(name, f"at {name.name}") for name in LEVELS if name <= level]


def test_levels_are_those_of_the_reference() -> None:
    assert {level.name: level.value for level in LogLevel} == {
        "NONE": 0,
        "ERROR": 1,
        "WARNING": 2,
        "INFO": 3,
        "DEBUG": 4,
    }


@pytest.mark.parametrize("level", [5, -1, "DEBUG", None, logging.WARNING])
def test_another_level_is_refused(level: Any) -> None:
    with pytest.raises(ValueError, match="LogLevel"):
        KameleoonLogger.set_log_level(level)


@pytest.mark.parametrize(
    ("number", "level"), [(50, LogLevel.ERROR), (35, LogLevel.WARNING), (25, LogLevel.INFO), (5, LogLevel.DEBUG)]
)
def test_levels_of_the_standard_logger_become_kameleoons(notebook: Notebook, number: int, level: LogLevel) -> None:
    LOGGER.setLevel(1)

    LOGGER.log(number, "100 %")

    assert notebook == [(level, "100 %")]


def test_an_exception_is_part_of_the_message(notebook: Notebook) -> None:
    LOGGER.error("it failed", exc_info=ValueError("of this"))

    [(_, message)] = notebook
    assert message.splitlines() == ["it failed", "ValueError: of this"]


def test_a_new_logger_takes_the_place_of_the_one_before(notebook: Notebook) -> None:
    other = Notebook()

    KameleoonLogger.set_logger(other)
    LOGGER.error("to the new one")
    KameleoonLogger.set_logger(None)
    LOGGER.error("to nobody")

    assert (len(notebook), other) == (0, [(LogLevel.ERROR, "to the new one")])


@pytest.mark.parametrize("logger", [object(), lambda: None, 5, "log"])
def test_what_has_no_log_is_no_logger(notebook: Notebook, logger: Any) -> None:
    with pytest.raises(TypeError, match="log"):
        KameleoonLogger.set_logger(logger)

    LOGGER.error("to the old one")
    assert len(notebook) == 1


def test_a_logger_that_raises_disturbs_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    class Broken:
        def log(self, level: LogLevel, message: str) -> None:
            raise RuntimeError("no paper left")

    KameleoonLogger.set_logger(Broken())

    LOGGER.error("to somebody who cannot")

    assert "no paper left" in capsys.readouterr().err


def test_what_logging_is_set_up_for_goes_on(notebook: Notebook, caplog: pytest.LogCaptureFixture) -> None:
    LOGGER.error("to both")

    assert (len(notebook), len(caplog.records)) == (1, 1)


def run(program: str) -> str:
    """What a program of its own, in which nothing is set up yet, writes to stderr."""
    opening = "import logging, openfeature_kameleoon\nfrom openfeature_kameleoon import KameleoonLogger, LogLevel\n"
    command = [sys.executable, "-c", opening + program]
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stderr


LOG = "logging.getLogger('openfeature_kameleoon.x').info('hello')\n"
SET = "KameleoonLogger.set_log_level(LogLevel.INFO)\n"


@pytest.mark.parametrize(
    ("program", "written"),
    [
        (LOG, ""),  # importing sets up nothing
        (SET + LOG, "Kameleoon [INFO]: hello\n"),
        (SET + SET + LOG, "Kameleoon [INFO]: hello\n"),
        (SET + "logging.basicConfig(level=10, format='%(name)s')\n" + LOG, "openfeature_kameleoon.x\n"),
        ("logging.basicConfig(level=30, format='%(name)s')\n" + SET + LOG, "openfeature_kameleoon.x\n"),
        (SET + "logging.getLogger().addHandler(logging.NullHandler())\n" + LOG, ""),
        ("assert not logging.getLogger('openfeature_kameleoon').handlers\n", ""),
    ],
)
def test_where_logging_is_not_set_up_it_goes_to_stderr(program: str, written: str) -> None:
    assert run(program) == written
