"""What arguments of Flagship's SDK may be: types and limits in a row each, and what is said of any other (1.8).

Pure. A value is never quoted in a message: it may be personal. What the collector makes of a value's form, such as an
IP address or a currency, is its own business.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import ParamError, TypingError

__all__ = ["INTEGER", "NUMBER", "TEXT", "Argument"]

TEXT = (str,)
INTEGER = (int,)
NUMBER = (int, float)

MOST_BITS = 63
"""Of an integer on the wire."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: its name, the types it may have, the most characters of a text and the least of a number."""

    name: str
    types: tuple[type, ...]
    most_characters: int | None = None
    least: int | None = None

    def checked(self, value: object, function: str) -> object:
        """What is kept of a value: a bool where a number is expected counts as one.

        Raises ``TypingError`` and ``ParamError``, which name the ``function``.
        """
        if not isinstance(value, self.types):
            names = " or ".join(kind.__name__ for kind in self.types)
            raise TypingError(f"{function}: {self.name} must be {names}, not {type(value).__name__}")
        if isinstance(value, str) and self.most_characters is not None and len(value) > self.most_characters:
            raise ParamError(
                f"{function}: {self.name} has {len(value)} characters; at most {self.most_characters} are allowed"
            )
        if not isinstance(value, (int, float)):
            return value
        number = int(value) if isinstance(value, bool) else value
        if self.least is not None and not number >= self.least:
            raise ParamError(f"{function}: {self.name} must be at least {self.least}")
        if not math.isfinite(number) if isinstance(number, float) else number.bit_length() > MOST_BITS:
            raise ParamError(f"{function}: {self.name} is too large, or no number at all")
        return number
