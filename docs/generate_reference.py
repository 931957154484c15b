"""Write the reference pages of the management APIs, docs/management/*.md, from the declarations in the code.

Run: python docs/generate_reference.py
A test compares the pages with what this would write, so that they cannot go stale.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from openfeature_kameleoon.management.automation import client as automation
from openfeature_kameleoon.management.automation import verbs
from openfeature_kameleoon.management.rest import (
    CREATE,
    REQUIRED,
    UPDATE,
    Field,
    Operation,
    Record,
    Resource,
    operations,
)
from openfeature_kameleoon.management.rest.fields import Access, snake
from openfeature_kameleoon.management.rest.operations import placeholders

HERE = Path(__file__).resolve().parent
MADE = "<!-- Made by docs/generate_reference.py from the declarations in the code: change those, and run it again. -->"


def automation_page() -> str:
    """Kameleoon's Automation API."""
    resources = automation.Automation(token="none").resources
    lines = [
        *("# Automation API: reference", "", MADE, ""),
        "`api` is an `Automation` client. Every operation says whether Kameleoon documents it, or whether it was only",
        "observed in public clients of the API; what is neither is reached by `api.request(method, path, ...)`.",
        "Fields are given to `create`, `update` and `replace` by these names; a record or a JSON object can be given",
        "as `body=` instead, and is sent as it is. An answer's `raw` is the JSON object with all that the API sent.",
        "",
    ]
    lines += ["## What the operations take", ""]
    for verb in (verbs.Lists, verbs.Searches, verbs.Gets, verbs.Creates, verbs.Updates, verbs.Replaces, verbs.Deletes):
        operation = verb.__name__.lower().removesuffix("s").removesuffix("e" if verb is verbs.Searches else "")
        lines.append(
            f"- `{operation}{signature(verb.__call__)}`: {first_line(verb).rstrip('.')}. {prose(verb.__call__)}"
        )
    lines.append("")
    seen: list[type[Record]] = []
    for name, resource in resources.items():
        lines += resource_section(name, type(resource), seen)
    lines += ["## Records inside records", ""]
    while nested := [kind for kind in inner_records(seen) if kind not in seen]:
        for kind in nested:
            seen.append(kind)
            lines += record_section(kind)
    return "\n".join(lines).rstrip() + "\n"


def resource_section(name: str, resource: type[Resource], seen: list[type[Record]]) -> Iterator[str]:
    """A resource: what it is, what can be done with it, and its record when it is the first to have it."""
    yield from (f"## api.{name}", "", inspect.getdoc(resource) or "", "")
    yield from ("| call | request | | |", "| --- | --- | --- | --- |")
    declared = [(key, one) for key, one in operations(resource).items() if isinstance(one, Operation)]
    for key, one in declared:
        needs = [f"{snake(wire)}=" for wire in one.needs] + [f"[{snake(wire)}=]" for wire in one.takes]
        call = f"`{key}({', '.join([*placeholders(one.path), *needs])})`"
        yield f"| {call} | `{one.method} {one.path}` | {one.mark.value} | {one.note} |"
    for key, function in inspect.getmembers(resource, inspect.isfunction):
        if not key.startswith("_") and function.__qualname__.startswith(resource.__name__):
            yield f"| `{key}{signature(function)}` | | | {first_line(function)} |"
    yield ""
    for kind in dict.fromkeys(one.item for _, one in declared):
        if kind not in seen:
            seen.append(kind)
            yield from record_section(kind)


def record_section(kind: type[Record]) -> Iterator[str]:
    """A record: what it is, and its fields."""
    yield from (f"### {kind.__name__}", "", inspect.getdoc(kind) or "", "")
    yield from ("| field | JSON | type | set by | |", "| --- | --- | --- | --- | --- |")
    for one in kind.fields.values():
        yield f"| `{one.name}` | `{one.wire}` | {type_name(one.kind)} | {access(one.access)} | {remark(one)} |"
    yield ""


def inner_records(kinds: Iterable[type[Record]]) -> list[type[Record]]:
    """The records that the fields of these hold, in the order they are met."""
    found = [inner for kind in kinds for one in kind.fields.values() for inner in (one.kind, *get_args(one.kind))]
    return [kind for kind in dict.fromkeys(found) if isinstance(kind, type) and issubclass(kind, Record)]


def access(value: Access) -> str:
    """Which calls take a field."""
    named = [("create", CREATE), ("update", UPDATE)]
    told = [name for name, flag in named if value & flag]
    return ", ".join(told).replace("create", "**create**" if value & REQUIRED == REQUIRED else "create")


def type_name(kind: Any) -> str:
    """A field's type in words."""
    if get_origin(kind) is None:
        return kind.__name__ if isinstance(kind, type) else "any"
    inner = ", ".join(type_name(argument) for argument in get_args(kind))
    return f"{get_origin(kind).__name__}[{inner}]"


def remark(one: Field[Any]) -> str:
    """What else is known of a field: its literals, and a note."""
    values = " ".join(f"`{value}`" for value in one.values)
    return "; ".join(part for part in (one.note, values) if part)


def signature(function: Any) -> str:
    """A method's parameters without types."""
    stars: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    parameters = list(inspect.signature(function).parameters.values())[1:]
    shown = [
        stars.get(each.kind, "") + each.name + ("" if each.default is each.empty else f"={each.default!r}")
        for each in parameters
    ]
    return f"({', '.join(shown)})"


def prose(thing: Any) -> str:
    """A docstring on one line, without the specification's sections."""
    return re.sub(r" \(spec [^)]*\)", "", " ".join((inspect.getdoc(thing) or "").split()))


def first_line(thing: Any) -> str:
    """The summary of a docstring."""
    return prose(thing).partition(". ")[0].replace("|", "\\|")


PAGES = {"automation": automation_page}

if __name__ == "__main__":
    (HERE / "management").mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (HERE / "management" / f"{name}.md").write_text(page(), encoding="utf-8")
