"""The image that the Dockerfile makes: what is in it, as whom it runs, and one rollout promoted by it."""

from __future__ import annotations

import json
import time

import psutil
import pytest
from packaging.utils import canonicalize_name

from tests.e2e.image.builder import Image
from tests.e2e.image.inside import inside
from tests.e2e.support.rollouts import BRISK, Rollouts
from tests.install.release.materials import bill_of_materials, versions

# One test, so that the image is built once: workers share no fixtures.
pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]

LISTED = """
import importlib.metadata, json, platform
found = {each.metadata["Name"]: each.version for each in importlib.metadata.distributions()}
print(json.dumps([platform.python_version(), found]))
"""


def test_the_image_holds_what_its_bill_says_and_no_pip_and_promotes_a_version(image: Image, rollouts: Rollouts):
    holds_the_operator_and_no_pip(image)
    live = rollouts.start(1, 2, rate=BRISK, operate={"spawn": inside(image)})
    live.wait("the image's operator leads", lambda _: "this process leads" in live.operator.log(), 60)
    began = psutil.Process(live.operator.process.pid).create_time()
    print(f"the image's operator leads {time.time() - began:.1f} s after its start")
    live.client = live.adopt()
    live.version(2)
    live.wait_phase("Serving", deadline=120)
    done = live.wait("promotion", lambda s: s.get("stable") == "2", 120)
    assert done["history"][-1]["result"] == "Promoted"
    live.wait("what is kept of it", lambda s: "snapshot" in s["history"][-1], 30)
    assert live.client.failed == []


def holds_the_operator_and_no_pip(image: Image) -> None:
    assert image.config["User"] == "65532:65532"
    assert image.config["Entrypoint"] == ["modelrollout-operator"]
    python = "/opt/modelrollout/bin/python"
    for interpreter in (python, "/usr/bin/python3"):
        for module in ("pip", "ensurepip"):
            done = image.run(interpreter, "-c", f"import {module}")
            assert f"No module named '{module}'" in done.stderr, f"{module} in {interpreter}: {done.stderr}"
    assert image.run("touch", "/opt/modelrollout/x").returncode != 0, "its user may write the program"
    listed = image.run(python, "-c", LISTED)
    assert listed.returncode == 0, listed.stderr
    version, found = json.loads(listed.stdout)
    assert {canonicalize_name(name): found[name] for name in found} == versions(bill_of_materials(version))
