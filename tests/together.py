"""Who runs what in a parallel run: tests in their order, one by one, except for those that share one costly thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

#: Folders whose tests one worker tells from the first to the last.
FOLDERS = ("tests/install/",)


class Together(LoadScopeScheduling):
    """A scope is one test, or a whole folder of `FOLDERS`."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False  # the order is the conftest's: the longest first
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in FOLDERS if nodeid.startswith(folder)), nodeid)
