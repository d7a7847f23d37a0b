"""What can happen to one call: an answer, a conflict, an object that is gone, or a reason with a sentence."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from modelrollout.adapters.kubernetes.client import connect, path_of
from modelrollout.ports import Conflict, NotFound, Unreachable
from tests.lab import Fault, free_port

if TYPE_CHECKING:
    from modelrollout.adapters.kubernetes.client import Api
    from tests.lab import FaultProxy, Member, Site

pytestmark = pytest.mark.lab

CONFIG_MAPS = "configmaps"


async def test_an_object_that_is_gone_is_none_and_raises_not_found_when_it_is_needed(api: Api, namespace: str) -> None:
    path = path_of("v1", CONFIG_MAPS, namespace, "nothing")
    assert await api.get(path) is None
    with pytest.raises(NotFound):
        await api.patch(path, {"data": {}})


async def test_a_kind_that_is_not_served_is_never_taken_for_an_object_that_is_gone(api: Api) -> None:
    with pytest.raises(Unreachable) as refused:
        await api.get(path_of("example.com/v1", "things", "default", "x"))
    assert refused.value.reason == "KindMissing"
    assert not isinstance(refused.value, NotFound)


async def test_creating_what_exists_is_a_conflict(api: Api, namespace: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "once"}}
    await api.post(path_of("v1", CONFIG_MAPS, namespace), body)
    with pytest.raises(Conflict):
        await api.post(path_of("v1", CONFIG_MAPS, namespace), body)


async def test_a_hanging_api_server_is_given_up_after_the_timeout(
    faulty: Api, proxy: FaultProxy, namespace: str
) -> None:
    proxy.add(Fault(delay=30))
    began = time.monotonic()
    with pytest.raises(Unreachable) as slow:
        await faulty.request("GET", path_of("v1", CONFIG_MAPS, namespace), timeout=0.3)
    assert slow.value.reason == "ApiTimeout"
    assert "0.3 s" in str(slow.value)
    assert time.monotonic() - began < 10  # nothing near the 30 s that it hangs; not a statement about speed
    assert len(proxy.requests(path=CONFIG_MAPS)) <= 1, "a call was tried again behind our back"


async def test_an_answer_cut_off_is_an_unreachable_api_server(faulty: Api, proxy: FaultProxy, namespace: str) -> None:
    proxy.add(Fault(drop=True))
    with pytest.raises(Unreachable) as dropped:
        await faulty.patch(path_of("v1", CONFIG_MAPS, namespace, "x"), {"data": {}})
    assert dropped.value.reason == "ApiUnreachable"


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "ApiUnauthorized"), (403, "ApiForbidden"), (422, "ApiInvalid"), (500, "ApiError"), (503, "ApiError")],
)
async def test_every_refusal_has_a_reason_and_the_servers_own_words(
    faulty: Api, proxy: FaultProxy, namespace: str, status: int, reason: str
) -> None:
    proxy.add(Fault(status=status, body=b'{"kind":"Status","message":"because I say so"}'))
    with pytest.raises(Unreachable) as refused:
        await faulty.get(path_of("v1", CONFIG_MAPS, namespace, "x"))
    assert refused.value.reason == reason
    assert f"with {status}: because I say so" in str(refused.value)
    assert len(proxy.requests(path=CONFIG_MAPS)) == 1


async def test_too_many_requests_says_how_long_to_wait(faulty: Api, proxy: FaultProxy, namespace: str) -> None:
    proxy.add(Fault(status=429, headers={"Retry-After": "7"}))
    with pytest.raises(Unreachable) as refused:
        await faulty.get(path_of("v1", CONFIG_MAPS, namespace, "x"))
    assert (refused.value.reason, refused.value.retry_after) == ("ApiThrottled", 7.0)


async def test_an_answer_that_is_no_json_is_an_error_not_an_object(
    faulty: Api, proxy: FaultProxy, namespace: str
) -> None:
    proxy.add(Fault(status=200, body=b"<html>welcome to the captive portal</html>"))
    with pytest.raises(Unreachable) as refused:
        await faulty.get(path_of("v1", CONFIG_MAPS, namespace, "x"))
    assert refused.value.reason == "ApiError"


async def test_a_port_without_listener_is_unreachable(member: Member) -> None:
    kubeconfig = member.admin_kubeconfig(server=f"https://127.0.0.1:{free_port()}")
    async with await connect(str(kubeconfig)) as nobody:
        with pytest.raises(Unreachable) as refused:
            await nobody.get(path_of("v1", CONFIG_MAPS, "default", "x"))
    assert refused.value.reason == "ApiUnreachable"


async def test_missing_rights_and_a_missing_object_are_different_failures(
    site: Site, member: Member, namespace: str
) -> None:
    member.kube.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "poor", "namespace": namespace}}
    )
    kubeconfig = member.service_account_kubeconfig(namespace, "poor")
    async with await connect(str(kubeconfig)) as poor:
        with pytest.raises(Unreachable) as refused:
            await poor.get(path_of("v1", CONFIG_MAPS, namespace, "x"))
    assert refused.value.reason == "ApiForbidden"
