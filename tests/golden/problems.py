"""What is said of a bad manifest by `lint`, and of a bad configuration by the operator."""

from __future__ import annotations

import contextlib
import io
import json
import tempfile
from pathlib import Path

import yaml
from pydantic import ValidationError

from modelrollout.api.config import OperatorConfig, parse_config
from modelrollout.api.problems import problems_of
from modelrollout.cli.main import main
from tests.unit.api.bad_input import BAD_CREDENTIALS, BAD_SERVERS, BAD_WEBHOOKS, TABLE
from tests.unit.api.manifests import GOOD, manifest

_GOOD = yaml.safe_dump(GOOD)
ENVELOPES = {
    "a_good_manifest": _GOOD,
    "another_api_version": _GOOD.replace("modelrollout.dev/v1alpha1", "modelrollout.dev/v1"),
    "another_kind": _GOOD.replace("kind: ModelRollout", "kind: ModelRolout"),
    "a_bad_name": _GOOD.replace("name: digits\n  namespace", "name: Digits\n  namespace"),
    "no_spec": _GOOD.replace("\nspec:", "\nspek:"),
    "a_key_twice": f"{_GOOD}kind: ModelRollout\n",
    "a_list": yaml.safe_dump({"kind": "List", "apiVersion": "v1", "items": [GOOD, manifest("steps.0.weight", 0)]}),
}
NO_YAML = {
    "an_open_bracket": "a: [\n",
    "an_open_quote": "a: 'b\n",
    "a_colon_too_many": "a: b: c\n",
    "a_tab": "a:\n\t- b\n",
    "a_control_character": "é: é\na: é \x00\n",
    "an_alias_of_itself": "a: &x [*x]\n",
    "too_deep": "a: " + "[" * 100 + "]" * 100,
    "a_word_for_a_number": "a: 1\nd: !!int soon\n",
    "another_languages_object": "a: !!python/object:os.system x\n",
    "a_number_of_a_thousand_digits": f"a: {'7' * 1000}\n",
    "two_of_three_documents": "a: [\n---\nkind: ModelRollout\n---\nc: !x 3\n",
    "a_bomb": "a: &a [1,1,1,1,1,1,1,1,1,1]\nb: &b [" + "*a," * 100 + "]\nc: [" + "*b," * 100 + "]\n",
}
_NO_QUERIES = 'prometheus: [{name: default, url: "http://prometheus:9090"}]\n'
_WEBHOOKS = "webhooks: [{name: offline, namespaces: ['*'], urlFile: /x/url, keyFile: /x/key}]\n"


def _lint(text: str, config: str | None = None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path, arguments = Path(folder, "rollout.yaml"), []
        path.write_text(text)
        if config is not None:
            Path(folder, "operator.yaml").write_text(config)
            arguments = ["--config", f"{folder}/operator.yaml"]
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            main(["lint", str(path), *arguments])
        return out.getvalue().replace(f"{folder}/", "")


def lint() -> dict[str, str]:
    """By what is wrong with the file."""
    found = {bad.name: _lint(yaml.safe_dump(manifest(bad.path, bad.value))) for bad in TABLE}
    found |= {name: _lint(text) for name, text in {**ENVELOPES, **NO_YAML}.items()}
    found["queries_not_allowed"] = _lint(_GOOD, _NO_QUERIES)
    found["unknown_prometheus"] = _lint(yaml.safe_dump(manifest("analysis.prometheus", "evil")), _NO_QUERIES)
    asked = yaml.safe_dump(manifest("gates", [{"name": "load", "type": "Webhook"}]))
    found["no_webhooks"] = _lint(asked, _NO_QUERIES)
    found["another_webhook"] = _lint(asked, _NO_QUERIES + _WEBHOOKS)
    found["a_bad_configuration"] = _lint(_GOOD, _NO_QUERIES.replace("http://", "ftp://"))
    return {name.replace("_", " "): text for name, text in found.items()}


def config() -> dict[str, str]:
    """By what the configuration says of its Prometheus servers, and of webhooks."""
    twice = [{"name": "a", "url": "http://p"}] * 2
    bad = (*BAD_SERVERS, *({"url": "https://p", **fields} for _, fields in BAD_CREDENTIALS))
    lists = [None, *([server] for server in bad), twice]
    found = {json.dumps(servers): _refused({"prometheus": servers}) for servers in lists}
    server, right = {"url": "http://p"}, {**BAD_WEBHOOKS[0], "namespaces": ["*"]}
    hooks = [*([one] for one in BAD_WEBHOOKS), [right] * 2]
    return found | {json.dumps(each): _refused({"prometheus": [server], "webhooks": each}) for each in hooks}


def _refused(raw: object) -> str:
    try:
        parse_config(raw)
    except ValidationError as error:
        return "\n".join(problem.sentence for problem in problems_of(error, OperatorConfig, ""))
    raise AssertionError(f"{raw} is accepted")
