"""Real torch modules on the CPU: the same counts as numpy's, nothing left behind, nothing silently skipped."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from series_reading import value_of, values_of

from activation_health import Layer, Monitor

torch: Any = pytest.importorskip("torch", reason="torch is not installed: pip install './telemetry[torch]'")
nn: Any = torch.nn

from activation_health.adapters.torch import attach  # noqa: E402 - needs torch


def monitor_of(window: int = 5) -> Monitor:
    return Monitor("m", "1", window=window, rows_per_second=1e12)


def convolutional() -> Any:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.LeakyReLU(), nn.Flatten(), nn.Linear(96, 3), nn.PReLU()
    )


def layer_values(monitor: Monitor, layer: str) -> dict:
    """Everything of one layer, under a common name."""
    return {
        (name, *(label for label in labels[2:] if label != layer)): value
        for (name, labels), value in values_of(monitor).items()
        if layer in labels[2:]
    }


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "bfloat16"])
@pytest.mark.parametrize("shape", [(13, 7), (13, 4, 3, 2)])
def test_torch_counts_equal_numpys_on_the_same_values(kind: str, shape: tuple) -> None:
    torch.manual_seed(1)
    x = torch.relu(torch.randn(shape)).to(getattr(torch, kind)) - 0.25 * (torch.rand(shape) < 0.1)
    x = x.to(getattr(torch, kind))
    x[:, 2] = 0
    x.view(-1)[:4] = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0])
    by_torch, by_numpy = monitor_of(), monitor_of()
    with attach(nn.Sequential(nn.Identity()), by_torch, names=["0"]) as attachment:
        module = nn.Identity()
        attachment.watch(Layer("0", dormant_tau=0.025), module)
        module(x)
    by_numpy.add_layer(Layer("0", dormant_tau=0.025))
    wide = x if kind == "float64" else x.float()
    by_numpy.observe("0", wide.numpy())
    assert layer_values(by_torch, "0") == layer_values(by_numpy, "0")


def test_relu_family_modules_are_found_and_judged_by_their_kind() -> None:
    model, monitor = convolutional(), monitor_of()
    with attach(model, monitor) as attachment:
        model(torch.randn(11, 1, 8, 8))
    assert attachment.layers == ["1", "3", "6"]
    assert attachment.skipped == []
    kinds = {labels[2]: labels[3] for name, labels in values_of(monitor) if name == "model_activation_layer_info"}
    assert kinds == {"1": "zero", "3": "dormant<=0.025", "6": "dormant<=0.025"}
    assert value_of(monitor, "model_activation_window_neurons_total", "1") == 2 * 4  # channels are the units
    assert value_of(monitor, "model_activation_elements_total", "1") == 11 * 4 * 36
    assert value_of(monitor, "model_activation_alpha_mean", "6") == pytest.approx(0.25)


def test_a_dead_channel_is_found_and_answers_do_not_change() -> None:
    model, monitor = convolutional(), monitor_of()
    with torch.no_grad():
        model[0].weight[2] = 0
        model[0].bias[2] = -1
    x = torch.randn(10, 1, 8, 8)
    before = model(x)
    with attach(model, monitor):
        after = model(x)
    assert torch.equal(before, after)
    assert value_of(monitor, "model_activation_window_dead_neurons_total", "1") == 2


def test_detaching_removes_every_hook() -> None:
    model, monitor = convolutional(), monitor_of()
    attachment = attach(model, monitor)
    attachment.detach()
    attachment.detach()
    model(torch.randn(3, 1, 8, 8))
    assert value_of(monitor, "model_activation_offered_samples_total", "1") == 0
    assert not any(child._forward_hooks or child._forward_pre_hooks for child in model.modules())


@pytest.mark.parametrize(("only", "train_rows", "eval_rows"), [(None, 4, 4), ("eval", 0, 4), ("train", 4, 0)])
def test_training_and_evaluation_passes_are_distinguished(only, train_rows: int, eval_rows: int) -> None:
    model, monitor = convolutional(), monitor_of()
    with attach(model, monitor, only=only):
        model.train()(torch.randn(4, 1, 8, 8)).sum().backward()
        assert value_of(monitor, "model_activation_samples_total", "1") == train_rows
        model.eval()(torch.randn(4, 1, 8, 8))
    assert value_of(monitor, "model_activation_samples_total", "1") == train_rows + eval_rows


def test_gradients_are_the_same_with_and_without_hooks() -> None:
    model, x = convolutional(), torch.randn(4, 1, 8, 8)
    model(x).sum().backward()
    plain = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    with attach(model, monitor_of()):
        model(x).sum().backward()
    assert all(torch.equal(one, two.grad) for one, two in zip(plain, model.parameters(), strict=True))


def test_learnable_slopes_are_followed_in_training() -> None:
    model, monitor = nn.Sequential(nn.Linear(4, 4), nn.PReLU(4)), monitor_of()
    with attach(model, monitor):
        with torch.no_grad():
            model[1].weight.copy_(torch.tensor([0.0, 0.2, 0.4, 0.6]))
        model.train()(torch.randn(2, 4))
    assert value_of(monitor, "model_activation_alpha_mean", "1") == pytest.approx(0.3)
    assert value_of(monitor, "model_activation_alpha_variance", "1") == pytest.approx(0.05)


def test_patterns_choose_modules_of_any_type_and_the_axis_of_units() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Sequential(nn.Linear(8, 5)))
    monitor = monitor_of()
    with attach(model, monitor, names=["1.*"], channel_axis={"1.*": -1}) as attachment:
        model(torch.randn(2, 7, 6))
    assert attachment.layers == ["1.0"]
    assert value_of(monitor, "model_activation_elements_total", "1.0") == 2 * 7 * 5
    assert monitor.last_refusal == ""


@pytest.mark.parametrize(("uses", "watched"), [(16, 3), (3, 3), (2, 2), (1, 1)])
def test_each_use_of_a_module_has_a_layer_of_its_own_and_further_ones_are_counted(uses: int, watched: int) -> None:
    relu = nn.PReLU()
    first, second = nn.Linear(4, 4), nn.Linear(4, 7)
    model, monitor = nn.Sequential(first, relu, relu, second, relu).eval(), monitor_of()
    with attach(model, monitor, uses=uses) as attachment:
        for _ in range(2):
            model(torch.randn(2, 4))
    assert attachment.layers == ["1", "1#2", "1#3"][:watched]
    assert value_of(monitor, "model_activation_elements_total", "1") == 2 * 2 * 4
    assert [value_of(monitor, "model_activation_samples_total", name) for name in attachment.layers] == [4] * watched
    assert value_of(monitor, "model_activation_dropped_observations_total", "reused") == 2 * (3 - watched)
    if watched == 3:
        assert value_of(monitor, "model_activation_elements_total", "1#3") == 2 * 2 * 7
        assert value_of(monitor, "model_activation_alpha_mean", "1#3") == pytest.approx(0.25)


def test_uses_for_which_the_monitor_has_no_room_are_named_and_counted() -> None:
    relu = nn.ReLU()
    model, monitor = nn.Sequential(*(nn.ReLU() for _ in range(63)), relu, relu, relu), monitor_of()
    with attach(model, monitor) as attachment:
        for _ in range(2):
            model(torch.randn(2, 4))
    assert len(attachment.layers) == 64
    assert [skipped.name for skipped in attachment.skipped] == ["63#2", "63#3"]
    assert value_of(monitor, "model_activation_dropped_observations_total", "reused") == 4


def test_a_pass_that_raises_does_not_mark_the_next_as_reuse() -> None:
    model, monitor = nn.Sequential(nn.ReLU(), nn.Linear(4, 4)), monitor_of()
    with attach(model, monitor):
        with pytest.raises(RuntimeError):
            model(torch.randn(2, 5))
        for _ in range(2):
            model[0](torch.randn(2, 4))  # on its own: outside any pass there is no reuse
        model(torch.randn(2, 4))
    assert value_of(monitor, "model_activation_dropped_observations_total", "reused") == 0


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ((torch.ones(2, 3),), "dtype"),
        (torch.ones(2, 3).int(), "dtype"),
        (torch.ones(3), "rank"),
        (torch.ones(0, 3), "empty"),
    ],
)
def test_outputs_that_cannot_be_measured_are_counted_and_answered_all_the_same(output, reason: str) -> None:
    class Odd(nn.Module):
        def forward(self, _: Any) -> object:
            return output

    model, monitor = nn.Sequential(Odd()), monitor_of()
    with attach(model, monitor, names=["0"]):
        assert model(torch.ones(1)) is output
    assert value_of(monitor, "model_activation_dropped_observations_total", reason) == 1


@pytest.mark.slow
def test_threads_share_a_watched_model() -> None:
    model, monitor = convolutional().eval(), monitor_of()

    def work() -> None:
        with torch.inference_mode():
            for _ in range(40):
                model(torch.randn(3, 1, 8, 8))

    with attach(model, monitor):
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert value_of(monitor, "model_activation_samples_total", "1") == 4 * 40 * 3
    assert value_of(monitor, "model_activation_dropped_observations_total", "reused") == 0


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)

    def forward(self, x: Any) -> Any:
        return torch.relu(self.first(x))


@pytest.mark.parametrize(
    ("module", "monitor", "options", "error", "named"),
    [
        (Functional(), None, {}, ValueError, "functional=True"),
        (
            Functional(),
            None,
            {"names": ["last*"]},
            ValueError,
            r"\['last\*'\] match no submodule of Functional: it has first",
        ),
        (Functional(), None, {"only": "never"}, ValueError, "only='never'"),
        ("model", None, {}, TypeError, "module=str"),
        (Functional(), "monitor", {}, TypeError, "monitor=str"),
    ],
)
def test_nothing_to_watch_is_an_error_when_attaching(module, monitor, options, error, named: str) -> None:
    with pytest.raises(error, match=named):
        attach(module, monitor or monitor_of(), **options)


def test_more_layers_than_a_monitor_holds_are_reported_as_skipped() -> None:
    model = nn.Sequential(*(nn.ReLU() for _ in range(70)))
    attachment = attach(model, monitor_of())
    assert len(attachment.layers) == 64
    assert [skipped.name for skipped in attachment.skipped] == [str(number) for number in range(64, 70)]
