"""A name that the gateway cannot write into its metrics is counted under none that is known: people are told."""

from __future__ import annotations

from modelrollout.core.evaluation import EvaluationRequest


def unnamed(request: EvaluationRequest) -> tuple[str, ...]:
    """A sentence for each name in the label of a backend that the gateway's dialect ends too early."""
    dialect, gateway = request.dialect, request.spec.traffic.gateway
    if dialect is None or dialect.ends_at is None:
        return ()
    names = {
        "route": ("the ModelRollout" if request.git is None else "the HTTPRoute", request.route),
        "gateway": ("the Gateway", gateway.name),
    }
    return tuple(
        f"{dialect.name}'s metrics end a name at {dialect.ends_at!r}, so nothing is counted for {what} {name}: give it "
        f"a name without, or let the gates read the model's own series (source: Model)"
        for placeholder, (what, name) in names.items()
        if dialect.ends_at in name and f"{{{placeholder}}}" in dialect.backend
    )
