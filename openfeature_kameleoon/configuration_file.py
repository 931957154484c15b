"""Reads a configuration file: YAML as plain data, without aliases, tags, repeated keys or surprising types.

Messages never quote the file, which holds a secret. What the settings mean is configuration.py's business.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from .errors import ConfigException, ConfigFileNotFound

__all__ = ["parse", "read_text"]

_MAX_FILE_BYTES = 1 << 20
_YAML = "tag:yaml.org,2002:"
_PLAIN_NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]{0,17})(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?")


def read_text(path: str | os.PathLike[str], source: str) -> bytes:
    """The file's bytes, up to a little more than is allowed. Raises ``ConfigFileNotFound`` and ``ConfigException``."""
    try:
        with open(path, "rb") as file:
            return file.read(_MAX_FILE_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ConfigFileNotFound(f"{source}there is no such configuration file") from error
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise ConfigException(f"{source}the configuration file cannot be read: {reason}") from error


def parse(raw: bytes, take: Callable[[Mapping[object, object]], dict[str, object]]) -> tuple[dict[str, object], str]:
    """What ``take`` makes of a YAML text's mapping, or what is wrong with the text.

    It answers rather than raises: a traceback would hold this frame, and PyYAML's errors quote the lines.
    """
    # Imported here: who configures in code does not pay for a parser at start.
    import yaml  # noqa: PLC0415

    if len(raw) > _MAX_FILE_BYTES:
        return {}, f"larger than {_MAX_FILE_BYTES} bytes: no configuration file"
    try:
        document = _document(raw.decode())
    except UnicodeDecodeError as error:
        return {}, f"not UTF-8 text from byte {error.start} on"
    except RecursionError:
        return {}, "nested too deeply"
    except yaml.MarkedYAMLError as error:
        # Quoted parts come from the file: a tag may be the secret that somebody forgot to quote.
        problem = re.sub(r"(['\"]).*\1", "...", error.problem or "", flags=re.DOTALL)
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "an unknown place"
        return {}, f"unusable YAML at {place}: {problem}"
    except yaml.YAMLError:
        return {}, "unusable YAML: control characters in it"
    if not isinstance(document, dict | None):
        return {}, f"a mapping of settings is expected, not a {type(document).__name__}"
    return take(document or {}), ""


def _document(text: str) -> object:
    """The YAML document as plain data, without surprising types."""
    import yaml  # noqa: PLC0415  # as in parse

    from .plain_yaml import PlainLoader  # noqa: PLC0415  # as in parse

    class Loader(PlainLoader):
        def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
            node = super().compose_scalar_node(anchor)
            node.tag = _plain_tag(node.tag, node.value)
            return node

    return yaml.load(text, Loader=Loader)


def _plain_tag(tag: str, value: str) -> str:
    """The type of a scalar. YAML 1.1 reads 010 as 8, 1:30 as 90; those, dates and ``<<`` are text here."""
    name = tag.removeprefix(_YAML)
    if name in ("null", "bool") or (name in ("int", "float") and _PLAIN_NUMBER.fullmatch(value)):
        return tag
    return f"{_YAML}str"
