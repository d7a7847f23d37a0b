"""Model registries that say what became of a version; which, and by what names, is configured here alone."""

from __future__ import annotations

import re
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel, wrong
from modelrollout.api.config.allowed import Namespaces, among
from modelrollout.api.config.credentials import URL, BasicAuth, File
from modelrollout.api.gates import Name
from modelrollout.api.quantities import Duration

Alias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$", max_length=255)]
_RESERVED = re.compile(r"[vV]\d+|latest", re.IGNORECASE)
"""What MLflow keeps for itself."""
_PLACES = re.compile(r"\{([^{}]*)\}")
_KNOWN = ("model", "name", "namespace")


class Aliases(ApiModel):
    """What the aliases are called; the operator sets these, whoever set them before."""

    candidate: Alias = "candidate"
    """At the version that is being tried; at none otherwise."""
    champion: Alias = "champion"
    """At the version that serves."""

    @model_validator(mode="after")
    def _can_be_told_apart(self) -> Self:
        for field in ("candidate", "champion"):
            if _RESERVED.fullmatch(getattr(self, field)):
                raise wrong(field, "choose another: MLflow keeps latest, and v with a number, for itself")
        if self.candidate == self.champion:
            raise wrong("champion", "choose a name of its own: candidate has it already")
        return self


class ModelRegistry(ApiModel):
    """An MLflow server, or what speaks its REST API: aliases and tags of model versions follow the rollouts."""

    name: Name
    """What logs and metrics call it."""
    url: Annotated[str, Field(pattern=URL, max_length=2048)]
    """Where the server is, without /api/2.0."""
    bearer_token_file: File | None = None
    """A file with a token for the header Authorization."""
    basic_auth: BasicAuth | None = None
    """A user and a password, as `mlflow server --app-name basic-auth` asks for."""
    ca_file: File | None = None
    """A file with the certificate authority of an https url."""
    namespaces: Namespaces = ["*"]
    """Of ModelRollouts in these namespaces; `*` in a name stands for any characters."""
    registered_model: Annotated[str, Field(min_length=1, max_length=256)] = "{model}"
    """Name of the registered model; {model} is spec.model.name, {namespace} and {name} are the ModelRollout's."""
    aliases: Aliases = Aliases()
    """What the aliases are called."""
    tag_prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=64)] = "modelrollout."
    """What the names of all tags begin with that are written; others are left alone."""
    per_minute: Annotated[int, Field(ge=1, le=6000)] = 60
    """For how many rollouts the registry is asked in the long run, by turns of namespaces; further ones wait."""
    timeout: Duration = 30.0
    """How long all requests for one rollout may take."""

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if "@" in urlsplit(self.url).netloc:
            raise wrong("url", "leave user and password out of the URL; name files in basicAuth or bearerTokenFile")
        if self.bearer_token_file and self.basic_auth:
            raise wrong("basicAuth", "keep one of bearerTokenFile and basicAuth: there is one header Authorization")
        unknown = [place for place in _PLACES.findall(self.registered_model) if place not in _KNOWN]
        if unknown:
            raise wrong(
                "registeredModel", f"{{{unknown[0]}}} is no placeholder: use {{model}}, {{namespace}}, {{name}}"
            )
        if self.tag_prefix.lower().startswith("mlflow."):
            raise wrong("tagPrefix", "choose another: tags that begin with mlflow. are MLflow's own")
        if not 0 < self.timeout <= 300:  # noqa: PLR2004 - as the sentence says
            raise wrong("timeout", 'choose more than "0s" and no more than "5m"')
        return self

    def has(self, namespace: str) -> bool:
        """Whether it follows ModelRollouts of that namespace."""
        return among(namespace, self.namespaces)

    def called(self, model: str, namespace: str, name: str) -> str:
        """The registered model of a rollout."""
        facts = {"model": model, "namespace": namespace, "name": name}
        return _PLACES.sub(lambda place: facts[place[1]], self.registered_model)
