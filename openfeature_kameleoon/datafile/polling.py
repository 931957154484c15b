"""Data files from Kameleoon's servers, or from any URL, asked for again and again (specs/kameleoon-sdk.md 1.5).

Imported only where the network is used. It runs where ``LiveDataFile`` says, and itself waits for nothing but answers.
"""

from __future__ import annotations

from random import Random

from ..clock import SYSTEM_CLOCK, Clock
from ..errors import DataFileInvalid, KameleoonError, RequestFailed
from ..protocol import SDK_NAME, SDK_VERSION
from ..transport.answers import is_json
from ..transport.attempts import RequestType
from ..transport.foreign_text import printable
from ..transport.http import Headers, Http, Response
from ..transport.retry import Backoff, is_retryable, retry_after
from ..transport.urls import Endpoints
from .freshness import Manner
from .sources import MAX_BYTES, NOT_MODIFIED, Fetched, NotModified

__all__ = ["PollingSource"]

REFUSED = {
    401: "the server does not accept this client",
    403: "the server denies access; check {names}",
    404: "the server knows no such data file; check {names}",
}
"""Statuses that no retry mends: somebody has to look at the settings."""

SDK_HEADERS = {"X-Kameleoon-SDK-Type": SDK_NAME, "X-Kameleoon-SDK-Version": SDK_VERSION}

LONGEST_RETRY_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 300.0
REFUSED_SECONDS = (150.0, 300.0)
WATCHED_INTERVALS = 10


class PollingSource:
    """The data file of a site from Kameleoon's servers (specs/kameleoon-sdk.md 1.5).

    Looks every ``interval`` seconds, give or take a tenth; a tenth as often while a stream tells of changes. After a
    failure it looks sooner, at random moments further and further apart but within a minute; after a refusal (401,
    403, 404) every 2.5 to 5 minutes. An infinite interval means once, when that succeeds. A ``url`` is used as it is,
    instead of the site's own; ``headers`` stand in place of those that name Kameleoon's SDK. ``names`` are what a
    refusal tells somebody to check.
    """

    def __init__(
        self,
        http: Http,
        site_code: str,
        *,
        url: str | None = None,
        headers: Headers | None = None,
        names: str = "the site code and the environment",
        environment: str = "",
        endpoints: Endpoints | None = None,
        interval: float = 3600.0,
        max_bytes: int = MAX_BYTES,
        random: Random | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        overdue = 1.5 * interval
        self.manner = Manner(
            origin="network", patience=1, stale_after=overdue, stale_after_problem=overdue, may_lag=True
        )
        self._http = http
        self._url = url
        self._headers = SDK_HEADERS if headers is None else headers
        self._names = names
        self._site_code = site_code
        self._environment = environment
        self._endpoints = endpoints or Endpoints()
        self._interval = interval
        self._max_bytes = max_bytes
        self._random = random or Random()
        self._clock = clock
        self._last_modified = ""
        self._backoff = Backoff(self._random)
        self._is_refused = False
        self._asked_to_wait = 0.0

    def fetch(self, timeout: float, *, timestamp: int | None = None) -> Fetched | NotModified:
        """Ask once, and once more after a failure that may pass; ``timeout`` is for both together.

        ``timestamp`` is that of a real-time event: with it the servers answer no stale copy.
        """
        deadline = self._clock.monotonic() + timeout
        self._asked_to_wait, self._is_refused = 0.0, False
        try:
            try:
                answer = self._ask(timeout, timestamp)
            except RequestFailed as failure:
                left = deadline - self._clock.monotonic()
                if not failure.retryable or self._asked_to_wait or left <= 0:
                    raise
                answer = self._ask(left, timestamp)
        except KameleoonError:
            self._backoff.failed(most=min(LONGEST_RETRY_SECONDS, self._interval), floor=self._asked_to_wait)
            raise
        if answer is NOT_MODIFIED:
            self._backoff.succeeded()
        return answer

    def judged(self, fetched: Fetched, problem: DataFileInvalid | None) -> None:
        """Ask for changes since this one from now on, or count a failure."""
        if problem is None:
            self._last_modified = fetched.version
            self._backoff.succeeded()
        else:
            self._backoff.failed(most=self._interval)  # it comes whole each time: not every minute

    def wait_seconds(self, *, is_watched: bool = False) -> float:
        """A new random wait, after the last outcome."""
        if self._is_refused:
            return self._random.uniform(*REFUSED_SECONDS)
        if self._backoff.failures:
            return self._backoff.wait_seconds()
        return self._interval * (WATCHED_INTERVALS if is_watched else 1) * self._random.uniform(0.9, 1.1)

    def is_fatal(self, problem: KameleoonError) -> bool:
        """Only a refusal: a network that is down comes back by itself."""
        return isinstance(problem, RequestFailed) and problem.status in REFUSED

    def renew(self) -> None:
        """New connections, and other random waits than the parent's."""
        self._http.renew()
        self._random.seed()

    def abort(self) -> None:
        """End the exchange that is under way; the look fails."""
        self._http.abort()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _ask(self, timeout: float, timestamp: int | None) -> Fetched | NotModified:
        headers = dict(self._headers)
        if self._last_modified:
            headers["If-Modified-Since"] = self._last_modified
        url = self._url or self._endpoints.configuration_url(
            self._site_code, environment=self._environment, timestamp=timestamp
        )
        answer = self._http.request(
            "GET",
            url,
            kind=RequestType.DATAFILE,
            timeout=timeout,
            headers=headers,
            max_bytes=self._max_bytes,
        )
        if answer.status == 304 and self._last_modified:
            return NOT_MODIFIED
        if answer.status != 200:
            raise self._unexpected(answer)
        if not is_json(answer):
            content_type = answer.headers.get("Content-Type", "of no type").strip()
            raise DataFileInvalid(f"the server's answer is not JSON but {printable(content_type, 60)}")
        return Fetched(answer.body, answer.headers.get("Last-Modified", ""))

    def _unexpected(self, answer: Response) -> RequestFailed:
        now = self._clock.time()
        self._asked_to_wait = retry_after(answer.headers, now=now, most=LONGEST_RETRY_AFTER_SECONDS)
        self._is_refused = answer.status in REFUSED
        reason = REFUSED.get(answer.status, "that is no data file").format(names=self._names)
        return RequestFailed(
            f"the data file's server answered {answer.status}: {reason}",
            status=answer.status,
            retryable=is_retryable(answer.status),
        )
