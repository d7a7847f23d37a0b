"""The protocols that are split, and where calls of gRPC come in: two routes never share a host name on one listener."""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modelrollout.api.adopt import DNS_NAME
from modelrollout.api.base import ApiModel, wrong

Protocol = Literal["HTTP", "GRPC"]
HOSTNAME = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
METHOD = r"^[A-Z][A-Za-z0-9]*$"
SPLIT_PATHS = ("/infer", "/generate", "/generate_stream", "", "/ready")
"""What the split answers below /v2/models/NAME: inference, the model's metadata and its readiness, and nothing else."""
SERVICE = "inference.GRPCInferenceService"
"""What a model server of the v2 protocol is called in gRPC."""
SPLIT_METHODS = ("ModelInfer", "ModelStreamInfer", "ModelMetadata", "ModelReady")
"""The same of inference.GRPCInferenceService."""
SERVER_METHODS = ("ServerLive", "ServerReady", "ServerMetadata")
"""What clients of gRPC ask before they infer, which stable answers: is_server_ready and the like."""
LONGEST_NAME = 253
"""Characters of an object's name in Kubernetes."""

Hostname = Annotated[str, Field(pattern=HOSTNAME, max_length=253)]


class Grpc(ApiModel):
    """Where calls of gRPC come in. Only their host name says which model they are for: its name is in the message."""

    hostnames: Annotated[list[Hostname], Field(min_length=1, max_length=16)] | None = None
    """Host names that clients of gRPC call; gateway.hostnames when unset, which HTTP must then not use there too."""
    section_name: Annotated[str, Field(pattern=DNS_NAME, max_length=253)] | None = None
    """The Gateway's listener for gRPC; gateway.sectionName when unset."""
    extra_methods: Annotated[list[Annotated[str, Field(pattern=METHOD, max_length=64)]], Field(max_length=16)] = []
    """Methods of inference.GRPCInferenceService beyond those of the model, such as ModelConfig; stable answers them."""

    @model_validator(mode="after")
    def _methods_once(self) -> Self:
        taken = {*SPLIT_METHODS, *SERVER_METHODS}
        for index, method in enumerate(self.extra_methods):
            if method in taken:
                raise wrong(f"extraMethods.{index}", "remove it: the route has this method already")
            taken.add(method)
        return self


def meet(one: str, other: str) -> bool:
    """Whether two host names of routes have a host in common; `*.` stands for one label or more before the rest."""
    if one.startswith("*.") and other.startswith("*."):
        return one[1:].endswith(other[1:]) or other[1:].endswith(one[1:])
    if one.startswith("*."):
        return other.endswith(one[1:]) and len(other) >= len(one)
    return meet(other, one) if other.startswith("*.") else one == other


def h2c_route_name(namespace: str, name: str) -> str:
    """The HTTPRoute that carries gRPC where a gateway has no GRPCRoute; nobody else's has such a name by accident."""
    end = "-grpc-" + hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:8]
    return name[: LONGEST_NAME - len(end)].rstrip("-.") + end
