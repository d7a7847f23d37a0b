"""A new claim that is not allowed moves nothing; one whose route stands goes on, and people are told once."""

from __future__ import annotations

import asyncio
from typing import Any

from modelrollout.api.config import OperatorConfig, PrometheusServer
from modelrollout.api.problems import parse_spec
from modelrollout.api.status import LONGEST_WARNING
from modelrollout.core.evaluation import GateResult
from modelrollout.core.observation import ObservedRoute
from modelrollout.runtime.claiming.claims import Claims, judge_claim
from tests.allowed import ALLOWED
from tests.expect import present
from tests.unit.api.manifests import manifest
from tests.unit.borders.cluster import ROLLOUT, ROUTE, Rollout, at_25_percent

ALONE = OperatorConfig(prometheus=[PrometheusServer(url="http://prometheus.test")])
SHARED = OperatorConfig(gateways=ALLOWED, prometheus=ALONE.prometheus)
OURS = ObservedRoute("1", (), "1", gateways=frozenset({"infra/inference"}), hostnames=frozenset({"digits.example.com"}))


def resource(name: str = "digits", made: str = "2026-01-01T00:00:00Z", namespace: str = "vision") -> dict[str, Any]:
    obj = manifest()
    obj["metadata"] = {"name": name, "namespace": namespace, "creationTimestamp": made}
    return obj


def judged(
    claims: Claims, obj: dict[str, Any], route: ObservedRoute | None, config: OperatorConfig = SHARED
) -> tuple[str, tuple[str, ...]]:
    return judge_claim(claims, config, obj, present(parse_spec(obj["spec"])[0]), route)


def test_without_a_route_it_is_refused():
    why, said = judged(Claims(), resource(), None, ALONE)
    assert "gateways of the operator's configuration" in why
    assert said == ()


def test_what_its_route_has_stays_and_is_said():
    why, (said,) = judged(Claims(), resource(), OURS, ALONE)
    assert why == ""
    assert "gateways of the operator's configuration" in said
    assert said.startswith("its route has it, so it stays: spec.traffic.gateway.namespace")


def test_another_host_or_gateway_than_its_route_has_is_refused():
    for route in (
        ObservedRoute("1", (), "1", gateways=OURS.gateways, hostnames=frozenset({"other.example.com"})),
        ObservedRoute("1", (), "1", gateways=frozenset({"infra/other"}), hostnames=OURS.hostnames),
        ObservedRoute("1", (), "1", gateways=OURS.gateways, hostnames=OURS.hostnames, foreign="somebody else's"),
    ):
        assert judged(Claims(), resource(), route, ALONE)[0]


def test_of_two_that_claim_the_same_the_later_one_says_whom_it_meets():
    claims = Claims()
    assert judged(claims, resource("later", "2026-01-02T00:00:00Z", "billing"), None) == ("", ())
    assert judged(claims, resource("first"), None) == ("", ())
    why, _ = judged(claims, resource("later", "2026-01-02T00:00:00Z", "billing"), None)
    assert "ModelRollout vision/first, which is older" in why
    assert "digits.example.com" in why
    assert judged(claims, resource("first"), None) == ("", ())


def test_of_two_models_whose_calls_of_grpc_share_a_host_the_later_one_is_refused():
    claims, first, later = Claims(), resource("first"), resource("later", "2026-01-02T00:00:00Z", "billing")
    for obj, model in ((first, "digits"), (later, "letters")):
        obj["spec"]["model"]["name"] = model
        obj["spec"]["serving"]["grpcPort"] = 8001
        obj["spec"]["traffic"]["protocols"] = ["GRPC"]
    assert judged(claims, first, None) == ("", ())
    why, _ = judged(claims, later, None)
    assert why.startswith('spec.traffic.gateway.hostnames has "digits.example.com"')
    assert "ModelRollout vision/first, which is older" in why
    first["spec"]["traffic"]["protocols"] = ["HTTP"]
    assert judged(claims, first, None) == ("", ())
    assert judged(claims, later, None) == ("", ())


def test_in_the_same_second_the_name_decides_so_that_one_of_them_serves():
    claims = Claims()
    found = [judged(claims, resource(name), None)[0] for name in ("b", "a", "b", "a")]
    assert [bool(why) for why in found[2:]] == [True, False]


def test_once_the_first_is_gone_the_later_one_is_taken():
    claims = Claims()
    judged(claims, resource("first"), None)
    later = resource("later", "2026-01-02T00:00:00Z")
    assert judged(claims, later, None)[0]
    claims.forget(("vision", "first"))
    assert judged(claims, later, None) == ("", ())
    claims.forget(("vision", "later"))
    assert not claims._claims
    assert not claims._alike


def test_a_route_of_gits_claims_nothing():
    obj = resource()
    obj["spec"]["traffic"] = {
        "gateway": {"name": "inference", "namespace": "infra"},
        "adopt": {"name": "digits", "rule": "infer"},
    }
    claims = Claims()
    assert judged(claims, obj, None, ALONE) == ("", ())
    assert not claims._claims


def behind(live: Rollout, namespace: str = "infra") -> None:
    """The Gateway of its route is in another namespace."""
    spec, route = live.api.objects[ROLLOUT]["spec"], live.api.objects[ROUTE]["spec"]
    gateway = spec["traffic"]["gateway"] | {"namespace": namespace}
    live.change(ROLLOUT, spec=spec | {"traffic": {"gateway": gateway}})
    live.change(ROUTE, spec=route | {"parentRefs": [route["parentRefs"][0] | {"namespace": namespace}]})


def test_a_sentence_of_any_length_is_told_as_status_keeps_it():
    obj = resource(namespace="n" * 63)
    obj["spec"]["traffic"]["gateway"] |= {"name": "g" * 253}
    route = ObservedRoute("1", (), "1", gateways=frozenset({"infra/" + "g" * 253}), hostnames=OURS.hostnames)
    (said,) = judged(Claims(), obj, route, ALONE)[1]
    assert len(said) == LONGEST_WARNING


async def test_an_upgrade_in_mid_step_keeps_the_weight_goes_on_and_tells_once():
    live = at_25_percent()
    behind(live)
    live.reconciler.config = ALONE
    for _ in range(3):
        await live.run()
    assert (live.status["phase"], live.weight) == ("Stepping", 25)
    assert live.status["reason"] != "InvalidSpec"
    assert any("gateways of the operator's configuration" in text for text in live.status["warnings"])
    await asyncio.sleep(0)
    assert [event.reason for event in live.sink.events].count("ClaimNotAllowed") == 1
    live.reconciler.config = SHARED
    live.fail(GateResult("errors", "ErrorRate", "PASS", "fine"))
    await live.run()
    assert live.status["warnings"] == []


async def test_an_edit_to_what_is_not_allowed_moves_nothing_and_an_abort_still_works():
    live = at_25_percent()
    live.reconciler.config = ALONE
    spec = live.api.objects[ROLLOUT]["spec"]
    gateway = spec["traffic"]["gateway"] | {"namespace": "infra", "hostnames": ["login.example.com"]}
    live.change(ROLLOUT, spec=spec | {"traffic": {"gateway": gateway}})
    before = live.api.objects[ROUTE]["spec"]
    await live.run()
    assert live.status["reason"] == "InvalidSpec"
    assert "gateways of the operator's configuration" in live.status["message"]
    assert live.api.objects[ROUTE]["spec"] == before
    live.ask('{"verb": "abort", "nonce": "n", "version": "2"}')
    await live.run()
    assert live.weight == 0
    assert live.api.objects[ROUTE]["spec"]["hostnames"] == before["hostnames"]
