"""Who a request is from: credentials, how one gets into a request, and how it is kept out of all that is told of it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Protocol
from urllib.parse import quote_plus

import requests
from requests.structures import CaseInsensitiveDict

from ...settings import MASK, Secret
from .errors import Exchange

__all__ = ["ANONYMOUS", "Authentication", "Bearing", "FixedCredential", "exchange_of"]


class Authentication(Protocol):
    """Where a request's credential comes from."""

    def header(self) -> tuple[str, Secret] | None:
        """Name and value of the header that carries it, or ``None``. May ask a token server, and raise ``ApiError``."""

    def renew(self, refused: Secret) -> bool:
        """Whether there is another one to try with, now that the API has refused this value (401)."""


class FixedCredential:
    """A credential that never changes, in a header of the vendor's choice."""

    __slots__ = ("_name", "_value")

    def __init__(self, name: str, value: Secret) -> None:
        self._name = name
        self._value = value

    def header(self) -> tuple[str, Secret]:
        """The header as it was given."""
        return self._name, self._value

    def renew(self, refused: Secret) -> bool:
        """There is no other."""
        return False


class Anonymous:
    """No credential at all."""

    __slots__ = ()

    def header(self) -> None:
        """None."""

    def renew(self, refused: Secret) -> bool:
        """There is none."""
        return False


ANONYMOUS = Anonymous()


class _Carried(str):
    """The value of a header that carries a credential, as it lies in a request: known again when it is answered."""

    __slots__ = ()


class Bearing(requests.auth.AuthBase):
    """Sets the credential's header last; with none it keeps ``requests`` from taking one out of ~/.netrc."""

    def __init__(self, header: tuple[str, Secret] | None) -> None:
        self._header = header

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request, with its header."""
        if self._header is not None:
            name, value = self._header
            request.headers[name] = _Carried(value.reveal())
        return request


def exchange_of(answer: requests.Response, method: str = "", url: str = "", secrets: Sequence[Secret] = ()) -> Exchange:
    """What came of a request. A server that repeats the credential must not bring it into messages and logs."""
    request = answer.request
    carried = [value for value in request.headers.values() if isinstance(value, _Carried)]
    hidden = _spellings([*carried, *(secret.reveal() for secret in secrets)])

    def masked(text: str) -> str:
        for secret in hidden:
            text = text.replace(secret, MASK)
        return text

    headers = CaseInsensitiveDict({name: masked(value) for name, value in answer.headers.items()})
    return Exchange(
        method or request.method or "", url or answer.url, answer.status_code, masked(_body(answer)), headers
    )


def _spellings(carried: Iterable[str]) -> list[str]:
    """How a credential may come back: whole, without its scheme, of Basic the password; encoded too. Longest first."""
    found: set[str] = set()
    for value in carried:
        scheme, _, token = value.rpartition(" ")
        found |= {value, token}
        if scheme == "Basic":
            with suppress(ValueError):  # the caller's own, and no base64
                found.add(base64.b64decode(token).decode().partition(":")[2])
    return sorted({form for text in found for form in (text, quote_plus(text)) if form}, key=len, reverse=True)


def _body(answer: requests.Response) -> str:
    try:
        return answer.content.decode()
    except UnicodeDecodeError:  # as the headers have it; JSON is UTF-8 whatever they say or leave out
        return answer.text
