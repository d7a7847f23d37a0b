"""One version under test: its addresses, asked by turns, and what it has answered in a row."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from modelrollout.adapters.triton.addresses import NotServedError, addresses, is_pod_of, service_of, slices_of
from modelrollout.adapters.triton.tls import Secured, TlsError, secured
from modelrollout.ports import Conflict, Unreachable
from modelrollout.prober.asking.ask import Answer, Asker, NoAnswerError, Question

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt

    from modelrollout.adapters.kubernetes.client import Api
    from modelrollout.api.config import Probes
    from modelrollout.api.spec import Spec
    from modelrollout.prober.counts import ArmCounts

FRESH = 10.0
"""Seconds for which addresses are taken to be as they were."""


@dataclass
class Arm:
    """`askers` by port of the Service: rows go to each by turns."""

    api: Api
    probes: Probes
    namespace: str
    spec: Spec
    version: str
    askers: Mapping[int, Asker]
    counts: ArmCounts
    silent: int = 0
    """Rows in a row without an answer."""
    why: str = ""
    """Why the last of them had none."""
    _known: dict[int, tuple[float, tuple[str, ...]]] = field(default_factory=dict)

    async def ask(self, index: int, inputs: Mapping[str, npt.NDArray[Any]], dtypes: Mapping[str, str]) -> Answer | None:
        """The answer to a row, counted; None where there was none."""
        port = tuple(self.askers)[index % len(self.askers)]
        began = time.monotonic()
        assert self.spec.preflight is not None
        try:
            async with asyncio.timeout(self.spec.preflight.timeout):
                question = await self.question(port, index, inputs, dtypes)
                began = time.monotonic()
                answer = await self.askers[port].ask(question)
        except TimeoutError:
            self._unanswered(f"no answer within {self.spec.preflight.timeout:g} s")
            return None
        except NoAnswerError as error:
            self._unanswered(str(error))
            return None
        self.silent = 0
        self.counts.answered(time.monotonic() - began, answer)
        return answer

    async def question(
        self, port: int, index: int, inputs: Mapping[str, npt.NDArray[Any]], dtypes: Mapping[str, str]
    ) -> Question:
        """To the address whose turn it is. Raises NoAnswerError where there is none."""
        known = await self._addresses(port)
        asked, proof = self.spec.serving.asked_version(self.version), self._proof(port)
        address = known[index // len(self.askers) % len(known)]
        return Question(address, self.spec.model.name, asked, inputs, dtypes, proof)

    def _proof(self, port: int) -> Secured | None:
        tls = self.probes.tls_of(self.namespace, port)
        try:
            return None if tls is None else secured(tls, self.namespace, self.spec.serving.service_of(self.version))
        except TlsError as error:
            raise NoAnswerError(str(error)) from None

    def _unanswered(self, why: str) -> None:
        self.silent, self.why = self.silent + 1, why
        self.counts.failed()

    async def _addresses(self, port: int) -> tuple[str, ...]:
        at, known = self._known.get(port, (0.0, ()))
        if known and time.monotonic() - at < FRESH:
            return known
        service = self.spec.serving.service_of(self.version)
        try:
            name, family = await service_of(self.api, self.namespace, service, port)
            found = addresses(await slices_of(self.api, self.namespace, service), name, family, partial(self._may_ask))
        except (NotServedError, Unreachable, Conflict) as error:
            raise NoAnswerError(str(error)) from None
        if not found.asked:
            what = "may not be asked (probes.allowed)" if found.refused else "is ready"
            raise NoAnswerError(f"Service {self.namespace}/{service} has no address that {what}")
        self._known[port] = time.monotonic(), found.asked
        return found.asked

    def _may_ask(self, endpoint: dict[str, Any], address: str) -> bool:
        return is_pod_of(self.namespace, endpoint, address) or self.probes.allows(self.namespace, address)
