"""How lists come in parts, one class a style; each turns a way to ask for a page into pages, one request at a time.

A page that is not what the style promises raises: no list ends early. What is asked for twice with the same answer is
an error too, so none goes on for ever.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

__all__ = [
    "Ask",
    "Indexed",
    "Markers",
    "Numbered",
    "Offsets",
    "Page",
    "Paging",
    "Progress",
    "Slices",
    "Unexpected",
    "Whole",
]

Progress = Callable[[int, "int | None"], object]
"""Called after each page, or part of an upload: how much is done, and of how much, or ``None`` when that is unknown."""


class Page(NamedTuple):
    """The items of one page, and how many there are in all as far as is known."""

    items: Sequence[Any]
    total: int | None = None


class Reply(NamedTuple):
    """An answer: decoded body, and headers looked up without regard to case."""

    body: Any
    headers: Mapping[str, str]


Ask = Callable[[Mapping[str, object]], Reply]
"""Asks for one page by these query parameters."""


class Unexpected(Exception):
    """A page is not what the style promises; the text says how."""


class Paging(Protocol):
    """A style of paging."""

    def pages(self, ask: Ask) -> Iterator[Page]:
        """All pages in order. Raises ``Unexpected``, and what ``ask`` raises."""


@dataclass(frozen=True, slots=True)
class Whole:
    """No pages: one array, at ``inside`` when the answer is an envelope."""

    inside: str = ""

    def pages(self, ask: Ask) -> Iterator[Page]:
        """The one."""
        items = _items(ask({}).body, self.inside)
        yield Page(items, len(items))


@dataclass(frozen=True, slots=True)
class Numbered:
    """Pages counted from 1, bare arrays or ``inside`` an envelope.

    A header, or a member of the envelope, may say how many pages; without it a page that is not full is the last.
    """

    size: int
    page_name: str = "page"
    size_name: str = "per_page"
    count_header: str = ""
    inside: str = ""
    count_member: str = ""
    may_be_single: bool = True
    """A bare object is a page of one."""

    def pages(self, ask: Ask) -> Iterator[Page]:
        """Until the count, or a page that is not full."""
        number, earlier = 1, None
        while True:
            reply = ask({self.page_name: number, self.size_name: self.size})
            items = _items(reply.body, self.inside, may_be_single=self.may_be_single)
            source, name = (reply.body, self.count_member) if self.count_member else (reply.headers, self.count_header)
            count = _whole_number(source.get(name)) if name else None
            if count is None and items and items == earlier:
                raise Unexpected(f"page {number} is the same as the one before: it does not page")
            is_last = number >= count if count is not None else len(items) < self.size
            full = (number - 1 if is_last else count or 0) * self.size
            yield Page(items, full + len(items) if is_last else full or None)
            if is_last:
                return
            number, earlier = number + 1, items


@dataclass(frozen=True, slots=True)
class Offsets:
    """``offset`` and ``limit``, in an envelope that repeats both and tells how many there are in all."""

    limit: int
    inside: str = "objects"
    total: str = "totalCount"

    def pages(self, ask: Ask) -> Iterator[Page]:
        """Until the total is reached."""
        offset = 0
        while True:
            body = ask({"limit": self.limit, "offset": offset}).body
            items = _items(body, self.inside)
            total, at, step = (_member(body, name) for name in (self.total, "offset", "limit"))
            if at != offset or step < 1:
                raise Unexpected(f"offset {offset} was asked for, and {at} came, with a limit of {step}")
            yield Page(items, total)
            offset += step
            if total <= offset:
                return


@dataclass(frozen=True, slots=True)
class Markers:
    """``after`` takes the marker that the page before gave; a page without one is the last."""

    limit: int
    inside: str = "data"
    marker: str = "nextMarker"

    def pages(self, ask: Ask) -> Iterator[Page]:
        """Until there is no marker."""
        after: str | None = None
        landmark, steps, stride = None, 0, 1  # one marker kept ever longer finds a circle of any length
        while True:
            body = ask({"limit": self.limit} | ({} if after is None else {"after": after})).body
            yield Page(_items(body, self.inside))
            following = body.get(self.marker)
            if following is None:
                return
            if following in (after, landmark):
                raise Unexpected(f"the marker {following} leads back to itself")
            after, steps = following, steps + 1
            if steps == stride:
                landmark, steps, stride = following, 0, stride * 2


@dataclass(frozen=True, slots=True)
class Slices:
    """``offset`` and ``limit``, and nothing that tells how many there are: a page of another size is the last."""

    limit: int
    inside: str = "objects"
    offset: int = 0

    def pages(self, ask: Ask) -> Iterator[Page]:
        """Until a page is not full; one that is longer, or the same again, tells of a server that does not page."""
        offset, earlier = self.offset, None
        while True:
            body = ask({"limit": self.limit, "offset": offset}).body
            items = body if isinstance(body, list) else _items(body, self.inside)
            if items == earlier:
                return
            yield Page(items)
            if len(items) != self.limit:
                return
            offset, earlier = offset + self.limit, items


@dataclass(frozen=True, slots=True)
class Indexed:
    """``pageIndex`` from 0, in ``data.content``; the last page is empty, or the last by ``data.totalPages``."""

    size: int | None

    def pages(self, ask: Ask) -> Iterator[Page]:
        """Until ``totalPages``, an empty page, or one that repeats the page before."""
        index, earlier = 0, None
        while True:
            body = ask({"pageIndex": index} | ({} if self.size is None else {"pageSize": self.size})).body
            data: Any = body.get("data") if isinstance(body, dict) else None
            items = _items(data, "content")
            if not items or items == earlier:
                return
            yield Page(items, _whole_number(data.get("totalElements")))
            index, earlier = index + 1, items
            pages = _whole_number(data.get("totalPages"))
            if pages is not None and index >= pages:
                return


_DIGITS = re.compile("[0-9]{1,18}")


def _items(body: Any, inside: str, *, may_be_single: bool = False) -> Sequence[Any]:
    held = (body.get(inside) if isinstance(body, dict) else None) if inside else body
    if may_be_single and isinstance(held, dict) and not inside:
        return [held]
    if not isinstance(held, list):
        where = f"the member {inside}" if inside else "the answer"
        raise Unexpected(f"{where} is no array")
    return held


def _member(body: Any, name: str) -> int:
    number = _whole_number(body.get(name))
    if number is None:
        raise Unexpected(f"the member {name} is no number")
    return number


def _whole_number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value.strip()) else None
