"""Where each call goes: hosts, the custom network domain, the data file's say in the Data API host, queries.

Values and pure functions, save for a warning about what is ignored (specs/kameleoon-sdk.md 1.1 to 1.10).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ..errors import ConfigSettingInvalid
from ..protocol import SDK_NAME, SDK_VERSION
from .encoding import encode_uri
from .foreign_text import printable

__all__ = ["VISITOR_PARTS", "Endpoints", "base_url", "network_domain", "url_of"]

_logger = logging.getLogger(__name__)

Parameters = Iterable[tuple[str, str]]

VISITOR_PARTS = (
    *("kcs", "currentVisit", "customData", "conversion", "geolocation"),
    *("experiment", "page", "personalization", "cbs"),
)
"""What may be asked for of a visitor, in the order of the query (1.8)."""

_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL}){{1,126}}")
_OF_KAMELEOON = re.compile(rf"(?:{_LABEL}\.)*kameleoon\.(?:com|eu|io|net)")


def network_domain(value: str) -> str:
    """A custom network domain in its plain form: lower case, no scheme, no outer dots (1.1).

    Raises ``ConfigSettingInvalid`` for what is no domain.
    """
    domain = value.strip().lower()
    for scheme in ("http://", "https://"):
        if domain.startswith(scheme):
            _logger.warning("network_domain is a domain: its %s is ignored", scheme)
            domain = domain.removeprefix(scheme)
            break
    domain = domain.strip(".")
    if domain != "localhost" and not _DOMAIN.fullmatch(domain):
        raise ConfigSettingInvalid(
            f"network_domain {printable(value, 100)} is no domain: it looks like abtest.example.org",
            setting="network_domain",
        )
    return domain


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Base URLs of Kameleoon's services: scheme, host, port, and a path if a local server needs one.

    ``Endpoints.for_domain`` gives the real ones. Tests and local servers name theirs,
    ``Endpoints(configuration="http://127.0.0.1:8000")``, and the rest stays Kameleoon's. Raises
    ``ConfigSettingInvalid`` for anything else than an http(s) URL without user, query and fragment.
    """

    configuration: str = "https://sdk-config.kameleoon.eu"
    events: str = "https://events.kameleoon.eu:8110"
    data: str = "https://data.kameleoon.io"
    token: str = "https://api.kameleoon.com"
    domain: str = ""
    """The custom network domain they stand under, if any."""

    def __post_init__(self) -> None:
        for name in ("configuration", "events", "data", "token"):
            object.__setattr__(self, name, base_url(getattr(self, name), name))

    @classmethod
    def for_domain(cls, domain: str | None) -> Endpoints:
        """Kameleoon's own hosts, or those under a custom network domain. Raises ``ConfigSettingInvalid``."""
        if not domain:
            return cls()
        plain = network_domain(domain)
        return cls(
            configuration=f"https://sdk-config.{plain}",
            events=f"https://events.{plain}:8110",
            data=f"https://data.{plain}",
            token=f"https://api.{plain}",
            domain=plain,
        )

    @classmethod
    def of(cls, domain: str | None, server_url: str | None) -> Endpoints:
        """Where the settings say: one server for all, or else as ``for_domain``. Raises ``ConfigSettingInvalid``."""
        if server_url is None:
            return cls.for_domain(domain)
        return cls(configuration=server_url, events=server_url, data=server_url, token=server_url)

    def with_data_api(self, domain: str | None) -> Endpoints:
        """The same with the Data API host that a data file asks for (1.2); unchanged when it asks for none.

        Under a custom network domain only its first label counts, and replaces that of the host in use.
        Otherwise it must be Kameleoon's: visitors' data go to no other host on a data file's word, and one is
        ignored with a warning. A base URL that somebody named in code stays.
        """
        wanted = (domain or "").strip().strip(".").lower()
        label, _, _ = wanted.partition(".")
        host = self.data.removeprefix("https://")
        if not wanted:
            return self
        if self.domain and re.fullmatch(rf"{_LABEL}\.{re.escape(self.domain)}", host):
            asked = f"{label}.{self.domain}" if re.fullmatch(_LABEL, label) else None
        elif _OF_KAMELEOON.fullmatch(host):
            asked = wanted if _OF_KAMELEOON.fullmatch(wanted) else None
        else:
            return self
        if asked is None:
            _logger.warning("the data file's dataApiDomain %s is not Kameleoon's: ignored", printable(domain))
            return self
        return replace(self, data=f"https://{asked}")

    def configuration_url(self, site_code: str, *, environment: str = "", timestamp: int | None = None) -> str:
        """Where the data file is; ``timestamp`` is that of the real-time event that calls for it (1.5)."""
        stamp = "" if timestamp is None else str(timestamp)
        # The specification inserts site codes as they are. Encoding alters no real one and tames a wrong one.
        path = f"/v3/{encode_uri(site_code)}"
        return url_of(self.configuration, path, [("environment", environment), ("ts", stamp)])

    def events_url(self, site_code: str) -> str:
        """Where real-time events come from (1.6)."""
        return url_of(self.events, "/sse", [("siteCode", site_code)])

    def tracking_url(self, site_code: str) -> str:
        """Where events are reported to (1.7)."""
        return url_of(self.data, "/visit/events", [*_sdk(site_code), ("bodyUa", "true")])

    def relayed_tracking_url(self, site_code: str, parameters: Parameters) -> str:
        """The same for events of another SDK, which ``parameters`` name, and if it is of 2.x their visitor (1.7)."""
        return url_of(self.data, "/visit/events", [*parameters, ("siteCode", site_code)])

    def visitor_url(
        self,
        site_code: str,
        visitor_code: str,
        *,
        previous_visits: int = 1,
        parts: Collection[str] = ("currentVisit", "customData"),
        is_unique_identifier: bool = False,
    ) -> str:
        """Where Kameleoon's knowledge of a visitor is; ``parts`` are some of ``VISITOR_PARTS`` (1.8)."""
        return url_of(
            self.data,
            "/visit/visitor",
            [
                ("siteCode", site_code),
                ("mappingValue" if is_unique_identifier else "visitorCode", visitor_code),
                ("maxNumberPreviousVisits", str(previous_visits)),
                ("version", "0"),
                ("staticData", "true"),
                *((part, "true") for part in VISITOR_PARTS if part in parts),
            ],
        )

    def map_url(self, site_code: str, key: str) -> str:
        """Where the value of a key is, warehouse audiences among them (1.9)."""
        return url_of(self.data, "/map/map", [("siteCode", site_code), ("key", key)])

    def token_url(self, site_code: str) -> str:
        """Where an access token is to be had (1.10)."""
        return url_of(self.token, "/oauth/token", _sdk(site_code))


def _sdk(site_code: str) -> list[tuple[str, str]]:
    return [("sdkName", SDK_NAME), ("sdkVersion", SDK_VERSION), ("siteCode", site_code)]


def url_of(base: str, path: str, parameters: Parameters) -> str:
    """The URL of a path below a base, with a query. A parameter whose value is empty is left out (1.3)."""
    query = "&".join(f"{name}={encode_uri(value)}" for name, value in parameters if value)
    return f"{base}{path}?{query}" if query else base + path


def base_url(base: str, name: str) -> str:
    """A base URL in its plain form, without a slash in the end; ``name`` is whose it is.

    Raises ``ConfigSettingInvalid`` for anything else than an http(s) URL without user, query and fragment.
    """
    if not _is_base_url(base):
        raise ConfigSettingInvalid(f"the {name} endpoint is no plain URL such as http://127.0.0.1:8000", setting=name)
    return base.rstrip("/")


def _is_base_url(base: str) -> bool:
    try:
        parts = urlsplit(base)
        has_place = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    is_plain = not (parts.query or parts.fragment or "@" in parts.netloc or re.search(r"[\s\\?#]", base))
    return parts.scheme in ("http", "https") and has_place and is_plain
