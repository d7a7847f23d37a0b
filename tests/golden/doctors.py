"""What `doctor` prints: healthy rollouts, ill ones, in 80 columns and as JSON; and what it refuses."""

from __future__ import annotations

import io
import json

from rich.console import Console

from modelrollout.cli.doctor.facts import Hints, ServiceFacts
from modelrollout.cli.doctor.picture import picture, title_of
from modelrollout.cli.lookup.found import Unknown
from modelrollout.ports import LedgerFailure
from tests.golden.plans import run_on_a_manifest
from tests.unit.cli.doctor.objects import other
from tests.unit.cli.doctor.patient import Patient, model, only, relabelled, seen_by_gateway, windows
from tests.unit.cli.doctor.spoilt import at_edges, hint

_ALONE = tuple(only(one, "1") for one in (seen_by_gateway(), model(), windows()))
_ILL = Patient(
    operator=Unknown('no ConfigMap with the label app.kubernetes.io/name=modelrollout is in namespace "ops"'),
    others=(other("/v2/models/digits/infer", path_type="Exact"),),
    services={
        "candidate": ServiceFacts("candidate", "2", "digits-v2", 8000, wrong="Service vision/digits-v2 does not exist")
    },
    skew="the clock of Prometheus 'default' is 90 s behind the API server's; fix it (NTP)",
    hints=Hints(renamed=hint(job="pods", exported_version="2")),
    recordings=(at_edges("0.01", "0.15"), model(), only(windows(), "1"), relabelled(windows(), job="again")),
)
_HOSTILE = Patient(
    others=(other("/v2/models/digits/ready", path_type="Exact", name="\x1b[2J::error ::\u202e##[error]x"),)
)
_PATIENTS = {
    "a healthy rollout in its step": Patient(),
    "version 1 serves alone": Patient(state="none", recordings=_ALONE),
    "a candidate that waits": Patient(state="idle", recordings=_ALONE),
    "many things wrong": _ILL,
    "a server that is down": Patient(failure=LedgerFailure("PrometheusUnreachable", "refused")),
    "an invalid spec": Patient(problem="spec.steps[1].weight is 5: choose more than the step before (5)"),
    "names that a terminal or a build server would obey": _HOSTILE,
}


def _shown(patient: Patient) -> str:
    console = Console(file=io.StringIO(), width=80)
    console.print(picture(title_of("vision", "digits", patient.read_status), patient.findings()))
    shown: str = console.file.getvalue()  # type: ignore[attr-defined] # it is the StringIO above
    return "\n".join(each.rstrip() for each in shown.splitlines())


def texts() -> dict[str, str]:
    """By patient; then by command line."""
    lines = {
        "neither NAME nor FILE": (),
        "-f FILE": ("-f", "FILE"),
        "-f FILE --prometheus, which is no URL": ("-f", "FILE", "--prometheus", "localhost"),
        "-f FILE --prometheus, which is down": ("-f", "FILE", "--prometheus", "http://127.0.0.1:1", "--json"),
        "NAME without a kubeconfig": ("digits", "--kubeconfig", "/nowhere"),
    }
    found = {title: _shown(patient) for title, patient in _PATIENTS.items()}
    one = json.dumps([each.as_json for each in _ILL.findings() if each.check in {"shadowed", "reachable"}], indent=1)
    return {**found, "findings in --json": one} | {
        title: run_on_a_manifest("doctor", *arguments) for title, arguments in lines.items()
    }
