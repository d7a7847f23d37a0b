"""Through the lab's proxies the real API server serves EndpointSlices v1, or fails as the fault says."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from kubernetes.dynamic.exceptions import DynamicApiError, ForbiddenError, ServiceUnavailableError
from urllib3.exceptions import HTTPError

from tests.expect import present
from tests.lab.components.kube import Kube
from tests.lab.proxies.faults import Fault
from tests.lab.proxies.slices import LoopbackSlices, OldSlices, shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.lab.proxies.faults import FaultProxy
    from tests.lab.proxies.slices import Slices
    from tests.lab.session.member import Member

pytestmark = [pytest.mark.lab, pytest.mark.oldest, pytest.mark.timeout(1800)]

SLICE = ("discovery.k8s.io/v1", "EndpointSlice")


def config_map(name: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}}


@pytest.fixture(scope="module")
def faulty(member: Member) -> Iterator[tuple[FaultProxy, Kube]]:
    """A proxy in front of the API server and a client that goes through it."""
    with member.api_faults() as proxy:
        kube = Kube(member.admin_kubeconfig(server=proxy.url))
        kube.list("v1", "ConfigMap", "default")
        yield proxy, kube
        kube.close()


def create(member: Member, through: tuple[FaultProxy, Kube], fault: Fault) -> tuple[BaseException | None, bool]:
    """Create a ConfigMap while `fault` applies once: (what the caller saw, whether it took effect)."""
    proxy, kube = through
    name = f"map-{time.time_ns()}"
    rule = proxy.add(fault, method="POST", path="/configmaps", times=1)
    seen: BaseException | None = None
    try:
        kube.create(config_map(name))
    except (DynamicApiError, HTTPError) as error:
        seen = error
    proxy.remove(rule)
    assert rule.used == 1
    return seen, member.kube.get("v1", "ConfigMap", "default", name) is not None


def test_a_status_fault_answers_instead_of_the_api_server(member: Member, faulty: tuple[FaultProxy, Kube]) -> None:
    seen, happened = create(member, faulty, Fault(status=503, headers={"Retry-After": "1"}))
    assert isinstance(seen, ServiceUnavailableError)
    assert present(seen.headers)["Retry-After"] == "1"
    assert not happened


def test_a_dropped_request_never_reaches_the_api_server(member: Member, faulty: tuple[FaultProxy, Kube]) -> None:
    seen, happened = create(member, faulty, Fault(drop=True))
    assert isinstance(seen, HTTPError)
    assert not happened


def test_a_dropped_answer_hides_a_write_that_took_effect(member: Member, faulty: tuple[FaultProxy, Kube]) -> None:
    seen, happened = create(member, faulty, Fault(drop_answer=True))
    assert isinstance(seen, HTTPError)
    assert happened


def test_a_delayed_request_takes_effect_late(member: Member, faulty: tuple[FaultProxy, Kube]) -> None:
    started = time.monotonic()
    assert create(member, faulty, Fault(delay=0.5)) == (None, True)
    assert time.monotonic() - started >= 0.5


def test_an_answer_is_rewritten_on_its_way_down(faulty: tuple[FaultProxy, Kube]) -> None:
    proxy, kube = faulty
    rule = proxy.add(
        Fault(rewrite=lambda body: body.replace(b'"default"', b'"rewritten"')), path="/namespaces/default$"
    )
    found = kube.get("v1", "Namespace", None, "default")
    proxy.remove(rule)
    assert found is not None
    assert found["metadata"]["name"] == "rewritten"


@pytest.mark.parametrize(
    ("fault", "events", "breaks"),
    [(Fault(), True, False), (Fault(silent=True), False, False), (Fault(cut_after=0.5), True, True)],
)
def test_a_watch_goes_on_falls_silent_or_is_cut(
    faulty: tuple[FaultProxy, Kube], fault: Fault, events: bool, breaks: bool
) -> None:
    proxy, kube = faulty
    rule = proxy.add(fault, path="watch=")
    seen: list[dict[str, Any]] = []
    broken = False
    try:
        seen.extend(kube.watch("v1", "Namespace", "", 2))
    except HTTPError:
        broken = True
    proxy.remove(rule)
    assert (bool(seen), broken) == (events, breaks)


def test_reads_and_writes_are_counted_by_path(faulty: tuple[FaultProxy, Kube]) -> None:
    proxy, kube = faulty
    since = time.time()
    kube.list("v1", "Namespace")
    kube.apply(config_map("counted"))
    kube.delete("v1", "ConfigMap", "default", "counted")
    assert [each.method for each in proxy.writes(since)] == ["PATCH", "DELETE"]
    assert [each.status for each in proxy.requests(method="GET", path="/api/v1/namespaces$", since=since)] == [200]


def test_endpoint_slices_are_served_listed_and_watched_as_v1(member: Member) -> None:
    namespace = f"slices-{os.getpid()}"
    scenario = member.scenario(namespace)
    scenario.add_service(1)
    listed = member.kube.list(*SLICE, namespace)
    assert [each["metadata"]["name"] for each in listed] == ["digits-v1-lab"]
    (event,) = member.kube.watch(*SLICE, namespace, 1)
    assert event["object"]["apiVersion"] == "discovery.k8s.io/v1"


def test_a_slice_may_name_loopback_addresses_on_any_api_server(member: Member, namespace: str) -> None:
    """v1 of a newer API server refuses them; everybody in the lab listens on one."""
    meta = {"name": "m", "namespace": namespace, "labels": {"kubernetes.io/service-name": "m"}}
    endpoints = [{"addresses": ["127.77.0.1"]}, {"addresses": ["127.77.0.2"]}]
    body = {"apiVersion": SLICE[0], "kind": SLICE[1], "metadata": meta, "addressType": "IPv4", "ports": []}
    member.kube.apply(body | {"endpoints": endpoints})
    (listed,) = member.kube.list(*SLICE, namespace)
    (event,) = member.kube.watch(*SLICE, namespace, 1)
    for found in (listed, event["object"]):
        assert [each["addresses"] for each in found["endpoints"]] == [["127.77.0.1"], ["127.77.0.2"]]


def allowed(reader: Kube) -> bool:
    """Whether it may list the ConfigMaps of `default`."""
    try:
        reader.list("v1", "ConfigMap", "default")
    except ForbiddenError:
        return False
    return True


def test_a_service_account_may_do_only_what_rbac_lets_it(member: Member) -> None:
    account = {"name": f"reader-{os.getpid()}", "namespace": "default"}
    member.kube.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account})
    reader = Kube(member.service_account_kubeconfig("default", account["name"]))
    with pytest.raises(ForbiddenError):
        reader.list("v1", "ConfigMap", "default")
    group = "rbac.authorization.k8s.io"
    member.kube.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "Role",
            "metadata": account,
            "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}],
        },
        {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": account,
            "roleRef": {"apiGroup": group, "kind": "Role", "name": account["name"]},
            "subjects": [{"kind": "ServiceAccount", **account}],
        },
    )
    end = time.monotonic() + 30
    while not allowed(reader):  # the API server's own copy of the rules is a moment behind
        assert time.monotonic() < end, "a binding is not in force after 30 s"
        time.sleep(0.1)
    with pytest.raises(ForbiddenError):
        reader.create(config_map("refused"))
    reader.close()


OLD = (
    b'{"type":"ADDED","object":{"apiVersion":"discovery.k8s.io/v1beta1","kind":"EndpointSlice"}}\n'
    b'{"groupVersion":"discovery.k8s.io/v1beta1","version":"v1beta1"}'
)
LOOPBACK = b'{"addresses":["198.77.0.1","198.77.0.2"],"note":"\\"198.77.0.1\\" "}\n{"last":"'


@pytest.mark.parametrize(
    ("how", "text", "gone", "there"),
    [(OldSlices(), OLD, b"v1beta1", b'"discovery.k8s.io/v1"'), (LoopbackSlices(), LOOPBACK, b"198.", b'"127.77.0.2"')],
)
async def test_slices_are_shown_alike_however_the_stream_is_cut(
    how: Slices, text: bytes, gone: bytes, there: bytes
) -> None:
    whole = how.shown(text)
    assert len(whole) == len(text)
    assert gone not in whole
    assert there in whole
    for first in range(len(text)):
        for second in range(first, len(text)):
            cut = _stream(text[:first], text[first:second], text[second:])
            assert b"".join([chunk async for chunk in shown(how, cut)]) == whole


async def test_a_watch_shows_all_of_an_event_at_once() -> None:
    """Its last byte starts nothing; one held back would come with the next event, minutes later."""
    for how, event in ((OldSlices(), OLD), (LoopbackSlices(), LOOPBACK.splitlines()[0])):
        stream = shown(how, _stream(event + b"\n", b"never"))
        assert await anext(stream) == how.shown(event + b"\n")


async def _stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
