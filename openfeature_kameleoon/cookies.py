"""HTTP cookies as text: what a request brought, and the cookie that a response sets (RFC 6265).

Reading takes what browsers send, never raises and takes time in proportion to the length. Writing is ASCII without
control characters whatever the value is, so that no value can end a header or begin another. Pure; any thread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate
from http.cookies import Morsel, SimpleCookie
from typing import Any

from .transport.foreign_text import from_latin1

__all__ = ["Cookies", "cookie", "parse_cookies"]

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
        return {name.strip(): _unquoted(value.strip()) for name, equals, value in pairs if equals}
    values = ((name, getattr(value, "value", value)) for name, value in cookies.items())
    return {name: from_latin1(value) for name, value in values if isinstance(value, str)}


def _unquoted(value: str) -> str:
    """A value as it was before it was quoted; ``http.cookies`` takes quadratic time for it in older Pythons."""
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPE.sub(lambda escape: escape[2] or chr(int(escape[1], 8)), value[1:-1])
    return from_latin1(value)


def cookie(
    name: str, value: str, *, domain: str, max_age_days: float, same_site: str, is_secure: bool, now: float
) -> Morsel[str]:
    """A cookie of all paths that scripts can read; ``OutputString()`` of it is the value of a ``Set-Cookie`` header.

    ``now`` is Unix time. The value is quoted as ``http.cookies`` does it, other than ASCII as bytes of UTF-8.
    """
    morsel: Morsel[str] = Morsel()
    morsel.set(name, value, _JAR.value_encode(value.encode(errors="replace").decode("latin-1"))[1])
    seconds = int(max_age_days * 86_400)
    morsel["expires"] = formatdate(now + seconds, usegmt=True)
    morsel["max-age"] = str(seconds)
    morsel["path"] = "/"
    morsel["domain"] = domain
    morsel["samesite"] = same_site
    if is_secure:
        morsel["secure"] = "yes"
    return morsel
