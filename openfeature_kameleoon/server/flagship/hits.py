"""Hits and activations as they come over the wire, and what is wrong with them: a table of fields by type (4.1 to 4.7).

Pure. What the table does not know is let through: the collector takes more than SDKs send.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

__all__ = ["BATCH", "NO_ENVIRONMENT", "activation_flaws", "activations_of", "hit_flaws", "hits_of", "told"]

Json = dict[str, Any]

BATCH = "BATCH"

MANDATORY = "Field is mandatory."
NO_ENVIRONMENT = "No such environment."

NEEDED: Mapping[str, tuple[str, ...]] = {
    "PAGEVIEW": ("dl",),
    "SCREENVIEW": ("dl",),
    "EVENT": ("ec", "ea"),
    "TRANSACTION": ("tid", "ta"),
    "ITEM": ("tid", "in", "ic"),
    "SEGMENT": ("s",),
    "CAMPAIGN": ("caid", "vaid"),
}
"""What each type of hit must have, besides the visitor."""

SOURCE = "APP"


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


FORMS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("tr", "ts", "tt", "ip"), (_is_number, "Field is no number.")),
    **dict.fromkeys(("ev", "icn", "iq", "sn", "cst", "qt"), (_is_integer, "Field is no integer.")),
    **dict.fromkeys(
        (
            *("cid", "vid", "cuid", "aid", "caid", "vaid", "t", "ds", "dl", "ec", "ea", "el", "tid", "ta", "tc"),
            *("tcc", "pm", "sm", "in", "ic", "iv", "uip", "sr", "ul"),
        ),
        (_is_text, "Field is no text."),
    ),
    "s": (_are_texts, "Field is no object of texts."),
}
"""What a field must be, if it is there and not null."""


def hits_of(body: Json) -> list[Json]:
    """The hits of a body: those of a batch, with what stands above them, or the one that it is."""
    if body.get("t") != BATCH:
        return [body]
    listed = body.get("h")
    above: Json = {name: body[name] for name in ("cid", "ds") if name in body}
    return [{**above, **hit} if isinstance(hit, dict) else {} for hit in listed] if isinstance(listed, list) else []


def hit_flaws(hit: Json) -> dict[str, str]:
    """What is wrong with a hit, by field; empty when nothing is."""
    kind = hit.get("t")
    flaws = _flaws(hit, ("cid", "vid", "t", *NEEDED.get(kind if isinstance(kind, str) else "", ())))
    if "t" not in flaws and kind not in NEEDED:
        flaws["t"] = "Field is no type of a hit."
    if hit.get("ds") != SOURCE:
        flaws["ds"] = f"Field is not {SOURCE}."
    if kind == "PAGEVIEW" and "dl" not in flaws and not _is_url(hit["dl"]):
        flaws["dl"] = "Field is no URL."
    return flaws


def activations_of(body: Json) -> list[Json]:
    """The activations of a body in either form: the one that it is, or a batch's, with what stands above them."""
    if "batch" not in body:
        return [body]
    listed = body["batch"]
    above: Json = {"cid": body.get("cid")}
    return (
        [{**above, **each} if isinstance(each, dict) else above for each in listed] if isinstance(listed, list) else []
    )


def activation_flaws(activation: Json) -> dict[str, str]:
    """What is wrong with an activation, by field."""
    return _flaws(activation, ("cid", "vid", "caid", "vaid"))


def told(flaws: dict[str, str]) -> str:
    """Flaws of fields in one line."""
    return ", ".join(f"{name}: {flaw}" for name, flaw in flaws.items())


def _flaws(fields: Json, needed: tuple[str, ...]) -> dict[str, str]:
    flaws = {name: MANDATORY for name in needed if fields.get(name) in (None, "")}
    for name, value in fields.items():
        is_right, flaw = FORMS.get(name, (None, ""))
        if is_right is not None and value is not None and not is_right(value):
            flaws[name] = flaw
    return flaws


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return bool(parts.scheme and parts.hostname)
    except ValueError:
        return False
