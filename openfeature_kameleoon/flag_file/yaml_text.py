"""The flag file's YAML as text: what may stand in it, what its scalars mean, and how it is laid out.

Numbers, ``true``, ``false`` and ``null`` are what they are in JSON; all else, ``on`` and ``no`` too, is text. Keys are
always text.
"""

from __future__ import annotations

import re
from math import isfinite
from typing import Any

import yaml

from ..errors import DataFileInvalid
from ..plain_yaml import PlainLoader
from ..transport.foreign_text import printable

__all__ = ["dump", "load"]

MAX_BYTES = 1 << 20
MAX_NODES = 100_000  # three seconds of PyYAML's
WIDTH = 120
_BREAKS = re.compile("[\n\r\x85\u2028\u2029]")
_YAML = "tag:yaml.org,2002:"
_TEXT = f"{_YAML}str"

_SCALARS = (
    (f"{_YAML}null", re.compile(r"(?:null|~|)\Z"), ["n", "~", ""]),
    (f"{_YAML}bool", re.compile(r"(?:[tT]rue|[fF]alse|TRUE|FALSE)\Z"), list("tTfF")),
    (f"{_YAML}int", re.compile(r"-?(?:0|[1-9][0-9]{0,3999})\Z"), list("-0123456789")),
    (
        f"{_YAML}float",
        re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z"),
        list("-0123456789"),
    ),
)
"""What plain scalars mean, the first row that fits; both ways."""


class _Loader(PlainLoader):
    most_nodes = MAX_NODES
    yaml_implicit_resolvers: Any = {}  # noqa: RUF012  # PyYAML's, filled below

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = _TEXT
        return super().construct_mapping(node, deep)

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:
        value = super().construct_scalar(node)
        if value.isascii():
            return value
        try:  # escapes as in JSON, which writes a character beyond 16 bits as two of them
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise yaml.MarkedYAMLError(problem="half a character", problem_mark=node.start_mark) from None

    def construct_number(self, node: yaml.ScalarNode) -> float:
        value = float(node.value)
        if not isfinite(value):
            raise yaml.MarkedYAMLError(problem="this number is too large", problem_mark=node.start_mark)
        return value


class _Block(dict[str, Any]):
    """A mapping whose entries have lines of their own."""


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: Any = {}  # noqa: RUF012  # PyYAML's, filled below

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_text(self, value: str) -> yaml.ScalarNode:
        # PyYAML breaks lines at such characters, and does not find them again.
        return self.represent_scalar(_TEXT, value, style='"' if _BREAKS.search(value) else None)

    def represent_block(self, value: _Block) -> yaml.MappingNode:
        return self.represent_mapping(f"{_YAML}map", value, flow_style=False)

    def represent_number(self, value: float) -> yaml.ScalarNode:
        return self.represent_scalar(f"{_YAML}float", repr(value))


for _tag, _pattern, _first in _SCALARS:
    for _end in (_Loader, _Dumper):
        _end.add_implicit_resolver(_tag, _pattern, _first)
_Loader.add_constructor(f"{_YAML}float", _Loader.construct_number)
_Dumper.add_representer(float, _Dumper.represent_number)
_Dumper.add_representer(str, _Dumper.represent_text)
_Dumper.add_representer(_Block, _Dumper.represent_block)


def load(raw: bytes) -> object:
    """What a YAML text says, as plain data. Raises ``DataFileInvalid``."""
    if len(raw) > MAX_BYTES:
        raise DataFileInvalid(f"the flag file is over {MAX_BYTES} bytes long: use a data file in JSON")
    try:
        return yaml.load(raw.decode("utf-8-sig"), Loader=_Loader)
    except UnicodeDecodeError as error:
        raise DataFileInvalid(f"the flag file is not UTF-8 text from byte {error.start} on") from error
    except RecursionError as error:
        raise DataFileInvalid("the flag file is nested too deeply") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = " ".join(filter(None, (error.context, error.problem)))
        raise DataFileInvalid(f"the flag file is unusable YAML{place}: {printable(problem)}") from error
    except yaml.YAMLError as error:
        raise DataFileInvalid("the flag file is unusable YAML: control characters in it") from error


def dump(document: dict[str, Any]) -> str:
    """Plain data as YAML text, whose first two levels are lines; below, what holds scalars alone stands on one.

    Raises ``DataFileInvalid``.
    """
    block = _Block(
        {key: _Block(value) if isinstance(value, dict) and value else value for key, value in document.items()}
    )
    try:
        return yaml.dump(
            block, Dumper=_Dumper, default_flow_style=None, sort_keys=False, allow_unicode=True, width=WIDTH
        )
    except RecursionError as error:
        raise DataFileInvalid("the data file is nested too deeply to be written as YAML") from error
