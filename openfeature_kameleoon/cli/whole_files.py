"""Files written whole or not at all, of any size: text in UTF-8, gzipped where the name ends in .gz.

``-`` is stdout. An older file stays until the new one is there.
"""

from __future__ import annotations

import errno
import gzip
import io
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO

from .output import fail

__all__ = ["writing_text"]

GZIP_LEVEL = 6


@contextmanager
def writing_text(name: str, *, may_replace: bool = True) -> Iterator[TextIO]:
    """A text file to write to, which is there, whole, once the block has ended well; lines end as they are written.

    What is no regular file, such as a pipe or a device, is written as it comes. Fails where a file is there already
    that it may not replace.
    """
    path = Path(os.path.realpath(name))
    with _telling(name), ExitStack() as opened:
        if name == "-":
            yield opened.enter_context(_text(sys.stdout.buffer, name))
        elif path.exists() and not path.is_file():
            raw: IO[bytes] = opened.enter_context(open(path, "wb"))
            yield opened.enter_context(_text(raw, name))
        else:
            _refuse_if_there(path, name, may_replace=may_replace)
            part = path.with_name(f".{path.name}.{os.getpid()}.part")
            opened.callback(part.unlink, missing_ok=True)
            with open(part, "xb") as raw:
                with _text(raw, name) as text:
                    yield text
                os.fsync(raw.fileno())
            _refuse_if_there(path, name, may_replace=may_replace)  # somebody else's, meanwhile
            os.replace(part, path)


def _refuse_if_there(path: Path, name: str, *, may_replace: bool) -> None:
    if not may_replace and path.exists():
        fail(f"{name} is there already; --force writes over it")


@contextmanager
def _text(raw: IO[bytes], name: str) -> Iterator[TextIO]:
    """A stream of text on one of bytes, all of it flushed at the end of a block that ends well."""
    with ExitStack() as opened:
        plain: Any = raw
        if name.endswith(".gz"):
            # Without a name and a time: the same text makes the same file.
            plain = opened.enter_context(gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0))
        text = io.TextIOWrapper(plain, encoding="utf-8", newline="")
        try:
            yield text
            text.flush()
        finally:
            with suppress(OSError, ValueError):  # it flushes again what could not be written before
                text.detach()


@contextmanager
def _telling(name: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.EPIPE:  # whoever read has enough; click ends quietly
            raise
        fail(f"{name} cannot be written: {error.strerror}")
