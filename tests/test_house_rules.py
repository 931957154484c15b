"""Habits of every module of the package: rows of ``RULES``, each seen to bite in ``BREACHES``.

They read the checkout's source and run none of it.
"""

from __future__ import annotations

import ast
import graphlib
import importlib.util
import io
import re
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import NamedTuple

import pytest

PACKAGE = "openfeature_kameleoon"
CHECKOUT = Path(__file__).resolve().parents[1]
SOURCE = CHECKOUT / PACKAGE
TESTS = CHECKOUT / "tests"

LAYERS = (
    ("cli", "otel", "server", "web", "testing"),
    ("__init__", "provider", "providing", "flagship.__init__", "flagship.provider"),
    (
        *("client", "aliases", "context", "evaluator", "experiments", "following", "views"),
        *("reporting", "status", "remote_data", "factory", "visiting", "visitor_codes"),
        *("flagship.app", "flagship.environment", "flagship.flagship_visitor", "flagship.sdk", "flagship.visitor"),
        "migration",
    ),
    (
        *("tracking", "visitors.store", "visitors.recency", "management"),
        *("visitors.redis", "visitors.redis_link", "visitors.redis_reader", "visitors.redis_writer"),
        "visitors.write_behind",
        *("datafile.acceptance", "datafile.cache", "datafile.events", "datafile.freshness"),
        *("datafile.live", "datafile.polling", "datafile.schedule", "datafile.sources", "datafile.streaming"),
        *("flagship.tracking", "flagship.bucketing_file"),
        *("flagship.known_visitor", "flagship.known_visitors", "flagship.kept_visitors", "flagship.reports"),
        *("flagship.local_decisions", "flagship.remote_decisions", "flagship.setting_up"),
        *("flagship.cache_manager", "flagship.hit_cache", "flagship.redis_cache"),
    ),
    (
        *("engine", "engine_tracking_code", "flagship.engine", "flagship.decision_api"),
        *("flagship.config", "flagship.flag", "flagship.remembered", "flagship.visitor_state"),
    ),
    (
        *("visitors.__init__", "visitors.data", "visitors.traits", "visitors.visitor"),
        *("visitors.remote", "visitors.remote_answer", "visitors.simulation"),
        *("visitors.stored_form", "visitors.field_changes"),
        *("datafile.__init__", "datafile.model", "datafile.index", "datafile.changes", "datafile.scan"),
        "flag_file",
    ),
    (
        *("transport", "configuration", "configuration_file", "settings", "errors", "clock", "forking", "protocol"),
        *("cookies", "ending", "plain_yaml", "under_uwsgi"),
        *("events", "kameleoon_logger", "off_loop", "outages"),
        *("flagship.api", "flagship.endpoints", "flagship.arguments", "flagship.hits", "flagship.records"),
        *("flagship.errors", "flagship.protocol"),
        *("flagship.cache_calls", "flagship.caching", "flagship.memory_cache", "flagship.sqlite_cache"),
        *("flagship.context", "flagship.flagship_context", "flagship.helpers", "flagship.permissions"),
        *("flagship.handler", "flagship.log_manager", "flagship.status_listener", "flagship.tracking_manager"),
        "flagship.plan",
        *("flagship.evaluation_context", "flagship.provider_configuration", "flagship.tracked_events"),
    ),
)
"""Who may import whom, top to bottom: one's own layer and those below. A folder's name covers all in it."""

ABOVE_THE_PROVIDER = LAYERS[0]

ALONE = {
    "requests": ("transport", "management.rest"),
    "urllib3": ("transport",),
    "redis": ("visitors.redis_link",),
    "sseclient": ("transport",),
    "starlette": ("server",),
    "uvicorn": ("server",),
    "mmh3": ("flagship.engine.allocation",),
    "openfeature": ("provider", "providing", "context", "flagship.provider", *ABOVE_THE_PROVIDER),
    f"{PACKAGE}.management": ("management", "migration", *ABOVE_THE_PROVIDER),
    f"{PACKAGE}.flagship": ("flagship", *ABOVE_THE_PROVIDER),
}
"""What only these may import."""

ENGINES_MAY_IMPORT = {
    "engine": (
        *("engine", "errors", "protocol"),
        *("datafile.model", "datafile.index", "visitors.data", "visitors.traits", "visitors.visitor"),
    ),
    "flagship.engine": (
        *("flagship.engine", "engine.joined", "engine.metadata", "engine.story", "engine.variables", "errors"),
        *("datafile.model", "datafile.index", "datafile.scan"),
    ),
}
"""The pure ones, and what of ours they build on."""

IMPURE = {
    *("asyncio", "concurrent", "multiprocessing", "subprocess", "threading", "_thread"),
    *("http", "io", "os", "pathlib", "requests", "socket", "sqlite3", "ssl", "tempfile", "urllib", "urllib3"),
    *("logging", "random", "secrets", "time"),
}
CLOCKS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"}

THEMES = {"chaos", "config", "conformance", "delivery", "fuzz", "process", "security", "soak", "vectors"}
"""Folders of tests/ that are about no single folder of the package."""

PROJECT_TESTS = {
    "test_benchmarks",
    "test_example_shops",
    "test_example_shops_in_browser",
    "test_examples",
    "test_public_api",
    "test_house_rules",
    "test_packaging",
    "test_readme",
}

UNFINISHED = re.compile(rf"\b({'TO'}DO|{'FIX'}ME|{'XX'}X)\b")
DIRECTIVE = re.compile(r"noqa(: *[A-Z]+\d+([, ]+[A-Z]+\d+)*)?|type: *ignore(\[[\w, -]*\])?|pragma:[\w ]+")

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


class Import(NamedTuple):
    """One imported module: ours by its name below the package (``datafile.index``), any other in full."""

    line: int
    name: str
    is_ours: bool


@dataclass(frozen=True)
class Module:
    """A module of the package, by its name below it: ``engine.targeting``, ``engine.__init__``."""

    name: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @cached_property
    def imports(self) -> list[Import]:
        """Every import, wherever it stands, those for type checkers included."""
        return [
            import_of(node.lineno, full)
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for full in self.imported_names(node)
        ]

    @cached_property
    def needed_to_run(self) -> set[str]:
        """Modules of ours that it imports; those for type checkers alone may refer to each other."""
        blocks = [node for node in ast.walk(self.tree) if isinstance(node, ast.If)]
        for_types = [node for node in blocks if ast.unparse(node.test).endswith("TYPE_CHECKING")]
        lines = {line for node in for_types for line in range(node.lineno, (node.end_lineno or 0) + 1)}
        return {name for line, name, is_ours in self.imports if is_ours and line not in lines} - {self.name}

    def imported_names(self, node: ast.Import | ast.ImportFrom) -> list[str]:
        if isinstance(node, ast.Import):
            return [alias.name for alias in node.names]
        parent = f"{PACKAGE}.{self.name}".rpartition(".")[0]
        base = importlib.util.resolve_name("." * node.level + (node.module or ""), parent)
        members = [f"{base}.{alias.name}" for alias in node.names]
        return [member if module_of_ours(member) else base for member in members]

    @cached_property
    def own_names(self) -> set[str]:
        """What the module defines or assigns at its top level; not what it imports."""
        return {name for node in self.tree.body for name in names_made_by(node)}

    @cached_property
    def comments(self) -> dict[int, str]:
        """Comments by line, without what speaks to tools only."""
        tokens = tokenize.generate_tokens(io.StringIO(self.source).readline)
        return {t.start[0]: DIRECTIVE.sub("", t.string) for t in tokens if t.type == tokenize.COMMENT}

    def gives_a_reason(self, first_line: int, last_line: int) -> bool:
        """Whether words stand beside these lines, or on the one above."""
        lines = range(first_line - 1, last_line + 1)
        return any(re.search(r"[A-Za-z]{2}", self.comments.get(line, "")) for line in lines)


@cache
def modules() -> list[Module]:
    return [
        Module(".".join(path.relative_to(SOURCE).with_suffix("").parts), path.read_text(encoding="utf-8"))
        for path in sorted(SOURCE.rglob("*.py"))
    ]


def module_of_ours(full: str) -> str | None:
    """The name below the package of a module in this checkout; ``None`` when it is none."""
    path, name = CHECKOUT / full.replace(".", "/"), full.removeprefix(PACKAGE).removeprefix(".")
    if path.is_dir():
        return f"{name}.__init__".removeprefix(".")
    return name if path.with_suffix(".py").is_file() else None


def import_of(line: int, full: str) -> Import:
    if covers(PACKAGE, full):
        return Import(line, module_of_ours(full) or full.removeprefix(f"{PACKAGE}."), is_ours=True)
    return Import(line, full, is_ours=False)


def names_made_by(node: ast.stmt) -> list[str]:
    if isinstance(node, Definition):
        return [node.name]
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
    return []


def covers(row: str, name: str) -> bool:
    return name == row or name.startswith(f"{row}.")


def within(name: str, rows: tuple[str, ...]) -> bool:
    return any(covers(row, name) for row in rows)


def layer(name: str) -> int | None:
    return next((number for number, rows in enumerate(LAYERS) if within(name, rows)), None)


# --- the rules: each yields the lines that break it, and what to do -----------------------------------------

Breaches = Iterator[tuple[int, str]]


def has_a_layer(module: Module) -> Breaches:
    if layer(module.name) is None:
        yield 1, f"add {module.name} to LAYERS in tests/test_house_rules.py, as low as it can stand"


def imports_downwards(module: Module) -> Breaches:
    own = layer(module.name)
    for line, name, is_ours in module.imports:
        other = layer(name) if is_ours else None
        if own is not None and other is not None and other < own:
            yield line, f"{module.name} imports {name}, which stands above it (LAYERS)"


def leaves_modules_to_their_owners(module: Module) -> Breaches:
    for line, name, is_ours in module.imports:
        full = f"{PACKAGE}.{name}" if is_ours else name
        for row, owners in ALONE.items():
            if covers(row, full) and not within(module.name, owners):
                yield line, f"only {', '.join(owners)} may import {row}"


def keeps_the_engine_pure(module: Module) -> Breaches:
    allowed = next((rows for engine, rows in ENGINES_MAY_IMPORT.items() if covers(engine, module.name)), None)
    if allowed is None:
        return
    for line, name, is_ours in module.imports:
        if is_ours and not within(name, allowed):
            yield line, f"the engine imports only {', '.join(allowed)}; not {name}"
        if not is_ours and name.partition(".")[0] in IMPURE:
            yield line, f"the engine has no I/O, clock, thread, chance or logger: no {name}"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and ".".join(ast.unparse(node).split(".")[-2:]) in CLOCKS:
            yield node.lineno, f"the engine is told the time: no {ast.unparse(node)}"
        if isinstance(node, ast.Name) and node.id in ("open", "input"):
            yield node.lineno, f"the engine has no I/O: no {node.id}"


def explains_late_imports(module: Module) -> Breaches:
    functions = [n for n in ast.walk(module.tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]
    late = {n for f in functions for n in ast.walk(f) if isinstance(n, ast.Import | ast.ImportFrom)}
    for node in late:
        if not module.gives_a_reason(node.lineno, node.end_lineno or node.lineno):
            yield node.lineno, "an import inside a function says why, beside it or on the line above"


def has_docstrings(module: Module) -> Breaches:
    if not ast.get_docstring(module.tree):
        yield 1, "a module opens with what it owns, what it leaves to others and which thread runs it"
    for name, node in public_definitions(module.tree.body):
        if not ast.get_docstring(node):
            yield node.lineno, f"{name} is public and has no docstring"


def public_definitions(body: list[ast.stmt], owner: str = "") -> Iterator[tuple[str, Definition]]:
    """Public classes and functions and their public methods, save those that another's docstring is about."""
    for node in body:
        if isinstance(node, ast.If | ast.Try):
            yield from public_definitions([*node.body, *node.orelse], owner)
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
        if not decorators & {"overload", "override", "setter", "deleter"}:
            yield owner + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node.body, f"{owner}{node.name}.")


def declares_its_public_names(module: Module) -> Breaches:
    public = sorted(name for name in module.own_names if not name.startswith("_"))
    if public and "__all__" not in module.own_names:
        yield 1, f"__all__ is missing; public by their names: {', '.join(public)}"


def lists_names_in_init(module: Module) -> Breaches:
    if module.name.rpartition(".")[2] != "__init__":
        return
    allowed = {"__all__", "__version__"} if module.name == "__init__" else {"__all__"}
    body = module.tree.body[1:] if ast.get_docstring(module.tree) else module.tree.body
    for node in body:
        is_list = isinstance(node, ast.Assign | ast.AnnAssign) and allowed.issuperset(names_made_by(node))
        if not is_list and not isinstance(node, ast.Import | ast.ImportFrom):
            yield node.lineno, "an __init__.py holds a docstring, imports and __all__, and nothing else"
    if any(name != "__future__" for _, name, _ in module.imports) and "__all__" not in module.own_names:
        yield 1, "an __init__.py that imports names lists them in __all__"


def does_not_print(module: Module) -> Breaches:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Name) and node.id == "print":
            yield node.lineno, "no print: return, raise or log; the command line writes to its console"


def catches_what_it_names(module: Module) -> Breaches:
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.ExceptHandler):
            continue
        if node.type is None:
            yield node.lineno, "a bare except catches KeyboardInterrupt too: name what is expected"
            continue
        caught = {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
        if caught & {"Exception", "BaseException"} and not module.gives_a_reason(node.lineno, node.lineno):
            yield node.lineno, "catching everything says why, beside it or on the line above"


RULES: dict[str, Callable[[Module], Breaches]] = {
    rule.__name__: rule
    for rule in (
        *(has_a_layer, imports_downwards, leaves_modules_to_their_owners, keeps_the_engine_pure),
        *(explains_late_imports, has_docstrings, declares_its_public_names, lists_names_in_init),
        *(does_not_print, catches_what_it_names),
    )
}

DOC = '"""What it owns."""\n'

BREACHES = [
    ("has_a_layer", "datafile.nowhere", DOC),
    ("imports_downwards", "errors", "from . import clock, engine"),
    ("imports_downwards", "datafile.index", "from ..engine import anything"),
    ("imports_downwards", "clock", "import openfeature_kameleoon"),
    ("imports_downwards", "visitors.data", "def f():\n    from openfeature_kameleoon.tracking import x"),
    ("leaves_modules_to_their_owners", "datafile.sources", "from urllib3.util import Retry"),
    ("leaves_modules_to_their_owners", "client", "from openfeature import api"),
    ("leaves_modules_to_their_owners", "provider", "from .management.rest import Resource"),
    ("leaves_modules_to_their_owners", "provider", "from .flagship import provider"),
    ("leaves_modules_to_their_owners", "flagship.provider", "import mmh3"),
    ("keeps_the_engine_pure", "engine.evaluation", "from threading import Lock"),
    ("keeps_the_engine_pure", "engine.evaluation", "import logging.handlers"),
    ("keeps_the_engine_pure", "engine.evaluation", "from ..clock import SYSTEM_CLOCK"),
    ("keeps_the_engine_pure", "engine.evaluation", "import datetime\ndatetime.datetime.now()"),
    ("keeps_the_engine_pure", "engine.evaluation", "open('file')"),
    ("keeps_the_engine_pure", "flagship.engine.decision", "import time"),
    ("keeps_the_engine_pure", "flagship.engine.decision", "from ...engine import ruleset"),
    ("explains_late_imports", "client", "def f():\n    import json"),
    ("explains_late_imports", "client", "async def f():\n    import json  # noqa: PLC0415"),
    ("has_docstrings", "client", "import json"),
    ("has_docstrings", "client", DOC + "def public(): ..."),
    ("has_docstrings", "client", DOC + "class Public:\n    'Doc.'\n    async def method(self): ..."),
    ("declares_its_public_names", "client", DOC + "def public(): ..."),
    ("declares_its_public_names", "client", DOC + "LIMIT: int = 3"),
    ("lists_names_in_init", "engine.__init__", DOC + "from .bucketing import anything"),
    ("lists_names_in_init", "engine.__init__", DOC + "__version__ = '1'"),
    ("lists_names_in_init", "__init__", DOC + "def public(): ..."),
    ("does_not_print", "client", "list(map(print, 'x'))"),
    ("catches_what_it_names", "client", "try: f()\nexcept: pass"),
    ("catches_what_it_names", "client", "try: f()\nexcept (OSError, Exception): pass"),
    ("catches_what_it_names", "client", "try: f()\nexcept BaseException:  # noqa: BLE001\n    raise"),
]

KEPT = [
    ("has_a_layer", "engine.anything", DOC),
    ("imports_downwards", "provider", "from .client import x\nfrom .errors import y\nimport cli"),
    ("leaves_modules_to_their_owners", "transport.session", "import requests"),
    ("leaves_modules_to_their_owners", "flagship.engine.allocation", "import mmh3"),
    ("keeps_the_engine_pure", "engine.evaluation", "from ..datafile.model import Rule\nscope.now()"),
    ("explains_late_imports", "client", "def f():\n    import json  # noqa: PLC0415  # an extra"),
    ("explains_late_imports", "client", "def f():\n    # an extra\n    from json import (\n        x)"),
    ("has_docstrings", "client", DOC + "def _own(): ...\nclass P:\n    'Doc.'\n    def __len__(self): ..."),
    ("declares_its_public_names", "client", DOC + "import json\n_own = 1"),
    ("lists_names_in_init", "__init__", DOC + "from .client import x\n__all__ = ['x']\n__version__ = '1'"),
    ("does_not_print", "client", "console.print('x')"),
    ("catches_what_it_names", "client", "try: f()\nexcept Exception:  # foreign code\n    g()"),
]


@pytest.mark.parametrize("rule", RULES)
def test_every_module_of_the_package_keeps_the_rule(rule: str) -> None:
    breaches = [
        f"{PACKAGE}/{module.name.replace('.', '/')}.py:{line}: {what}"
        for module in modules()
        for line, what in RULES[rule](module)
    ]

    assert not breaches, "\n".join(["", *breaches])


@pytest.mark.parametrize(("rule", "name", "source"), BREACHES)
def test_a_rule_sees_a_breach(rule: str, name: str, source: str) -> None:
    assert list(RULES[rule](Module(name, source)))


@pytest.mark.parametrize(("rule", "name", "source"), KEPT)
def test_a_rule_lets_pass_what_keeps_it(rule: str, name: str, source: str) -> None:
    assert not list(RULES[rule](Module(name, source)))


def test_every_rule_has_been_seen_to_bite_and_to_let_pass() -> None:
    assert {rule for rule, _, _ in BREACHES} == {rule for rule, _, _ in KEPT} == set(RULES)


def test_no_modules_need_each_other_in_a_circle() -> None:
    graph = {module.name: module.needed_to_run for module in modules()}

    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_nothing_is_left_unfinished() -> None:
    folders = [CHECKOUT / name for name in (PACKAGE, "tests", "examples", "benchmarks")]
    files = [*CHECKOUT.glob("*.md"), *(path for folder in folders for path in sorted(folder.rglob("*.py")))]

    unfinished = [
        f"{path.relative_to(CHECKOUT)}:{number}: {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if UNFINISHED.search(line)
    ]

    assert not unfinished, "\n".join(["", *unfinished])


def test_tests_lie_where_the_package_has_what_they_test() -> None:
    units = {path.stem for path in SOURCE.iterdir() if not path.name.startswith(("_", "py."))}
    paths = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]

    strays = {path.parts[0] for path in paths if len(path.parts) > 1} - units - THEMES
    for path in paths:
        subject = path.stem.removeprefix("test_")
        about_a_unit = any(covers(unit.replace("_", "."), subject.replace("_", ".")) for unit in units)
        if len(path.parts) == 1 and path.stem not in PROJECT_TESTS and not about_a_unit:
            strays.add(path.name)

    assert not strays, "named after no folder or module of the package, and no row of THEMES or PROJECT_TESTS"
