"""What the prober says of one resource, as last read; its silence is measured by this process's own clock."""

from __future__ import annotations

from dataclasses import dataclass, field

from modelrollout.adapters.kubernetes.preflight_reports import report_of
from modelrollout.core.preflight import Prober
from modelrollout.ports import Clock, PreflightReports


@dataclass
class Probing:
    """`reports` is None where there is no prober."""

    namespace: str = ""
    name: str = ""
    reports: PreflightReports | None = None
    clock: Clock | None = None
    known: Prober = field(default_factory=Prober)
    _text: str | None = None

    def __post_init__(self) -> None:
        self.known = Prober(installed=self.reports is not None)

    async def read(self) -> bool:
        """Whether there is anything new for a pass; signs of life alone are not."""
        if self.reports is None or self.clock is None:
            return False
        before, (text, problem) = self.known, await self.reports.read(self.namespace, self.name)
        changed = before.changed_at
        if text != self._text:
            self._text, changed = text, self.clock.now()
        self.known = Prober(installed=True, report=report_of(text), changed_at=changed, problem=problem)
        return (before.report, before.problem) != (self.known.report, self.known.problem)
