"""On the real tritonserver: exact counts, and nothing the telemetry meets takes the server or an answer down."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.lab.install.triton_install import model_python, triton_installation
from tests.lab.models.build import SERVING, build_repository
from tests.lab.models.data import holdout
from tests.lab.models.direct import Server, own_site
from tests.lab.models.reference import certain, images, stored
from tests.lab.models.training import BETTER, CONV_BETTER, Training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return model_python(tmp_path_factory.mktemp("python") / "venv", triton_installation())


@pytest.fixture
def serve(tmp_path: Path, python: Path) -> Iterator[Callable[..., Server]]:
    started: list[Server] = []

    def start(model: str = "digits") -> Server:
        server = Server(own_site(tmp_path, python), f"triton-{len(started)}", tmp_path / "repository", model)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@contextmanager
def traffic(server: Server, threads: int, version: int = 2) -> Iterator[list[str]]:
    """Requests without a pause from several threads; yields the list of what went wrong."""
    stop, failures = threading.Event(), []
    x, y = holdout()

    def send(number: int) -> None:
        while not stop.is_set():
            try:
                server.ask(x[number : number + 3], y[number : number + 3], version)
            except (OSError, urllib.error.URLError) as error:
                failures.append(repr(error))
            number = (number + 7) % 440

    workers = [threading.Thread(target=send, args=(number,)) for number in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield failures
    finally:
        stop.set()
        for worker in workers:
            worker.join(20)


ROWS = 400
"""Of the hold-out, whose every activation is on the same side of 0 and of 2 on any CPU."""


def clear_rows(training: Training, *edges: float) -> tuple[np.ndarray, np.ndarray]:
    x, y = holdout()
    sure = certain(training, x, edges)
    return x[sure][:ROWS], y[sure][:ROWS]


def test_every_count_equals_what_the_weights_give(serve, tmp_path: Path) -> None:
    build_repository(tmp_path / "repository", 2, window=50, rows_per_second=1e9, flush_seconds=0.1)
    server = serve()
    assert {one.value for one in server.series() if not one.name.endswith(("info", "window_size"))} == {0}
    x, y = clear_rows(BETTER, 0.0, 2.0)
    answers = [answer for at in range(0, ROWS, 8) for answer in server.ask(x[at : at + 8], y[at : at + 8])]
    server.settles("model_eval_total", ROWS, source="labels")
    assert server.total("model_eval_correct_total", source="labels") == sum(np.array(answers) == y)
    for name, layer in zip(("hidden_1", "hidden_2"), stored(BETTER).hidden(images(BETTER, x)), strict=True):
        values = layer.reshape(ROWS, -1)
        windows = (values.reshape(8, 50, -1) == 0).all(axis=1).sum(axis=1)
        server.settles("model_activation_windows_total", 8, layer=name)
        server.settles("model_activation_window_dead_neurons_total", windows.sum(), layer=name)
        server.settles("model_activation_window_dead_neurons_squared_total", (windows**2).sum(), layer=name)
        server.settles("model_activation_zero_elements_total", (values == 0).sum(), layer=name)
        server.settles("model_activation_abs_bucket", (values < 2).sum(), layer=name, le="2.0")
    server.settles("model_request_duration_seconds_count", 50)


def test_several_instances_and_concurrent_requests_lose_nothing(serve, tmp_path: Path) -> None:
    build_repository(tmp_path / "repository", 2, instances=3, rows_per_second=1e9, flush_seconds=0.05)
    server = serve()
    with traffic(server, threads=6) as failures:
        time.sleep(3)
    assert failures == []
    counted = server.total("model_requests_total")
    time.sleep(1)
    requests = server.total("model_requests_total")
    assert requests >= counted > 100
    assert server.total("model_activation_samples_total", layer="hidden_1") == 3 * requests
    assert len({one.labels["load"] for one in server.series("model_requests_total")}) == 3


def test_a_convolutional_model_is_judged_by_channel(serve, tmp_path: Path) -> None:
    build_repository(tmp_path / "repository", 2, network="conv", window=50, rows_per_second=1e9, flush_seconds=0.1)
    server = serve()
    x, y = clear_rows(CONV_BETTER, 0.0)
    for start in range(0, ROWS, 10):
        server.ask(x[start : start + 10], y[start : start + 10])
    first = next(stored(CONV_BETTER).hidden(images(CONV_BETTER, x)))
    dead = (first.reshape(8, -1, 16) == 0).all(axis=1).sum()
    server.settles("model_activation_window_neurons_total", 8 * 16, layer="conv_1")
    server.settles("model_activation_window_dead_neurons_total", dead, layer="conv_1")
    server.settles("model_activation_elements_total", ROWS * 16 * 36, layer="conv_1")


def test_reloading_in_place_under_traffic_fails_no_request_and_leaves_one_load(serve, tmp_path: Path) -> None:
    repository = build_repository(tmp_path / "repository", 2, flush_seconds=0.05)
    server = serve()
    loads = set()
    with traffic(server, threads=3) as failures:
        for instances in (2, 1, 2, 1, 2, 1):
            build_repository(repository, 2, instances=instances, flush_seconds=0.05)
            server.post("repository/models/digits/load")
            time.sleep(0.5)
            loads |= {one.labels["load"] for one in server.series("model_requests_total")}
    assert failures == []
    assert len(loads) >= 7
    deadline = time.monotonic() + 10
    while len({one.labels["load"] for one in server.series()}) > 1:
        assert time.monotonic() < deadline, "series of earlier loads stay behind"
        time.sleep(0.2)


def test_unloading_takes_the_series_along_and_loading_brings_them_back(serve, tmp_path: Path) -> None:
    build_repository(tmp_path / "repository", 2, flush_seconds=0.05)
    server = serve()
    with traffic(server, threads=2):
        for _ in range(3):
            server.post("repository/models/digits/unload")
            deadline = time.monotonic() + 10
            while server.series():
                assert time.monotonic() < deadline, "series outlive the version"
                time.sleep(0.1)
            server.post("repository/models/digits/load")
            assert server.series()
    assert server.running


def hostile(root: Path, *, wrong_label: bool) -> None:
    build_repository(root, 2, model="hostile")
    folder = root / "hostile/2"
    (folder / "model.py").write_text((SERVING / "hostile.py").read_text())
    (folder / "settings.json").write_text(json.dumps({"wrong_label": wrong_label}))


def test_bad_activations_from_many_threads_are_counted_and_every_request_is_answered(serve, tmp_path: Path) -> None:
    hostile(tmp_path / "repository", wrong_label=False)
    server = serve("hostile")
    with traffic(server, threads=4) as failures:
        time.sleep(2)
        server.post("repository/models/hostile/load")
        time.sleep(2)
    assert failures == []
    assert server.running
    dropped = {one.labels["reason"]: one.value for one in server.series("model_activation_dropped")}
    assert all(dropped[reason] > 0 for reason in ("rank", "empty", "width", "dtype", "unknown_layer"))
    assert dropped["internal"] == 0
    assert all(np.isfinite(one.value) for one in server.series())


def test_a_label_that_is_not_a_string_fails_the_load_with_its_reason_and_nothing_else(serve, tmp_path: Path) -> None:
    build_repository(tmp_path / "repository", 2)
    server = serve()
    hostile(tmp_path / "repository", wrong_label=True)
    with traffic(server, threads=2) as failures:
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.post("repository/models/hostile/load")
        message = refused.value.read().decode()
    assert "version=2 must be a string: write version='2'" in message
    assert failures == []
