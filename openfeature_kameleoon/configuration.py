"""Every setting of a client, declared once: keyword argument, YAML key, default, check and documentation.

What a setting does is its reader's business. Runs in the caller's thread; reads a file only when asked to.
No error leaves here with a secret in it, nor its traceback where a tracker records local variables.
(specs/kameleoon-sdk.md 10.1, 10.2 and, for domains, 1.1)
"""

from __future__ import annotations

import difflib
import functools
import logging
import os
import re
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import Field, dataclass, field, fields
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, TypeVar

from .errors import ConfigCredentialsInvalid, ConfigException, ConfigFileNotFound, ConfigSettingInvalid

__all__ = [
    "DEFAULT_CONFIGURATION_PATH",
    "HttpSession",
    "KameleoonClientConfig",
    "KameleoonClientConfiguration",
    "Secret",
    "SettingRow",
    "load_configuration",
    "settings_table",
]

DEFAULT_CONFIGURATION_PATH = "/etc/kameleoon/client-python.yaml"

_MASK = "***"
_MAX_SHOWN = 80

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


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
        return _MASK

    def __format__(self, spec: str) -> str:
        return format(_MASK, spec)

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


# --- what is allowed ----------------------------------------------------------------------------------------


class _Refused(Exception):
    """A value is not allowed; the text is what a message may show of it."""


class _Rule(NamedTuple):
    """``hold`` gives what is kept of a value, or raises ``_Refused``; holding it again changes nothing."""

    allowed: str
    hold: Callable[[Any], object]
    unit: str = ""


def _shown(value: object) -> str:
    """A value as messages show it: on one line, escaped and cut; of foreign objects the type alone."""
    if isinstance(value, str):
        text = repr(value[: _MAX_SHOWN + 1])
        return text if len(text) <= _MAX_SHOWN else text[:_MAX_SHOWN] + "..."
    if isinstance(value, int) and value.bit_length() > 64:  # Python refuses to print the really long ones
        return f"<int of {value.bit_length()} bits>"
    if value is None or isinstance(value, (int, float, Secret)):
        return repr(value)
    size = f" of {len(value)}" if isinstance(value, Collection) else ""
    return f"<{type(value).__name__}{size}>"


def _where(allowed: str, accepts: Callable[[Any], bool], unit: str = "") -> _Rule:
    """What is accepted is kept as it is."""

    def hold(value: object) -> object:
        if not accepts(value):
            raise _Refused(_shown(value))
        return value

    return _Rule(allowed, hold, unit)


def _optional(rule: _Rule) -> _Rule:
    return _Rule(f"{rule.allowed}, or None", lambda value: None if value is None else rule.hold(value))


def _positive(unit: str) -> _Rule:
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
        raise _Refused(_shown(value))
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
        raise _Refused(_shown(value))
    # The protocol goes before the dots, as in the reference: ".https://foo.com" is refused.
    host = re.sub("^https?://", "", value.lower()).strip(outer_dots)
    # isascii of the original: the Kelvin sign, for one, becomes a plain k when lower-cased.
    if not value.isascii() or len(host) > _MAX_DOMAIN or not _DOMAIN.fullmatch(host):
        raise _Refused(_shown(re.sub("^.*@", f"{_MASK}@", value, flags=re.DOTALL)))  # user:password@host
    if "://" in value:
        _log.warning("a domain is given without http(s)://; %s is used", host)
    return host


def _hold_goals(value: object) -> dict[str, int]:
    if not isinstance(value, Mapping):
        raise _Refused(_shown(value))
    for event, goal in value.items():
        if not isinstance(event, str) or not event:
            raise _Refused(f"the event name {_shown(event)}")
        if isinstance(goal, bool) or not isinstance(goal, int) or goal <= 0:
            raise _Refused(f"{_shown(goal)} for {_shown(event)}")
    return dict(value)  # not a read-only proxy: that one can be neither copied nor pickled


_CLEAN = "printable text (quoted in YAML) without blanks around it"

_MINUTES = _positive("minutes")
_MILLISECONDS = _positive("milliseconds")
_MEGABYTES = _positive("MB")
_TRACKING_MILLISECONDS = _where(
    "a number of milliseconds from 1000 to 5000",
    lambda value: _is_number(value) and 1000 <= value <= 5000,
    "milliseconds",
)
_SWITCH = _where("true or false", lambda value: isinstance(value, bool))
_TEXT = _optional(_where(f"non-empty {_CLEAN}", lambda value: value != "" and _is_clean(value)))
# Empty credentials pass here: an id without its secret is refused with both in view.
_CLIENT_ID = _optional(_where(_CLEAN, _is_clean))
_CLIENT_SECRET = _optional(_where(_CLEAN, lambda secret: _is_clean(secret.reveal())))
_PATH = _optional(_Rule("a path", _hold_path))
_COOKIE_DOMAIN = _Rule("a domain as in example.com or .example.com, localhost, or empty", _hold_cookie_domain)
_NETWORK_DOMAIN = _optional(_Rule("a domain as in example.com, or localhost", _hold_network_domain))
_GOALS = _Rule("a mapping of event names to goal ids (whole numbers greater than 0)", _hold_goals)
_SESSION = _optional(
    _where(
        "an object with a method request, such as a requests.Session",
        lambda value: callable(getattr(value, "request", None)) and not isinstance(value, type),
    )
)
_ANYTHING = _where("anything", lambda value: True)


# --- the table ----------------------------------------------------------------------------------------------


class _Setting(NamedTuple):
    """What a field of the configuration carries besides its name, type and default."""

    rule: _Rule
    description: str
    name_2x: str = ""
    in_file: bool = True
    secret: bool = False
    inert: bool = False


def _is(rule: _Rule, description: str, **traits: Any) -> Mapping[str, _Setting]:
    return {"setting": _Setting(rule, description, **traits)}


def _checked(configuration: type[_T]) -> type[_T]:
    """Let the constructor check names and values before it sets the fields; its signature stays the fields'.

    Not in ``__post_init__``: the generated constructor's frame would hold the secret as plain text there.
    """
    set_fields: Callable[..., None] = vars(configuration)["__init__"]

    @functools.wraps(set_fields)
    def __init__(self: _T, **given: object) -> None:  # noqa: N807  # it becomes the method
        _hide_secrets(given)
        for key, value in given.items():
            setting = _SETTINGS.get(key)
            if key in _NAMES_2X:
                warnings.warn(f"{key} is the 2.x name of {_NAMES_2X[key]}", DeprecationWarning, stacklevel=2)
            elif setting and setting.inert and value is not None:
                warnings.warn(f"{key}: {setting.description}", DeprecationWarning, stacklevel=2)
        set_fields(self, **_settle(given))

    configuration.__init__ = __init__  # type: ignore[assignment, method-assign]  # declared without arguments
    return configuration


@_checked
@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KameleoonClientConfiguration:
    """The settings of a client: immutable, checked, units in their names; ``settings_table`` describes each.

    The 2.x names ``actions_configuration_refresh_interval`` and ``default_timeout`` are taken too. Raises
    ``ConfigSettingInvalid`` for an unknown name or a value that is not allowed, ``ConfigCredentialsInvalid``
    for a client id without its secret or the reverse.
    """

    client_id: str | None = field(
        default=None, metadata=_is(_CLIENT_ID, "OAuth client id, for remote data; evaluation needs none.")
    )
    client_secret: str | Secret | None = field(
        default=None, metadata=_is(_CLIENT_SECRET, "Its secret; held as a Secret, never shown.", secret=True)
    )
    environment: str | None = field(
        default=None, metadata=_is(_TEXT, "Environment whose flags are used; None is production.")
    )
    refresh_interval_minute: float = field(
        default=60.0,
        metadata=_is(
            _MINUTES,
            "How often the data file is asked for where no real-time event announces it.",
            name_2x="actions_configuration_refresh_interval",
        ),
    )
    session_duration_minute: float = field(
        default=30.0, metadata=_is(_MINUTES, "How long an idle visitor is remembered.")
    )
    default_timeout_millisecond: float = field(
        default=10_000,
        metadata=_is(
            _MILLISECONDS,
            "How long a request, or the wait for the first data file, may take in all.",
            name_2x="default_timeout",
        ),
    )
    tracking_interval_millisecond: float = field(
        default=1_000, metadata=_is(_TRACKING_MILLISECONDS, "How often events are sent.")
    )
    top_level_domain: str = field(
        default="", metadata=_is(_COOKIE_DOMAIN, "Domain of the visitor code's cookie; empty: the host.")
    )
    network_domain: str | None = field(
        default=None, metadata=_is(_NETWORK_DOMAIN, "Own domain in place of Kameleoon's: data.<domain> etc.")
    )
    visitor_data_maximum_size: float = field(
        default=500, metadata=_is(_MEGABYTES, "Memory for visitors; those seen least recently go first.")
    )
    multi_threading: bool = field(
        default=True, metadata=_is(_SWITCH, "False: no threads at all, network in explicit calls only.")
    )
    data_file: str | os.PathLike[str] | None = field(
        default=None, metadata=_is(_PATH, "Data file read from disk instead of Kameleoon's servers.")
    )
    data_file_maximum_size: float = field(default=32, metadata=_is(_MEGABYTES, "A larger data file is refused."))
    cache_directory: str | os.PathLike[str] | None = field(
        default=None, metadata=_is(_PATH, "Folder for the last good data file: a start without network.")
    )
    report_context_data: bool = field(
        default=True, metadata=_is(_SWITCH, "False: data from evaluation contexts are not reported.")
    )
    goals: Mapping[str, int] = field(
        default_factory=dict, hash=False, metadata=_is(_GOALS, "Goals that events of track() convert.")
    )
    session: HttpSession | None = field(
        default=None, metadata=_is(_SESSION, "Sends the requests: proxies, CA bundle.", in_file=False)
    )
    logger: object = field(
        default=None,
        metadata=_is(_ANYTHING, "No effect: see logging's openfeature_kameleoon.", in_file=False, inert=True),
    )
    target_environment: str | None = field(
        default=None, metadata=_is(_ANYTHING, "No effect any more: see environment.", inert=True)
    )

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> KameleoonClientConfiguration:
        """Read a YAML mapping of settings; a key without a value counts as absent, an unknown one is logged.

        Raises ``ConfigFileNotFound``, or another ``ConfigException`` that names the file and the line or key.
        """
        source = f"{os.fspath(path)!r}: "
        settings, problem = _parse(_read(path, source), source)
        if problem:
            raise ConfigException(source + problem)
        return cls(**_settle(settings, source))

    @property
    def credentials(self) -> tuple[str, Secret] | None:
        """Client id and secret, or ``None`` when the client has none."""
        if self.client_id is None or not isinstance(self.client_secret, Secret):
            return None
        return self.client_id, self.client_secret

    @property
    def refresh_interval_second(self) -> float:
        """``refresh_interval_minute`` in seconds."""
        return self.refresh_interval_minute * 60.0

    @property
    def session_duration_second(self) -> float:
        """``session_duration_minute`` in seconds."""
        return self.session_duration_minute * 60.0

    @property
    def default_timeout_second(self) -> float:
        """``default_timeout_millisecond`` in seconds, fractions kept."""
        return self.default_timeout_millisecond / 1000.0

    @property
    def tracking_interval_second(self) -> float:
        """``tracking_interval_millisecond`` in seconds."""
        return self.tracking_interval_millisecond / 1000.0

    def __repr__(self) -> str:
        defaults = {each.name: _default(each) for each in fields(self)}
        # Lenient: a debugger or error tracker shows the object also while its constructor refuses a setting.
        values = {name: getattr(self, name, default) for name, default in defaults.items()}
        changed = (f"{name}={_shown(value)}" for name, value in values.items() if value != defaults[name])
        return f"{type(self).__name__}({', '.join(changed)})"


KameleoonClientConfig = KameleoonClientConfiguration

_SETTINGS: Mapping[str, _Setting] = MappingProxyType(
    {each.name: each.metadata["setting"] for each in fields(KameleoonClientConfiguration)}
)
_NAMES_2X: Mapping[str, str] = MappingProxyType(
    {setting.name_2x: name for name, setting in _SETTINGS.items() if setting.name_2x}
)


class SettingRow(NamedTuple):
    """A setting as documentation shows it; ``name`` is its keyword argument and, if ``in_file``, YAML key."""

    name: str
    type: str
    unit: str
    default: str
    allowed: str
    name_2x: str
    in_file: bool
    description: str


def settings_table() -> list[SettingRow]:
    """All settings in the order of their declaration, as text."""
    return [
        SettingRow(
            name=each.name,
            type=str(each.type),
            unit=setting.rule.unit,
            default=repr(_default(each)),
            allowed=setting.rule.allowed,
            name_2x=setting.name_2x,
            in_file=setting.in_file,
            description=setting.description,
        )
        for each, setting in zip(fields(KameleoonClientConfiguration), _SETTINGS.values(), strict=True)
    ]


def _default(setting: Field[Any]) -> object:
    return setting.default_factory() if callable(setting.default_factory) else setting.default


def load_configuration(path: str | os.PathLike[str] | None = None) -> KameleoonClientConfiguration:
    """The configuration in a file: without a path the default one's, or all defaults if there is none."""
    if path is not None:
        return KameleoonClientConfiguration.from_file(path)
    try:
        return KameleoonClientConfiguration.from_file(DEFAULT_CONFIGURATION_PATH)
    except ConfigFileNotFound:
        return KameleoonClientConfiguration()


# --- names and values as given, settled ---------------------------------------------------------------------


def _hide_secrets(given: dict[str, object]) -> None:
    """Wrap, in place, what is secret, and what stands under no known name: that may be a secret misspelt."""
    for key in given:
        setting = _SETTINGS.get(_NAMES_2X.get(key, key))
        if setting is None or setting.secret:
            given[key] = _as_secret(given[key])


def _as_secret(value: Any) -> Secret | None:
    return value if value is None or isinstance(value, Secret) else Secret(value)


def _settle(given: Mapping[str, object], source: str = "") -> dict[str, Any]:
    """Current names and the values to hold. Messages begin with ``source`` and use the names as given."""
    settled: dict[str, Any] = {}
    for key, value in given.items():
        name = _NAMES_2X.get(key, key)
        setting = _SETTINGS.get(name)
        if setting is None:
            message = f"{source}there is no setting {_shown(key)}{_suggestion(key)}"
            raise ConfigSettingInvalid(message, setting=key)
        if name in settled:
            message = f"{source}{name} and its 2.x name {setting.name_2x} are both given"
            raise ConfigSettingInvalid(message, setting=name)
        try:
            settled[name] = setting.rule.hold(value)
        except _Refused as refused:
            message = f"{source}{key} must be {setting.rule.allowed}, not {refused}"
            raise ConfigSettingInvalid(message, setting=name) from None
    credentials = [settled.get("client_id"), settled.get("client_secret")]
    if not all(credentials) and credentials != [None, None]:
        absent = "client_secret" if credentials[0] else "client_id"
        raise ConfigCredentialsInvalid(
            f"{source}client_id and client_secret need each other, but {absent} is missing or empty"
        )
    return settled


def _suggestion(key: str) -> str:
    near = difflib.get_close_matches(key[:_MAX_SHOWN], [*_SETTINGS, *_NAMES_2X], n=1)
    return f" (did you mean {near[0]}?)" if near else ""


# --- the file -----------------------------------------------------------------------------------------------

_MAX_FILE_BYTES = 1 << 20
_MAX_NODES = 20_000  # a megabyte of commas would take PyYAML eleven seconds
_YAML = "tag:yaml.org,2002:"
_PLAIN_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]{0,17})(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def _read(path: str | os.PathLike[str], source: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigFileNotFound(f"{source}there is no such configuration file") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigException(f"{source}the configuration file cannot be read: {reason}") from error


def _parse(raw: bytes, source: str) -> tuple[dict[str, object], str]:
    """The known settings of a YAML text with the secrets hidden, or what is wrong with the text.

    It answers rather than raises: a traceback would hold this frame, and PyYAML's errors quote the lines.
    """
    # Imported here: who configures in code does not pay for a parser at start.
    import yaml  # noqa: PLC0415

    if len(raw) > _MAX_FILE_BYTES:
        return {}, f"larger than {_MAX_FILE_BYTES} bytes: no configuration file"
    try:
        document = _document(raw.decode())
    except UnicodeDecodeError as error:
        return {}, f"not UTF-8 text from byte {error.start} on"
    except RecursionError:
        return {}, "nested too deeply"
    except yaml.MarkedYAMLError as error:
        # Quoted parts come from the file: a tag may be the secret that somebody forgot to quote.
        problem = re.sub(r"(['\"]).*\1", "...", error.problem or "", flags=re.DOTALL)
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "an unknown place"
        return {}, f"unusable YAML at {place}: {problem}"
    except yaml.YAMLError:
        return {}, "unusable YAML: control characters in it"
    if not isinstance(document, dict | None):
        return {}, f"a mapping of settings is expected, not a {type(document).__name__}"
    return _known(document or {}, source), ""


def _known(document: Mapping[object, object], source: str) -> dict[str, object]:
    settings: dict[str, object] = {}
    unknown = []
    for key, value in document.items():
        name = key if isinstance(key, str) else ""
        setting = _SETTINGS.get(_NAMES_2X.get(name, name))
        if setting is None or not setting.in_file:
            unknown.append(_shown(key) + _suggestion(name))
        elif not setting.inert and value is not None:
            settings[name] = value
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        _log.warning("%sunknown settings are ignored: %s%s", source, ", ".join(unknown[:5]), more)
    _hide_secrets(settings)
    return settings


def _document(text: str) -> object:
    """The YAML document as plain data: no aliases, anchors or tags, no key twice, no surprising types."""
    import yaml  # noqa: PLC0415  # as in _parse

    class Loader(yaml.SafeLoader):
        nodes = 0

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            event = self.peek_event()  # type: ignore[no-untyped-call]  # left out by the stubs
            self.nodes += 1
            if self.nodes > _MAX_NODES:
                raise yaml.MarkedYAMLError(problem="too many entries", problem_mark=event.start_mark)
            if isinstance(event, yaml.AliasEvent) or event.anchor or event.tag:
                problem = "aliases (*), anchors (&) and tags (!) are not allowed; quote text that begins so"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
            node = super().compose_node(parent, index)
            if isinstance(node, yaml.ScalarNode):
                node.tag = _plain_tag(node.tag, node.value)
            return node

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen = set()
            for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem="this key is there twice", problem_mark=key.start_mark)
                seen.add(key.value)
            return super().construct_mapping(node, deep)

    return yaml.load(text, Loader=Loader)


def _plain_tag(tag: str, value: str) -> str:
    """The type of a scalar. YAML 1.1 reads 010 as 8, 1:30 as 90; those, dates and ``<<`` are text here."""
    name = tag.removeprefix(_YAML)
    if name in ("null", "bool") or (name in ("int", "float") and _PLAIN_NUMBER.fullmatch(value)):
        return tag
    return f"{_YAML}str"
