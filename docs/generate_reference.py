"""Write the reference pages of the management APIs, docs/management/*.md, from the declarations in the code.

Run: python docs/generate_reference.py
A test compares the pages with what this would write, so that they cannot go stale.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, ClassVar, Union, get_args, get_origin, get_type_hints

from openfeature_kameleoon.management import optimizely
from openfeature_kameleoon.management.automation import client as automation
from openfeature_kameleoon.management.automation import verbs
from openfeature_kameleoon.management.optimizely import client as optimizely_client
from openfeature_kameleoon.management.optimizely import objects as optimizely_objects
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
from openfeature_kameleoon.management.rest.endpoints import Endpoint
from openfeature_kameleoon.management.rest.fields import Access, snake
from openfeature_kameleoon.management.rest.operations import Declaration, placeholders
from openfeature_kameleoon.management.split import get_client
from openfeature_kameleoon.management.split import resources as split_resources

HERE = Path(__file__).resolve().parent
MADE = "<!-- Made by docs/generate_reference.py from the declarations in the code: change those, and run it again. -->"


def automation_page() -> str:
    """Kameleoon's Automation API."""
    lines = [
        *("# Automation API: reference", "", MADE, ""),
        "`api` is an `Automation` client. Every operation says whether Kameleoon documents it, or whether it was only",
        "observed in public clients of the API; what is neither is reached by `api.request(method, path, ...)`.",
        "Fields are given to `create`, `update` and `replace` by these names; a record or a JSON object can be given",
        "as `body=` instead, and is sent as it is. An answer's `raw` is the JSON object with all that the API sent.",
        *("", "## What the operations take", ""),
        *verb_lines(
            verbs.Lists, verbs.Searches, verbs.Gets, verbs.Creates, verbs.Updates, verbs.Replaces, verbs.Deletes
        ),
        "",
    ]
    seen: list[type[Record]] = []
    for name, resource in automation.Automation(token="none").resources.items():
        lines += resource_section(f"api.{name}", type(resource), seen)
    return finished(lines, seen)


def optimizely_page() -> str:
    """Optimizely's v1, v2 and Flags API."""
    v1, v2 = optimizely.Client("none"), optimizely.Client("none", api="v2")
    lines = [
        *("# Optimizely: reference", "", MADE, ""),
        '`v1` is `optimizely.Client(token)`; `v2` is `optimizely.Client(token, api="v2")`, and has the Flags API.',
        "",
        *("# v1, the Classic API", ""),
        "A registry has `get(id)`, `get([id, ...])`, `create({...})` and `update(id, {...})`; its objects `save()` and",
        "`refresh()`. Fields are plain attributes, dates stay text, and `__dict__` is the server's JSON object.",
        "",
    ]
    for name in registries(v1):
        lines += entity_section(f"v1.{name}", getattr(v1, name).kind)
    for kind in (optimizely.Result, optimizely.Stat):
        lines += entity_section(f"{kind.__name__}, of experiment.{kind.path}()", kind)
    lines += ["# v2 and the Flags API", ""]
    seen: list[type[Record]] = []
    for name in registries(v2):
        lines += resource_section(f"v2.{name}", type(getattr(v2, name)), seen)
    return finished(lines, seen)


def split_page() -> str:
    """Split's Admin API and Harness mode."""
    config = {"harness_mode": True, "harness_token": "none", "account_identifier": "none"}
    client = get_client(config)
    lines = [
        *("# Split Admin API and Harness: reference", "", MADE, ""),
        "`c` is what `get_client` gives. What is marked *Harness* is there in Harness mode alone; `users`, `groups`",
        "and `restrictions` are not there in that mode. A list has `.iterate(...)`, which holds one page at a time.",
        "",
    ]
    plain = vars(get_client({"apikey": "none"}))
    for name, microclient in vars(client).items():
        if isinstance(microclient, Resource):
            lines += microclient_section(f"c.{name}" + ("" if name in plain else " (Harness)"), type(microclient))
    lines += ["# Objects", "", "Every field is also there in camelCase, and with an underscore before it.", ""]
    modules = (split_resources, split_resources.harness)
    kinds = [getattr(module, name) for module in modules for name in module.__all__]
    for kind in dict.fromkeys(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Record)):
        lines += record_section(kind)
        lines += [f"- `{key}{signature(method)}`: {first_line(method)}" for key, method in methods(kind)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def finished(lines: list[str], seen: list[type[Record]]) -> str:
    """A page, with the records that are met inside others at its end."""
    lines += ["## Records inside records", ""]
    while nested := [kind for kind in inner_records(seen) if kind not in seen]:
        for kind in nested:
            seen.append(kind)
            lines += record_section(kind)
    return "\n".join(lines).rstrip() + "\n"


def registries(client: Any) -> Iterator[str]:
    """The names of the registries that a client of Optimizely has by its API."""
    for name, held in vars(optimizely.Client).items():
        if isinstance(held, optimizely_client.Registries):
            with contextlib.suppress(optimizely.NotSupportedError):
                getattr(client, name)
                yield name


def entity_section(title: str, kind: Any) -> Iterator[str]:
    """A resource of Optimizely's v1."""
    yield from (f"## {title}", "", prose(kind), "")
    created = f"{kind.parent}s/{{id}}/{kind.path}" if getattr(kind, "parent", "") else kind.path
    for name, declared in inspect.getmembers(kind):
        if isinstance(declared, Declaration):
            yield f"- `{name}()`: `{declared.method} {declared.path}`"
    if issubclass(kind, optimizely_objects.Entity):
        own = f"{kind.path}/{{id}}"
        yield f"- `get`: `GET {own}`; `create`: `POST {created}`; `update`, `save`: `PUT {own}`"
    if issubclass(kind, optimizely_objects.Deletable):
        yield f"- `delete()`: `DELETE {kind.path}/{{id}}`"
    for name, method in methods(kind):
        if name.startswith(("add_", "remove_")):
            yield f"- `{name}{signature(method)}`: {first_line(method)}"
    yield from ("", "| field | type | set by |", "| --- | --- | --- |")
    for name, hint in get_type_hints(kind, include_extras=True).items():
        if not name.startswith("_") and get_origin(hint) is not ClassVar and name not in ("client",):
            marks = getattr(hint, "__metadata__", (Access.READ,))
            bare = hint.__origin__ if hasattr(hint, "__metadata__") else hint
            yield f"| `{name}` | {type_name(bare)} | {access(marks[0])} |"
    yield ""


def microclient_section(title: str, kind: type[Resource]) -> Iterator[str]:
    """A kind of object of Split's, and the calls about it."""
    yield from (f"## {title}", "", prose(kind), "", "| call | request | |", "| --- | --- | --- |")
    names = dict.fromkeys(name for owner in reversed(kind.__mro__) for name in vars(owner) if not name.startswith("_"))
    for name in names:
        one = inspect.getattr_static(kind, name)
        if isinstance(one, Endpoint):
            yield f"| `{name}{signature(one.signature)}` | `{one.method} {one.path}` | {first_line(one)} |"
        elif inspect.isfunction(one) and name != "completed":
            yield f"| `{name}{signature(one)}` | | {first_line(one)} |"
    yield ""


def methods(kind: type) -> list[tuple[str, Any]]:
    """The public methods that a class itself defines."""
    return [(name, one) for name, one in vars(kind).items() if inspect.isfunction(one) and not name.startswith("_")]


def verb_lines(*kinds: Any) -> Iterator[str]:
    """What an operation of these kinds is called, takes and does."""
    for verb in kinds:
        name = verb.__name__.lower().removesuffix("s").removesuffix("e" if verb is verbs.Searches else "")
        yield f"- `{name}{signature(verb.__call__)}`: {prose(verb)} {prose(verb.__call__)}"


def resource_section(name: str, resource: type[Resource], seen: list[type[Record]]) -> Iterator[str]:
    """A resource: what it is, what can be done with it, and its record when it is the first to have it."""
    yield from (f"## {name}", "", prose(resource), "")
    yield from ("| call | request | | |", "| --- | --- | --- | --- |")
    declared = [(key, one) for key, one in operations(resource).items() if isinstance(one, Operation)]
    for key, one in declared:
        needs = [f"{snake(wire)}=" for wire in one.needs] + [f"[{snake(wire)}=]" for wire in one.takes]
        call = f"`{key}({', '.join([*placeholders(one.path), *needs])})`"
        yield f"| {call} | `{one.method} {one.path}` | {one.mark.value} | {one.note} |"
    for key, function in methods(resource):
        yield f"| `{key}{signature(function)}` | | | {first_line(function)} |"
    yield ""
    for kind in dict.fromkeys(one.item for _, one in declared):
        if kind not in seen:
            seen.append(kind)
            yield from record_section(kind)


def record_section(kind: type[Record]) -> Iterator[str]:
    """A record: what it is, and its fields."""
    yield from (f"### {kind.__name__}", "", prose(kind), "")
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
    if kind is Any or kind is NoneType:
        return "any" if kind is Any else "none"
    if get_origin(kind) is None:
        return str(kind.__name__)
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(type_name(argument) for argument in get_args(kind))
    inner = ", ".join(type_name(argument) for argument in get_args(kind))
    return f"{get_origin(kind).__name__}[{inner}]"


def remark(one: Field[Any]) -> str:
    """What else is known of a field: its literals, and a note."""
    values = " ".join(f"`{value}`" for value in one.values)
    return "; ".join(part for part in (one.note, values) if part)


def signature(function: Any) -> str:
    """A method's parameters without types."""
    stars: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    declared = function if isinstance(function, inspect.Signature) else inspect.signature(function)
    parameters = [each for each in declared.parameters.values() if each.name != "self"]
    shown = [
        stars.get(each.kind, "") + each.name + ("" if each.default is each.empty else f"={each.default!r}")
        for each in parameters
    ]
    return f"({', '.join(shown)})"


def prose(thing: Any) -> str:
    """A docstring on one line, without the specification's sections."""
    return re.sub(r" \((?:spec [^)]*|[A-Z]{1,2}\d+)\)", "", " ".join((inspect.getdoc(thing) or "").split()))


def first_line(thing: Any) -> str:
    """The summary of a docstring."""
    return prose(thing).partition(". ")[0].replace("|", "\\|")


PAGES = {"automation": automation_page, "split": split_page, "optimizely": optimizely_page}

if __name__ == "__main__":
    (HERE / "management").mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (HERE / "management" / f"{name}.md").write_text(page(), encoding="utf-8")
