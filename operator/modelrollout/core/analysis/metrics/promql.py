"""Every value that enters a query is escaped here: a name can select nothing but itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_NAMES = re.compile(r'\{__name__=~"([A-Za-z0-9_:|]+)"')
_META = re.compile(r"[.+*?()|\[\]{}^$\\]")


def quoted(value: str) -> str:
    """A double-quoted PromQL string holding exactly `value`."""
    escaped = value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n").replace("\r", r"\r")
    return f'"{escaped}"'


def literal(value: str) -> str:
    """A regular expression (RE2 and Python's) that matches exactly `value`."""
    return _META.sub(lambda found: "\\" + found.group(), value)


def any_of(values: Iterable[str]) -> str:
    """A regular expression that matches each of the values and nothing else."""
    return "|".join(literal(value) for value in values)


def fill_matchers(matchers: str, namespace: str) -> str:
    """The server's mandatory matchers with {namespace} put in, escaped for a quoted label value."""
    inside = quoted(namespace)[1:-1]
    return matchers.strip().strip(",").strip().replace("{namespace}", inside)


def fill_pattern(pattern: str, values: Mapping[str, str]) -> str:
    """A dialect's pattern with {name} replaced by the regular expression of that name; {20} stays a repetition."""
    return re.sub(r"\{([A-Za-z]+)\}", lambda found: values[found.group(1)], pattern)


def selector(names: Iterable[str], matchers: Iterable[str], mandatory: str) -> str:
    """`{__name__=~"a|b", ...}`; one query fetches all names. `mandatory` may be empty."""
    parts = [f"__name__=~{quoted(any_of(sorted(names)))}", *matchers]
    if mandatory:
        parts.append(mandatory)
    return "{" + ",".join(parts) + "}"


def by_name(text: str) -> list[str]:
    """What `selector` made, once for each of its names with that name alone; any other text as it is.

    Names of metrics have no character that a pattern could mean otherwise.
    """
    found = _NAMES.match(text)
    if found is None:
        return [text]
    return [f"{{__name__={quoted(name)}" + text[found.end() :] for name in found[1].split("|")]


def fill_template(query: str, values: Mapping[str, str]) -> str:
    """A Query gate's text with {{version}} and the like put in, escaped as inside a quoted label value.

    An unknown placeholder raises ValueError with its name.
    """

    def value(found: re.Match[str]) -> str:
        name = found.group(1)
        if name not in values:
            known = ", ".join("{{" + key + "}}" for key in values)
            raise ValueError(f"{{{{{name}}}}} is not known; write one of {known}")
        return quoted(values[name])[1:-1]

    return re.sub(r"\{\{\s*([A-Za-z_]+)\s*\}\}", value, query)
