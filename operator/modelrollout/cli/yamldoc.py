"""YAML with places: what a document holds, and on which line and column each field of it stands.

Read as kubectl reads it, except that a key that stands twice is a finding instead of a silent loss, and that a document
which is larger than any manifest, or would unfold beyond all measure, is refused.
"""

from __future__ import annotations

import bisect
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.composer import Composer

from modelrollout.cli.yaml_scalars import Constructor, Resolver

Loc = tuple[str | int, ...]

_MOST_VALUES = 250_000
"""Values of one document, as many as in a thousand ModelRollouts: they cost half a kilobyte each."""
_MOST_UNFOLDED = 50_000
"""Values that aliases may add, a long one counting for several."""
_LONG = 64
"""Characters of a scalar that count as one value more."""
_DEEPEST = 64
"""Levels of lists and mappings; a manifest has a dozen, and the time to read deeper ones grows with their square."""
_MOST_DOCUMENTS = 10_000
_MOST_UNREADABLE = 20
_START = re.compile(r"^---(?=\s|$)", re.MULTILINE)
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


class _TooMany(Unreadable):
    """Nothing is gained by reading on."""


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
    _Parser: tuple[type, ...] = (yaml.reader.Reader, yaml.scanner.Scanner, yaml.parser.Parser)
else:
    _Parser = (CParser,)


class _Loader(Composer, *_Parser, Constructor, Resolver):  # type: ignore[misc]
    """libyaml's scanner, of which kubectl's is a port, under a composer that stops where no manifest goes on."""

    _depth = 0
    _values = 0

    def __init__(self, text: str) -> None:
        first, *others = _Parser
        first.__init__(self, text)  # type: ignore[misc] # each has its own arguments
        for part in (*others, Composer, Constructor, Resolver):
            part.__init__(self)  # type: ignore[misc]

    def compose_document(self) -> yaml.Node | None:
        self._values = 0
        node: yaml.Node | None = super().compose_document()
        return node

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        self._values += 1
        if self._depth > _DEEPEST:
            raise Unreadable(_TOO_DEEP, _place(self.peek_event().start_mark))
        if self._values > _MOST_VALUES:
            raise Unreadable(f"more than {_MOST_VALUES:,} values", _place(self.peek_event().start_mark))
        try:
            node: yaml.Node | None = super().compose_node(parent, index)
            return node
        finally:
            self._depth -= 1


def documents(text: str) -> Iterator[Document]:
    """The documents of a file, empty ones left out. Raises Unreadable at the first one that is no YAML."""
    try:
        loader = _Loader(text)
        count = 0
        while loader.check_node():
            node = loader.get_node()
            if node is None:
                break
            count += 1
            if count > _MOST_DOCUMENTS:
                raise _TooMany(f"more than {_MOST_DOCUMENTS:,} documents", _place(node.start_mark))
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
    if rest[:1] == "\t":
        return "a tab cannot stand here; indent with spaces"
    if not rest.strip():
        return "the text ends inside a list, a mapping or quotes that are still open"
    return f'"{rest[0]}" cannot stand here; check indentation, colons, brackets and quotes up to here'


def readable(text: str) -> Iterator[Document | Unreadable]:
    """As `documents`, but after one that is no YAML it goes on with the next, as kubectl does; not for ever."""
    starts = [found.start() for found in _START.finditer(text)]
    lines = [text.count("\n", 0, starts[0])] if starts else []
    for before, start in itertools.pairwise(starts):
        lines.append(lines[-1] + text.count("\n", before, start))
    skipped = 0
    for _ in range(_MOST_UNREADABLE):
        try:
            yield from documents("\n" * lines[skipped - 1] + text[starts[skipped - 1] :] if skipped else text)
        except _TooMany as error:
            yield error
            return
        except Unreadable as error:
            yield error
            skipped = max(skipped + 1, bisect.bisect_left(lines, error.place.line - 1) + 1)
        else:
            return
        if skipped > len(starts):
            return
    yield Unreadable("as the documents before; what follows has not been read", Place(lines[skipped - 1] + 1, 1))


def _construct(loader: _Loader, node: yaml.Node) -> Any:
    try:
        return loader.construct_document(node)
    except RecursionError as error:
        raise Unreadable("its merge keys lead through too many mappings", _place(node.start_mark)) from error


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
            if key.value == part or _name_of(key) == part:
                return key.start_mark, value
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark, node.value[part]
    return None


def _name_of(key: yaml.Node) -> str | None:
    """What a key that is no text is called: `y` is True, and `0x10` is 16."""
    if not isinstance(key, yaml.ScalarNode) or key.tag == "tag:yaml.org,2002:str":
        return None
    try:
        return str(Constructor().construct_object(key))
    except yaml.YAMLError:
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
    written = 0

    def size(node: yaml.Node) -> int:
        nonlocal written
        if id(node) in open_nodes:
            raise Unreadable("an alias that contains itself", _place(node.start_mark))
        if id(node) not in sizes:
            if isinstance(node, yaml.ScalarNode):
                own = children = 1 + len(node.value) // _LONG
            else:
                open_nodes.add(id(node))
                parts = [c for pair in node.value for c in (pair if isinstance(pair, tuple) else (pair,))]
                own, children = 1, 1 + sum(map(size, parts))
                open_nodes.discard(id(node))
            written += own
            sizes[id(node)] = children
        return sizes[id(node)]

    if size(root) > written + _MOST_UNFOLDED:
        raise Unreadable(f"its aliases unfold into more than {_MOST_UNFOLDED:,} values", _place(root.start_mark))
