from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelrollout.api.config import parse_config
from modelrollout.api.problems import check_against, parse_spec, read_spec, shown, summary
from tests.unit.api.bad_input import TABLE, Bad
from tests.unit.api.manifests import manifest


def config(**server: object) -> object:
    return {"prometheus": [{"name": "default", "url": "http://prometheus:9090", **server}]}


def test_the_manifest_of_the_readme_is_good():
    spec, sentence = read_spec(manifest())
    assert sentence is None
    assert spec is not None
    assert spec.steps[1].hold == 600
    assert spec.gates[0].share is None


@pytest.mark.alike(12)
@pytest.mark.parametrize("bad", TABLE, ids=lambda bad: bad.name)
def test_bad_input_is_answered_with_its_path(bad: Bad):
    spec, sentence = read_spec(manifest(bad.path, bad.value))
    assert spec is None
    assert sentence is not None
    assert bad.field in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize("raw", [None, [], "text", 5, {}, {"model": None}, {"gates": [1, None, {"type": []}]}])
def test_a_spec_of_the_wrong_shape_is_a_sentence_too(raw: object):
    spec, sentence = read_spec({"spec": raw})
    assert spec is None
    assert sentence


def test_an_object_without_spec_is_a_sentence_too():
    spec, sentence = read_spec({})
    assert spec is None
    assert sentence


def test_a_spec_that_contains_itself_is_a_sentence_too():
    spec: dict[str, object] = {}
    spec["model"] = spec
    assert read_spec({"spec": spec})[0] is None


def test_all_problems_of_a_manifest_are_found_at_once():
    made = manifest("model.version", "a/b")
    made["spec"]["bake"] = "soon"
    made["spec"]["gates"][1]["name"] = "errors"
    made["spec"]["steps"][0]["wait"] = "1m"
    _, problems = parse_spec(made["spec"])
    assert [p.path for p in problems] == ["spec.model.version", "spec.steps[0].wait", "spec.bake", "spec.gates[1].name"]


def test_the_sentence_stays_short_however_many_problems_there_are():
    made = manifest("gates", [{"name": f"UPPER{n}", "type": "Nothing"} for n in range(24)])
    _, sentence = read_spec(made)
    assert sentence is not None
    assert len(sentence) < 950
    assert sentence.endswith(" 19 more")


def test_a_long_value_is_cut_and_credentials_are_left_out():
    assert len(shown("x" * 5000)) == 60
    assert "secret" not in shown("http://user:secret@prometheus:9090")


def test_an_unknown_prometheus_name_lists_the_known_ones():
    spec, _ = parse_spec(manifest("analysis.prometheus", "evil")["spec"])
    assert spec is not None
    (problem,) = check_against(spec, parse_config(config()))
    assert problem.path == "spec.analysis.prometheus"
    assert "evil" in problem.sentence


def test_a_query_gate_is_refused_where_the_server_does_not_allow_it():
    spec, _ = parse_spec(manifest()["spec"])
    assert spec is not None
    (problem,) = check_against(spec, parse_config(config()))
    assert problem.path == "spec.gates[4].type"
    assert "allowQueries" in problem.fix
    assert check_against(spec, parse_config(config(allowQueries=True))) == []


def test_nothing_to_say_is_an_empty_summary():
    assert summary([]) == ""


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
places = ["model", "model.version", "serving", "traffic.gateway", "steps", "steps.0", "gates", "gates.0"]
more_places = ["gates.0.type", "gates.4.query", "gates.3.within", "gates.0.versusStable", "analysis", "paused"]


@given(st.sampled_from(places + more_places), json_values)
def test_reading_a_spec_never_raises_and_answers_one_thing_or_the_other(path: str, value: object):
    spec, sentence = read_spec(manifest(path, value))
    assert (spec is None) == bool(sentence)


def test_copies_are_made_of_http_alone():
    obj = manifest()
    obj["spec"]["steps"].insert(0, {"mirror": 10, "hold": "1m"})
    obj["spec"]["serving"]["grpcPort"] = 8001
    obj["spec"]["traffic"]["protocols"] = ["GRPC"]
    _, sentence = read_spec(obj)
    assert sentence is not None
    assert "steps[0].mirror" in sentence
    assert "add HTTP to traffic.protocols" in sentence
    obj["spec"]["traffic"] |= {"protocols": ["HTTP", "GRPC"], "grpc": {"hostnames": ["grpc.example.com"]}}
    assert read_spec(obj)[1] is None
