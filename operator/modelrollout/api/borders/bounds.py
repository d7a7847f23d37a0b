"""The one place where what goes into a status is cut: texts to the field's limit, lists to the field's length."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from modelrollout.api.borders.cleaning import clean

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

LONGEST_WORD = 256
"""Characters of a text whose field names no limit of its own: names, reasons, numbers with their unit."""


@dataclass(frozen=True)
class Longest:
    """On a field: characters that it, or each text of its list, may have."""

    characters: int


@dataclass(frozen=True)
class Newest:
    """On a list: of too many items the last ones are kept, not the first."""


@dataclass(frozen=True)
class Shown:
    """On a list of models that people alone read: an item that cannot be read is left out, not the whole status."""


@dataclass(frozen=True)
class _Bound:
    characters: int
    items: int | None
    newest: bool
    item: type[BaseModel] | None


def bounded(model: type[BaseModel], data: dict[str, Any]) -> dict[str, Any]:
    """`data` for `model`, by field name or alias, with every text clean and cut and every list short enough."""
    bounds, found = _bounds(model), dict(data)
    for key, value in data.items():
        if isinstance(value, str):
            if key in bounds:
                found[key] = clean(value, bounds[key].characters)
        elif isinstance(value, list) and key in bounds:
            found[key] = _cut(value, bounds[key])
    return found


def _cut(value: list[Any], bound: _Bound) -> list[Any]:
    if bound.items is not None and len(value) > bound.items:
        value = value[-bound.items :] if bound.newest else value[: bound.items]
    if bound.item is not None:
        return [found for each in value if (found := _read(bound.item, each)) is not None]
    return [clean(each, bound.characters) if isinstance(each, str) else each for each in value]


def _read(model: type[BaseModel], item: Any) -> BaseModel | None:
    if type(item) is model:
        return item  # read before
    try:
        return model.model_validate(item)
    except ValidationError:
        return None


@cache
def _bounds(model: type[BaseModel]) -> dict[str, _Bound]:
    found = {}
    for name, field in model.model_fields.items():
        found[name] = found[field.alias or name] = _bound_of(field)
    return found


def _bound_of(field: FieldInfo) -> _Bound:
    longest = next((m.characters for m in field.metadata if isinstance(m, Longest)), LONGEST_WORD)
    items = next((m.max_length for m in field.metadata if hasattr(m, "max_length")), None)
    newest = any(isinstance(m, Newest) for m in field.metadata)
    shown = any(isinstance(m, Shown) for m in field.metadata)
    return _Bound(longest, items, newest, get_args(field.annotation)[0] if shown else None)
