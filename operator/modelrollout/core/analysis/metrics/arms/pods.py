"""A Pod of one version's Service does not speak for the other version, where the scrape says which Pod it is.

Which version a model's series is about is the model server's own word (the label `version`). The label `pod` is the
scrape's; where it names a Pod of the other version's Service, the series is not counted. A Pod that is called after
neither is believed, and so is a scrape without the label.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.model_series import Arm
from modelrollout.core.evaluation import EvaluationRequest

POD = "pod"
MOST_SHOWN = 3
OTHER: Mapping[Arm, Arm] = {"stable": "candidate", "candidate": "stable"}


@dataclass
class Pods:
    """Whether a Pod may speak for a version; remembers who was refused, for people."""

    request: EvaluationRequest
    asked: dict[tuple[Arm, str], bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._patterns = self.request.fact("pods", self._compiled)

    def _compiled(self) -> dict[Arm, re.Pattern[str]]:
        return {arm: re.compile(s.pod_pattern(self.request, arm)) for arm in OTHER}

    @property
    def key(self) -> Hashable:
        """Two with equal keys let the same Pods speak."""
        return tuple(self._patterns.items())

    def may_speak(self, arm: Arm, labels: Mapping[str, str]) -> bool:
        """Whether the series with these labels may count for `arm`."""
        pod = labels.get(POD, "")
        if not pod or arm not in OTHER:
            return True
        if (arm, pod) not in self.asked:
            others = self._patterns[OTHER[arm]].fullmatch(pod) and not self._patterns[arm].fullmatch(pod)
            self.asked[arm, pod] = not others
        return self.asked[arm, pod]

    def warnings(self) -> tuple[str, ...]:
        """A sentence for each version for which the other one's Pods spoke."""
        found = []
        for arm in OTHER:
            pods = sorted(pod for (whose, pod), may in self.asked.items() if whose == arm and not may)
            if pods:
                service = self.request.spec.serving.service_of(self.request.version_of(OTHER[arm]))
                more = f" and {len(pods) - MOST_SHOWN} more" if len(pods) > MOST_SHOWN else ""
                found.append(
                    f"series about version {self.request.version_of(arm)} come from Pods of {service} "
                    f"({', '.join(pods[:MOST_SHOWN])}{more}) and are not counted: no version speaks for the other"
                )
        return tuple(found)
