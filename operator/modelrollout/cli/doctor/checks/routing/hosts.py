"""Which host names meet, and which of two is served first where both do: the rules of the Gateway API."""

from __future__ import annotations

ANY = "*"
"""A route or listener without host names."""


def meet(one: str, other: str) -> bool:
    """Whether any host name is meant by both; a wildcard stands for one label or more."""
    if ANY in (one, other):
        return True
    if one.startswith("*.") and other.startswith("*."):
        return one[1:].endswith(other[1:]) or other[1:].endswith(one[1:])
    if one.startswith("*."):
        return other.endswith(one[1:]) and len(other) > len(one) - 1
    return meet(other, one) if other.startswith("*.") else one == other


def precedence(host: str) -> tuple[bool, int]:
    """Greater is served first: a whole name before a wildcard, a longer one before a shorter."""
    return not host.startswith(ANY), len(host)
