"""One resource, a route for each protocol: what is seen as one, lowered each by itself, and raised all or none."""

from __future__ import annotations

import pytest

from modelrollout.adapters.routers.forms.form import H2C
from modelrollout.adapters.routers.protocols import ProtocolsRouter
from modelrollout.core.observation import ObservedRoute, RoutePlan
from modelrollout.ports import Conflict, Unreachable
from tests.expect import present
from tests.unit.routers.protocols.memory import AWAY, BOTH, GRPC_ALONE, HTTP_ALONE, MISSING, Routes, spec_of

HALF = RoutePlan("1", "2", 50)
AT = ("ns", "digits")


async def exposed(routes: Routes, spec=BOTH) -> tuple[ProtocolsRouter, ObservedRoute]:
    """A router whose routes give the candidate half of everything."""
    router = ProtocolsRouter(routes.api)
    await router.apply(*AT, spec, RoutePlan("1"), await router.observe(*AT, spec))
    await router.apply(*AT, spec, HALF, await router.observe(*AT, spec))
    return router, present(await router.observe(*AT, spec))


async def test_both_are_made_and_seen_as_one():
    routes = Routes()
    router, seen = await exposed(routes)
    assert sorted(path.split("/")[6] for path in routes.objects) == ["grpcroutes", "httproutes"]
    assert (seen.stable, seen.weight_of("1"), seen.weight_of("2"), seen.uneven) == ("1", 50, 50, False)
    assert [(b.version, b.port) for b in seen.backends] == [("1", 8000), ("2", 8000)]
    assert seen.structure == router.structure(*AT, BOTH, HALF)
    assert len(seen.versions) == 2
    wrote = len(routes.writes())
    await router.apply(*AT, BOTH, HALF, seen)
    assert len(routes.writes()) == wrote, "what stands is not written again"


@pytest.mark.parametrize("kind", ["httproutes", "grpcroutes"])
async def test_a_route_that_cannot_be_written_keeps_no_other_from_being_lowered(kind: str):
    routes = Routes()
    router, seen = await exposed(routes)
    routes.failing[f"/{kind}/"] = Unreachable("ApiForbidden", "no")
    with pytest.raises(Unreachable, match="no"):
        await router.lower(*AT, seen, RoutePlan("1", "2", 0))
    other = {"httproutes": "grpcroutes", "grpcroutes": "httproutes"}[kind]
    assert routes.weights(other) == {"digits-v1": 100, "digits-v2": 0}
    assert routes.weights(kind) == {"digits-v1": 50, "digits-v2": 50}


@pytest.mark.parametrize("kind", ["httproutes", "grpcroutes"])
async def test_a_route_that_cannot_be_read_keeps_no_other_from_being_lowered_and_lets_none_be_raised(kind: str):
    routes = Routes()
    router, _ = await exposed(routes)
    routes.failing[f"/{kind}/"] = AWAY
    seen = present(await router.observe(*AT, BOTH))
    assert (seen.weight_of("2"), seen.uneven) == (50, False)
    with pytest.raises(Unreachable, match="no answer"):
        await router.apply(*AT, BOTH, RoutePlan("1", "2", 90), seen)
    other = {"httproutes": "grpcroutes", "grpcroutes": "httproutes"}[kind]
    assert routes.weights(other) == {"digits-v1": 50, "digits-v2": 50}
    await router.lower(*AT, seen, RoutePlan("1", "2", 0))
    assert routes.weights(other) == {"digits-v1": 100, "digits-v2": 0}


async def test_a_raise_is_fenced_on_each_of_them():
    routes = Routes()
    router, seen = await exposed(routes)
    routes.set_weights("grpcroutes", 100, 0)
    with pytest.raises(Conflict):
        await router.apply(*AT, BOTH, RoutePlan("1", "2", 90), seen)
    assert routes.weights("grpcroutes") == {"digits-v1": 100, "digits-v2": 0}


@pytest.mark.parametrize("kind", ["httproutes", "grpcroutes"])
async def test_the_least_of_a_version_is_what_it_has(kind: str):
    routes = Routes()
    router, _ = await exposed(routes)
    routes.set_weights(kind, 80, 20)
    seen = present(await router.observe(*AT, BOTH))
    assert (seen.weight_of("1"), seen.weight_of("2"), seen.uneven) == (50, 20, True)
    await router.lower(*AT, seen, RoutePlan("1", "2", 20))
    both = [routes.weights(each) for each in ("httproutes", "grpcroutes")]
    assert both == [{"digits-v1": 80, "digits-v2": 20}] * 2


async def test_one_that_is_deleted_is_missed_and_made_again_with_the_other():
    routes = Routes()
    router, _ = await exposed(routes)
    (path,) = [path for path in routes.objects if "grpcroutes" in path]
    del routes.objects[path]
    seen = present(await router.observe(*AT, BOTH))
    assert (seen.weight_of("2"), seen.uneven, seen.serves("1")) == (0, True, False)
    assert getattr(seen, "absent", ()) == ("the GRPCRoute digits",)
    await router.apply(*AT, BOTH, RoutePlan("1", "2", 0), seen)
    both = [routes.weights(each) for each in ("httproutes", "grpcroutes")]
    assert both == [{"digits-v1": 100, "digits-v2": 0}] * 2


async def test_somebody_elses_grpcroute_of_the_name_is_left_alone_and_nothing_is_raised():
    routes = Routes()
    router, _ = await exposed(routes, HTTP_ALONE)
    path = "/apis/gateway.networking.k8s.io/v1/namespaces/ns/grpcroutes/digits"
    theirs = {"kind": "GRPCRoute", "metadata": {"name": "digits", "namespace": "ns"}, "spec": {"rules": []}}
    routes.objects[path] = theirs
    seen = present(await router.observe(*AT, BOTH))
    with pytest.raises(Unreachable, match="the GRPCRoute is somebody else's"):
        await router.apply(*AT, BOTH, RoutePlan("1", "2", 90), seen)
    assert routes.weights("httproutes") == {"digits-v1": 50, "digits-v2": 50}
    await router.lower(*AT, seen, RoutePlan("1", "2", 0))
    assert routes.weights("httproutes") == {"digits-v1": 100, "digits-v2": 0}
    assert routes.objects[path] == theirs


async def test_a_cluster_without_grpcroutes_gets_an_httproute_of_http_2():
    routes = Routes(failing={"/grpcroutes": MISSING})
    router, seen = await exposed(routes)
    assert (seen.weight_of("2"), seen.uneven) == (50, False)
    (path,) = [path for path in routes.objects if "-grpc-" in path]
    rule = routes.objects[path]["spec"]["rules"][0]
    assert rule["matches"][0]["path"] == {"type": "Exact", "value": "/inference.GRPCInferenceService/ModelInfer"}
    assert [ref["port"] for ref in rule["backendRefs"]] == [8001, 8001]
    assert routes.objects[path]["spec"]["hostnames"] == ["grpc.example.com"]
    again = ProtocolsRouter(routes.api)
    assert present(await again.observe(*AT, BOTH)).structure == router.structure(*AT, BOTH, HALF)


@pytest.mark.parametrize(
    ("features", "kind"), [(["HTTPRoute"], "httproutes"), (["GRPCRoute"], "grpcroutes"), ([], "grpcroutes")]
)
async def test_what_the_gateways_class_supports_decides_the_form(features: list[str], kind: str):
    start = "/apis/gateway.networking.k8s.io/v1/"
    routes = Routes()
    routes.objects[f"{start}namespaces/infra/gateways/inference"] = {"spec": {"gatewayClassName": "ours"}}
    routes.objects[f"{start}gatewayclasses/ours"] = {"status": {"supportedFeatures": [{"name": n} for n in features]}}
    router = ProtocolsRouter(routes.api)
    await router.apply(*AT, GRPC_ALONE, RoutePlan("1"), await router.observe(*AT, GRPC_ALONE))
    assert [path.split("/")[6] for path in routes.objects if "digits" in path] == [kind]


async def test_a_protocol_that_is_no_longer_split_leads_to_stable_alone_and_follows_it():
    routes = Routes()
    router, _ = await exposed(routes)
    seen = present(await router.observe(*AT, HTTP_ALONE))
    assert seen.weight_of("2") == 50, "it takes nothing from what HTTP has"
    await router.apply(*AT, HTTP_ALONE, HALF, seen)
    assert routes.weights("httproutes") == {"digits-v1": 50, "digits-v2": 50}
    assert routes.weights("grpcroutes") == {"digits-v1": 100}
    await router.apply(*AT, HTTP_ALONE, RoutePlan("2"), await router.observe(*AT, HTTP_ALONE))
    assert routes.weights("grpcroutes") == {"digits-v2": 100}
    hosts = [body["spec"]["hostnames"] for path, body in routes.objects.items() if "grpcroutes" in path]
    assert hosts == [["grpc.example.com"]]


async def test_with_http_alone_routes_of_grpc_are_sought_once():
    routes = Routes()
    router, _ = await exposed(routes, HTTP_ALONE)
    routes.asked.clear()
    for _ in range(3):
        await router.observe(*AT, HTTP_ALONE)
    assert [path.split("/")[6] for _, path in routes.asked] == ["httproutes"] * 3


@pytest.mark.parametrize("reason", ["KindMissing", "ApiForbidden"])
async def test_with_http_alone_the_lack_of_grpcroutes_or_of_rights_to_them_is_nothing(reason):
    routes = Routes(failing={"/grpcroutes": Unreachable(reason, "no")})
    router, seen = await exposed(routes, HTTP_ALONE)
    assert seen.weight_of("2") == 50
    await router.release(*AT, present(await router.observe(*AT)))
    assert routes.weights("httproutes") == {"digits-v1": 100, "digits-v2": 0}


async def test_without_a_spec_all_that_is_ours_is_lowered_and_released():
    routes = Routes()
    await exposed(routes)
    router = ProtocolsRouter(routes.api)
    await router.release(*AT, present(await router.observe(*AT)))
    assert [routes.weights(each) for each in ("httproutes", "grpcroutes")] == [{"digits-v1": 100, "digits-v2": 0}] * 2
    routes.failing["/grpcroutes/"] = AWAY
    seen = present(await router.observe(*AT))
    with pytest.raises(Unreachable, match="no answer"):
        await router.release(*AT, seen)


async def test_a_new_leader_writes_its_epoch_on_each():
    routes = Routes()
    await exposed(routes)
    router = ProtocolsRouter(routes.api, epoch="2.0-next")
    await router.claim(*AT, present(await router.observe(*AT, BOTH)))
    notes = [body["metadata"]["annotations"]["modelrollout.dev/epoch"] for body in routes.objects.values()]
    assert notes == ["2.0-next", "2.0-next"]


async def test_the_httproute_of_grpc_is_no_route_of_a_resource_that_is_called_so():
    routes = Routes(failing={"/grpcroutes": MISSING})
    await exposed(routes)
    other = ProtocolsRouter(routes.api)
    seen = present(await other.observe("ns", H2C.named("ns", "digits")))
    assert "names ns/digits" in seen.foreign


async def test_what_the_user_passes_along_goes_with_the_spec():
    routes = Routes()
    passing = {"labels": {"team": "a"}, "annotations": {"note": "b"}, "timeouts": {"request": "3s"}}
    given = spec_of("HTTP", route={**passing, "extraPaths": ["/v2", "/v2/health/*"]})
    router = ProtocolsRouter(routes.api)
    await router.apply(*AT, given, RoutePlan("1"), await router.observe(*AT, given))
    (route,) = routes.objects.values()
    assert (route["metadata"]["labels"], route["metadata"]["annotations"]["note"]) == ({"team": "a"}, "b")
    split, stables = route["spec"]["rules"]
    assert split["timeouts"] == stables["timeouts"] == {"request": "3s"}
    paths = [(match["path"]["type"], match["path"]["value"]) for match in stables["matches"]]
    assert paths == [("Exact", "/v2"), ("PathPrefix", "/v2/health")]
    seen = present(await router.observe(*AT, given))
    assert seen.structure == router.structure(*AT, given, RoutePlan("1"))
    route["metadata"]["labels"]["team"] = "by hand"
    assert present(await router.observe(*AT, given)).structure != seen.structure
    await router.apply(*AT, HTTP_ALONE, RoutePlan("1"), await router.observe(*AT, HTTP_ALONE))
    (route,) = routes.objects.values()
    assert route["metadata"]["labels"] == {}
    assert "note" not in route["metadata"]["annotations"]
    assert "timeouts" not in route["spec"]["rules"][0]


async def test_somebody_elses_route_under_the_name_that_grpc_would_get_is_left_alone_and_said():
    routes = Routes(failing={"grpcroutes": Unreachable("KindMissing", "not served")})
    path = H2C.path("ns", "digits")
    theirs = {"metadata": {"name": H2C.named("ns", "digits"), "namespace": "ns", "resourceVersion": "1"}, "spec": {}}
    routes.objects[path] = theirs
    router = ProtocolsRouter(routes.api)
    for _ in range(2):
        seen = await router.observe("ns", "digits", BOTH)
        with pytest.raises(Unreachable, match="somebody else's") as refused:
            await router.apply("ns", "digits", BOTH, RoutePlan("1"), seen)
        assert refused.value.reason == "RouteNotOurs"
    assert routes.objects == {path: theirs}


async def test_somebody_elses_route_under_a_name_that_is_not_needed_is_in_nobodys_way():
    routes = Routes()
    path = H2C.path("ns", "digits")
    routes.objects[path] = {"metadata": {"name": H2C.named("ns", "digits"), "namespace": "ns"}, "spec": {}}
    router = ProtocolsRouter(routes.api)
    await router.apply("ns", "digits", BOTH, RoutePlan("1"), await router.observe("ns", "digits", BOTH))
    assert len(routes.objects) == 3
