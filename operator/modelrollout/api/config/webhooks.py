"""Systems that Webhook gates ask: named here and nowhere else, so that no resource chooses an address."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from modelrollout.api.base import wrong
from modelrollout.api.config.allowed import Namespaces, among
from modelrollout.api.config.notifications import WebhookTarget
from modelrollout.api.gates import Name
from modelrollout.api.quantities import Duration


class GateWebhook(WebhookTarget):
    """A system of yours that is asked for a verdict, such as one that runs a load test."""

    name: Name
    """What Webhook gates call it."""
    namespaces: Namespaces
    """Whose ModelRollouts may have it asked; `*` in a name stands for any characters."""
    timeout: Duration = 10.0
    """How long one try may take, the answer's last byte included."""
    tries: Annotated[int, Field(ge=1, le=5)] = 3
    """Tries of one question, with growing pauses, where no answer comes or the server is in trouble."""

    @model_validator(mode="after")
    def _timeout_is_short(self) -> Self:
        if not 0 < self.timeout <= 60:  # noqa: PLR2004 - as the sentence says
            raise wrong("timeout", 'choose more than "0s" and no more than "60s"')
        return self

    def lets(self, namespace: str) -> bool:
        """Whether a ModelRollout of that namespace may have it asked."""
        return among(namespace, self.namespaces)
