"""CSV files of any size: read in chunks, gzipped where their name ends in .gz, written whole or not at all.

``-`` is stdin or stdout. What the columns mean is their reader's business.
"""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import stat
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import IO, Any, NamedTuple, TextIO

from .output import fail
from .whole_files import writing_text

__all__ = ["DELIMITERS", "Chunk", "CsvInput", "WriteRows", "reading", "writing"]

CHUNK_ROWS = 10_000
DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

WriteRows = Callable[[Iterable[Sequence[str]]], None]


class Chunk(NamedTuple):
    """Some rows, blank lines among them; the lines of the file before them, and its bytes read at their end."""

    rows: list[list[str]]
    lines_before: int
    bytes_done: int | None

    def line_of(self, position: int) -> int:
        """Number of the line on which a row begins; blank lines are no rows."""
        line = self.lines_before + 1
        for row in self.rows:
            if row:
                if position == 0:
                    return line
                position -= 1
            line += 1 + sum(len(re.findall("\r\n?|\n", cell)) for cell in row)
        raise IndexError("the chunk has not so many rows")


@dataclass(frozen=True, slots=True)
class CsvInput:
    """A CSV file that is open; ``size`` in bytes if it is a file on disk."""

    name: str
    size: int | None
    raw: IO[bytes]
    text: TextIO
    delimiter: str | None

    def chunks(self) -> Iterator[Chunk]:
        """All rows in order. Fails, with the line, on what is no CSV or cannot be read."""
        with _telling(self.name, lambda: 0):
            first = self.text.readline()
        delimiter = self.delimiter or max(DELIMITERS.values(), key=first.count)
        reader = csv.reader(chain([first] if first else [], self.text), delimiter=delimiter)
        while True:
            before = reader.line_num
            with _telling(self.name, lambda: reader.line_num):
                rows = list(islice(reader, CHUNK_ROWS))
            if not rows:
                return
            yield Chunk(rows, before, self.raw.tell() if self.size is not None else None)


@contextmanager
def _telling(name: str, line: Callable[[], int]) -> Iterator[None]:
    """Turn what reading raises into a failure that names the file."""
    try:
        yield
    except csv.Error as error:
        fail(f"{name}, line {line()}: {error}")
    except UnicodeDecodeError as error:  # decoded piece by piece, some lines ahead
        fail(f"{name} is not UTF-8 text, somewhere after line {line()}: {error.reason}")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        fail(f"{name} is no complete gzip file: {error}")
    except OSError as error:
        fail(f"{name} cannot be read: {error.strerror}")


@contextmanager
def reading(name: str, delimiter: str | None = None) -> Iterator[CsvInput]:
    """Open a CSV file: UTF-8 with or without a byte order mark.

    Without a ``delimiter`` it is that of ``DELIMITERS`` which the first line has most of.
    """
    with ExitStack() as opened:
        raw: IO[bytes]
        size = None
        if name == "-":
            raw = sys.stdin.buffer
        else:
            try:
                raw = opened.enter_context(open(name, "rb"))
                info = os.fstat(raw.fileno())
            except OSError as error:
                fail(f"{name} cannot be read: {error.strerror}")
            size = info.st_size if stat.S_ISREG(info.st_mode) else None
        plain: Any = opened.enter_context(gzip.open(raw)) if name.endswith(".gz") else raw
        text = io.TextIOWrapper(plain, encoding="utf-8-sig", newline="")
        opened.callback(text.detach)  # stdin is not ours to close
        yield CsvInput(name, size, raw, text, delimiter)


@contextmanager
def writing(name: str) -> Iterator[WriteRows]:
    """A function that adds rows to a CSV file, which is there, whole, once the block has ended well."""
    with writing_text(name) as text:
        yield csv.writer(text, lineterminator="\n").writerows
