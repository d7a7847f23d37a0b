"""The tools that are compared, ours first; a new one is a file and a line here."""

from __future__ import annotations

from tests.bench.peers.tools.argo import Argo
from tests.bench.peers.tools.flagger import Flagger
from tests.bench.peers.tools.ours import Ours
from tests.bench.peers.tools.tool import Seat, Setting, Tool

TOOLS: dict[str, type[Tool]] = {"ours": Ours, "flagger": Flagger, "argo": Argo}

__all__ = ["TOOLS", "Seat", "Setting", "Tool"]
