"""Rows of the Split tables: a call, the one request it makes, what is answered, what it gives."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

import responses

from openfeature_kameleoon.management.split import HarnessClient, SplitClient, get_client

__all__ = ["NOTHING", "Like", "Row", "harness", "indexed", "marked", "paged", "run", "standard"]

V2, V3, PLATFORM = "https://api.split.io/internal/api/v2/", "https://api.split.io/api/v3/", "https://app.harness.io/"
ROOTS = {"flag-sets": V3, "ng": PLATFORM, "authz": PLATFORM, "resourcegroup": PLATFORM}
NOTHING = object()


class Like:
    """Equal to what is of this very class and has these attributes."""

    def __init__(self, kind: type, **attributes: Any) -> None:
        self.kind, self.attributes = kind, attributes

    def __eq__(self, other: object) -> bool:
        has = {name: getattr(other, name, NOTHING) for name in self.attributes}
        return type(other) is self.kind and has == self.attributes

    __hash__ = None  # type: ignore[assignment]  # compared only

    def __repr__(self) -> str:
        return f"{self.kind.__name__} with {self.attributes}"


@dataclass(frozen=True)
class Row:
    """``asks`` is the method and the path below its root; ``body`` what is sent as JSON, ``gives`` what comes of it."""

    call: Callable[[Any], Any]
    asks: str
    answer: Any = True
    gives: Any = True
    body: Any = NOTHING


def paged(*items: Any, name: str = "objects", total: str = "totalCount") -> dict[str, Any]:
    """All of a list as one page (P1, P2)."""
    return {name: list(items), "offset": 0, "limit": 100, total: len(items)}


def marked(*items: Any) -> dict[str, Any]:
    """All of a list as one page (P3, P4)."""
    return {"data": list(items), "nextMarker": None, "previousMarker": None, "limit": 100, "count": len(items)}


def indexed(*items: Any) -> dict[str, Any]:
    """All of a list as one page (P6, P7)."""
    return {"status": "SUCCESS", "data": {"content": list(items), "totalPages": 1, "totalElements": len(items)}}


def standard(**config: Any) -> SplitClient:
    """A client in standard mode."""
    return get_client({"apikey": "KEY-SECRET", **config})


def harness(**config: Any) -> HarnessClient:
    """A client in harness mode, of an account."""
    given = {"harness_mode": True, "harness_token": "TOKEN-SECRET", "account_identifier": "acc", **config}
    client = get_client(given)
    assert isinstance(client, HarnessClient)
    return client


def run(row: Row, client: SplitClient) -> None:
    """Make the call, and compare its only request and its result with the row."""
    method, _, target = row.asks.partition(" ")
    path, _, query = target.partition("?")
    is_presigned = path.startswith("https://")
    url = path if is_presigned else ROOTS.get(path.partition("/")[0], V2) + path
    with responses.RequestsMock() as service:
        service.add(method, url, json=row.answer)

        given = row.call(client)

        (exchange,) = service.calls
    sent = exchange.request
    assert (sent.url or "").partition("?")[0] == url
    if not is_presigned:
        assert sorted(parse_qsl((sent.url or "").partition("?")[2], keep_blank_values=True)) == sorted(_pairs(query))
        assert _credentials(sent.headers) == (
            {"x-api-key": "TOKEN-SECRET"}
            if isinstance(client, HarnessClient)
            else {"Authorization": "Bearer KEY-SECRET"}
        )
    if row.body is NOTHING:
        assert sent.body is None or is_presigned
        assert "Content-Type" not in sent.headers
    else:
        assert json.loads(sent.body or "") == row.body
        assert sent.headers["Content-Type"] == "application/json"
    assert row.gives == given


def _pairs(query: str) -> list[tuple[str, str]]:
    return [(name, unquote(value)) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair)]


def _credentials(headers: Any) -> dict[str, str]:
    return {name: headers[name] for name in ("Authorization", "x-api-key") if name in headers}
