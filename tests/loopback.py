"""What an operator of the tests may ask: servers on loopback, which no Pod has and no cluster would allow."""

from __future__ import annotations

from typing import Any, Final

from modelrollout.api.config import Probes

LOOPBACK: Final[dict[str, Any]] = {"allowed": [{"cidr": "127.0.0.0/8"}]}
"""`probes` of an operator's configuration."""
PROBES: Final = Probes.model_validate(LOOPBACK)
