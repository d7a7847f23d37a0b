"""How kubectl wait, Flux and Argo CD read an object's status: the rules of kstatus, in the order in which it asks them.

Source of the rules: the package status of sigs.k8s.io/cli-utils, which the lab's tests ask itself where Go is at hand
(tests/lab/components/gitops.py).
"""

from __future__ import annotations

from typing import Any

CURRENT, IN_PROGRESS, FAILED, TERMINATING = "Current", "InProgress", "Failed", "Terminating"


def kstatus(resource: dict[str, Any]) -> str:
    """What the object is: CURRENT, IN_PROGRESS, FAILED or TERMINATING."""
    meta, status = resource.get("metadata") or {}, resource.get("status") or {}
    if meta.get("deletionTimestamp"):
        return TERMINATING
    if "observedGeneration" in status and status["observedGeneration"] != meta.get("generation"):
        return IN_PROGRESS
    for condition in status.get("conditions") or []:
        if (condition["type"], condition["status"]) == ("Reconciling", "True"):
            return IN_PROGRESS
        if (condition["type"], condition["status"]) == ("Stalled", "True"):
            return FAILED
    ready = next((one["status"] for one in status.get("conditions") or [] if one["type"] == "Ready"), None)
    return CURRENT if ready in (None, "True") else IN_PROGRESS
