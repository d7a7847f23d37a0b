"""What the tests of gates share: the gates, both methods, and one look at recorded samples."""

from __future__ import annotations

import pytest

from tests.unit.analysis.recorded import look, request_of, spec_of

ERRORS = {"name": "errors", "type": "ErrorRate"}
LATENCY = {"name": "latency", "type": "Latency"}
DEAD = {"name": "dead", "type": "DeadNeurons"}
PLAIN = {"method": "Threshold"}
BOTH = pytest.mark.parametrize("method", ["Threshold", "Sequential"])


async def judged(gate, at, *recordings, request=None, **kw):
    found = await look(request or request_of(spec_of(gate)), at, *recordings, **kw)
    return found.gates[0]
