"""Where each version of the model is served, and by what its series and its readiness are told from the other's."""

from __future__ import annotations

import re
from typing import Annotated, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel, wrong

SERVICE = r"^[a-z]([-a-z0-9]*)\{version\}([-a-z0-9]*[a-z0-9])?$"
LABEL = r"^[A-Za-z][A-Za-z0-9_]*$"
ARM_VALUE = r"^\*?([A-Za-z0-9._:/@-]|\{version\}|\{service\})+\*?$"
VERSION_PATH = r"^[A-Za-z0-9._-]*(\{version\})?[A-Za-z0-9._-]*$"

OF_A_POD = "{service}-{pod}"
"""The name of a Pod whose Deployment, StatefulSet or ReplicaSet is called as the Service is; nobody can write {pod}."""
ARM_VALUES = {"version": "{version}", "service": "{service}", "pod": OF_A_POD}
"""The value of these labels where none is written."""
SERIES_OWN = ("model", "le", "layer", "reason", "kind", "source", "dead_if", "digest", "quantile")
"""Labels that say something else in the series that are read."""


class Arm(ApiModel):
    """What tells the two versions' model series apart, such as {label: service}; Triton's version label when unset."""

    label: Annotated[str, Field(pattern=LABEL, max_length=63)] = "version"
    """A label of the model servers' series: version, pod, service, or any other that the scrape adds."""
    value: Annotated[str, Field(pattern=ARM_VALUE, max_length=128)] | None = None
    """The label's value for a version: {version} and {service} are filled in, one * at an end stands for any rest."""

    @property
    def template(self) -> str:
        """The value, or what it is by default for version, service and pod."""
        return self.value if self.value is not None else ARM_VALUES.get(self.label, "")

    @model_validator(mode="after")
    def _tells_versions_apart(self) -> Self:
        if self.label in SERIES_OWN:
            fix = "choose a label that the scrape adds, such as pod or service: this one is the series' own"
            raise wrong("label", fix)
        if not self.template:
            fix = 'add its value for a version, such as "v{version}": only version, pod and service have a default'
            raise wrong("value", fix)
        if "{version}" not in self.template and "{service}" not in self.template:
            raise wrong("value", "put {version} or {service} into it: as it is, both versions have the same value")
        if self.template.count("*") > 1:
            raise wrong("value", "keep one *, at the start or the end: with two, a value may fit both versions")
        return self


class Serving(ApiModel):
    """Where each version of the model is served: one Service per version."""

    service: Annotated[str, Field(pattern=SERVICE, max_length=54)]  # 54 - "{version}" + 18 digits = 63
    """Name of a version's Service, with {version} where the version goes, such as digits-v{version}."""
    port: Annotated[int, Field(ge=1, le=65535)] = 8000
    """The Services' HTTP port."""
    grpc_port: Annotated[int, Field(ge=1, le=65535)] = 8001
    """The Services' gRPC port, with `appProtocol: kubernetes.io/h2c`; used where traffic.protocols has GRPC."""
    arm: Arm | None = None
    version_path: Annotated[str, Field(pattern=VERSION_PATH, min_length=1, max_length=64)] | None = None
    """What the server calls a version when asked for readiness: "{version}", or nothing with another arm label."""

    def service_of(self, version: str) -> str:
        """The Service that serves one version of the model."""
        return self.service.replace("{version}", version)

    @property
    def arm_label(self) -> str:
        """The label of a model's series that says which version it is about."""
        return self.arm.label if self.arm is not None else "version"

    @property
    def arm_template(self) -> str:
        """Its value, with {version}, {pod} and * still in it."""
        template = self.arm.template if self.arm is not None else ARM_VALUES["version"]
        return template.replace("{service}", self.service)

    def asked_version(self, version: str) -> str | None:
        """What readiness is asked of: the version's name at the server, None for the path without a version.

        Where another label tells the versions apart, nothing says that servers know them by number: the Service does.
        """
        if self.version_path is not None:
            return self.version_path.replace("{version}", version)
        return version if self.arm_label == "version" else None

    @model_validator(mode="after")
    def _no_version_is_the_start_of_another(self) -> Self:
        if re.search(r"\{version\}\*|\*\{version\}", self.arm_template):
            fix = "put a character between the version and *, such as a dash: version 1 would also match version 10"
            raise wrong("arm.value", fix)
        return self
