"""What one pass observed, of the object that it has read and the snapshots that the pollers left."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from modelrollout.adapters.kubernetes.command_annotation import VERSION_BY, claimed_by, command_of, stamp_of, stamped_by
from modelrollout.api.status import Status
from modelrollout.core.observation import Command, MalformedCommand, Observation, ObservedRoute

if TYPE_CHECKING:
    from modelrollout.core.predecessor import Predecessor
    from modelrollout.runtime.watch import Watch

log = logging.getLogger(__name__)


def observation(
    watch: Watch,
    obj: dict[str, Any],
    *,
    route: ObservedRoute | None,
    problem: str | None,
    notices: tuple[str, ...],
    lost: str | None,
    contested: str,
    stamped: bool,
    predecessor: Predecessor | None,
) -> Observation:
    return Observation(
        generation=obj["metadata"].get("generation", 0),
        route=route,
        readiness=watch.ready(),
        evaluation=watch.evaluation,
        outage=watch.outage,
        command=_command_of(watch, obj, stamped=stamped),
        version_by=stamp_of(obj, VERSION_BY) if stamped else "",
        problem=problem,
        notices=notices,
        status_lost=lost,
        refusals=watch.refusals,
        refusal=watch.refusal,
        version_header=watch.version_header,
        prober=watch.probing.known,
        contested=contested,
        features=watch.features,
        predecessor=predecessor,
    )


def _command_of(watch: Watch, obj: dict[str, Any], *, stamped: bool) -> Command | MalformedCommand | None:
    try:
        found = command_of(obj)
        if not isinstance(found, Command):
            return found
        return stamped_by(obj, found) if stamped else claimed_by(found)
    except Exception:  # any defect: what cannot even be refused must stop no breach and no lost candidate
        log.exception("%s/%s: the command could not be read", watch.namespace, watch.name)
        return None


def status_of(obj: dict[str, Any]) -> tuple[Status, str | None]:
    """The stored status, or an empty one with what was wrong: then the route decides who is stable."""
    try:
        return Status.model_validate(obj.get("status") or {}), None
    except ValidationError as error:
        why = f"{error.error_count()} problems): {error.errors(include_url=False, include_input=False)[0]['msg']}"
    except Exception as error:  # noqa: BLE001 - a status is JSON that anybody with the right may write
        why = f"{type(error).__name__})"
    return Status(), f"the status cannot be read ({why}"
