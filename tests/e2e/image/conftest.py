"""The image is built once a run; its tests stay with one worker, in one file."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

import pytest

from tests import ROOT
from tests.e2e.image.builder import Image, build, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUIRED = "MODELROLLOUT_IMAGE_REQUIRED"
"""Set by CI, where the image must be built; elsewhere its tests are skipped where it cannot be."""


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    why = refusal()
    if why and not os.environ.get(REQUIRED):
        pytest.skip(why)  # a desk without root or Debian; CI sets REQUIRED and fails instead
    assert not why, why
    folder = ROOT / "build" / f"image-{os.getpid()}"
    began = time.monotonic()
    try:
        made = build(folder)
        seconds, sizes = time.monotonic() - began, (made.size / 1e6, made.base_size / 1e6)
        print(f"image built in {seconds:.0f} s: {sizes[0]:.0f} MB, {sizes[1]:.0f} MB of them its base")
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)
