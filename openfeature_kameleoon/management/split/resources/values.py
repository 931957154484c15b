"""What flag definitions are made of; ``export_dict()`` is what the API takes (spec 3.5).

Inside others they may stand as they are or exported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from ...rest.fields import field, plain
from .base import JsonObject, SplitRecord, as_dict

__all__ = ["Bucket", "Condition", "DefaultRule", "Matcher", "Rule", "Treatment", "ValueObject"]


class ValueObject(SplitRecord):
    """A part of a definition."""

    always: ClassVar[tuple[str, ...]] = ()
    """Members that are exported even when there is nothing in them."""

    def __init__(self, data: Mapping[str, Any] | None = None) -> None:
        super().__init__(data)

    def export_dict(self) -> JsonObject:
        """As the API takes it: without what is empty, save for what must be there."""
        exported = {}
        for one in self.fields.values():
            is_needed = one.wire in self.always
            if one.default in (list, dict):
                value = plain(getattr(self, one.name))
            else:
                value = self.raw.get(one.wire, None if is_needed else "")
            if is_needed or value not in ("", [], {}):
                exported[one.wire] = value
        return exported


def _exported(kind: type[ValueObject]) -> Callable[[Any], JsonObject]:
    return lambda value: kind(as_dict(value)).export_dict()


def _all_exported(kind: type[ValueObject]) -> Callable[[Any], list[JsonObject]]:
    return lambda values: [_exported(kind)(value) for value in values]


class Treatment(ValueObject):
    """A variation; ``configurations`` is JSON text."""

    always = ("name",)
    name = field(str, default=str)
    configurations = field(str, default=str)
    description = field(str, default=str)
    keys = field(list)
    segments = field(list)


class Bucket(ValueObject):
    """A share of 100 for a treatment."""

    always = ("treatment", "size")
    treatment = field(str)
    size = field(int)


class DefaultRule(Bucket):
    """A share of 100 for a treatment, of those whom no rule is about."""


class Matcher(ValueObject):
    """A comparison with the key or an attribute; which member holds the value goes by ``type`` (spec 6.1)."""

    negate = field(object, default=str)
    type = field(object, default=str)
    attribute = field(object, default=str)
    string = field(object, default=str)
    bool = field(object, default=str)
    strings = field(list)
    number = field(object, default=str)
    date = field(object, default=str)
    between = field(dict)
    depends = field(dict)


class Condition(ValueObject):
    """Matchers that must all hold."""

    always = ("matchers",)
    combiner = field(str, default=str)
    matchers = field(list, read=_all_exported(Matcher))


class Rule(ValueObject):
    """Buckets for those who fulfil a condition."""

    always = ("condition", "buckets")
    condition = field(dict, read=_exported(Condition))
    buckets = field(list, read=_all_exported(Bucket))
