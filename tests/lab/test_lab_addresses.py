"""A model server's address is its own from before it listens until it is gone, even when another draws the same one."""

from __future__ import annotations

import gc
import random
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests.lab import Triton

if TYPE_CHECKING:
    from pathlib import Path


def drawn_alike(folder: Path) -> Triton:
    site: Any = SimpleNamespace(mark="addresses")
    random.seed(3)
    return Triton(site, "digits", folder, "digits")


def test_the_same_draw_gives_another_address_while_the_first_is_claimed_and_the_same_one_afterwards(
    tmp_path: Path,
) -> None:
    first = drawn_alike(tmp_path)
    wanted = first.address
    assert drawn_alike(tmp_path).address != wanted
    del first
    gc.collect()
    assert drawn_alike(tmp_path).address == wanted
