"""On request the API server records who asked it for what: one JSON line a request, without bodies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import yaml

VARIABLE = "MODELROLLOUT_LAB_AUDIT"
"""Names the folder for the records, one file a lab; without it nothing is recorded."""
_POLICY: dict[str, Any] = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived", "ResponseStarted", "Panic"],
    "rules": [{"level": "Metadata", "userGroups": ["system:serviceaccounts"]}, {"level": "None"}],
}


def audit_arguments(folder: Path, mark: str) -> list[str]:
    """Arguments of kube-apiserver; its policy is written into the lab's `folder`."""
    records = os.environ.get(VARIABLE)
    if not records:
        return []
    Path(records).mkdir(parents=True, exist_ok=True)
    policy = folder / "audit.yaml"
    policy.write_text(yaml.safe_dump(_POLICY))
    return [f"--audit-policy-file={policy}", f"--audit-log-path={Path(records).absolute() / mark}.jsonl"]
