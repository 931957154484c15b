"""Where a visitor is, as told by headers that a content delivery network adds; for who opts in.

Trust them only where every request comes through that network. Kameleoon's conditions hold names of countries, such as
``France``: a header that has codes needs a function of your own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite

from ..transport.foreign_text import from_latin1
from ..visitors.data import Geolocation
from .exchange import Exchange

__all__ = ["CLOUDFRONT", "from_headers"]


def from_headers(headers: Mapping[str, str]) -> Callable[[Exchange], Geolocation | None]:
    """What reads a ``Geolocation`` from headers, by names of its fields; ``None`` where the country is not told."""
    names = {field: name.lower() for field, name in headers.items()}
    unknown = names.keys() - set(Geolocation.__struct_fields__)
    if unknown or "country" not in names:
        fields = ", ".join(Geolocation.__struct_fields__)
        raise ValueError(f"geolocation headers are given by the fields {fields}; country is needed")

    def read(exchange: Exchange) -> Geolocation | None:
        texts = {field: from_latin1(exchange.header(name)) for field, name in names.items()}
        latitude, longitude = _degrees(texts.pop("latitude", "")), _degrees(texts.pop("longitude", ""))
        told = {field: text for field, text in texts.items() if text}
        return Geolocation(**told, latitude=latitude, longitude=longitude) if "country" in told else None

    return read


def _degrees(text: str) -> float | None:
    try:
        degrees = float(text)
    except ValueError:
        return None
    return degrees if isfinite(degrees) else None


CLOUDFRONT = from_headers(
    {
        "country": "CloudFront-Viewer-Country-Name",
        "region": "CloudFront-Viewer-Country-Region-Name",
        "city": "CloudFront-Viewer-City",
        "postal_code": "CloudFront-Viewer-Postal-Code",
        "latitude": "CloudFront-Viewer-Latitude",
        "longitude": "CloudFront-Viewer-Longitude",
    }
)
"""The headers that Amazon CloudFront adds if its origin request policy says so."""
