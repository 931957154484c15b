"""HTTP cookies as text: what a request brought, and the cookie that a response sets (RFC 6265).

Reading takes what browsers send, never raises and takes time in proportion to the length. Writing is ASCII without
control characters whatever the value is, so that no value can end a header or begin another. Pure; any thread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from http.cookies import Morsel, SimpleCookie
from typing import Any, NamedTuple

from .transport.foreign_text import from_latin1

__all__ = ["CookieMaker", "Cookies", "SetCookie", "parse_cookies"]

Cookies = str | Mapping[str, Any]
"""A ``Cookie`` header, or cookies by name: texts, or objects with a ``value``, as in a ``SimpleCookie``."""

_ESCAPE = re.compile(r"\\(?:([0-3][0-7]{2})|(.))", re.DOTALL)
_JAR: SimpleCookie = SimpleCookie()


def parse_cookies(cookies: Cookies | None) -> dict[str, str]:
    """Values by name, unquoted; of cookies of one name the last. What is no cookie is skipped."""
    if not cookies:
        return {}
    if isinstance(cookies, str):
        pairs = (part.partition("=") for part in cookies.split(";"))
        if '"' not in cookies and cookies.isascii():  # as nearly all are
            return {name.strip(): value.strip() for name, equals, value in pairs if equals}
        return {name.strip(): _unquoted(value.strip()) for name, equals, value in pairs if equals}
    values = ((name, getattr(value, "value", value)) for name, value in cookies.items())
    return {name: from_latin1(value) for name, value in values if isinstance(value, str)}


def _unquoted(value: str) -> str:
    """A value as it was before it was quoted; ``http.cookies`` takes quadratic time for it in older Pythons."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPE.sub(lambda escape: escape[2] or chr(int(escape[1], 8)), value[1:-1])
    return from_latin1(value)


class _WrittenMorsel(Morsel[str]):
    """A cookie for a ``SimpleCookie`` that knows its text until it is changed: to write it anew takes long."""

    _text = ""

    def __setitem__(self, attribute: str, value: Any) -> None:
        self._text = ""
        super().__setitem__(attribute, value)

    def update(self, values: Any) -> None:  # type: ignore[override]  # Morsel's own takes one argument, too
        self._text = ""
        super().update(values)

    def set(self, key: str, val: str, coded_val: str) -> None:
        self._text = ""
        super().set(key, val, coded_val)

    def OutputString(self, attrs: Any = None) -> str:  # noqa: N802  # its name in the standard library
        return self._text if self._text and attrs is None else super().OutputString(attrs)


class SetCookie(NamedTuple):
    """A cookie that a response sets: ``str()`` of it is the value of a ``Set-Cookie`` header.

    ``coded_value`` is ASCII, quoted as ``http.cookies`` does it, other than ASCII as bytes of UTF-8.
    """

    name: str
    value: str
    coded_value: str
    attributes: Morsel[str]
    coded_attributes: str

    def __str__(self) -> str:
        return f"{self.name}={self.coded_value}{self.coded_attributes}"

    def morsel(self) -> Morsel[str]:
        """The same for a ``SimpleCookie``; it may be changed."""
        morsel = _WrittenMorsel()
        dict.update(morsel, self.attributes)
        morsel.set(self.name, self.value, self.coded_value)
        morsel._text = str(self)
        return morsel


class CookieMaker:
    """Makes cookies of one name for all paths, which scripts can read; their attributes are written once a second."""

    __slots__ = ("_domain", "_kept", "_name", "_same_site", "_seconds")

    def __init__(self, name: str, *, domain: str, max_age_days: float, same_site: str) -> None:
        self._name = name
        self._domain = domain
        self._seconds = int(max_age_days * 86_400)
        self._same_site = same_site
        self._kept: tuple[tuple[int, bool] | None, Morsel[str], str] = (None, Morsel(), "")  # swapped whole

    def make(self, value: str, *, is_secure: bool, now: float) -> SetCookie:
        """A cookie of this value, ``Secure`` if it is for HTTPS alone; ``now`` is Unix time."""
        moment = int(now), is_secure
        kept_of, attributes, text = self._kept
        if kept_of != moment:
            attributes = self._attributes(is_secure, now)
            text = attributes.OutputString().removeprefix("n=")
            self._kept = moment, attributes, text
        coded = _JAR.value_encode(value.encode(errors="replace").decode("latin-1"))[1]
        return SetCookie(self._name, value, coded, attributes, text)

    def _attributes(self, is_secure: bool, now: float) -> Morsel[str]:
        morsel: Morsel[str] = Morsel()
        morsel.set("n", "", "")
        morsel["expires"] = formatdate(now + self._seconds, usegmt=True)
        morsel["max-age"] = str(self._seconds)
        morsel["path"] = "/"
        morsel["domain"] = self._domain
        morsel["samesite"] = self._same_site
        if is_secure:
            morsel["secure"] = "yes"
        return morsel
