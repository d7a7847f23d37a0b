"""The one base of every model: camelCase outside, snake_case inside, unknown fields refused."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

GROUP = "modelrollout.dev"
API_VERSION = "v1alpha1"
PLURAL = "modelrollouts"
KIND = "ModelRollout"
GROUP_VERSION = f"{GROUP}/{API_VERSION}"
LONGEST_STRING = 4096
"""Characters of any string, in the models as in the CRD."""


class ApiModel(BaseModel):
    """Frozen, so that a spec can be shared between a pass and the pollers without copies."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        str_max_length=LONGEST_STRING,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
    )


def wrong(path: str, fix: str) -> PydanticCustomError:
    """What a model's own check raises; `path` is below the model, dotted camelCase: ``steps.1.weight``."""
    return PydanticCustomError("wrong", "{fix}", {"path": path, "fix": fix})
