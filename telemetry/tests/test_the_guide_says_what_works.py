"""The code in docs/instrument-your-model.md runs as it stands, and the names it gives exist."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import prometheus_client
import pytest
from series_reading import value_of

from activation_health import CATALOG, Monitor

GUIDE = (Path(__file__).parents[2] / "docs" / "instrument-your-model.md").read_text()


def code_under(heading: str) -> list[str]:
    section = re.split(r"^## ", GUIDE, flags=re.MULTILINE)
    text = next(part for part in section if part.startswith(heading))
    return re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)


def test_a_python_server_is_instrumented_as_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ports: list[int] = []
    monkeypatch.setattr(prometheus_client, "start_http_server", ports.append)
    monkeypatch.setattr(prometheus_client, "REGISTRY", prometheus_client.CollectorRegistry())
    one, several = code_under("Any Python server")
    names: dict = {}
    exec(one, names)
    names["monitor"].observe("hidden_1", np.ones((3, 4)))
    page = prometheus_client.generate_latest(names["REGISTRY"]).decode()
    assert 'model_activation_samples_total{layer="hidden_1",model="digits",version="2"} 3.0' in page
    assert ports == [9000]
    names |= {"Path": lambda _: tmp_path, "REGISTRY": prometheus_client.CollectorRegistry()}
    exec(several, names)
    assert prometheus_client.generate_latest(names["REGISTRY"]).decode().count("model_activation_windows_total{") == 1


def test_accuracy_is_counted_as_written() -> None:
    monitor = Monitor("digits", "2")
    classes, labels = np.array([1, 2]), np.array([1, 3])
    names = {
        "monitor": monitor,
        "request_id": "a",
        "classes": classes,
        "labels": labels,
        "inputs": np.zeros((4, 2)),
        "expected": np.zeros(4),
        "predict": lambda rows: np.zeros(len(rows)),
        "candidate_classes": classes,
        "stable_classes": labels,
    }
    (code,) = code_under("Where accuracy comes from")
    exec(code, names)
    for source, right, judged in (("labels", 1, 2), ("golden", 4, 4), ("shadow", 1, 2)):
        assert value_of(monitor, "model_eval_correct_total", source) == right
        assert value_of(monitor, "model_eval_total", source) == judged


@pytest.mark.slow
def test_a_torch_model_is_instrumented_as_written() -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed: pip install './telemetry[torch]'")
    (code,) = code_under("PyTorch")
    names = {"model": torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())}
    exec(code.replace("...", "model(__import__('torch').ones(3, 2))"), names)
    assert value_of(names["monitor"], "model_activation_samples_total", "1") == 3


def test_every_metric_the_guide_names_exists() -> None:
    known = {family.name for family in CATALOG}
    full = set(re.findall(r"`(model_[a-z_]+)", GUIDE))
    assert full
    assert {name for name in full if not any(one.startswith(name) for one in known)} == set()
    endings = set(re.findall(r"\.\.\._([a-z_]+)", GUIDE))
    assert len(endings) >= 8
    assert {name for name in endings if not any(one.endswith(name) or f"_{name}" in one for one in known)} == set()
