"""Who is told what, and where: sinks are named here and nowhere else, so that no resource chooses an address.

Addresses and keys are secrets, and stand in files; what stands here may be read by everybody.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from modelrollout.api.base import ApiModel, wrong
from modelrollout.api.config.allowed import Namespaces, among
from modelrollout.api.config.credentials import File
from modelrollout.api.gates import Name
from modelrollout.api.quantities import Duration

Kind = Literal["Started", "Advanced", "Promoted", "RolledBack", "Drift", "NeedsPerson", "Warning", "Info"]
"""What a notification is about: a closed set, into which every reason falls."""
WORTH_A_MESSAGE: list[Kind] = ["Promoted", "RolledBack", "NeedsPerson", "Warning"]

PLACEHOLDERS = (
    "candidate",
    "evidence",
    "kind",
    "message",
    "model",
    "name",
    "namespace",
    "phase",
    "reason",
    "stable",
    "time",
    "weight",
)
"""What a template may name, as $model or ${model}."""
LONGEST_TITLE, LONGEST_TEXT = 256, 3000
"""Characters of what is sent."""
TITLE = "$model: $kind, $reason ($namespace/$name)"
TEXT = """\
$message
Stable $stable, candidate $candidate at $weight %.
$evidence
kubectl modelrollout status $name -n $namespace"""

Kinds = Annotated[list[Kind], Field(min_length=1, max_length=8)]


class NotificationTemplate(ApiModel):
    """Words for some kinds; $placeholders are replaced, and nothing in it is ever run."""

    kinds: Kinds | None = None
    """The kinds it is for; all when unset."""
    title: Annotated[str, Field(min_length=1, max_length=LONGEST_TITLE)] = TITLE
    """One line."""
    text: Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)] = TEXT
    """What is below it."""

    @model_validator(mode="after")
    def _placeholders_are_known(self) -> Self:
        for field, text in (("title", self.title), ("text", self.text)):
            template = Template(text)
            if not template.is_valid():
                raise wrong(field, "write a dollar sign that starts no placeholder as $$")
            for name in template.get_identifiers():
                if name not in PLACEHOLDERS:
                    usable = ", ".join(f"${one}" for one in PLACEHOLDERS)
                    raise wrong(field, f"${name} is no placeholder: use {usable}")
        return self

    def render(self, facts: Mapping[str, str]) -> tuple[str, str]:
        """(title, text) within their lengths; lines that a placeholder left empty are taken out."""
        title, text = (Template(one).safe_substitute(facts) for one in (self.title, self.text))
        lines = [line for line in text.splitlines() if line.strip()]
        return " ".join(title.split())[:LONGEST_TITLE], "\n".join(lines)[:LONGEST_TEXT]


class AppriseTarget(ApiModel):
    """A service that Apprise knows: Slack, Teams, e-mail, PagerDuty and a hundred more."""

    url_file: File
    """A file with one Apprise URL, such as slack://TOKEN_A/TOKEN_B/TOKEN_C; mount it from a Secret."""


class WebhookTarget(ApiModel):
    """A program of yours: it gets CloudEvents 1.0 as structured JSON, signed as Standard Webhooks says."""

    url_file: File
    """A file with its URL (http or https)."""
    key_file: File
    """A file with the key of the signatures: 24 to 64 bytes in base64, with whsec_ before it or without."""
    previous_key_file: File | None = None
    """While the key is changed: a second signature by the one before."""
    bearer_token_file: File | None = None
    """A file with a token for the header Authorization."""
    ca_file: File | None = None
    """A file with the certificate authority of an https URL."""


class Sink(ApiModel):
    """One place where notifications go, and which."""

    name: Name
    """What logs, metrics and `notify --sink` call it."""
    apprise: AppriseTarget | None = None
    """A service that people read."""
    webhook: WebhookTarget | None = None
    """A program, such as one that starts a training."""
    namespaces: Namespaces = ["*"]
    """Of ModelRollouts in these namespaces; `*` in a name stands for any characters."""
    kinds: Kinds = WORTH_A_MESSAGE
    """Which kinds are sent."""
    templates: Annotated[list[NotificationTemplate], Field(max_length=8)] = []
    """Words of your own; the first that is for a kind counts."""
    per_minute: Annotated[int, Field(ge=1, le=600)] = 20
    """How many are sent in the long run, by turns of namespaces; further ones wait."""
    timeout: Duration = 10.0
    """How long one try may take."""
    keep_trying: Duration = 600.0
    """How long after something happened it is still sent, if the sink did not take it before."""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if (self.apprise is None) == (self.webhook is None):
            raise wrong("apprise", "give every sink either apprise or webhook")
        if not 0 < self.timeout <= 60:  # noqa: PLR2004 - as the sentence says
            raise wrong("timeout", 'choose more than "0s" and no more than "60s"')
        return self

    def wants(self, namespace: str, kinds: frozenset[Kind]) -> bool:
        """Whether such a notification of that namespace is sent here."""
        return not kinds.isdisjoint(self.kinds) and among(namespace, self.namespaces)

    def render(self, kinds: frozenset[Kind], facts: Mapping[str, str]) -> tuple[str, str]:
        """(title, text) of one."""
        fitting = (one for one in self.templates if one.kinds is None or not kinds.isdisjoint(one.kinds))
        return next(fitting, NotificationTemplate()).render(facts)


class Notifications(ApiModel):
    """Who is told, besides the Events in the cluster; nothing waits for it."""

    sinks: Annotated[list[Sink], Field(max_length=16)] = []
    """Each has a queue, a rate and a patience of its own."""

    @model_validator(mode="after")
    def _names_once(self) -> Self:
        names = [sink.name for sink in self.sinks]
        for index, name in enumerate(names):
            if name in names[:index] or name == "kubernetes-events":
                raise wrong(f"sinks.{index}.name", "give every sink a different name, and none kubernetes-events")
        return self
