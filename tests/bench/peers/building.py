"""The peers' controllers, which are built once from Go modules into the lab's cache, their definitions beside them.

Versions stand in the go.mod files below go/ and nowhere else; their go.sum files fix every byte of source.
"""

from __future__ import annotations

from pathlib import Path

from tests.lab import Program

FOLDER = Path(__file__).parent / "go"
OTHERWISE = "leave it out with --tools"

FLAGGER = Program(
    FOLDER / "flagger", "github.com/fluxcd/flagger/cmd/flagger", "artifacts/flagger/crd.yaml", otherwise=OTHERWISE
)
ARGO = Program(
    FOLDER / "argo-rollouts",
    "github.com/argoproj/argo-rollouts/cmd/rollouts-controller",
    "manifests/crds/*-crd.yaml",
    otherwise=OTHERWISE,
)
