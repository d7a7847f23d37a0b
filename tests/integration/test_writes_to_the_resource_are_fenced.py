"""Status, commands and the finalizer are written only on top of what was read; Events never stop anybody."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from modelrollout.adapters.kubernetes.client import path_of
from modelrollout.adapters.kubernetes.command_annotation import COMMAND, command_of, command_text, write_command
from modelrollout.adapters.kubernetes.events import KubernetesEvents
from modelrollout.adapters.kubernetes.gateway_facts import KubernetesGatewayFacts
from modelrollout.adapters.kubernetes.store import FINALIZER, KubernetesStore
from modelrollout.api.spec import Spec
from modelrollout.api.timestamps import parse_timestamp
from modelrollout.core.observation import Command, Event
from modelrollout.ports import Conflict, Subject
from modelrollout.runtime.metrics import MemoryMetrics
from modelrollout.runtime.notifier import Notifier
from tests.expect import expect, present
from tests.lab import Fault

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api
    from tests.lab import FaultProxy

pytestmark = [pytest.mark.lab, pytest.mark.oldest]

GROUP_VERSION, PLURAL = "modelrollout.dev/v1alpha1", "modelrollouts"
ABORT = write_command(Command("abort", "n1", "2", None, by="ana", why="p99 looks odd"))
APPROVE = write_command(Command("approve", "n2", "2", 1))
SERVING = {"observedGeneration": 1, "phase": "Serving", "stable": "1"}


@pytest.fixture
def store(api: Api) -> KubernetesStore:
    return KubernetesStore(api)


@pytest.fixture
def path(namespace: str) -> str:
    return path_of(GROUP_VERSION, PLURAL, namespace, "digits")


@pytest_asyncio.fixture
async def stored(api: Api, namespace: str, rollout: dict[str, Any]) -> dict[str, Any]:
    return await api.post(path_of(GROUP_VERSION, PLURAL, namespace), rollout)


async def annotate(api: Api, path: str, text: str | None, manager: str = "kubectl-annotate") -> dict[str, Any]:
    return await api.request(
        "PATCH",
        path,
        query={"fieldManager": manager},
        body={"metadata": {"annotations": {COMMAND: text}}},
        content_type="application/merge-patch+json",
    )


async def test_a_resource_that_is_gone_is_none(store: KubernetesStore, namespace: str) -> None:
    assert await store.get(namespace, "digits") is None


async def test_status_is_replaced_whole_so_that_what_is_left_out_is_gone(
    store: KubernetesStore, stored: dict[str, Any], namespace: str
) -> None:
    first = await store.write_status(stored, SERVING | {"candidate": "2", "message": "on its way"})
    await store.write_status(first, SERVING)
    now = await store.get(namespace, "digits")
    assert now is not None
    assert {k: now["status"].get(k) for k in ("phase", "stable", "candidate", "message")} == {
        "phase": "Serving",
        "stable": "1",
        "candidate": None,
        "message": None,
    }
    assert now["spec"] == stored["spec"]


async def test_the_same_status_again_writes_nothing(
    store: KubernetesStore, stored: dict[str, Any], namespace: str
) -> None:
    first = await store.write_status(stored, SERVING)
    second = await store.write_status(first, dict(SERVING))
    now = await store.get(namespace, "digits")
    assert now is not None
    assert second["metadata"]["resourceVersion"] == now["metadata"]["resourceVersion"]
    assert first["metadata"]["resourceVersion"] == now["metadata"]["resourceVersion"]


async def test_a_status_decided_on_an_old_reading_is_a_conflict(store: KubernetesStore, stored: dict[str, Any]) -> None:
    await store.write_status(stored, SERVING)
    for _ in range(2):
        with pytest.raises(Conflict):
            await store.write_status(stored, SERVING | {"stable": "2"})


async def test_a_status_for_a_resource_created_again_is_refused(
    store: KubernetesStore, api: Api, stored: dict[str, Any], path: str, namespace: str, rollout: dict[str, Any]
) -> None:
    await api.request("DELETE", path)
    with pytest.raises(Conflict):
        await store.write_status(stored, SERVING)
    again = await api.post(path_of(GROUP_VERSION, PLURAL, namespace), rollout)
    with pytest.raises(Conflict):
        await store.write_status(
            stored | {"metadata": stored["metadata"] | {"resourceVersion": again["metadata"]["resourceVersion"]}},
            SERVING,
        )


@pytest.mark.parametrize("status", [404, 409])
async def test_gone_is_a_conflict_however_the_api_server_says_it(
    faulty: Api, proxy: FaultProxy, stored: dict[str, Any], status: int
) -> None:
    """Old API servers answer a write to what is gone or created again with 409, newer ones with 404."""
    reason = {404: "NotFound", 409: "Conflict"}[status]
    said = {"kind": "Status", "code": status, "reason": reason, "details": {"name": "digits"}}
    proxy.add(Fault(status=status, body=json.dumps(said).encode()), method="PUT|PATCH")
    store = KubernetesStore(faulty)
    with pytest.raises(Conflict):
        await store.write_status(stored, SERVING)
    with pytest.raises(Conflict):
        await store.add_finalizer(stored)


async def test_a_command_is_read_with_its_author_and_field_manager(api: Api, stored: dict[str, Any], path: str) -> None:
    found = expect(Command, command_of(await annotate(api, path, ABORT, manager="kubectl-modelrollout")))
    undated = replace(found, written_at=None, dated=False)
    assert undated == Command("abort", "n1", "2", None, by="ana", manager="kubectl-modelrollout", why="p99 looks odd")


async def test_a_command_has_a_time_of_its_own_unless_its_writer_owns_more(
    api: Api, stored: dict[str, Any], path: str
) -> None:
    wrote = await annotate(api, path, ABORT)
    found = expect(Command, command_of(wrote))
    assert found.dated
    assert parse_timestamp(wrote["metadata"]["creationTimestamp"]) <= present(found.written_at)
    await annotate(api, path, None)
    creator = stored["metadata"]["managedFields"][0]["manager"]  # as a GitOps tool: spec and annotation in one manifest
    assert not expect(Command, command_of(await annotate(api, path, APPROVE, manager=creator))).dated


async def test_a_command_is_consumed_once_and_twice_is_no_error(
    store: KubernetesStore, api: Api, stored: dict[str, Any], path: str, namespace: str
) -> None:
    read = await annotate(api, path, ABORT)
    for _ in range(2):
        await store.consume_command(read)
        now = await store.get(namespace, "digits")
        assert now is not None
        assert command_text(now) is None


async def test_a_newer_command_survives_the_consumption_of_the_older(
    store: KubernetesStore, api: Api, stored: dict[str, Any], path: str, namespace: str
) -> None:
    read = await annotate(api, path, ABORT)
    await annotate(api, path, APPROVE)
    await store.consume_command(read)
    now = await store.get(namespace, "digits")
    assert now is not None
    assert command_text(now) == APPROVE


async def test_the_same_command_on_a_resource_created_again_is_not_consumed_for_the_old_one(
    store: KubernetesStore, api: Api, stored: dict[str, Any], path: str, namespace: str, rollout: dict[str, Any]
) -> None:
    read = await annotate(api, path, ABORT)
    await api.request("DELETE", path)
    await store.consume_command(read)
    await api.post(path_of(GROUP_VERSION, PLURAL, namespace), rollout)
    await annotate(api, path, ABORT)
    await store.consume_command(read)
    now = await store.get(namespace, "digits")
    assert now is not None
    assert command_text(now) == ABORT


async def test_the_finalizer_goes_on_and_off_once_and_leaves_others_alone(
    store: KubernetesStore, api: Api, stored: dict[str, Any], path: str
) -> None:
    with_ours = await store.add_finalizer(stored)
    assert await store.add_finalizer(with_ours) == with_ours
    both = ["example.com/first", *with_ours["metadata"]["finalizers"]]
    await api.patch(path, {"metadata": {"finalizers": both}})
    for _ in range(2):
        await store.drop_finalizer(with_ours)  # its index is another one by now
        now = await api.request("GET", path)
        assert now["metadata"]["finalizers"] == ["example.com/first"]
    await api.patch(path, {"metadata": {"finalizers": None}})


async def test_dropping_the_finalizer_lets_a_deleted_resource_go(
    store: KubernetesStore, api: Api, stored: dict[str, Any], path: str, namespace: str
) -> None:
    read = await store.add_finalizer(stored)
    assert read["metadata"]["finalizers"] == [FINALIZER]
    await api.request("DELETE", path)
    assert await store.get(namespace, "digits") is not None
    for _ in range(2):
        await store.drop_finalizer(read)
        assert await store.get(namespace, "digits") is None


async def test_an_old_reading_cannot_put_the_finalizer_back(store: KubernetesStore, stored: dict[str, Any]) -> None:
    await store.write_status(stored, SERVING)
    with pytest.raises(Conflict):
        await store.add_finalizer(stored)


async def test_events_are_cut_to_what_the_api_server_takes_and_keep_their_order(
    api: Api, stored: dict[str, Any], namespace: str
) -> None:
    sink = KubernetesEvents(api, identity="pod-1")
    await sink.send(Subject.of(stored), Event("GateFailed", "1 → 2 " * 500, warning=True))
    await sink.send(Subject.of(stored), Event("Promoted", "1 -> 2"))
    events = (await api.request("GET", path_of("events.k8s.io/v1", "events", namespace)))["items"]
    assert [each["reason"] for each in sorted(events, key=lambda each: each["metadata"]["name"])] == [
        "GateFailed",
        "Promoted",
    ]
    first = next(each for each in events if each["reason"] == "GateFailed")
    assert 1000 < len(first["note"].encode()) <= 1024
    assert first["note"].endswith("…")
    assert (first["type"], first["reportingInstance"]) == ("Warning", "pod-1")
    assert first["regarding"]["uid"] == stored["metadata"]["uid"]


@pytest.mark.parametrize("fault", [Fault(status=403), Fault(drop=True), Fault(delay=30)])
async def test_an_event_that_cannot_be_written_stops_nothing(
    faulty: Api, proxy: FaultProxy, stored: dict[str, Any], fault: Fault
) -> None:
    rule = proxy.add(fault, path="events")
    metrics = MemoryMetrics()
    notifier = Notifier({"events": KubernetesEvents(faulty)}, metrics)
    notifier.tell(Subject.of(stored), Event("GateFailed", "x"))
    async with asyncio.timeout(15):
        await asyncio.gather(*notifier._under_way["events"])
    assert metrics.value("modelrollout_operator_notifications_total", "events", "failed") == 1
    assert rule.used == 1


async def test_the_dialect_is_the_controller_behind_the_gateway_and_is_asked_for_once(
    faulty: Api, proxy: FaultProxy, namespace: str, rollout: dict[str, Any]
) -> None:
    facts = KubernetesGatewayFacts(faulty)
    spec = Spec.model_validate(rollout["spec"])
    for _ in range(3):
        assert await facts.controller_of(namespace, spec) == "traefik.io/gateway-controller"
    assert len(proxy.requests(path="gateway")) == 2


async def test_a_gateway_that_is_missing_has_no_dialect(api: Api, namespace: str, rollout: dict[str, Any]) -> None:
    rollout["spec"]["traffic"]["gateway"] |= {"name": "nowhere", "namespace": None}
    facts = KubernetesGatewayFacts(api)
    assert await facts.controller_of(namespace, Spec.model_validate(rollout["spec"])) == ""


async def test_a_dialect_that_was_known_outlives_an_api_server_that_is_away(
    faulty: Api, proxy: FaultProxy, namespace: str, rollout: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts, spec = KubernetesGatewayFacts(faulty), Spec.model_validate(rollout["spec"])
    rule = proxy.add(Fault(status=503))
    assert await facts.controller_of(namespace, spec) == ""
    proxy.remove(rule)
    known = await facts.controller_of(namespace, spec)
    monkeypatch.setattr("modelrollout.adapters.kubernetes.gateway_facts.REMEMBER", 0.0)
    proxy.add(Fault(status=503))
    assert await facts.controller_of(namespace, spec) == known != ""


async def test_all_resources_are_listed_over_several_pages(
    store: KubernetesStore, api: Api, namespace: str, rollout: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("modelrollout.adapters.kubernetes.store.PAGE", "2")
    for number in range(5):
        body = json.loads(json.dumps(rollout))
        body["metadata"]["name"] = f"digits-{number}"
        await api.post(path_of(GROUP_VERSION, PLURAL, namespace), body)
    names = [each["metadata"]["name"] for each in await store.list_all(namespace)]
    assert names == [f"digits-{number}" for number in range(5)]
    everywhere = {(o["metadata"]["namespace"], o["metadata"]["name"]) for o in await store.list_all()}
    assert {(namespace, name) for name in names} <= everywhere
    versions = {
        (each["metadata"]["name"], each["metadata"]["resourceVersion"]) for each in await store.list_all(namespace)
    }
    assert {(name, version) for _, name, version in await store.versions([namespace])} == versions
    assert {(namespace, *each) for each in versions} <= set(await store.versions([]))
