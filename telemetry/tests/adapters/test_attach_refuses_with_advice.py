"""`attach` refuses or skips what hooks do not reach, and then changes nothing; the guide's table is right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from series_reading import value_of
from torch_kinds import (
    COPIES,
    IGNORED,
    MEASURED,
    REFUSED,
    SAMPLES,
    TRACED,
    WATCHED,
    dropped,
    monitor_of,
    network,
    nn,
    torch,
)

from activation_health.adapters.torch import attach


def test_attaching_twice_and_detaching_twice() -> None:
    module, first, second = network(), monitor_of(), monitor_of()
    one, other = attach(module, first), attach(module, second)
    module(torch.ones(2, 4))
    with pytest.raises(ValueError, match=r"layer '1' is declared already: .* its own Monitor"):
        attach(module, first)
    module(torch.ones(2, 4))
    one.detach()
    one.detach()
    module(torch.ones(2, 4))
    other.detach()
    assert (value_of(first, SAMPLES, "1"), value_of(second, SAMPLES, "1")) == (4, 6)
    assert dropped(first) == dropped(second) == {}
    assert not any(child._forward_hooks or child._forward_pre_hooks for child in module.modules())


@pytest.mark.slow
@pytest.mark.filterwarnings(*IGNORED)
@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: torch.jit.script(network()), "watch and serve the module that it was made from"),
        (lambda: torch.jit.trace(network(), torch.ones(1, 4)), "TorchScript, where hooks do not run"),
        (
            lambda: torch.export.export(network(), (torch.ones(2, 4),)).module(),
            "graph of function calls.* watch the module that it was made from",
        ),
        (lambda: nn.Sequential(torch.jit.script(network())), "'0' is compiled by TorchScript"),
    ],
)
def test_what_hooks_do_not_reach_is_refused_with_advice(make: Any, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        attach(make(), monitor_of())


@pytest.mark.slow
@pytest.mark.filterwarnings(*IGNORED)
def test_parts_that_hooks_do_not_reach_are_skipped_with_advice() -> None:
    compiled = torch.compile(network(), backend="eager")
    deep = nn.Sequential(nn.ReLU())
    deep.add_module("x" * 200, nn.ReLU())
    module = nn.Sequential(nn.ReLU(), compiled, torch.jit.script(nn.ReLU()), nn.LSTM(2, 2), deep)
    attachment = attach(module, monitor_of(), names=["*"])
    reasons = {skipped.name: skipped.reason for skipped in attachment.skipped}
    assert attachment.layers == ["0", "1", "1.0", "1.1", "1.2", "1.3", "1.4", "4", "4.0"]
    assert "TorchScript" in reasons["2"]
    assert "several tensors" in reasons["3"]
    assert "1 to 128 characters" in reasons[f"4.{'x' * 200}"]


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"channel_axis": 0}, ValueError, "channel_axis 0 is the batch"),
        ({"channel_axis": True}, TypeError, "channel_axis=True"),
        ({"channel_axis": {"1": "-1"}}, TypeError, "channel_axis='-1' for '1'"),
        ({"channel_axis": {"3": 0}}, ValueError, "channel_axis 0 is the batch"),
    ],
)
def test_a_refused_attach_changes_nothing(options: dict[str, Any], error: Any, named: str) -> None:
    module, monitor = network(), monitor_of()
    with pytest.raises(error, match=named):
        attach(module, monitor, **options)
    assert not any(child._forward_hooks or child._forward_pre_hooks for child in module.modules())
    assert attach(module, monitor, names="[13]").layers == ["1", "3"]


GUIDE = (Path(__file__).parents[3] / "docs" / "instrument-your-model.md").read_text()
TABLE = {
    "a dense tensor of float64, float32, float16, bfloat16 or float8, (batch, units) or more, strided or a subclass "
    "with names": ("watched", set(MEASURED)),
    "nested, jagged, sparse, quantized, complex, float4, whole or truth values, a tensor that wraps another": (
        "dropped, `dtype`",
        {"nested", "jagged", "sparse by coordinates", "sparse by rows", "quantized", "a wrapper", "complex"}
        | {"whole numbers", "truths", "two in a byte"},
    ),
    "a tuple, list, dict or dataclass, None, a number": (
        "dropped, `dtype`",
        {"a tuple", "a list", "a dict", "a dataclass", "None", "a number"},
    ),
    "fewer than two axes": ("dropped, `rank`", {"without axes", "one axis"}),
    "nothing in it": ("dropped, `empty`", {"no rows", "no units"}),
    "in `torch.func`, a fake or meta tensor, while `jit.trace` or `fx` traces; a CUDA graph captured without Triton": (
        "dropped, `tracing`",
        {"on the meta device"},
    ),
    "`torch.compile` before or afterwards, whole graphs too; a CUDA graph captured afterwards on a GPU with Triton; "
    "`functional_call`, `DataParallel`, `fx.symbolic_trace`, "
    "`share_memory`, `.to(...)`, part of another module": ("watched", set(WATCHED)),
    "`copy.deepcopy`, `pickle`, `torch.save`, another process": ("the copy is not watched", set(COPIES)),
    "`jit.trace`, `torch.export`": ("the trace is not watched", set(TRACED)),
    "`jit.script`": ("refused by PyTorch, with the advice to detach first", set()),
    "scripted, traced, exported or quantized before": (
        "refused or `skipped` by `attach`, with advice",
        set(),
    ),
}


def test_the_guides_table_is_what_is_tested_here() -> None:
    section = GUIDE.split("### What is watched, and what is not")[1].split("\n## ")[0]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in section.splitlines() if "|" in line]
    assert rows[2:] == [(what, outcome) for what, (outcome, _) in TABLE.items()]
    covered = set().union(*(kinds for _, kinds in TABLE.values()))
    assert covered == {*MEASURED, *REFUSED, *WATCHED, *COPIES, *TRACED}
    for outcome, kinds in TABLE.values():
        reasons = {REFUSED[kind][1] for kind in kinds if kind in REFUSED}
        assert all(f"`{reason}`" in outcome for reason in reasons)
