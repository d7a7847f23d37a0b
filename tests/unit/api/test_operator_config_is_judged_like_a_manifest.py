from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from modelrollout.__main__ import _config
from modelrollout.api.config import OperatorConfig, parse_config
from modelrollout.api.problems import problems_of
from tests.unit.api.bad_input import BAD_CREDENTIALS, BAD_SERVERS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("server", BAD_SERVERS)
def test_a_bad_server_is_answered_with_its_path(server: dict[str, object]):
    with pytest.raises(ValidationError) as raised:
        parse_config({"prometheus": [server]})
    (problem,) = problems_of(raised.value, OperatorConfig, "")
    assert problem.path == f"prometheus[0].{list(server)[-1]}"
    assert "secret" not in problem.sentence


@pytest.mark.parametrize(("path", "fields"), BAD_CREDENTIALS)
def test_bad_credentials_are_answered_with_their_path_and_never_shown(path: str, fields: dict[str, object]):
    with pytest.raises(ValidationError) as raised:
        parse_config({"prometheus": [{"url": "https://p", **fields}]})
    (problem,) = problems_of(raised.value, OperatorConfig, "")
    assert problem.path == f"prometheus[0].{path}"
    assert "s3same" not in problem.sentence


def test_two_servers_of_one_name_are_refused():
    server = {"name": "a", "url": "http://p"}
    with pytest.raises(ValidationError) as raised:
        parse_config({"prometheus": [server, server]})
    assert problems_of(raised.value, OperatorConfig, "")[0].path == "prometheus[1].name"


def test_a_configuration_without_servers_is_refused():
    with pytest.raises(ValidationError):
        parse_config(None)


def test_a_good_file_is_read(tmp_path: Path):
    path = tmp_path / "config.yaml"
    path.write_text('prometheus: [{url: "http://p:9090", matchers: ""}]\nprobeInterval: 500ms\n')
    config = _config(path)
    assert config is not None
    assert config.probe_interval == 0.5
    assert config.server("default") is not None
    assert config.server("other") is None


def test_a_field_that_is_gone_stops_no_operator_and_is_named_but_a_misspelt_one_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    path = tmp_path / "config.yaml"
    path.write_text('prometheus: [{url: "http://p:9090"}]\nsettle: 3s\n')
    config = _config(path)
    assert config is not None
    assert not hasattr(config, "settle")
    assert "settle has no effect any more; remove it" in caplog.text
    path.write_text('prometheus: [{url: "http://p:9090"}]\nsetle: 3s\n')
    assert _config(path) is None
