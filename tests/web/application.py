"""One application for all frameworks: what its pages answer, and a data file whose flags tell visitors apart."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from openfeature import api
from openfeature.evaluation_context import EvaluationContext

from openfeature_kameleoon.web import current_visit
from tests.faces import EXPERIMENT, flag, rule, site
from tests.vectors import segment

__all__ = ["CONSENT_REQUIRED", "DATA_FILE", "HOSTILE_COOKIES", "PAGE", "Answer", "answer", "is_nobody_visiting"]

PAGE = {"accept": "text/html,*/*;q=0.8", "user-agent": "Mozilla/5.0"}
"""Headers of a browser that asks for a page."""


def _where(number: int, **condition: Any) -> Any:
    return segment({"isInclude": True, **condition}, segment_id=number)


DATA_FILE = site(
    flag("tested", rule(1, ("on", 0.5), ("off", 0.5), kind=EXPERIMENT)),
    flag("members", rule(2, ("on", 1), segment_id=11)),
    flag("at_cart", rule(3, ("on", 1), segment_id=12)),
    flag("readers", rule(4, ("on", 1), segment_id=13)),
    flag("french", rule(5, ("on", 1), segment_id=14)),
    flag("sized", rule(6, ("on", 1)), variables={"size": ("NUMBER", 5), "label": ("STRING", "<b>")}),
    segments=[
        _where(11, targetingType="COOKIE", name="plan", nameMatchType="EXACT", value="pro", valueMatchType="EXACT"),
        _where(12, targetingType="PAGE_URL", url="/cart?", matchType="CONTAINS"),
        _where(13, targetingType="PAGE_VIEWS", pageCount=2, matchType="GREATER"),
        _where(14, targetingType="GEOLOCATION", country="France", city="Orléans"),
    ],
)
CONSENT_REQUIRED = {
    **DATA_FILE,
    "featureFlags": DATA_FILE["featureFlags"][:1],
    "configuration": {"consentType": "REQUIRED"},
}

HOSTILE_COOKIES = [
    "kameleoonVisitorCode=a\r\nSet-Cookie: stolen=1",
    'kameleoonVisitorCode="a\\015\\012Set-Cookie: stolen=1"',
    'kameleoonVisitorCode="a\\000"',
    "kameleoonVisitorCode=" + "x" * 10_000,
    'kameleoonVisitorCode="' + "\\" * 10_000 + '"',
    "kameleoonVisitorCode=\xff\xfe\x80",
    'kameleoonVisitorCode="; kameleoonVisitorCode="',
    "kameleoonVisitorCode=;;;=;=",
    ";" * 10_000,
    "kameleoonSimulationFFData=%00%ff{",
    "kameleoonVisitorCode=\u0085\u2028".encode().decode("latin-1"),
]
"""Values of ``Cookie`` headers as servers hand them on, a character for each byte."""


def is_nobody_visiting() -> bool:
    """Whether this is outside of any request, for us and for OpenFeature."""
    try:
        current_visit()
    except LookupError:
        return api.get_transaction_context().targeting_key is None
    return False


class Answer(NamedTuple):
    """What a page answers; a body of parts is made while it is sent."""

    body: bytes | Iterator[bytes]
    headers: Mapping[str, str] = MappingProxyType({})


def answer(path: str) -> Answer:
    """The answer of a page; raises for ``/error``. It evaluates without any context, where nothing else is said."""
    return PAGES.get(path, _values)()


def _values() -> Answer:
    flags = api.get_client()
    keys = ("tested", "members", "at_cart", "readers", "french")
    values: dict[str, Any] = {key: flags.get_string_value(key, "none") for key in keys}
    return Answer(json.dumps({"code": current_visit().visitor_code, **values}).encode())


def _explicit() -> Answer:
    value = api.get_client().get_string_details("tested", "none", EvaluationContext("explicit"))
    return Answer(value.value.encode())


def _consent() -> Answer:
    visit = current_visit()
    visit.client.set_legal_consent(visit.visitor_code, True)
    return Answer(b"thanks")


def _parts() -> Iterator[bytes]:
    for _ in range(3):
        yield f"{current_visit().visitor_code}:{api.get_client().get_string_value('tested', 'none')};".encode()


def _error() -> Answer:
    raise RuntimeError("the application failed")


PAGES = {
    "/explicit": _explicit,
    "/consent": _consent,
    "/stream": lambda: Answer(_parts()),
    "/public": lambda: Answer(b"for all", {"Cache-Control": "public, max-age=60"}),
    "/shared": lambda: Answer(b"for all", {"Cache-Control": "S-MaxAge=60"}),
    "/private": lambda: Answer(b"for one", {"Cache-Control": "private, max-age=60"}),
    "/own": lambda: Answer(b"mine", {"Set-Cookie": "kameleoonVisitorCode=chosen; Path=/"}),
    "/error": _error,
}
