"""What watching costs on a GPU, and that it counts exactly there: one script for a machine with a GPU and PyTorch.

    python -m tests.bench.telemetry.gpu --models mlp resnet50 bert --parts exact eager graph compiled

Networks of torchvision, transformers and timm with random weights, float16, batches of eight. Each ratio is of medians
(P99: of 99th percentiles) of requests that were timed in turns with and without watching, each one waited for.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from activation_health import Monitor
from activation_health.adapters.torch import attach

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY: dict[str, Any] = {"rows_per_second": 1e9}
ROUNDS = 6


def networks() -> dict[str, Callable[[], tuple[Any, tuple[Any, ...]]]]:
    return {"mlp": mlp, "resnet50": resnet50, "bert": bert, "efficientnet": efficientnet}


def mlp() -> tuple[Any, tuple[Any, ...]]:
    layers = nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.GELU(), nn.Linear(4096, 10)
    return nn.Sequential(*layers), (torch.randn(8, 4096),)


def resnet50() -> tuple[Any, tuple[Any, ...]]:
    import torchvision  # noqa: PLC0415 - each network needs a package of its own

    return torchvision.models.resnet50(weights=None), (torch.randn(8, 3, 224, 224),)


def bert() -> tuple[Any, tuple[Any, ...]]:
    import transformers  # noqa: PLC0415

    config = transformers.BertConfig(return_dict=False)
    return transformers.BertModel(config), (torch.randint(0, 30000, (8, 128)),)


def efficientnet() -> tuple[Any, tuple[Any, ...]]:
    import timm  # noqa: PLC0415

    return timm.create_model("efficientnet_b0"), (torch.randn(8, 3, 224, 224),)


def made(name: str) -> tuple[Any, tuple[Any, ...]]:
    torch.manual_seed(0)
    model, inputs = networks()[name]()
    half = tuple(x.cuda().half() if x.is_floating_point() else x.cuda() for x in inputs)
    return model.cuda().half().eval(), half


def axis_of(name: str) -> int | None:
    return -1 if name == "bert" else None


def watch(model: Any, name: str, **settings: Any) -> tuple[Monitor, Any]:
    monitor = Monitor(name, "1", **{**EVERY, **settings})
    return monitor, attach(model, monitor, channel_axis=axis_of(name))


def series(monitor: Monitor) -> dict[Any, float]:
    wanted = "elements", "zero", "negative", "nonfinite", "bucket", "window", "samples", "offered", "observations"
    return {
        sample.key: sample.value
        for group in monitor.collect()
        for sample in group
        if any(word in sample.family.name for word in wanted)
    }


def dropped(monitor: Monitor) -> dict[str, float]:
    found = {s.labels[2]: s.value for g in monitor.collect() for s in g if "dropped" in s.family.name and s.value}
    return {**found, **({monitor.last_refusal: 1} if found else {})}


def exact(name: str) -> str:
    """The same values by brute force: copied to the host and counted there."""
    model, inputs = made(name)
    monitor, attachment = watch(model, name, window=20)
    reference = Monitor(name, "1", window=20, **EVERY)
    for layer in [state.layer for state in monitor._layers.values()]:
        reference.add_layer(layer)
    with torch.inference_mode():
        model(*inputs)  # the layers of later uses are declared now
    attachment.detach()
    monitor, attachment = watch(model, name, window=20)
    copied: dict[str, int] = {}

    def keep(layer: str) -> Callable[..., None]:
        def hook(_module: Any, _inputs: Any, output: Any) -> None:
            number = copied[layer] = copied.get(layer, 0) + 1
            label = layer if number == 1 else f"{layer}#{number}"
            if label not in reference._layers:
                reference.add_layer(monitor._layers[label].layer)
            reference.observe(label, output.float().cpu().numpy())

        return hook

    modules = dict(model.named_modules())
    handles = [modules[layer].register_forward_hook(keep(layer)) for layer in list(attachment.layers)]
    with torch.inference_mode():
        for number in range(12):
            copied.clear()
            model(*(x * (1 + number % 3) if x.is_floating_point() else (x + number) % 30000 for x in inputs))
    torch.cuda.synchronize()
    attachment.read()
    for handle in handles:
        handle.remove()
    attachment.detach()
    ours, theirs = series(monitor), series(reference)
    wrong = {key: (ours.get(key), value) for key, value in theirs.items() if ours.get(key) != value}
    layers = len({key[1][2] for key in theirs})
    return f"{layers} layers, {len(theirs)} series, {len(wrong)} differ {list(wrong.items())[:4]} {dropped(monitor)}"


def times(run: Callable[[], Any], number: int) -> list[float]:
    found = []
    for _ in range(number):
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        found.append(time.perf_counter() - start)
    return found


def compared(plain: Callable[[], Any], watched: Callable[[], Any], number: int = 60) -> str:
    for run in (plain, watched):
        times(run, 15)
    off: list[float] = []
    on: list[float] = []
    for _ in range(ROUNDS):
        off += times(plain, number)
        on += times(watched, number)
    p50 = statistics.median(on) / statistics.median(off)
    p99 = float(np.percentile(on, 99) / np.percentile(off, 99))
    return f"{1e3 * statistics.median(off):6.2f} ms  P50 x{p50:.2f}  P99 x{p99:.2f}"


def eager(name: str) -> None:
    plain, inputs = made(name)
    model = copy.deepcopy(plain)
    for label, settings in (
        ("every request", {}),
        ("one in ten", {"one_in": 10}),
        ("defaults", {"rows_per_second": 50.0}),
    ):
        monitor, attachment = watch(model, name, **settings)
        with torch.inference_mode():
            print(f"{name:12} eager, {label:14}", compared(lambda: plain(*inputs), lambda: model(*inputs)), flush=True)
        attachment.detach()
        print("   ", len(attachment.layers), "layers", dropped(monitor), flush=True)


def captured(model: Any, inputs: tuple[Any, ...]) -> Any:
    graph = torch.cuda.CUDAGraph()
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.inference_mode(), torch.cuda.stream(side):
        for _ in range(3):
            model(*inputs)
    torch.cuda.current_stream().wait_stream(side)
    with torch.inference_mode(), torch.cuda.graph(graph):
        model(*inputs)
    return graph


def graph(name: str) -> None:
    plain, inputs = made(name)
    model = copy.deepcopy(plain)
    off = captured(plain, inputs)
    for label, settings in (("every replay", {}), ("defaults", {"rows_per_second": 50.0})):
        monitor, attachment = watch(model, name, **settings)
        on = captured(model, inputs)
        attachment.read()
        before = series(monitor)
        print(f"{name:12} graph, {label:14}", compared(off.replay, on.replay, 150), flush=True)
        torch.cuda.synchronize()
        attachment.read()
        after = series(monitor)
        first = attachment.layers[0]
        for what in ("offered_samples", "samples", "windows"):
            key = (f"model_activation_{what}_total", (name, "1", first))
            print(f"     {what} +{after[key] - before[key]:.0f}", end="")
        print("", len(attachment.layers), "layers", dropped(monitor), flush=True)
        attachment.detach()


def compiled(name: str, mode: str | None = None) -> None:
    plain, inputs = made(name)
    model = copy.deepcopy(plain)
    off = torch.compile(plain, mode=mode)
    start = time.perf_counter()
    with torch.inference_mode():
        off(*inputs)
    print(f"    compiled plain in {time.perf_counter() - start:.0f} s", flush=True)
    for label, settings in (("every request", {}), ("defaults", {"rows_per_second": 50.0})):
        monitor, attachment = watch(model, name, **settings)
        on = torch.compile(model, mode=mode)
        start = time.perf_counter()
        run = partial(on, *inputs)
        with torch.inference_mode():
            run()
            print(f"    compiled watched in {time.perf_counter() - start:.0f} s", flush=True)
            print(
                f"{name:12} compiled {mode or ''}, {label:14}",
                compared(lambda: off(*inputs), run),
                flush=True,
            )
        attachment.read()
        first = attachment.layers[0]
        found = series(monitor)
        for what in ("offered_samples", "samples", "windows"):
            print(f"     {what} {found[f'model_activation_{what}_total', (name, '1', first)]:.0f}", end="")
        print("", len(attachment.layers), "layers", dropped(monitor), flush=True)
        attachment.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["mlp", "resnet50", "bert"], choices=list(networks()))
    parts: dict[str, Callable[[str], Any]] = {
        "exact": lambda name: print(f"{name:12} exact:", exact(name), flush=True),
        "eager": eager,
        "graph": graph,
        "compiled": compiled,
        "overhead": lambda name: compiled(name, "reduce-overhead"),
    }
    parser.add_argument("--parts", nargs="+", default=list(parts)[:4], choices=list(parts))
    chosen = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("no GPU here: run it where torch.cuda.is_available()")
    print(torch.cuda.get_device_name(), "torch", torch.__version__)
    for part in chosen.parts:
        for name in chosen.models:
            start = time.perf_counter()
            try:
                parts[part](name)
            except Exception:  # noqa: BLE001 - one network that cannot be had must not end the others
                traceback.print_exc()
            print(f"    ({part} {name}: {time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
