"""What a run needs: the golden set, both versions, and its turn; one for each resource in phase Preflight."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from modelrollout.adapters.kubernetes.client import Api
from modelrollout.api.config import Probes
from modelrollout.api.spec import Spec
from modelrollout.api.status import Status
from modelrollout.ports import Conflict, Unreachable
from modelrollout.prober.arms import Arm
from modelrollout.prober.asking.ask import Asker, NoAnswerError
from modelrollout.prober.asking.grpc import GrpcAsker
from modelrollout.prober.asking.http import HttpAsker
from modelrollout.prober.counts import ArmCounts
from modelrollout.prober.golden.fit import GoldenRows, fitted
from modelrollout.prober.golden.npz import GoldenSetError, read_npz
from modelrollout.prober.golden.parquet import is_parquet, read_parquet
from modelrollout.prober.golden.places import fetch
from modelrollout.prober.golden.stores import Store
from modelrollout.prober.replay import Run, replay

log = logging.getLogger(__name__)
RUNS_AT_ONCE, RUNS_OF_ONE_NAMESPACE = 4, 2
ASKING = 10.0
"""Seconds for what a server says of its model."""
SETTLING = 1.0
"""Seconds beyond one analysis.interval before the first row: evidence counts whole intervals from the run's start."""
AGAIN = 5.0


@dataclass(frozen=True)
class Wanted:
    """A resource with a pre-flight, as listed."""

    namespace: str
    name: str
    spec: Spec
    status: Status

    @property
    def run(self) -> str:
        """The run that the operator waits for; empty where it waits for none."""
        known = self.status.preflight
        return known.run if known is not None and self.status.phase == "Preflight" else ""

    @property
    def asked(self) -> str:
        """Digest of what the spec asks for."""
        return self.spec.preflight_digest


@dataclass
class Bench:
    """What every run needs, and the line that they wait in."""

    api: Api
    probes: Probes
    files: Path | Store | None
    most_a_second: int
    scrapes: Callable[[], int] = lambda: 0
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(RUNS_AT_ONCE))
    _of_one: dict[str, asyncio.Semaphore] = field(default_factory=dict)

    @asynccontextmanager
    async def place(self, namespace: str) -> AsyncIterator[None]:
        """A place for one run; a namespace that has its part waits for its own, and takes none from others."""
        own = self._of_one.setdefault(namespace, asyncio.Semaphore(RUNS_OF_ONE_NAMESPACE))
        async with own, self._places:
            yield

    async def golden_rows(self, wanted: Wanted, asker: HttpAsker) -> GoldenRows:
        """The set, read and compared with what stable's server says. Raises GoldenSetError, or what may pass."""
        spec, version = wanted.spec, wanted.status.stable or wanted.spec.model.version
        assert spec.preflight is not None
        data, field_name = await fetch(self.api, self.files, wanted.namespace, spec.preflight.golden_set)
        arrays = await asyncio.to_thread(read_parquet if is_parquet(data) else read_npz, data, field_name)
        stable = self.arm(wanted, version, {spec.serving.port: asker}, ArmCounts((), ()))
        async with asyncio.timeout(ASKING):
            facts = await asker.facts(await stable.question(spec.serving.port, 0, {}, {}))
        return fitted(arrays, spec.preflight, facts)

    def arm(self, wanted: Wanted, version: str, askers: dict[int, Asker], counts: ArmCounts) -> Arm:
        """One version of the resource's model."""
        return Arm(self.api, self.probes, wanted.namespace, wanted.spec, version, askers, counts)

    def counts(self, wanted: Wanted, version: str, golden: GoldenRows) -> ArmCounts:
        """All at 0."""
        sources = ("golden", "shadow") if golden.labels is not None else ("shadow",)
        labels = (wanted.namespace, wanted.name, wanted.spec.model.name, version, wanted.run)
        return ArmCounts(labels, sources)


async def check(bench: Bench, wanted: Wanted) -> Run:
    """Whether the golden set can be used, said before any rollout needs it."""
    run, asker = Run("", wanted.asked), HttpAsker()
    try:
        golden = await bench.golden_rows(wanted, asker)
        run.of = golden.rows
        run.say("Checked")
    except GoldenSetError as error:
        run.say("Refused", str(error))
    except (NoAnswerError, Unreachable, Conflict, TimeoutError) as error:
        run.say("Checked", f"not compared with the model yet: {error or 'no answer in time'}")
    finally:
        await asker.close()
    return run


async def carry_out(bench: Bench, wanted: Wanted, run: Run) -> None:
    """One run to its end; a golden set that cannot be used and a server that does not answer are looked at again."""
    http, grpc = HttpAsker(), GrpcAsker()
    try:
        await asyncio.sleep(wanted.spec.analysis.interval + SETTLING)
        golden = await _patiently(bench, wanted, run, http)
        spec, stable, candidate = wanted.spec, wanted.status.stable or "", wanted.status.candidate or ""
        assert spec.preflight is not None
        askers: dict[int, Asker] = {spec.serving.port: http} if spec.traffic.has_http else {}
        if spec.traffic.has_grpc:
            askers[spec.serving.grpc_port] = grpc
        made = [bench.arm(wanted, one, askers, bench.counts(wanted, one, golden)) for one in (stable, candidate)]
        async with bench.place(wanted.namespace):
            rate = min(spec.preflight.rate, bench.most_a_second)
            await replay(run, golden, (made[0], made[1]), rate, bench.scrapes)
    except Exception:  # any defect: the operator holds, and says that nothing is heard
        log.exception("%s/%s: the run failed", wanted.namespace, wanted.name)
        run.say("Waiting", "a defect of the prober: see its log")
        raise
    finally:
        await http.close()
        await grpc.close()


async def _patiently(bench: Bench, wanted: Wanted, run: Run, asker: HttpAsker) -> GoldenRows:
    while True:
        try:
            return await bench.golden_rows(wanted, asker)
        except (NoAnswerError, Unreachable, Conflict, TimeoutError) as error:
            run.say("Waiting", f"stable's server does not describe the model: {error or 'no answer in time'}")
        except GoldenSetError as error:
            run.say("Refused", str(error))
        await asyncio.sleep(AGAIN)
