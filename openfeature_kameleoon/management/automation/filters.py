"""Filters and sorts of the Automation API: a small expression builder, and the JSON it stands for (spec 3.3 to 3.5).

```python
where.site_id == 9120
where.status.is_in("PAUSED", "STOPPED") & (where.date_status_modified > "2026-03-01T00:00:00")
where.date_modified.descending()
```
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..rest.fields import camel, plain

__all__ = ["Condition", "Expression", "FieldName", "Group", "Order", "Where", "as_array", "as_expression", "where"]


class Expression:
    """What a resource must fulfil; joined by ``&`` and ``|``."""

    __slots__ = ()

    def __and__(self, other: Expression) -> Group:
        return Group("AND", (*_parts("AND", self), *_parts("AND", other)))

    def __or__(self, other: Expression) -> Group:
        return Group("OR", (*_parts("OR", self), *_parts("OR", other)))

    def __bool__(self) -> bool:
        raise TypeError("conditions are joined by & and |, not by and and or; 1 < where.x < 3 is where.x.between(1, 3)")


@dataclass(frozen=True, slots=True)
class Condition(Expression):
    """A property compared with values."""

    field: str
    operator: str
    parameters: tuple[Any, ...] = ()

    __bool__ = Expression.__bool__


@dataclass(frozen=True, slots=True)
class Group(Expression):
    """Expressions of which all (``AND``) or any (``OR``) must hold."""

    conditional_operator: str
    expressions: tuple[Expression, ...]

    __bool__ = Expression.__bool__


@dataclass(frozen=True, slots=True)
class Order:
    """A property to sort by."""

    field: str
    direction: str


class FieldName:
    """A property of a resource, by its name on the wire; compared with values it is a ``Condition``."""

    __slots__ = ("_name",)
    __hash__ = None  # type: ignore[assignment]  # == makes a condition

    def __init__(self, name: str) -> None:
        self._name = name

    def _holds(self, operator: str, *parameters: object) -> Condition:
        if any(isinstance(one, list | tuple | set | frozenset) for one in parameters):
            raise TypeError(f"{self._name}: values are given one by one, as is_in(*values)")
        return Condition(self._name, operator, tuple(plain(list(parameters))))

    def __eq__(self, value: object) -> Condition:  # type: ignore[override]  # an expression, not a truth
        return self.equal(value)

    def __ne__(self, value: object) -> Condition:  # type: ignore[override]  # the same
        return self.not_equal(value)

    def __lt__(self, value: object) -> Condition:
        return self._holds("LESS", value)

    def __le__(self, value: object) -> Condition:
        return self._holds("LESS_OR_EQUAL", value)

    def __gt__(self, value: object) -> Condition:
        return self._holds("GREATER", value)

    def __ge__(self, value: object) -> Condition:
        return self._holds("GREATER_OR_EQUAL", value)

    def equal(self, value: object, *others: object) -> Condition:
        """Equal to one of the values."""
        return self._holds("EQUAL", value, *others)

    def not_equal(self, value: object, *others: object) -> Condition:
        """Equal to none of the values."""
        return self._holds("NOT_EQUAL", value, *others)

    def between(self, low: object, high: object) -> Condition:
        """From ``low`` to ``high``, both included."""
        return self._holds("BETWEEN", low, high)

    def like(self, text: str) -> Condition:
        """Holds the text, upper and lower case alike; ``%`` stands for anything."""
        return self._holds("LIKE", text)

    def not_like(self, text: str) -> Condition:
        """Does not hold the text."""
        return self._holds("NOT_LIKE", text)

    def is_in(self, value: object, *others: object) -> Condition:
        """One of the values."""
        return self._holds("IN", value, *others)

    def not_in(self, value: object, *others: object) -> Condition:
        """None of the values."""
        return self._holds("NOT_IN", value, *others)

    def is_not(self, value: object) -> Condition:
        """Differs from the value (``NOT``)."""
        return self._holds("NOT", value)

    def is_null(self) -> Condition:
        """Has no value."""
        return self._holds("IS_NULL")

    def is_not_null(self) -> Condition:
        """Has a value."""
        return self._holds("IS_NOT_NULL")

    def is_true(self) -> Condition:
        """Is true."""
        return self._holds("IS_TRUE")

    def is_false(self) -> Condition:
        """Is false."""
        return self._holds("IS_FALSE")

    def is_empty(self) -> Condition:
        """An empty text or list."""
        return self._holds("IS_EMPTY")

    def is_not_empty(self) -> Condition:
        """A text or list that holds something."""
        return self._holds("IS_NOT_EMPTY")

    def contains(self, value: object, *others: object) -> Condition:
        """A list that holds the values."""
        return self._holds("CONTAINS", value, *others)

    def ascending(self) -> Order:
        """Sort by it, least first."""
        return Order(self._name, "ASC")

    def descending(self) -> Order:
        """Sort by it, greatest first."""
        return Order(self._name, "DESC")


class Where:
    """Properties by their names here: ``where.site_id`` is ``siteId``, and so is ``where.siteId``."""

    def __getattr__(self, name: str) -> FieldName:
        if name.startswith("__"):
            raise AttributeError(name)
        return FieldName(camel(name) if "_" in name else name)

    def __getitem__(self, name: str) -> FieldName:
        return FieldName(name)


where = Where()


def as_array(expression: Expression) -> list[dict[str, Any]]:
    """The ``filter`` of a list: an array whose members must all hold. Raises ``ValueError`` for an OR."""
    parts = _parts("AND", expression)
    if any(isinstance(part, Group) for part in parts):
        raise ValueError("the filter of a list joins by AND alone; | is for search, or for where.x.is_in(...)")
    return [as_expression(part) for part in parts]


def as_expression(expression: Expression) -> dict[str, Any]:
    """The ``filter`` of a search: one expression object."""
    if isinstance(expression, Group):
        return {
            "conditionalOperator": expression.conditional_operator,
            "expressions": [as_expression(part) for part in expression.expressions],
        }
    assert isinstance(expression, Condition)
    return {
        "field": expression.field,
        "operator": expression.operator,
        "parameters": list(expression.parameters),
    }


def as_orders(sort: Order | Iterable[Order]) -> list[dict[str, str]]:
    """The ``sort`` of lists and searches, the major key first."""
    orders = [sort] if isinstance(sort, Order) else sort
    return [{"field": order.field, "direction": order.direction} for order in orders]


def _parts(operator: str, expression: Expression) -> tuple[Expression, ...]:
    if isinstance(expression, Group) and expression.conditional_operator == operator:
        return expression.expressions
    return (expression,)
