"""The Automation API as a whole: one session, its resources, and a call for what has no name here (spec 1 to 3)."""

from __future__ import annotations

import os
from typing import Any

from ...clock import SYSTEM_CLOCK, Clock
from ...errors import ConfigCredentialsInvalid
from ..rest.authentication import Authentication
from ..rest.limits import RateLimit, Window
from ..rest.operations import Resource
from ..rest.session import Query, Rest, Retries, Session, Wait
from .accounts import Accounts
from .custom_data import CustomDatas
from .experiments import Experiments, TargetingRules, Variations
from .feature_flags import FeatureFlags
from .goals import Goals
from .library import (
    Audiences,
    Images,
    KeyMoments,
    KeyPages,
    RecommenderBlocks,
    Referrers,
    Tags,
    Templates,
    Widgets,
    WidgetTemplates,
)
from .oauth import BASE_URL, AccessToken, ClientCredentials
from .personalizations import Personalizations
from .results import Reports
from .segments import Segments
from .sites import Sites

__all__ = ["FROM_ENVIRONMENT", "LIMITS", "RETRIES", "Automation"]

LIMITS = (Window(50, 10.0), Window(1000, 3600.0))
"""What one access token may do (spec 3.9)."""

RETRIES = Retries(limited_seconds=10.0)
"""After a 429 that does not say how long to wait: 10 s, 20 s, 40 s, ... (spec 3.9)."""

FROM_ENVIRONMENT = {
    "client_id": "KAMELEOON_CLIENT_ID",
    "client_secret": "KAMELEOON_CLIENT_SECRET",
    "token": "KAMELEOON_ACCESS_TOKEN",
    "base_url": "KAMELEOON_API_URL",
}


class Automation:
    """Kameleoon's Automation API.

    Give ``client_id`` and ``client_secret`` of an account, or an ``authentication`` such as the ``UserTokens`` of an
    ``OAuthApplication``, or an access ``token`` got elsewhere. Calls wait on the thread that makes them, and keep to
    the API's rate limits; many threads may share one client. ``version`` pins a major version of the API.

    Raises ``ConfigCredentialsInvalid`` without a credential, ``ConfigException`` for a base URL without HTTPS.
    """

    def __init__(
        self,
        client_id: str = "",
        client_secret: str = "",
        *,
        token: str = "",
        authentication: Authentication | None = None,
        base_url: str = BASE_URL,
        version: int | None = None,
        timeout: float = 30.0,
        retries: Retries = RETRIES,
        limit: RateLimit | None = None,
        session: Session | None = None,
        clock: Clock = SYSTEM_CLOCK,
        wait: Wait | None = None,
    ) -> None:
        given = [bool(client_id and client_secret), bool(token), authentication is not None]
        if sum(given) != 1:
            raise ConfigCredentialsInvalid("give client_id with client_secret, or a token, or an authentication")
        self._owns_session = session is None
        self._session = session = session or Session()  # the calls' own and the tokens'
        if token:
            authentication = AccessToken(token)
        elif authentication is None:
            authentication = ClientCredentials(
                client_id,
                client_secret,
                base_url=base_url,
                timeout=timeout,
                session=session,
                clock=clock,
                wait=wait,
            )
        self._rest = rest = Rest(
            base_url if version is None else f"{base_url.rstrip('/')}/v{version}",
            authentication,
            timeout=timeout,
            retries=retries,
            limit=limit or RateLimit(LIMITS, clock),
            session=session,
            clock=clock,
            wait=wait,
        )
        self.accounts = Accounts(rest)
        self.audiences = Audiences(rest)
        self.custom_datas = CustomDatas(rest)
        self.experiments = Experiments(rest)
        self.feature_flags = FeatureFlags(rest)
        self.goals = Goals(rest)
        self.images = Images(rest)
        self.key_moments = KeyMoments(rest)
        self.key_pages = KeyPages(rest)
        self.personalizations = Personalizations(rest)
        self.recommender_blocks = RecommenderBlocks(rest)
        self.referrers = Referrers(rest)
        self.reports = Reports(rest)
        self.segments = Segments(rest)
        self.sites = Sites(rest)
        self.tags = Tags(rest)
        self.targeting_rules = TargetingRules(rest)
        self.templates = Templates(rest)
        self.variations = Variations(rest)
        self.widget_templates = WidgetTemplates(rest)
        self.widgets = Widgets(rest)

    @classmethod
    def from_environment(cls, **options: Any) -> Automation:
        """A client with what the environment says, and these options.

        ``KAMELEOON_CLIENT_ID`` and ``KAMELEOON_CLIENT_SECRET``, or ``KAMELEOON_ACCESS_TOKEN``; ``KAMELEOON_API_URL`` if
        the API is elsewhere. Raises ``ConfigCredentialsInvalid``.
        """
        found: dict[str, Any] = {option: os.environ.get(name) for option, name in FROM_ENVIRONMENT.items()}
        return cls(**{option: value for option, value in found.items() if value}, **options)

    def __repr__(self) -> str:
        return f"<Automation {self._rest.url}>"

    def __enter__(self) -> Automation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; those of a session that the caller brought are the caller's."""
        if self._owns_session:
            self._session.close()

    def request(self, method: str, path: str, *, query: Query = (), json: object = ...) -> Any:
        """Any call, also one that is neither documented nor seen: ``request("DELETE", "/segments/7")``.

        Answers the decoded JSON, ``None`` when there is none. Raises ``ApiError``.
        """
        return self._rest.call(method, path, query=query, json=json)

    @property
    def resources(self) -> dict[str, Resource]:
        """The resources by name."""
        return {name: value for name, value in vars(self).items() if isinstance(value, Resource)}
