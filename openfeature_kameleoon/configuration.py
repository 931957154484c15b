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
import warnings
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from .configuration_file import parse, read_text
from .errors import ConfigCredentialsInvalid, ConfigException, ConfigFileNotFound, ConfigSettingInvalid
from .settings import (
    ANYTHING,
    CHOICE,
    CLIENT_ID,
    CLIENT_SECRET,
    COOKIE_DAYS,
    COOKIE_DOMAIN,
    DATA_FILE,
    EVENTS,
    GOALS,
    HOURS,
    LONGEST_SHOWN,
    MEGABYTES,
    MILLISECONDS,
    MINUTES,
    NETWORK_DOMAIN,
    PATH,
    REDIS_URL,
    SAME_SITE,
    SESSION,
    SWITCH,
    TEXT,
    TRACKING_MILLISECONDS,
    URL,
    HttpSession,
    Refused,
    Rule,
    Secret,
    is_url,
    shown,
)

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

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class _Setting(NamedTuple):
    """What a field of the configuration carries besides its name, type and default."""

    rule: Rule
    description: str
    name_2x: str = ""
    in_file: bool = True
    secret: bool = False
    inert: bool = False


def _is(rule: Rule, description: str, **traits: Any) -> Mapping[str, _Setting]:
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
        default=None, metadata=_is(CLIENT_ID, "OAuth client id, for remote data; evaluation needs none.")
    )
    client_secret: str | Secret | None = field(
        default=None, metadata=_is(CLIENT_SECRET, "Its secret; held as a Secret, never shown.", secret=True)
    )
    environment: str | None = field(
        default=None, metadata=_is(TEXT, "Environment whose flags are used; None is production.")
    )
    refresh_interval_minute: float = field(
        default=60.0,
        metadata=_is(
            MINUTES,
            "How often the data file is asked for.",
            name_2x="actions_configuration_refresh_interval",
        ),
    )
    session_duration_minute: float = field(
        default=30.0, metadata=_is(MINUTES, "How long an idle visitor is remembered.")
    )
    default_timeout_millisecond: float = field(
        default=10_000,
        metadata=_is(
            MILLISECONDS,
            "How long a request, or the wait for the first data file, may take in all.",
            name_2x="default_timeout",
        ),
    )
    tracking_interval_millisecond: float = field(
        default=1_000, metadata=_is(TRACKING_MILLISECONDS, "How often events are sent.")
    )
    top_level_domain: str = field(
        default="", metadata=_is(COOKIE_DOMAIN, "Domain of the visitor code's cookie; empty: the host.")
    )
    cookie_maximum_age_day: float = field(
        default=380, metadata=_is(COOKIE_DAYS, "How long a browser keeps the visitor code's cookie.")
    )
    cookie_same_site: str = field(
        default="Lax", metadata=_is(SAME_SITE, "Its SameSite; with None it is Secure, empty leaves it out.")
    )
    cookie_secure: bool | None = field(
        default=None, metadata=_is(CHOICE, "Whether it is Secure, for HTTPS only; None: where the page is.")
    )
    visitor_code_from_query: bool = field(
        default=False, metadata=_is(SWITCH, "True: middleware takes the code from the URL if no cookie has one.")
    )
    simulation_cookie: bool = field(
        default=False, metadata=_is(SWITCH, "True: a cookie of testers chooses their variations, for whoever sends it.")
    )
    network_domain: str | None = field(
        default=None, metadata=_is(NETWORK_DOMAIN, "Own domain in place of Kameleoon's: data.<domain> etc.")
    )
    server_url: str | None = field(
        default=None, metadata=_is(URL, "One server for all of Kameleoon's: a local one, or a relay.")
    )
    visitor_data_maximum_size: float = field(
        default=500, metadata=_is(MEGABYTES, "Memory for visitors; those seen least recently go first.")
    )
    multi_threading: bool = field(
        default=True, metadata=_is(SWITCH, "False: no threads at all, network in explicit calls only.")
    )
    data_file: str | os.PathLike[str] | None = field(
        default=None, metadata=_is(DATA_FILE, "Data file on disk, or at another URL than Kameleoon's.")
    )
    data_file_maximum_size: float = field(default=32, metadata=_is(MEGABYTES, "A larger data file is refused."))
    cache_directory: str | os.PathLike[str] | None = field(
        default=None, metadata=_is(PATH, "Folder for the last good data file: a start without network.")
    )
    report_context_data: bool = field(
        default=True, metadata=_is(SWITCH, "False: data from evaluation contexts are not reported.")
    )
    real_time_update: bool | None = field(
        default=None, metadata=_is(CHOICE, "Whether updates are streamed; None: as the data file says.")
    )
    send_events: bool | None = field(
        default=None, metadata=_is(CHOICE, "Whether events are sent; None: unless the data file is one on disk.")
    )
    tracking_directory: str | os.PathLike[str] | None = field(
        default=None, metadata=_is(PATH, "Folder where events wait; None: in memory, lost when the process dies.")
    )
    tracking_survives_power_loss: bool = field(
        default=False, metadata=_is(SWITCH, "True: an event on disk is there after a power cut too, and costs more.")
    )
    tracking_queue_size: int = field(
        default=100_000, metadata=_is(EVENTS, "How many events may wait in memory; then the oldest are dropped.")
    )
    tracking_directory_maximum_size: float = field(
        default=256, metadata=_is(MEGABYTES, "How much disk waiting events may take; then memory is used.")
    )
    tracking_maximum_age_hour: float = field(
        default=24.0, metadata=_is(HOURS, "How long an event waits for the server before it is dropped.")
    )
    shutdown_timeout_millisecond: float = field(
        default=2_000, metadata=_is(MILLISECONDS, "How long closing and the program's end may take to send what waits.")
    )
    redis_url: str | Secret | None = field(
        default=None,
        metadata=_is(REDIS_URL, "Visitors are shared through this Redis, redis://host:6379/0.", secret=True),
    )
    redis_timeout_millisecond: float = field(
        default=5, metadata=_is(MILLISECONDS, "How long an evaluation may wait for Redis.")
    )
    goals: Mapping[str, int] = field(
        default_factory=dict, hash=False, metadata=_is(GOALS, "Goals that events of track() convert.")
    )
    session: HttpSession | None = field(
        default=None, metadata=_is(SESSION, "Sends the requests: proxies, CA bundle.", in_file=False)
    )
    logger: object = field(
        default=None,
        metadata=_is(ANYTHING, "No effect: see logging's openfeature_kameleoon.", in_file=False, inert=True),
    )
    target_environment: str | None = field(
        default=None, metadata=_is(ANYTHING, "No effect any more: see environment.", inert=True)
    )

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> KameleoonClientConfiguration:
        """Read a YAML mapping of settings; a key without a value counts as absent, an unknown one is logged.

        Raises ``ConfigFileNotFound``, or another ``ConfigException`` that names the file and the line or key.
        """
        source = f"{os.fspath(path)!r}: "
        settings, problem = parse(read_text(path, source), functools.partial(_known, source=source))
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
    def sends_events(self) -> bool:
        """Whether events are sent: as ``send_events`` says, or else unless the data file is one on disk."""
        if self.send_events is not None:
            return self.send_events
        return self.data_file is None or is_url(self.data_file)

    @property
    def shutdown_timeout_second(self) -> float:
        """``shutdown_timeout_millisecond`` in seconds."""
        return self.shutdown_timeout_millisecond / 1000.0

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
        changed = (f"{name}={shown(value)}" for name, value in values.items() if value != defaults[name])
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
            message = f"{source}there is no setting {shown(key)}{_suggestion(key)}"
            raise ConfigSettingInvalid(message, setting=key)
        if name in settled:
            message = f"{source}{name} and its 2.x name {setting.name_2x} are both given"
            raise ConfigSettingInvalid(message, setting=name)
        try:
            settled[name] = setting.rule.hold(value)
        except Refused as refused:
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
    near = difflib.get_close_matches(key[:LONGEST_SHOWN], [*_SETTINGS, *_NAMES_2X], n=1)
    return f" (did you mean {near[0]}?)" if near else ""


def _known(document: Mapping[object, object], source: str) -> dict[str, object]:
    settings: dict[str, object] = {}
    unknown = []
    for key, value in document.items():
        name = key if isinstance(key, str) else ""
        setting = _SETTINGS.get(_NAMES_2X.get(name, name))
        if setting is None or not setting.in_file:
            unknown.append(shown(key) + _suggestion(name))
        elif not setting.inert and value is not None:
            settings[name] = value
    if unknown:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        _log.warning("%sunknown settings are ignored: %s%s", source, ", ".join(unknown[:5]), more)
    _hide_secrets(settings)
    return settings
