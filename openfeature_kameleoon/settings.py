"""What settings may be: rules that hold a value or refuse it, and how a value is shown without giving a secret away."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Protocol

__all__ = [
    "ANYTHING",
    "CHOICE",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "COOKIE_DAYS",
    "COOKIE_DOMAIN",
    "DATA_FILE",
    "EVENTS",
    "GOALS",
    "HOURS",
    "LONGEST_SHOWN",
    "MASK",
    "MEGABYTES",
    "MILLISECONDS",
    "MINUTES",
    "NETWORK_DOMAIN",
    "PATH",
    "REDIS_URL",
    "SAME_SITE",
    "SESSION",
    "SWITCH",
    "TEXT",
    "TRACKING_MILLISECONDS",
    "URL",
    "HttpSession",
    "Refused",
    "Rule",
    "Secret",
    "is_url",
    "shown",
]

MASK = "***"
LONGEST_SHOWN = 80

_log = logging.getLogger(__name__)


class Secret:
    """Text that nothing shows: ``repr``, ``str`` and ``format`` give ``***``, pickle and JSON refuse it.

    A copy is the same object. ``reveal`` is the one way to the text.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself: for the request that carries it, never for a message."""
        return self._text

    def __repr__(self) -> str:
        return MASK

    def __format__(self, spec: str) -> str:
        return format(MASK, spec)

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __getstate__(self) -> object:
        raise TypeError("a secret is not pickled: give it to the other process by other means")


class HttpSession(Protocol):
    """A ``requests.Session`` or what behaves like one: the caller's proxies, CA bundle and adapters."""

    def request(self, *args: Any, **options: Any) -> Any:
        """As ``requests.Session.request``."""


class Refused(Exception):
    """A value is not allowed; the text is what a message may show of it."""


class Rule(NamedTuple):
    """``hold`` gives what is kept of a value, or raises ``Refused``; holding it again changes nothing."""

    allowed: str
    hold: Callable[[Any], object]
    unit: str = ""


def shown(value: object) -> str:
    """A value as messages show it: on one line, escaped and cut; of foreign objects the type alone."""
    if isinstance(value, str):
        text = repr(value[: LONGEST_SHOWN + 1])
        return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "..."
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to print the really long ones
        return f"<int of {value.bit_length()} bits>"
    if value is None or isinstance(value, (int, float, Secret)):
        return repr(value)
    size = f" of {len(value)}" if isinstance(value, Collection) else ""
    return f"<{type(value).__name__}{size}>"


def is_url(data_file: str | os.PathLike[str]) -> bool:
    """Whether a data file is named by an http(s) URL rather than by a path."""
    return isinstance(data_file, str) and data_file.lower().startswith(("http://", "https://"))


def _where(allowed: str, accepts: Callable[[Any], bool], unit: str = "") -> Rule:
    """What is accepted is kept as it is."""

    def hold(value: object) -> object:
        if not accepts(value):
            raise Refused(shown(value))
        return value

    return Rule(allowed, hold, unit)


def _optional(rule: Rule) -> Rule:
    return Rule(f"{rule.allowed}, or None", lambda value: None if value is None else rule.hold(value))


def _positive(unit: str) -> Rule:
    # The upper end keeps waits below threading.TIMEOUT_MAX, from where on Python raises (64-bit Unix).
    return _where(
        f"a number of {unit} greater than 0, at most 100000000",
        lambda value: _is_number(value) and 0 < value <= 100_000_000,
        unit,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_clean(value: object) -> bool:
    # A secret read from a file brings a line end with it, of which the server would only say 401.
    return isinstance(value, str) and value.isprintable() and value == value.strip()


def _hold_path(value: object) -> str:
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str) or not path or "\0" in path:
        raise Refused(shown(value))
    return path


_LABEL = r"(?!-)[a-z0-9-]+(?<!-)"
_DOMAIN = re.compile(rf"\.?{_LABEL}(?:\.{_LABEL}){{1,126}}|localhost")
_MAX_DOMAIN = 253  # DNS knows no longer name


def _hold_cookie_domain(value: object) -> str:
    return "" if value == "" else _hold_domain(value)


def _hold_network_domain(value: object) -> str:
    return _hold_domain(value, outer_dots=".")


def _hold_domain(value: object, *, outer_dots: str = "") -> str:
    if not isinstance(value, str):
        raise Refused(shown(value))
    # The protocol goes before the dots, as in the reference: ".https://foo.com" is refused.
    host = re.sub("^https?://", "", value.lower()).strip(outer_dots)
    # isascii of the original: the Kelvin sign, for one, becomes a plain k when lower-cased.
    if not value.isascii() or len(host) > _MAX_DOMAIN or not _DOMAIN.fullmatch(host):
        raise Refused(shown(re.sub("^.*@", f"{MASK}@", value, flags=re.DOTALL)))  # user:password@host
    if "://" in value:
        _log.warning("a domain is given without http(s)://; %s is used", host)
    return host


def _hold_goals(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise Refused(shown(value))
    for event, goal in value.items():
        if not isinstance(event, str) or not event:
            raise Refused(f"the event name {shown(event)}")
        if isinstance(goal, bool) or not isinstance(goal, int) or goal <= 0:
            raise Refused(f"{shown(goal)} for {shown(event)}")
    return dict(value)  # not a read-only proxy: that one can be neither copied nor pickled


_CLEAN = "printable text (quoted in YAML) without blanks around it"

MINUTES = _positive("minutes")
HOURS = _positive("hours")
MILLISECONDS = _positive("milliseconds")
MEGABYTES = _positive("MB")
TRACKING_MILLISECONDS = _where(
    "a number of milliseconds from 1000 to 5000",
    lambda value: _is_number(value) and 1000 <= value <= 5000,
    "milliseconds",
)
EVENTS = _where(
    "a whole number of events from 1 to 100000000",
    lambda value: isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 100_000_000,
    "events",
)
SWITCH = _where("true or false", lambda value: isinstance(value, bool))
CHOICE = _optional(SWITCH)
TEXT = _optional(_where(f"non-empty {_CLEAN}", lambda value: value != "" and _is_clean(value)))
# Empty credentials pass here: an id without its secret is refused with both in view.
CLIENT_ID = _optional(_where(_CLEAN, _is_clean))
CLIENT_SECRET = _optional(_where(_CLEAN, lambda secret: _is_clean(secret.reveal())))
REDIS_URL = _optional(
    _where(
        "a URL that begins with redis://, rediss:// or unix://",
        lambda url: _is_clean(url.reveal()) and url.reveal().startswith(("redis://", "rediss://", "unix://")),
    )
)
URL = _optional(
    _where(
        "an http(s) URL",
        lambda url: _is_clean(url) and is_url(url) and "@" not in url and "?" not in url and "#" not in url,
    )
)
PATH = _optional(Rule("a path", _hold_path))
DATA_FILE = _optional(Rule("a path, or an http(s) URL", _hold_path))
COOKIE_DAYS = _where(
    "a number of days greater than 0, at most 400", lambda value: _is_number(value) and 0 < value <= 400, "days"
)  # browsers keep none for longer
SAME_SITE = _where("Lax, Strict, the word None, or empty", lambda value: value in ("Lax", "Strict", "None", ""))
COOKIE_DOMAIN = Rule("a domain as in example.com or .example.com, localhost, or empty", _hold_cookie_domain)
NETWORK_DOMAIN = _optional(Rule("a domain as in example.com, or localhost", _hold_network_domain))
GOALS = Rule("a mapping of event names to goal ids (whole numbers greater than 0)", _hold_goals)
SESSION = _optional(
    _where(
        "an object with a method request, such as a requests.Session",
        lambda value: callable(getattr(value, "request", None)) and not isinstance(value, type),
    )
)
ANYTHING = _where("anything", lambda value: True)
