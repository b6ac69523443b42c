"""YAML text to plain data that remembers where each value stands.

What enters: UTF-8 text of an agreement file. What leaves: dicts, lists and scalars, and a `Place` for every key and
value. The dialect is the core schema of YAML 1.2 without anchors, tags, timestamps or merge keys: `on` and `no` are
words, a date is text, and a key written twice is a fault. It knows nothing of agreements.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from kuroshio.accord.faults import AccordFileError, Fault

MAX_FILE_BYTES = 2 * 1024 * 1024
MAX_NODES = 200_000
MAX_DEPTH = 24

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Place:
    """1-based line and column in a file."""

    line: int
    column: int


@dataclass(frozen=True)
class Document:
    """One YAML document: its plain data, and the places of keys and values by path."""

    file: str
    data: Any
    values: dict[Path, Place] = field(repr=False)
    keys: dict[Path, Place] = field(repr=False)

    def place(self, path: Path, *, key: bool = False) -> Place:
        """Place of the value (or the key) at a path, or of the nearest thing above it."""
        table = self.keys if key else self.values
        while path:
            found = table.get(path) or self.values.get(path)
            if found:
                return found
            path = path[:-1]
        return self.values.get((), Place(1, 1))

    def fault(self, path: Path, code: str, message: str, *, key: bool = False) -> Fault:
        """Fault at a path of this document."""
        place = self.place(path, key=key)
        return Fault(self.file, place.line, place.column, code, message)


_Parser: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where PyYAML was built with it


class _CoreLoader(_Parser):  # type: ignore[misc]
    """Safe loader whose implicit types are those of the YAML 1.2 core schema, decimal only."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own name


for _tag, _pattern, _first in (
    ("tag:yaml.org,2002:bool", r"^(?:true|false)$", "tf"),
    ("tag:yaml.org,2002:null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("tag:yaml.org,2002:int", r"^[-+]?(?:0|[1-9][0-9]*)$", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"^[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
):
    _CoreLoader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))


def _at(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


class _Reader:
    """Walks composed nodes once; every fault it meets is kept and the walk goes on."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []
        self.count = 0

    def fault(self, node: yaml.Node, code: str, message: str) -> None:
        place = _at(node)
        self.faults.append(Fault(self.file, place.line, place.column, code, message))

    def read(self, node: yaml.Node, path: Path, doc: Document) -> Any:
        self.count += 1
        if self.count > MAX_NODES or len(path) > MAX_DEPTH:
            self.fault(node, "accord.too_large", f"more than {MAX_NODES} values or {MAX_DEPTH} levels")
            raise AccordFileError(self.faults)
        doc.values[path] = _at(node)
        if isinstance(node, yaml.SequenceNode):
            return [self.read(child, (*path, i), doc) for i, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, doc)
        if node.tag not in ("tag:yaml.org,2002:str", *_SCALAR_TAGS):
            self.fault(node, "accord.yaml", f"tag {node.tag!r} is not allowed")
            return None
        return _scalar(node.tag, node.value)

    def _mapping(self, node: yaml.MappingNode, path: Path, doc: Document) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self.fault(key_node, "accord.yaml", "a key must be a word")
                continue
            key = str(key_node.value)
            if key in out:
                self.fault(key_node, "accord.duplicate_key", f"key {key!r} is written twice")
                continue
            doc.keys[(*path, key)] = _at(key_node)
            out[key] = self.read(value_node, (*path, key), doc)
        return out


_SCALAR_TAGS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "null", "int", "float"))


def _scalar(tag: str, text: str) -> Any:
    kind = tag.rsplit(":", 1)[-1]
    if kind == "null":
        return None
    if kind == "bool":
        return text == "true"
    return int(text) if kind == "int" else float(text) if kind == "float" else text


def _check_events(text: str, file: str) -> None:
    """Refuse aliases and deep nesting before anything is built; the events come one by one."""
    depth = 0
    for event in yaml.parse(text, Loader=_Parser):
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent):
            message = f"alias *{event.anchor} is not allowed: write the value out"
            raise AccordFileError([Fault(file, mark.line + 1, mark.column + 1, "accord.yaml", message)])
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels"
            raise AccordFileError([Fault(file, mark.line + 1, mark.column + 1, "accord.too_large", message)])


def read_documents(text: str, file: str) -> Iterator[Document]:
    """Documents of one file, in order; empty ones are left out.

    Parameters
    ----------
    text
        Whole file, at most 2 MiB.
    file
        Name for messages.

    Raises
    ------
    AccordFileError
        When the text is too large, is not YAML of the dialect, or has a key twice.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        raise AccordFileError([Fault(file, 1, 1, "accord.too_large", f"file is larger than {MAX_FILE_BYTES} bytes")])
    try:
        _check_events(text, file)
        nodes = list(yaml.compose_all(text, Loader=_CoreLoader))
    except yaml.MarkedYAMLError as err:
        at: Any = err.problem_mark or err.context_mark
        line, column = (at.line + 1, at.column + 1) if at else (1, 1)
        message = f"not YAML: {err.problem or err.context}"
        raise AccordFileError([Fault(file, line, column, "accord.yaml", message)]) from err
    except (yaml.YAMLError, RecursionError) as err:
        raise AccordFileError([Fault(file, 1, 1, "accord.yaml", f"not YAML: {type(err).__name__}: {err}")]) from err
    reader = _Reader(file)
    out = []
    for node in filter(None, nodes):
        doc = Document(file, None, {}, {})
        object.__setattr__(doc, "data", reader.read(node, (), doc))
        out.append(doc)
    if reader.faults:
        raise AccordFileError(reader.faults)
    yield from out
