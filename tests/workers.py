"""Which worker of a parallel run tells which test: one by one in their order, but for those that share a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest

#: The files whose tests use the fixture `bare`; an API server for each of several workers would cost too much.
BARE = "_on_a_real_api_server.py::"


#: What is looked at in a browser: several at once would take both cores from tests that wait for an answer.
BROWSERS = ("/pages/", "_in_a_browser.py::")

#: An MLflow server takes a core for twenty seconds to start.
REGISTRIES = "/registries/test_a_real_registry"


class OneBareServer(LoadScopeScheduling):
    """A scope is what one worker gets as a whole: one test, or all on the bare API server, of browsers or of MLflow."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        config.option.loadscopereorder = False  # the order is the conftest's: the longest first
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        if any(part in nodeid for part in BROWSERS):
            return BROWSERS[0]
        return next((scope for scope in (BARE, REGISTRIES) if scope in nodeid), nodeid)
