"""What a stored Lease says, bounded: whoever may write it once must not keep every operator from leading."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from modelrollout.api.borders.cleaning import clean_name, mapping
from modelrollout.api.timestamps import parse_timestamp
from modelrollout.ports import Unreachable

LONGEST = 300.0
"""Seconds that a Lease may last. No operator asks for more, so what is longer was written by something else."""
HIGHEST = 2**31 - 1
"""The most transitions that an API server stores."""
_SIGNS = ("holderIdentity", "renewTime", "acquireTime", "leaseTransitions", "leaseDurationSeconds")
_OTHERS = ("strategy", "preferredHolder")


@dataclass(frozen=True)
class LeaseRecord:
    """A Lease as it was read.

    `created` is in epoch seconds, `duration` in seconds (0.0 where none was written that an operator could have
    written). `holder` is whole, for comparing, and may be anything; "" where nobody holds the Lease. `transitions` is
    None where it is missing or no number from 0 to HIGHEST. `signs` changes with every renewal, and with nothing but
    what a leader writes. `others` are the fields of its spec that would give it to another kind of election.
    """

    meta: dict[str, Any]
    created: int
    holder: str
    duration: float
    transitions: int | None
    signs: tuple[str, ...]
    others: tuple[str, ...]
    kept: bool

    @property
    def countable(self) -> bool:
        """Whether a new tenure can be counted on it, so that its epoch is newer than every one before."""
        return self.transitions is not None and self.transitions < HIGHEST


def read_lease(found: dict[str, Any]) -> LeaseRecord:
    """Raises Unreachable for what no API server stores: no name, uid, version or creation time."""
    meta, spec = mapping(found.get("metadata")), mapping(found.get("spec"))
    try:
        fence = {key: meta[key] for key in ("name", "namespace", "uid", "resourceVersion")}
        created = int(parse_timestamp(meta["creationTimestamp"]))
    except (KeyError, ValueError) as error:
        raise Unreachable("ApiError", f"the API server answered with no Lease: {type(error).__name__}") from None
    holder = spec.get("holderIdentity") or ""
    return LeaseRecord(
        meta=fence,
        created=created,
        holder=holder if isinstance(holder, str) else clean_name(holder),
        duration=_duration(spec.get("leaseDurationSeconds")),
        transitions=_transitions(spec.get("leaseTransitions")),
        signs=(clean_name(fence["uid"]), *(clean_name(spec.get(key)) for key in _SIGNS)),
        others=tuple(key for key in _OTHERS if key in spec),
        kept=bool(meta.get("finalizers")),
    )


def order_of(epoch: str) -> tuple[int, int]:
    """(creation of the Lease in epoch seconds, its transitions) of an epoch as lease.py gives it; (-1, -1) for none."""
    found = re.match(r"^([0-9]{1,12})\.([0-9]{1,10})-", epoch)
    return (int(found[1]), int(found[2])) if found else (-1, -1)


def _duration(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 < value <= LONGEST else 0.0


def _transitions(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= HIGHEST else None
