"""Flag metadata: made once per answer and handed to everybody who gets it, hence not to be changed."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["FlagMetadata"]


class FlagMetadata(dict[str, bool | int | float | str]):
    """A ``dict`` that refuses to be changed; copies of it are plain and may be."""

    __slots__ = ()

    def _refuse(self, *args: object, **kwargs: object) -> NoReturn:
        raise TypeError("flag metadata is shared by all evaluations of its kind: change a copy of it")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __copy__(self) -> dict[str, bool | int | float | str]:
        return dict(self)

    def __deepcopy__(self, memo: object) -> dict[str, bool | int | float | str]:
        return dict(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)
