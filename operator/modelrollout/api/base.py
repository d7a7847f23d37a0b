"""The one base of every model: camelCase outside, snake_case inside, unknown fields refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

GROUP = "modelrollout.dev"
API_VERSION = "v1alpha1"
PLURAL = "modelrollouts"
KIND = "ModelRollout"


class ApiModel(BaseModel):
    """Frozen, so that a spec can be shared between a pass and the pollers without copies."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, str_max_length=4096
    )
