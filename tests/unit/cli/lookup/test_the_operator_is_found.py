"""Which ConfigMap is the operator's: by its label, or by its usual name where nothing may be listed."""

from __future__ import annotations

from typing import Any

import pytest

from modelrollout.cli.lookup.found import Installation, Unknown
from modelrollout.cli.lookup.operator import find_operator
from modelrollout.ports import Unreachable

CONFIG = "prometheus: [{url: http://prometheus.monitoring.svc:9090}]"


def config_map(namespace: str = "ops", name: str = "mro", text: str | None = CONFIG) -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "data": {} if text is None else {"config.yaml": text}}


class Cluster:
    """An API server with these ConfigMaps; `listing` is what it says to a list."""

    def __init__(self, *maps: dict[str, Any], listing: Unreachable | None = None) -> None:
        self.maps, self.listing = maps, listing
        self.asked: list[str] = []

    async def request(self, _method: str, path: str, *, query: dict[str, str]) -> dict[str, Any]:
        assert query["labelSelector"] == "app.kubernetes.io/name=modelrollout"
        self.asked.append(path)
        if self.listing is not None:
            raise self.listing
        inside = [one for one in self.maps if path in ("/api/v1/configmaps", self._folder(one))]
        return {"items": inside}

    async def get(self, path: str) -> dict[str, Any] | None:
        self.asked.append(path)
        found = [one for one in self.maps if f"{self._folder(one)}/{one['metadata']['name']}" == path]
        if not found and self.listing is not None:
            raise self.listing
        return found[0] if found else None

    def _folder(self, one: dict[str, Any]) -> str:
        return f"/api/v1/namespaces/{one['metadata']['namespace']}/configmaps"


async def found(cluster: Any, namespace: str | None = None) -> Installation | Unknown:
    return await find_operator(cluster, namespace)


async def installed(cluster: Any, namespace: str | None = None) -> Installation:
    one = await found(cluster, namespace)
    assert isinstance(one, Installation), one
    return one


async def unknown(cluster: Any, namespace: str | None = None) -> Unknown:
    one = await found(cluster, namespace)
    assert isinstance(one, Unknown), one
    assert "--operator-namespace" in one.fix
    return one


FORBIDDEN = Unreachable("ApiForbidden", "you may not list configmaps")


async def test_the_only_one_in_the_cluster_is_it():
    one = await installed(Cluster(config_map(), config_map("vision", "notes", None)))
    assert (one.namespace, one.name, one.problem) == ("ops", "mro", "")
    assert one.config is not None
    assert one.config.prometheus[0].url == "http://prometheus.monitoring.svc:9090"


async def test_of_several_the_person_says_which():
    cluster = Cluster(config_map(), config_map("other", "mro"))
    assert (await unknown(cluster)).why == "2 operators are in the cluster: ops/mro, other/mro"
    assert (await installed(cluster, "other")).namespace == "other"


async def test_where_nothing_may_be_listed_the_usual_name_is_asked_for():
    cluster = Cluster(config_map("modelrollout", "modelrollout"), listing=FORBIDDEN)
    assert (await installed(cluster)).name == "modelrollout"
    there = Cluster(config_map("ops", "modelrollout"), listing=FORBIDDEN)
    assert (await installed(there, "ops")).namespace == "ops"
    assert "you may not list configmaps" in (await unknown(there)).why


async def test_none_is_said_with_what_to_do():
    assert "no ConfigMap with the label app.kubernetes.io/name=modelrollout is in the" in (await unknown(Cluster())).why
    assert 'in namespace "ops"' in (await unknown(Cluster(config_map("other")), "ops")).why


@pytest.mark.parametrize(
    "text", ["prometheus: []", "prometheus: [", "[]", "- " * 9, "prometheus: [{url: ftp://x}]", "\x00"]
)
async def test_a_configuration_that_is_none_is_said(text: str):
    one = await installed(Cluster(config_map(text=text)))
    assert one.config is None
    assert one.problem


async def test_an_api_server_that_does_not_answer_is_no_missing_operator():
    found = await unknown(Cluster(listing=Unreachable("ApiTimeout", "no answer within 5 s")))
    assert "no answer within 5 s" in found.why


async def test_only_config_maps_are_asked_for():
    cluster = Cluster(config_map(), listing=FORBIDDEN)
    await found(cluster)
    assert all("configmaps" in path for path in cluster.asked)
