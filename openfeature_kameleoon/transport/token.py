"""Access tokens by OAuth 2 client credentials: fetched, kept, refreshed in time (specs/kameleoon-sdk.md 1.10).

Any thread may ask. A fetch runs on a short-lived thread ``kameleoon-token``, or without threads on the one that asks.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from math import inf
from typing import Annotated, NamedTuple

import msgspec

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import RequestFailed
from ..forking import renew_after_fork
from ..settings import Secret
from .answers import decoded_json, is_json
from .attempts import RequestType
from .foreign_text import printable
from .http import MEGABYTE, Http

__all__ = ["AccessTokens"]

_log = logging.getLogger(__name__)

EARLY_SECONDS = 60
"""A token is not used in its last minute."""

REFRESH_SECONDS = 1800
"""In its last half-hour it is used, and a new one fetched meanwhile."""

SILENCE_SECONDS = 300.0
"""After a failed fetch there is none for so long."""

LONGEST_SECONDS = 1_000_000_000
CLOSING_SECONDS = 0.05
"""How long the end of a fetch is waited for; only the look-up of a name takes longer, and that is abandoned."""

CREDENTIALS_REFUSED = frozenset({400, 401, 403})


class _Answer(msgspec.Struct):
    access_token: Annotated[str, msgspec.Meta(pattern=r"\A[!-~]+\Z", max_length=65536)]
    expires_in: Annotated[int, msgspec.Meta(ge=1)]


class _Held(NamedTuple):
    token: Secret
    expiry: float
    obsolescence: float


class _Fetch:
    """One fetch, which all that need a token meanwhile wait for."""

    __slots__ = ("done", "is_abandoned", "token")

    def __init__(self) -> None:
        self.done = threading.Event()
        self.is_abandoned = False
        self.token: Secret | None = None


class AccessTokens:
    """The access token that goes with the ``credentials``, a client id and its secret.

    A fetch on a thread of its own takes ``timeout`` seconds at most, however short those wait who need the token.
    All times are monotonic: a clock that is put right expires nothing.
    """

    def __init__(
        self,
        http: Http,
        credentials: tuple[str, Secret],
        *,
        token_url: str,
        timeout: float = 10.0,
        threads: bool = True,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self._http = http
        self._credentials = credentials
        self._url = token_url
        self._timeout = timeout
        self._threads = threads
        self._clock = clock
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._fetch: _Fetch | None = None
        self._thread: threading.Thread | None = None
        self._silent_until = -inf
        self._is_failing = False
        renew_after_fork(self)

    def get(self, timeout: float) -> Secret | None:
        """A token, or ``None`` to do without; waits ``timeout`` seconds at most, and only when none is held.

        One that is short of its end is given at once, while the next is fetched in the background; without threads
        it is used to its end. After a failed fetch there is none for five minutes.
        """
        now = self._clock.monotonic()
        with self._lock:
            held = self._held if self._held is not None and now < self._held.expiry else None
            is_wanted = held is None or (self._threads and now >= held.obsolescence)
            fetch, begins = self._fetch, False
            if is_wanted and fetch is None and now >= self._silent_until:
                fetch, begins = _Fetch(), True
                self._fetch = fetch
        if begins and fetch is not None:
            self._begin(fetch, timeout, may_wait=held is None)
        if held is not None:
            return held.token
        if fetch is None:
            return None
        fetch.done.wait(timeout)
        return fetch.token

    def discard(self, token: Secret) -> None:
        """Forget a token that was refused, unless another one is held by now."""
        with self._lock:
            if self._held is not None and self._held.token == token:
                self._held = None

    def give_up(self, token: Secret) -> None:
        """Do without for five minutes, as even this token was refused that was fresh."""
        self.discard(token)
        self._failed("fresh access tokens are refused; check the rights that client_id has")

    def abandon(self) -> None:
        """Let a fetch that is under way count for nothing if it fails: it is ended on purpose."""
        with self._lock:
            if self._fetch is not None:
                self._fetch.is_abandoned = True

    def close(self) -> None:
        """End a fetch that is under way, and its thread. Ends all that is under way through the same ``Http``."""
        self.abandon()
        thread = self._thread
        end = time.monotonic() + CLOSING_SECONDS
        while thread is not None and thread.is_alive() and time.monotonic() < end:
            self._http.abort()  # again and again: it may not have come to its request yet
            thread.join(0.01)

    def renew(self) -> None:
        """In a forked child: the token stays, a fetch under way is the parent's."""
        self._lock = threading.Lock()
        self._fetch = self._thread = None

    def _begin(self, fetch: _Fetch, timeout: float, *, may_wait: bool) -> None:
        if self._threads:
            thread = threading.Thread(
                target=self._run, args=(fetch, self._timeout), name="kameleoon-token", daemon=True
            )
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:  # there are too many, or the interpreter is about to end
                self._thread = None
            else:
                return
        if may_wait:
            self._run(fetch, timeout)
        else:
            self._settle(fetch)

    def _run(self, fetch: _Fetch, timeout: float) -> None:
        try:
            fetch.token, seconds = self._ask(timeout)
            self._keep(fetch.token, seconds)
        except RequestFailed as failure:
            if not fetch.is_abandoned:
                self._failed(failure.message)
        except Exception as bug:  # of a session of the user's: those who wait must not wait for ever
            self._failed(f"unexpected {type(bug).__name__}")
        finally:
            self._settle(fetch)

    def _settle(self, fetch: _Fetch) -> None:
        with self._lock:
            if self._fetch is fetch:
                self._fetch = None
        fetch.done.set()

    def _keep(self, token: Secret, seconds: int) -> None:
        now = self._clock.monotonic()
        expiry = now + seconds - EARLY_SECONDS
        obsolescence = now + seconds - REFRESH_SECONDS if seconds > REFRESH_SECONDS else expiry
        with self._lock:
            if expiry > now:  # else it is for those alone who wait for it
                self._held = _Held(token, expiry, obsolescence)
            was_failing, self._is_failing = self._is_failing, False
        if was_failing:
            _log.info("there is an access token again")

    def _failed(self, problem: str) -> None:
        with self._lock:
            self._silent_until = self._clock.monotonic() + SILENCE_SECONDS
            was_failing, self._is_failing = self._is_failing, True
        if not was_failing:
            _log.warning("no access token: %s; requests go without, until one is to be had", printable(problem))

    def _ask(self, timeout: float) -> tuple[Secret, int]:
        answer = self._http.request(
            "POST",
            self._url,
            kind=RequestType.ACCESS_TOKEN,
            timeout=timeout,
            headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Authorization": _basic(*self._credentials),
            },
            body=b"grant_type=client_credentials",
            max_bytes=MEGABYTE,
            max_encoded_bytes=MEGABYTE,
        )
        if not 200 <= answer.status < 300:
            advice = "; check client_id and client_secret" if answer.status in CREDENTIALS_REFUSED else ""
            raise RequestFailed(f"the token server answered {answer.status}{advice}", status=answer.status)
        if not is_json(answer):
            raise RequestFailed("the token server's answer is not JSON", status=answer.status)
        return _token(decoded_json(answer, "the token server", _Answer))


def _basic(client_id: str, secret: Secret) -> Secret:
    both = f"{client_id}:{secret.reveal()}".encode()
    return Secret(f"Basic {base64.b64encode(both).decode('ascii')}")


def _token(answer: _Answer) -> tuple[Secret, int]:
    return Secret(answer.access_token), min(answer.expires_in, LONGEST_SECONDS)
