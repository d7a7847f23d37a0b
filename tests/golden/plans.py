"""What `plan` shows of made-up stable versions, the line in status that goes with it, and what it refuses."""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path

from modelrollout.cli.main import main
from modelrollout.core.analysis.gates.plan import words
from modelrollout.core.analysis.gates.plan.answers import Plan
from tests.unit.analysis.gates.plan.stables import answers, planned, stable, windows

_ERRORS = {"name": "errors", "type": "ErrorRate"}
_GATES = (
    _ERRORS,
    {"name": "latency", "type": "Latency"},
    {"name": "accuracy", "type": "Accuracy"},
    {"name": "dead-neurons", "type": "DeadNeurons"},
    {"name": "drift", "type": "Drift"},
)
_SET = {"goldenSet": {"file": "digits/rows.npz"}}
MANIFEST = """\
apiVersion: modelrollout.dev/v1alpha1
kind: ModelRollout
metadata: {name: digits, namespace: vision}
spec:
  model: {name: digits, version: "2"}
  serving: {service: "digits-v{version}"}
  traffic: {gateway: {name: inference, hostnames: [a.example.com]}}
  steps: [{weight: 5, hold: 10m}, {weight: 50, hold: 10m}]
"""


def _plans() -> dict[str, Plan]:
    whole = (stable(20, 0.005), answers(20, 0.05), windows(20, 5.0))
    return {
        "20 requests/s, 0.5 % errors": planned(stable(20, 0.005)),
        "every gate": planned(*whole, gates=_GATES),
        "4 requests/s, 0.5 % errors": planned(stable(4, 0.005)),
        "one request a second": planned(stable(1, 0.005)),
        "no errors in half an hour": planned(stable(20, 0.0)),
        "an absolute limit": planned(stable(20, 0.002), gates=({**_ERRORS, "max": "1%"},)),
        "an absolute limit that stable hardly keeps": planned(stable(20, 0.009), gates=({**_ERRORS, "max": "1%"},)),
        "no activations": planned(stable(20, 0.005), gates=_GATES),
        "a short deadline": planned(stable(20, 0.005), deadline="15m"),
        "a pre-flight": planned(stable(20, 0.005), preflight={**_SET, "rows": 500}),
        "a pre-flight of the whole set": planned(stable(20, 0.005), preflight=_SET),
        "no traffic": planned(stable(0, 0.0)),
    }


def _shown(plan: Plan) -> str:
    return "\n".join([*words.lines(plan), "", "in one line:", words.line(plan)])


def run_on_a_manifest(command: str, *arguments: str) -> str:
    """What the command prints, and how it ends; FILE stands for a manifest."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = Path(folder) / "rollout.yaml"
        path.write_text(MANIFEST)
        out, err = (
            stack.enter_context(to(io.StringIO())) for to in (contextlib.redirect_stdout, contextlib.redirect_stderr)
        )
        code = main([command, *(str(path) if one == "FILE" else one for one in arguments)])
        return f"{out.getvalue()}{err.getvalue()}exit {code}".replace(folder, "")


def texts() -> dict[str, str]:
    """By stable version; then by command line."""
    lines = {
        "-f FILE --requests 20": ("-f", "FILE", "--requests", "20"),
        "-f FILE --requests 1": ("-f", "FILE", "--requests", "1"),
        "-f FILE --requests 20 --json": ("-f", "FILE", "--requests", "20", "--json"),
        "-f FILE": ("-f", "FILE"),
        "-f FILE --prometheus, which is down": ("-f", "FILE", "--prometheus", "http://127.0.0.1:1"),
        "-f FILE --prometheus, which is no URL": ("-f", "FILE", "--prometheus", "localhost"),
        "neither NAME nor FILE": (),
    }
    return {title: _shown(plan) for title, plan in _plans().items()} | {
        title: run_on_a_manifest("plan", *arguments) for title, arguments in lines.items()
    }
