"""Where Flagship's services are, for each generation of its SDK. Pure (specs/flagship.md 2.1, 4.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..transport.encoding import encode_uri
from ..transport.urls import base_url, url_of

__all__ = ["V1", "V3", "Dialect", "Endpoints"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a generation of Flagship's Python SDK speaks with the servers, where generations differ."""

    hits: str
    """Where hits go by default."""
    is_keyed: bool
    """Whether activations and context events carry the API key, too."""
    names_sdk: bool
    """Whether requests say which SDK sends them."""
    tells_context: bool
    """Whether it tells the context itself, by a context event, so that the server need not."""
    tells_consent: bool
    """Whether a request for decisions tells of the anonymous id and of the consent."""


V1 = Dialect(hits="https://ariane.abtasty.com", is_keyed=True, names_sdk=False, tells_context=True, tells_consent=False)
V3 = Dialect(hits="https://events.flagship.io", is_keyed=False, names_sdk=True, tells_context=False, tells_consent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Base URLs of Flagship's services.

    ``Endpoints.of`` gives the real ones. Tests and local servers name theirs, and the rest stays Flagship's. Raises
    ``ConfigSettingInvalid`` for anything else than an http(s) URL without user, query and fragment.
    """

    decision: str = "https://decision.flagship.io/v2"
    hits: str = V3.hits
    files: str = "https://cdn.flagship.io"
    is_self_hosted: bool = False
    """Whether the decision API is one's own, whose paths do not name the environment."""

    def __post_init__(self) -> None:
        for name in ("decision", "hits", "files"):
            object.__setattr__(self, name, base_url(getattr(self, name), name))

    @classmethod
    def of(cls, dialect: Dialect = V3, *, has_key: bool = True, server_url: str | None = None) -> Endpoints:
        """Flagship's own, or one server for all. Only 1.x does without an API key, and is then answered by v1."""
        version = "v2" if has_key or dialect is not V1 else "v1"
        if server_url is not None:
            server = base_url(server_url, "server")
            return cls(decision=f"{server}/{version}", hits=server, files=server)
        if version == "v1":
            return cls(decision="https://decision-api.flagship.io/v1", hits=dialect.hits)
        return cls(hits=dialect.hits)

    def campaigns_url(self, env_id: str, campaign: str = "", parameters: Iterable[tuple[str, str]] = ()) -> str:
        """Where a visitor's campaigns are, or a single one by its id or slug."""
        return url_of(self.decision, f"{self._of(env_id)}/campaigns/{encode_uri(campaign)}", parameters)

    def flags_url(self, env_id: str, parameters: Iterable[tuple[str, str]] = ()) -> str:
        """Where a visitor's flags are."""
        return url_of(self.decision, f"{self._of(env_id)}/flags", parameters)

    def events_url(self, env_id: str) -> str:
        """Where a visitor's context is told (2.6)."""
        return f"{self.decision}{self._of(env_id)}/events"

    @property
    def activate_url(self) -> str:
        """Where activations go (4.1)."""
        return f"{self.decision}/activate"

    @property
    def hits_url(self) -> str:
        """Where hits go, alone or together (4.2)."""
        return f"{self.hits}/"

    def bucketing_url(self, env_id: str) -> str:
        """Where the bucketing file is (3.1)."""
        return f"{self.files}/{encode_uri(env_id)}/bucketing.json"

    def _of(self, env_id: str) -> str:
        return "" if self.is_self_hosted else f"/{encode_uri(env_id)}"
