"""JSON patch (RFC 6902), as much as the Flags API takes: add, replace, remove and test."""

from __future__ import annotations

import copy
from typing import Any

from tests.management.standins.optimizely_account import Refusal

__all__ = ["patched"]


def patched(document: Any, patches: list[Any]) -> Any:
    """The document after all of the patches; the document itself stays."""
    result = copy.deepcopy(document)
    for patch in patches:
        if not isinstance(patch, dict) or patch.get("op") not in OPERATIONS or not isinstance(patch.get("path"), str):
            raise Refusal(400, f"no JSON patch: {patch}")
        *way, last = _steps(patch["path"])
        holder = result
        for step in way:
            holder = holder[_place(holder, step, patch["path"])]
        OPERATIONS[patch["op"]](holder, last, patch)
    return result


def _steps(path: str) -> list[str]:
    if not path.startswith("/"):
        raise Refusal(400, f"no path below the document: {path!r}")
    return [step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/")]


def _place(holder: Any, step: str, path: str) -> Any:
    """The key or the index of something that is there."""
    if isinstance(holder, dict) and step in holder:
        return step
    if isinstance(holder, list) and step.isdecimal() and int(step) < len(holder):
        return int(step)
    raise Refusal(400, f"nothing at {path}")


def _add(holder: Any, last: str, patch: dict[str, Any]) -> None:
    value = copy.deepcopy(patch.get("value"))
    if isinstance(holder, dict):
        holder[last] = value
    elif isinstance(holder, list) and (last == "-" or (last.isdecimal() and int(last) <= len(holder))):
        holder.insert(len(holder) if last == "-" else int(last), value)
    else:
        raise Refusal(400, f"nothing can be added at {patch['path']}")


def _replace(holder: Any, last: str, patch: dict[str, Any]) -> None:
    holder[_place(holder, last, patch["path"])] = copy.deepcopy(patch.get("value"))


def _remove(holder: Any, last: str, patch: dict[str, Any]) -> None:
    del holder[_place(holder, last, patch["path"])]


def _test(holder: Any, last: str, patch: dict[str, Any]) -> None:
    if holder[_place(holder, last, patch["path"])] != patch.get("value"):
        raise Refusal(409, f"another value at {patch['path']}")


OPERATIONS = {"add": _add, "replace": _replace, "remove": _remove, "test": _test}
