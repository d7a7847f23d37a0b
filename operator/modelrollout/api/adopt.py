"""A route that Git owns: the operator writes the weights of one rule of it, and nothing else but its own mark."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from modelrollout.api.base import ApiModel

DNS_NAME = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"


class Adopt(ApiModel):
    """An HTTPRoute of the resource's namespace that Git owns; without it the operator makes a route of its own."""

    name: Annotated[str, Field(pattern=DNS_NAME, max_length=253)]
    """Name of the HTTPRoute."""
    rule: Annotated[str, Field(pattern=DNS_NAME, max_length=253)] | None = None
    """Name of the rule that splits the traffic; when unset, the only rule that leads to a version's Service."""
