"""Text that others wrote, made fit for a log line or a message. Pure; any thread."""

from __future__ import annotations

__all__ = ["from_latin1", "printable"]


def printable(text: object, limit: int = 200) -> str:
    """``str(text)`` with line breaks, control, bidirectional and invisible characters escaped.

    At most ``limit`` characters long; an ellipsis stands for what was cut off.
    """
    whole = str(text)
    head = whole[: limit + 1]
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in head)
    return escaped if len(escaped) <= limit else escaped[: limit - 1] + "…"


def from_latin1(text: str) -> str:
    """Text of which a server has made a character of each byte: what the bytes are in UTF-8, if they are any."""
    try:
        return text if text.isascii() else text.encode("latin-1").decode()
    except UnicodeError:
        return text
