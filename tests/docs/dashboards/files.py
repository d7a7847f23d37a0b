"""The dashboards as the chart carries them: one JSON file each."""

from __future__ import annotations

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from tests import ROOT
from tests.docs.dashboards.boards import BOARDS
from tests.docs.dashboards.panels import built

FOLDER = ROOT / "charts" / "modelrollout" / "files" / "dashboards"


def texts() -> dict[str, str]:
    """By file name."""
    encoder = JSONEncoder(sort_keys=True, indent=1)
    return {f"{name}.json": encoder.encode(built(board).build()) + "\n" for name, board in BOARDS.items()}
