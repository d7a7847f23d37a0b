from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modelrollout.cli.report.facts import Facts, Layers, Subject
from modelrollout.cli.report.replay import MOMENTS, course, distributions
from modelrollout.cli.report.show import show
from modelrollout.cli.report.tensorboard import EVENTS, histogram, runs_of, scalars, write
from modelrollout.cli.target import Failure
from modelrollout.core.analysis.metrics import model_series as s
from modelrollout.core.analysis.metrics.samples import SampleStore
from modelrollout.core.analysis.metrics.series import make_series
from tests.unit.analysis.recorded import SCRAPE, START, Recording, request_of, scrapes, spec_of
from tests.unit.cli.report.shown import EDGES, facts, layer

REQUEST = request_of(spec_of({"name": "errors", "type": "ErrorRate"}, interval="5s"))


def with_a_course(**changes: Any) -> Facts:
    """Three slices: the candidate's magnitudes go up, and its last one has counted nothing."""
    told = facts(**changes)
    assert told.subject is not None
    began = told.subject.started_at
    at = [
        Layers(began + 100 * n, began + 100 * (n + 1), {"stable": {"b/relu": layer(2)}, "candidate": {"b/relu": one}})
        for n, one in enumerate((layer(3), layer(4), layer(4) | {"elements": 0}))
    ]
    return replace(told, course=tuple(at))


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: PLC0415 - half a second

    return EventAccumulator(str(folder), {"scalars": 0, "histograms": 0}).Reload()


@pytest.mark.slow  # imports TensorBoard
def test_tensorboard_itself_reads_one_run_a_version(tmp_path: Path):
    assert write(with_a_course(), tmp_path) == (tmp_path / "1", tmp_path / "3")
    stable, candidate = read(tmp_path / "1"), read(tmp_path / "3")
    assert set(stable.Tags()["scalars"]) == {f"{kind}/b/relu" for kind in ("dead", "zero", "negative", "nan", "inf")}
    assert [one.step for one in stable.Scalars("dead/b/relu")] == [100, 200, 300]
    assert [one.step for one in candidate.Scalars("dead/b/relu")] == [100, 200]
    assert stable.Scalars("dead/b/relu")[0].value == pytest.approx(40 / 512)
    first, second = (one.histogram_value for one in candidate.Histograms("log2_magnitude/b/relu"))
    assert sum(first.bucket) == first.num == layer(3)["elements"]
    assert max(zip(second.bucket, second.bucket_limit, strict=True))[1] == pytest.approx(np.log2(10))
    assert first.sum / first.num < second.sum / second.num


@pytest.mark.slow  # imports tensorboardX
def test_what_is_written_again_takes_the_place_of_the_file_before_and_nothing_is_left_over(tmp_path: Path):
    for _ in range(2):
        write(with_a_course(), tmp_path)
    files = [one for one in tmp_path.rglob("*") if one.is_file()]
    assert sorted(one.parent.name for one in files) == ["1", "3"]
    assert all(one.name.startswith(EVENTS) and one.stat().st_mode & 0o077 == 0 for one in files)


@pytest.mark.slow  # imports tensorboardX
def test_another_rollouts_files_are_not_mixed_in_and_a_folder_that_cannot_be_is_said(tmp_path: Path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / f"{EVENTS}.1").touch()
    with pytest.raises(Failure, match="name another DIR"):
        write(with_a_course(), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match="cannot be written: Not a directory; name another DIR"):
        write(with_a_course(), tmp_path / "file")


@pytest.mark.slow  # imports tensorboardX
@pytest.mark.parametrize("text", ["/../../../out", "\n\x1b[2J", "\ud800", "x" * 5000])
def test_names_from_outside_stay_below_the_folder(tmp_path: Path, text: str):
    write(facts(text=text), tmp_path / "runs")
    assert [one.name for one in tmp_path.iterdir()] == ["runs"]
    assert len([one for one in (tmp_path / "runs").rglob("*") if one.is_file()]) == 2


def test_two_versions_never_share_a_run():
    assert set(runs_of(Subject("1/a", "1:a", 0.0)).values()) == {"1_a", "1_a-candidate"}
    assert runs_of(Subject("..", "...", 0.0))["stable"] == "_"


def test_where_nothing_is_known_it_says_why(tmp_path: Path):
    with pytest.raises(Failure, match="nothing is known of the layers of vision/digits: Prometheus did not answer"):
        write(facts(layers=None), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_the_package_the_extra_is_named_before_anybody_is_asked(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(Failure, match=r"pip install 'modelrollout\[tensorboard\]'"):
        show(argparse.Namespace(tensorboard="runs"))


def test_a_histogram_has_what_lies_beyond_the_last_edge_and_no_infinite_axis():
    found = histogram(layer(2) | {"histogram": {"0.5": 3, "2": 3, "+Inf": 10, "nonsense": 4, "-1": 2}})
    assert found is not None
    assert (found.limits, found.counts) == ((-1.0, 1.0, 2.0), (3, 0, 7))
    assert histogram({"histogram": dict.fromkeys(EDGES, 0)}) is None
    assert histogram({"histogram": {"+Inf": 10}}) is not None
    assert histogram({"elements": 5}) is None


def test_a_share_of_nothing_is_left_out():
    assert dict(scalars({"elements": 4, "zeros": 1, "windowNeurons": 0, "windowDeadNeurons": 0})) == {"zero": 0.25}


def store(seconds: float, growth: float) -> SampleStore:
    made = Recording(scrapes(seconds, before=30))
    for version, count in (("1", 100.0), ("2", growth)):
        labels: dict[str, Any] = {"model": "digits", "version": version, "layer": "relu"}
        made.growing(s.ELEMENTS, count, **labels)
        made.growing(s.MAGNITUDES, count / 2, le="1", **labels)
        made.growing(s.MAGNITUDES, count, le="+Inf", **labels)
    return SampleStore().merged(make_series(dict(key), rows[:, :2].tolist()) for key, rows in made.points.items())


def elements(one: Layers) -> int:
    found = one.of["candidate"]["relu"]["elements"]
    assert isinstance(found, int)
    return found


def test_slices_add_up_to_the_whole_and_are_bounded_in_number():
    span = START, START + 600.0
    found, whole = course(REQUEST, store(600, 10), SCRAPE, span), distributions(REQUEST, store(600, 10), SCRAPE, span)
    assert len(found) == MOMENTS
    assert all(before.until == pytest.approx(after.began) for before, after in pairwise(found))
    assert sum(map(elements, found)) == elements(whole)
    assert len(set(map(elements, found[1:-1]))) == 1
    assert [len(course(REQUEST, store(n, 10), SCRAPE, (START, START + n))) for n in (3.0, 20.0)] == [1, 2]
