"""Optimizely's client: one session, and for each resource the registry of v1 and of v2, side by side (spec 2, 12).

Calls wait for their answers on the thread that makes them; many threads may share a client.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Generic, Literal, NoReturn, overload
from urllib.parse import quote

from ...settings import Secret
from ..rest.authentication import ANONYMOUS, Authentication, FixedCredential
from ..rest.errors import Exchange
from ..rest.session import Query, Rest, Retries, Session, Wait
from . import resource
from .error import ERRORS, BadRequestError, MalformedAnswerError, NotSupportedError, OptimizelyError
from .objects import registry
from .v2 import experiments, flags, projects, targeting

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Api = TypeVar("Api", bound=Literal["v1", "v2"], default=Literal["v1"])
else:
    from typing import TypeVar  # without defaults before Python 3.13; type checkers alone need them

    Api = TypeVar("Api")

__all__ = ["BASE_URL", "NEVER", "POLITE", "V2_BASE_URL", "Client", "Registries"]

A = TypeVar("A")
B = TypeVar("B")

BASE_URL = "https://www.optimizelyapis.com/experiment/v1/"
V2_BASE_URL = "https://api.optimizely.com/v2"
FLAGS_PATH = "/flags/v1"
"""Where the Flags API is, beside v2."""
BASE_URLS = {"v1": BASE_URL, "v2": V2_BASE_URL}

METHODS = {"v1": ("get", "post", "put", "delete"), "v2": ("get", "post", "patch", "put", "delete")}

TOKEN_HEADERS = {"legacy": ("Token", ""), "oauth": ("Authorization", "Bearer ")}

NEVER = Retries(attempts=1, limited=frozenset(), passing=frozenset())
"""Nothing is repeated by itself."""

POLITE = Retries(
    attempts=4,
    first_seconds=75.0,  # from 60 to 90
    limited_seconds=60.0,
    limited_longest_seconds=600.0,
    passing=frozenset({503}),
    patience_seconds=900.0,
)
"""After 429, and after 503 or a lost connection unless it was a POST: a minute's wait or what the answer asks for,
then twice that, and so on for a quarter of an hour (spec 4.2)."""


class Registries(Generic[A, B]):
    """One registry by either API; the client's own is made when it is first looked at."""

    def __init__(self, v1: Callable[[Client[Any]], A], v2: Callable[[Client[Any]], B]) -> None:
        self.v1 = v1
        self.v2 = v2

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, client: None, owner: type) -> Registries[A, B]: ...
    @overload
    def __get__(self, client: Client[Literal["v1"]], owner: type) -> A: ...
    @overload
    def __get__(self, client: Client[Literal["v2"]], owner: type) -> B: ...
    def __get__(self, client: Client[Any] | None, owner: type) -> Registries[A, B] | A | B:
        if client is None:
            return self
        made: A | B = vars(client).setdefault(self.name, (self.v1 if client.api == "v1" else self.v2)(client))
        return made


def missing(reason: str) -> Callable[[Client[Any]], NoReturn]:
    """In place of a registry that an API lacks."""

    def refuse(client: Client[Any]) -> NoReturn:
        raise NotSupportedError(f"not in Optimizely's API {client.api}: {reason}")

    return refuse


NEW = missing('the concept is newer; use Client(..., api="v2")')
FLAG = missing('flags are newer; use Client(..., api="v2")')


class Client(Generic[Api]):
    """Optimizely's REST API: the Classic v1, or with ``api="v2"`` what replaced it and the Flags API.

    ``token_type`` is ``"legacy"`` or ``"oauth"``; unless given, a colon in the key makes it a legacy one. ``retries``
    may be ``POLITE``. Raises ``ValueError`` for any other token type, and for a legacy token with v2.
    """

    Projects = Registries(registry(resource.Project), projects.Projects)
    Experiments = Registries(registry(resource.Experiment), experiments.Experiments)
    Variations = Registries(registry(resource.Variation), flags.Variations)
    Goals = Registries(registry(resource.Goal), targeting.Goals)
    Audiences = Registries(registry(resource.Audience), targeting.Audiences)
    Dimensions = Registries(registry(resource.Dimension), targeting.Dimensions)
    Schedules = Registries(registry(resource.Schedule), missing("it is a member of its experiment: schedule"))
    TargetingLists = Registries(registry(resource.TargetingList), targeting.TargetingLists)
    Results = Registries(missing("use experiment.results()"), missing("use client.Experiments.results(id)"))
    Stats = Registries(missing("use experiment.stats()"), missing("use client.Experiments.results(id)"))

    Pages = Registries(missing("they are members of their experiment: url_conditions"), targeting.Pages)
    PageEvents = Registries(missing("use client.Goals"), targeting.PageEvents)
    Campaigns = Registries(NEW, experiments.Campaigns)
    ScheduledJobs = Registries(missing("use client.Schedules"), experiments.ScheduledJobs)
    Groups = Registries(NEW, projects.Groups)
    Features = Registries(NEW, projects.Features)
    Environments = Registries(NEW, projects.Environments)
    Extensions = Registries(NEW, projects.Extensions)

    Flags = Registries(FLAG, flags.Flags)
    Rulesets = Registries(FLAG, flags.Rulesets)
    Rules = Registries(FLAG, flags.Rules)
    Reports = Registries(FLAG, flags.Reports)

    def __init__(
        self,
        api_key: str | None,
        token_type: str | None = None,
        api_base: str | None = None,
        *,
        api: Api = "v1",  # type: ignore[assignment]  # the type variable's default is the same
        timeout: float = 30.0,
        retries: Retries = NEVER,
        session: Session | None = None,
        wait: Wait | None = None,
    ) -> None:
        if api not in BASE_URLS:
            raise ValueError(f"api is {' or '.join(BASE_URLS)}, not {api!r}")
        if token_type is not None and token_type.startswith(("http://", "https://")):
            token_type, api_base = None, token_type  # releases before 0.5 had the base in this place
        self.api = api
        self.api_base = api_base or BASE_URLS[api]
        self.token_type = _token_type(api_key, token_type)
        if api == "v2" and self.token_type == "legacy":
            raise ValueError("v2 takes no legacy tokens; give a personal token or an OAuth access token")
        self._api_key = None if api_key is None else Secret(api_key)
        self.rest = Rest(
            self.api_base,
            self._authentication(),
            timeout=timeout,
            retries=retries,
            errors=ERRORS,
            session=session,
            wait=wait,
        )
        self.flags_rest = copy.copy(self.rest)  # the same connections
        self.flags_rest.url = self.rest.url.rpartition("/")[0] + FLAGS_PATH

    def __repr__(self) -> str:
        return f"<Client of {self.rest.url}>"

    def __enter__(self) -> Client[Api]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self.rest.close()

    @property
    def api_key(self) -> str | None:
        """The key, as it was given."""
        return None if self._api_key is None else self._api_key.reveal()

    def request(
        self,
        method: str,
        url_parts: Iterable[object],
        headers: Mapping[str, str] | None = None,
        data: str | bytes | None = None,
        *,
        query: Query = (),
        flags: bool = False,
    ) -> Any:
        """Any call: ``client.request("put", ["goals", 71], data='{"title": "Signed"}')``.

        Each part is one segment of the path; ``data`` is JSON already; with ``flags`` it goes to the Flags API. Answers
        the decoded JSON, ``None`` when there is none. Raises ``OptimizelyError``.
        """
        if method not in METHODS[self.api]:
            raise BadRequestError(f"{method!r} is none of {', '.join(METHODS[self.api])}")
        path = "/".join(quote(str(part), safe="") for part in url_parts)
        kind = {} if data is None else {"Content-Type": "application/json"}
        body = data.encode() if isinstance(data, str) else data
        rest = self.flags_rest if flags else self.rest
        answer = rest.send(method.upper(), path, query=query, data=body, headers={**kind, **(headers or {})})
        return self.parse_response(answer)

    @staticmethod
    def parse_response(response: Any) -> Any:
        """A ``requests.Response`` decoded, ``None`` when it is empty; raises ``OptimizelyError`` by its status."""
        exchange = Exchange(
            response.request.method, response.url, response.status_code, response.text, response.headers
        )
        if not 200 <= response.status_code < 300:
            raise ERRORS.get(response.status_code, OptimizelyError)(exchange)
        if response.status_code == 204 or not response.content.strip():
            return None
        try:
            return response.json()
        except ValueError as error:
            raise MalformedAnswerError(exchange, "the answer is not JSON; is the base URL right?") from error

    def _authentication(self) -> Authentication:
        if not self._api_key:
            return ANONYMOUS  # the server says 401
        header, prefix = TOKEN_HEADERS[self.token_type]
        return FixedCredential(header, Secret(prefix + self._api_key.reveal()))


def _token_type(api_key: str | None, token_type: str | None) -> str:
    if token_type is None:
        return "legacy" if ":" in (api_key or "") else "oauth"
    if token_type not in TOKEN_HEADERS:
        raise ValueError(f"token_type is {' or '.join(TOKEN_HEADERS)}, not {token_type!r}")
    return token_type
