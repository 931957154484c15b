"""What the core needs to know of a request, and to do to its response: the one thing that adapters supply."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..cookies import Cookies, SetCookie, parse_cookies

__all__ = ["Exchange"]


class Exchange(ABC):
    """A request and its response. ``read_cookies`` and ``write_cookies`` are all that an adapter must supply.

    What it says of method, URL and headers as well tells more of the visitor: its user agent and the pages it sees.
    """

    method: str = "GET"
    _cookies: dict[str, str] | None = None

    @abstractmethod
    def read_cookies(self) -> Cookies:
        """The request's ``Cookie`` header, empty if it has none, or its cookies by name."""

    @abstractmethod
    def write_cookies(self, cookie: SetCookie) -> None:
        """Have the response set a cookie: ``str(cookie)`` is the value of a ``Set-Cookie`` header.

        Called once at most, before headers are sent. One of the same name that the application sets stands.
        """

    def header(self, name: str) -> str:
        """The value of a request's header, whose name comes in lower case; empty if it has none."""
        return ""

    @property
    def url(self) -> str:
        """The whole URL of the request; empty if that is not known."""
        return ""

    @property
    def query(self) -> str:
        """What stands in the URL behind the question mark, still encoded."""
        return self.url.partition("#")[0].partition("?")[2]

    @property
    def is_secure(self) -> bool:
        """Whether the request came by HTTPS."""
        return self.url.startswith("https:")

    @property
    def cache_control(self) -> str:
        """The ``Cache-Control`` header of the response, once that is known; empty if it has none."""
        return ""

    @property
    def cookies(self) -> dict[str, str]:
        """The request's cookies by name."""
        if self._cookies is None:  # no cached_property: it takes a lock before Python 3.12
            self._cookies = parse_cookies(self.read_cookies())
        return self._cookies

    @property
    def is_page(self) -> bool:
        """Whether the visitor is to see the answer as a page, as far as one can tell."""
        if self.method != "GET" or "prefetch" in self.header("sec-purpose"):
            return False
        destination = self.header("sec-fetch-dest")
        return destination == "document" if destination else "text/html" in self.header("accept")
