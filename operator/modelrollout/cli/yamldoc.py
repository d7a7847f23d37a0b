"""YAML with places: what a document holds, and on which line and column each field of it stands.

Read as the API server's tools read it (YAML 1.1), except that a key that stands twice is a finding instead of a
silent loss, and that a document which would unfold beyond all measure is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

Loc = tuple[str | int, ...]

_MOST_NODES = 50_000
_DEEPEST = 64
"""Levels of lists and mappings; a manifest has a dozen, and the time to read deeper ones grows with their square."""
_TOO_DEEP = f"nested too deeply: more than {_DEEPEST} levels"


@dataclass(frozen=True)
class Place:
    """Line and column, counted from 1."""

    line: int
    column: int


class Unreadable(Exception):  # noqa: N818 - says what the document is
    """No YAML: the sentence says why, `place` where."""

    def __init__(self, message: str, place: Place) -> None:
        super().__init__(message)
        self.place = place


@dataclass(frozen=True)
class Document:
    """One document of a file. `data` are plain dicts, lists and scalars."""

    data: Any
    node: yaml.Node
    duplicates: tuple[Loc, ...]
    """Keys that stand twice in one mapping."""

    def place(self, loc: Loc) -> Place:
        """Where the field at `loc` stands; where it is missing, its nearest parent."""
        node, mark = self.node, self.node.start_mark
        for part in loc:
            found = _child(node, part)
            if found is None:
                break
            mark, node = found
        return _place(mark)


try:
    from yaml._yaml import CParser
except ImportError:  # PyYAML built without libyaml: slower, and stricter about some tabs
    _Base: Any = yaml.SafeLoader
else:

    class _Base(Composer, CParser, SafeConstructor, Resolver):  # type: ignore[no-redef]
        """libyaml's scanner, of which kubectl's is a port, under a composer that can stop early."""

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            for part in (Composer, SafeConstructor, Resolver):
                part.__init__(self)


class _Loader(_Base):  # type: ignore[misc]
    """Stops where a document gets deeper than any manifest is."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > _DEEPEST:
            mark = self.peek_event().start_mark
            raise Unreadable(_TOO_DEEP, _place(mark))
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
            return node
        finally:
            self._depth -= 1


def documents(text: str) -> Iterator[Document]:
    """The documents of a file, empty ones left out. Raises Unreadable at the first one that is no YAML."""
    try:
        loader = _Loader(text)
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            _refuse_bombs(node)
            duplicates = tuple(_duplicates(node, (), set()))  # before merge keys are unfolded
            data = _construct(loader, node)
            if data is not None:
                yield Document(data, node, duplicates)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(_why(text, error, mark), _place(mark)) from error
    except yaml.reader.ReaderError as error:
        before = text[: max(text.find(chr(error.character)), 0)]  # its position is in bytes under libyaml
        place = Place(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise Unreadable(f"the character U+{error.character:04X} may not stand in YAML", place) from error


def _why(text: str, error: yaml.MarkedYAMLError, mark: Any) -> str:
    """What is wrong at `mark`. Of the syntax in our words: the parser's own differ from library to library."""
    if _opened(text, mark) >= _DEEPEST:
        return _TOO_DEEP
    if not isinstance(error, yaml.scanner.ScannerError | yaml.parser.ParserError):
        return ", ".join(part for part in (error.problem, error.context) if part)
    rest = text[mark.index :]
    if not rest.strip():
        return "the text ends inside a list, a mapping or quotes that are still open"
    if rest[0] == "\t":
        return "a tab cannot stand here; indent with spaces"
    return f'"{rest[0]}" cannot stand here; check indentation, colons, brackets and quotes up to here'


def _construct(loader: yaml.SafeLoader, node: yaml.Node) -> Any:
    try:
        return loader.construct_document(node)
    except (ValueError, OverflowError) as error:  # such as the 30th of February
        raise Unreadable(str(error), _place(node.start_mark)) from error


def _opened(text: str, mark: Any) -> int:
    """How many lists and mappings the line of `mark` opens before it.

    libyaml reads a line ahead and has a limit of its own, so on one line its error can come before the composer's; the
    wording of that error differs from version to version.
    """
    line = text[: mark.index].rpartition("\n")[2]
    return line.count("[") - line.count("]") + line.count("{") - line.count("}")


def _place(mark: Any) -> Place:
    return Place(mark.line + 1, mark.column + 1)


def _child(node: yaml.Node, part: str | int) -> tuple[Any, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in reversed(node.value):  # of a key that stands twice, the last one counts
            if key.value == part:
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark, node.value[part]
    return None


def _duplicates(node: yaml.Node, loc: Loc, observed: set[int]) -> Iterator[Loc]:
    if id(node) in observed or isinstance(node, yaml.ScalarNode):
        return  # an alias: reported where its anchor stands
    observed.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield from _duplicates(item, (*loc, index), observed)
        return
    keys: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name in keys and name != "<<":
            yield (*loc, name)
        keys.add(name)
        yield from _duplicates(value, (*loc, name), observed)


def _refuse_bombs(root: yaml.Node) -> None:
    """Aliases let a few lines unfold into billions of values, or into themselves; no manifest needs that."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def size(node: yaml.Node) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1
        if id(node) in open_nodes:
            raise Unreadable("an alias that contains itself", _place(node.start_mark))
        if id(node) not in sizes:
            open_nodes.add(id(node))
            children = [c for pair in node.value for c in (pair if isinstance(pair, tuple) else (pair,))]
            sizes[id(node)] = 1 + sum(map(size, children))
            open_nodes.discard(id(node))
        return sizes[id(node)]

    if size(root) > _MOST_NODES:
        raise Unreadable(f"it unfolds into more than {_MOST_NODES} values", _place(root.start_mark))
