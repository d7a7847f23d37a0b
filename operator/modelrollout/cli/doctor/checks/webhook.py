"""A Webhook gate: whether the operator's configuration has its webhook for this namespace, and what it said last."""

from __future__ import annotations

from modelrollout.api.gates import WebhookGate
from modelrollout.cli.doctor.checks.view import View
from modelrollout.cli.doctor.finding import Finding, Reporter


def webhook(gate: WebhookGate, view: View, say: Reporter) -> Finding:
    """Nothing is asked from here: addresses and keys lie with the operator, and a question may start a load test."""
    config, namespace = view.facts.source.config, view.request.namespace
    if config is not None and config.webhook(gate.asks, namespace) is None:
        text = f"the operator's configuration has no webhook {gate.asks} for namespace {namespace}"
        return say.problem("webhook", text, "name another one in gate.webhook, or have this one listed under webhooks")
    status = view.subject.status
    shown = next((one for one in (status.gates if status else ()) if one.name == gate.name), None)
    if shown is not None and view.subject.state == "serving":
        if shown.verdict == "NO_DATA":
            return say.problem("webhook", shown.message, "see what that system logs; docs/rollouts/webhooks.md")
        return say.ok("webhook", shown.message)
    where = "is in the operator's configuration" if config is not None else "may be in the operator's configuration"
    return say.ok("webhook", f"webhook {gate.asks} {where}; it is asked in each step")
