"""One lab for a whole test session, shared by all its workers; every test gets its own namespace.

What only the lab needs is imported where it is used: two seconds that the tests without components do not wait.
"""

from __future__ import annotations

import gc
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import settings

from tests import ROOT, alike, lab, retries
from tests.layers import LAYERS, layer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from modelrollout.adapters.kubernetes.client import Api
    from tests.lab import Door, Member, Site

# How hard the properties are tried: `--hypothesis-profile=quick` while writing, everything otherwise, the same examples
# each time, so that no run fails by chance; `explore` looks for new ones.
settings.register_profile("quick", max_examples=2, deadline=None, derandomize=True)
settings.register_profile("full", max_examples=50, deadline=None, derandomize=True)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile("full")

_numbers = itertools.count(1)
_session = f"{os.getpid() % 10000:x}"


def pytest_configure(config: pytest.Config) -> None:
    """On CI a few end-to-end tests may be tried a second time.

    Garbage is not looked for at every 700th new object, of which importing, collecting and each test make many: with
    what is frozen below, a sixth of the unit tests' time.
    """
    retries.register(config, ROOT / "tests/e2e")
    gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    """What was imported and collected lives to the end: no collection of garbage need walk it again and again."""
    gc.freeze()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The golden files of tests/golden are rewritten instead of compared."""
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden/expected from the code")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Which Kubernetes the tests run on; nothing where no test needs one."""
    asked = [Path(each.partition("::")[0]).resolve() for each in config.args]
    unit = [ROOT / folder for folder in LAYERS["unit"]]
    if all(any(path.is_relative_to(folder) for folder in unit) for path in asked):
        return None
    refused = lab.envoy_gateway_refusal()
    second = f"no Envoy Gateway and no test of it: {refused}" if refused else lab.ENVOY_GATEWAY.title
    return f"lab: {lab.release()}, {second}"


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> Iterator[None]:
    """After every change, the cases of a unit test that would be left out are not made."""
    yield
    if layer(metafunc.definition.path) == "unit":
        alike.leave_out_the_others(metafunc)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each test has its layer's mark. What asks for the lab needs it, and may have to wait until it has started.

    The longest go first, so that no worker is left with one at the end. While new examples are looked for there is no
    limit: one that strikes within an example reads like a property that is true and false by turns (FlakyFailure).
    """
    for mark in ("envoy_gateway", "alertmanager"):
        behind = [item for item in items if item.get_closest_marker(mark)]
        if behind and (lab.envoy_gateway_refusal() if mark == "envoy_gateway" else lab.ALERTMANAGER.refusal()):
            config.hook.pytest_deselected(items=behind)
            items[:] = [item for item in items if item not in behind]
    alike.mark_the_others_slow(item for item in items if layer(item.path) == "unit")
    explores = config.getoption("--hypothesis-profile") == "explore"
    for item in items:
        item.add_marker(layer(item.path))
        if item.get_closest_marker("long"):
            item.add_marker("slow")
        if explores and hasattr(getattr(item, "obj", None), "hypothesis"):
            item.add_marker(pytest.mark.timeout(0))
        if "site" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.lab)
        if item.get_closest_marker("lab") and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(400))
    items.sort(key=_length, reverse=True)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With -n: tests go to workers one by one, in their order, but those on the bare API server all to one."""
    from tests.workers import OneBareServer  # noqa: PLC0415

    return OneBareServer(config, log) if config.option.dist == "load" else None


def _length(item: pytest.Item) -> tuple[float, bool, bool]:
    """Longer ones are greater: what may take longer, then end-to-end tests, then simulations."""
    timeout = item.get_closest_marker("timeout")
    may_take = float(timeout.args[0]) if timeout else 0.0
    return may_take, "/e2e/" in item.nodeid, item.get_closest_marker("slow") is not None


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """Name of this xdist worker; "main" without xdist."""
    return str(getattr(request.config, "workerinput", {}).get("workerid", "main"))


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker: str) -> Site:
    """The lab of this session. The first worker to ask starts it; it ends when the session does.

    MODELROLLOUT_LAB_SITE names the site file of a lab that runs already (`python -m tests.lab --site FILE`).
    """
    if os.environ.get("MODELROLLOUT_LAB_SITE"):
        return lab.Site.read(Path(os.environ["MODELROLLOUT_LAB_SITE"]))
    base = tmp_path_factory.getbasetemp()
    alone = worker == "main"
    folder, owner = (base, os.getpid()) if alone else (base.parent, os.getppid())
    return lab.shared_site(folder, owner)


@pytest.fixture(scope="session")
def member(site: Site) -> Iterator[Member]:
    """This worker's part in the lab."""
    joined = lab.Member(site)
    yield joined
    joined.leave()


@pytest.fixture(scope="session")
def envoy_gateway(member: Member) -> Door:
    """Envoy Gateway beside Traefik, for tests that carry its mark: the first of a run starts it, and all share it."""
    return member.envoy_gateway()


@pytest.fixture
def namespace(member: Member, worker: str) -> str:
    name = f"test-{_session}-{worker}-{next(_numbers)}"
    member.kube.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest_asyncio.fixture
async def api(site: Site) -> AsyncIterator[Api]:
    from modelrollout.adapters.kubernetes.client import connect  # noqa: PLC0415

    async with await connect(str(site.kubeconfig)) as opened:
        yield opened
