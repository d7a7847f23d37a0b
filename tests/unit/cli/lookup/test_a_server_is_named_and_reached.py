"""Which server is asked, with whose token, and what to do where only the cluster knows its name."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest

from modelrollout.api.config import OperatorConfig, PrometheusServer, parse_config
from modelrollout.cli.lookup import server
from modelrollout.cli.lookup.found import Installation, reach
from modelrollout.cli.lookup.server import source_of
from modelrollout.cli.target import Failure, add_server
from tests.unit.analysis.recorded import spec_of

INSIDE = "http://prometheus.monitoring.svc:9090"


def args(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_server(parser)
    return parser.parse_args(words)


def installed(**server: Any) -> Installation:
    config = OperatorConfig(prometheus=[PrometheusServer(url=INSIDE, matchers='team="a"', **server)])
    return Installation("ops", "mro", config)


def test_the_installed_operators_server_is_asked_as_it_asks():
    found = source_of(args(), spec_of(), installed())
    assert found is not None
    assert (found.server.url, found.server.matchers, found.origin) == (INSIDE, 'team="a"', "ConfigMap ops/mro")


def test_another_address_changes_nothing_but_the_address():
    found = source_of(args("--prometheus", "http://localhost:9090"), spec_of(), installed())
    assert found is not None
    assert (found.server.url, found.server.matchers) == ("http://localhost:9090", 'team="a"')


SECRETS: dict[str, dict[str, Any]] = {
    "a token": {"bearerTokenFile": "SECRET"},
    "an authority": {"caFile": "SECRET"},
    "a header": {"headers": [{"name": "X-Token", "valueFile": "SECRET"}, {"name": "X-Scope-OrgID", "value": "vision"}]},
    "a password": {"basicAuth": {"username": "ann", "passwordFile": "SECRET"}},
    "OAuth 2.0": {"oauth2": {"tokenUrl": "http://a.b", "clientId": "c", "clientSecretFile": "SECRET"}},
    "a certificate": {"clientCertificate": {"certFile": "SECRET", "keyFile": "SECRET"}, "url": "https://a.b"},
}


@pytest.mark.parametrize("name", SECRETS)
def test_no_file_is_read_because_an_object_of_the_cluster_names_it(name: str):
    config = parse_config({"prometheus": [{"url": INSIDE, "matchers": 'team="a"', **SECRETS[name]}]})
    found = source_of(args(), spec_of(), Installation("ops", "mro", config))
    assert found is not None
    assert found.needs_token
    assert "SECRET" not in found.server.model_dump_json()
    assert found.server.matchers == 'team="a"'
    assert [one.value for one in found.server.headers] == (["vision"] if name == "a header" else [])


def test_every_kind_of_credentials_is_among_these():
    files = set(re.findall(r"(\w+File)\b", json.dumps(PrometheusServer.model_json_schema())))
    assert {one for one in files if one in json.dumps(SECRETS)} == files


def test_every_field_of_a_server_is_known_for_what_it_is():
    assert {*server.NO_SECRETS, *server.SECRETS} == set(PrometheusServer.model_fields)
    assert not server.NO_SECRETS & server.SECRETS


def test_a_persons_own_token_is_shown():
    found = source_of(args("--bearer-token-file", "mine"), spec_of(), installed(bearer_token_file="/var/token"))
    assert found is not None
    assert (found.server.bearer_token_file, found.needs_token) == ("mine", False)


def test_a_configuration_of_the_persons_own_is_taken_whole(tmp_path: Path):
    path = tmp_path / "operator.yaml"
    path.write_text(f"prometheus: [{{url: '{INSIDE}', bearerTokenFile: /var/token}}]")
    found = source_of(args("--config", str(path)), spec_of(), installed())
    assert found is not None
    assert (found.server.bearer_token_file, found.origin) == ("/var/token", str(path))
    path.write_text(f"prometheus: [{{url: '{INSIDE}', basicAuth: {{username: a, passwordFile: p}}}}]")
    found = source_of(args("--config", str(path), "--bearer-token-file", "mine"), spec_of())
    assert found is not None
    assert (found.server.bearer_token_file, found.server.basic_auth) == ("mine", None)


def test_without_any_name_nothing_is_asked():
    assert source_of(args(), spec_of()) is None
    assert source_of(args(), spec_of(), Installation("ops", "mro", None, "broken")) is None


def test_a_server_that_the_configuration_does_not_know_is_said():
    with pytest.raises(Failure, match=r"ConfigMap ops/mro: no server is called 'default' \(there are: eu\)"):
        source_of(args(), spec_of(), installed(name="eu"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        (INSIDE, "from outside the cluster, run `kubectl port-forward -n monitoring service/prometheus 9090:9090`"),
        ("http://p.m.svc.cluster.local/x/", "9090:80`, then add --prometheus http://localhost:9090/x"),
        ("https://p.m.svc.cluster.local.:8443", "9090:8443`, then add --prometheus https://localhost:9090"),
        (
            "http://prometheus.monitoring",
            "if that is a Service of the cluster, run `kubectl port-forward -n mon",
        ),
        ("https://metrics.example.com", "check that https://metrics.example.com answers from here"),
        ("http://127.0.0.1:9090", "check that http://127.0.0.1:9090 answers from here"),
        ("http://p.m.svc:99999", "9090:80`"),
        ("http://a`rm -rf`.m.svc", "check that"),
    ],
)
def test_what_to_do_where_it_cannot_be_reached(url: str, says: str):
    assert says in reach(url)
