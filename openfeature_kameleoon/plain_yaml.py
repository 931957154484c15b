"""YAML as plain data: no aliases, anchors or tags, no key twice, not too many entries. What scalars mean is left open.

Imported where a YAML file is named, and not before: who configures in code does not pay for a parser at start.
"""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["PlainLoader"]


class PlainLoader(yaml.SafeLoader):
    """Refuses, with a ``MarkedYAMLError``, whatever makes a short text long or a plain one strange."""

    most_nodes = 20_000
    """A megabyte of commas would take PyYAML eleven seconds."""

    nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Look at what comes before it is made."""
        event = self.peek_event()  # type: ignore[no-untyped-call]  # left out by the stubs
        self.nodes += 1
        if self.nodes > self.most_nodes:
            raise yaml.MarkedYAMLError(problem="too many entries", problem_mark=event.start_mark)
        if isinstance(event, yaml.AliasEvent) or event.anchor or event.tag:
            problem = "aliases (*), anchors (&) and tags (!) are not allowed; quote text that begins so"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Refuse a key that stands twice."""
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem="this key is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)
