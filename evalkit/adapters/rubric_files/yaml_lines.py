"""YAML as the values that JSON knows, with the line of every key and all faults at once."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isinf, isnan
from typing import Any

import yaml

from evalkit.core.rules.keys import KeyFault, KeyPath
from evalkit.core.rules.where import short

MOST = 50_000  # values in a file, aliases expanded: a few lines of aliases can mean billions
SCALARS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str"))


class _Loader(yaml.SafeLoader):
    """YAML's own scalars less dates: `2024-05-01` in an example is text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass
class Page:
    """What a text holds: `data`, the line (from 1) of each key path, and each fault with its line."""

    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    faults: list[tuple[int, KeyFault]] = field(default_factory=list)


def read_yaml(text: str) -> Page:
    """Read one YAML document."""
    page = Page()
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            page.faults.append((1, KeyFault((), "the file is empty")))
        else:
            page.data = _Reader(loader, page).value(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        text = " ".join(part for part in (error.context, error.problem) if part)
        page.faults.append((mark.line + 1 if mark else 1, KeyFault((), f"is no YAML: {text}")))
    except (yaml.YAMLError, RecursionError) as error:  # a control character; a thousand brackets
        reason = str(error) if isinstance(error, yaml.YAMLError) else "nested too deeply"
        page.faults.append((1, KeyFault((), f"is no YAML: {reason}")))
    return page


class _Reader:
    """Turns nodes into values."""

    def __init__(self, loader: _Loader, page: Page) -> None:
        self._loader = loader
        self._page = page
        self._seen = 0
        self._open: set[int] = set()  # the nodes around the present one: an alias may name one of them

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        self._page.lines.setdefault(path, line)
        self._seen += 1
        if self._seen > MOST or id(node) in self._open:
            if self._seen <= MOST + 1:
                self._fault(line, path, "its aliases mean more values than a rubric can hold")
            self._seen = max(self._seen, MOST + 1)
            return None
        self._open.add(id(node))
        value = self._content(node, path, line)
        self._open.remove(id(node))
        return value

    def _content(self, node: yaml.Node, path: KeyPath, line: int) -> Any:
        if isinstance(node, yaml.MappingNode) and node.tag.endswith(":map"):
            return dict(self._items(node, path))
        if isinstance(node, yaml.SequenceNode) and node.tag.endswith(":seq"):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path, line)

    def _items(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, Any]]:
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.tag.endswith(":str"):
                self._fault(line, path, f"{_shown(key_node)} cannot be a key; put it in quotes")
                continue
            key = str(key_node.value)
            if key in first:
                self._fault(line, (*path, key), f"stands here again (first on line {first[key]}); keep one")
                continue
            first[key] = line
            self._page.lines[(*path, key)] = line
            yield key, self.value(value_node, (*path, key))

    def _scalar(self, node: yaml.Node, path: KeyPath, line: int) -> Any:
        if node.tag not in SCALARS or not isinstance(node, yaml.ScalarNode):
            self._fault(line, path, f"the tag {node.tag!r} has no place in a rubric")
            return None
        try:
            value = self._loader.construct_object(node)
        except (ValueError, KeyError, IndexError, yaml.YAMLError):  # `!!int x`, `!!bool x`, `!!int ""`
            self._fault(line, path, f"{short(node.value)!r} is no {node.tag.rpartition(':')[2]}")
            return None
        if isinstance(value, float) and (isnan(value) or isinf(value)):
            self._fault(line, path, f"{node.value!r} is no finite number; put text in quotes")
            return None
        return value

    def _fault(self, line: int, path: KeyPath, text: str) -> None:
        self._page.faults.append((line, KeyFault(path, text)))


def _shown(node: yaml.Node) -> str:
    return repr(short(node.value)) if isinstance(node, yaml.ScalarNode) else "a list or a mapping"
