"""`activation-health`: models are instrumented from the command line.

What is printed goes to people; the exit code is 0, or 1 with one sentence on standard error.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from activation_health.graphs.layout import LEVELS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from activation_health.graphs.units import Choice

EXAMPLES = """\
examples:
  activation-health instrument model.onnx --list
  activation-health instrument model.onnx --out watched.onnx
  activation-health instrument model.onnx --out watched.onnx --layers '*/layer4*' --counts full
  activation-health instrument model.onnx --triton-repository models --name digits --version 3
  activation-health instrument int8.onnx --out watched.onnx --like model.onnx
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code."""
    chosen = parser().parse_args(arguments)
    try:
        from activation_health.graphs import files  # noqa: F401, PLC0415 - what follows needs ONNX
    except ImportError:
        sys.stderr.write("activation-health: ONNX is not installed: pip install 'activation-health[onnx]'\n")
        return 1
    try:
        return _instrument(chosen)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"activation-health: {_plain(str(error))}\n")
        return 1


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog="activation-health", description="Watch the activations of models that nobody edits."
    )
    one = top.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "instrument",
        help="add activation counts to an ONNX model as extra outputs",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    one.add_argument("model", type=Path, metavar="MODEL.onnx")
    what = one.add_mutually_exclusive_group(required=True)
    what.add_argument("--out", type=Path, metavar="OUT.onnx", help="where the instrumented model is written")
    what.add_argument("--triton-repository", type=Path, metavar="DIR", help="write what Triton serves; needs --name")
    what.add_argument("--list", action="store_true", help="show what would be watched, and what not and why")
    one.add_argument("--layers", action="append", metavar="PATTERN", help="nodes to watch (* as in file names)")
    one.add_argument(
        "--counts", choices=LEVELS, default="health", help="health: fired, NaN, Inf; full: zeros, magnitudes too"
    )
    one.add_argument("--on-demand", action="store_true", help="measure only where an extra input asks")
    one.add_argument(
        "--channel-axis", action="append", default=[], metavar="[PATTERN=]AXIS", help="where units lie, such as -1"
    )
    one.add_argument("--like", type=Path, metavar="MODEL.onnx", help="watch the layers of the model this is a copy of")
    one.add_argument(
        "--shape", action="append", default=[], metavar="INPUT=1,3,...", help="an input's shape for the check"
    )
    one.add_argument("--no-check", action="store_true", help="do not compare answers by ONNX Runtime")
    _triton_options(one.add_argument_group("with --triton-repository"))
    return top


def _triton_options(group: Any) -> None:
    group.add_argument("--name", metavar="MODEL", help="the name that clients call")
    group.add_argument("--version", type=int, default=1, help="its version (1)")
    group.add_argument("--backend", default="onnxruntime", help="who runs the network: onnxruntime, tensorrt or python")
    group.add_argument("--max-batch-size", type=int, default=0, help="rows that Triton joins; 0 joins none (0)")
    group.add_argument("--instances", type=int, default=2, help="requests asked for at once, as processes (2)")
    group.add_argument("--window", type=int, default=200, help="rows per window of dead units (200)")
    group.add_argument("--rows-per-second", type=float, default=50.0, help="rows measured at most, a layer (50)")


def _instrument(chosen: argparse.Namespace) -> int:
    from activation_health.graphs import files  # noqa: PLC0415
    from activation_health.graphs.check import same_answers  # noqa: PLC0415
    from activation_health.graphs.instrument import instrument, listed  # noqa: PLC0415

    model = files.read(chosen.model)
    shared: dict[str, Any] = {
        "names": chosen.layers,
        "channel_axis": _axes(chosen.channel_axis),
        "like": files.read(chosen.like) if chosen.like else None,
    }
    if chosen.list:
        _show(listed(model, **shared))
        return 0
    shapes = dict(_shape(text) for text in chosen.shape)
    made = instrument(model, counts=chosen.counts, on_demand=chosen.on_demand, **shared)
    out, left = _write(chosen, model)
    layers = f"{len(made.layout.layers)} layers are watched, {len(made.skipped)} are not"
    if chosen.no_check:
        _say(f"{out}: {layers}", *left)
        return 0
    checked = same_answers(chosen.model, out, shapes)
    if checked.same is False:
        out.unlink()
        raise ValueError(f"{checked.why} from the original's: watch fewer layers with --layers; {out} was removed")
    same = "answers are the original's to the last bit"
    answers = same if checked.same else f"answers were not compared: {checked.why}"
    _say(f"{out}: {layers}; {answers}", *left)
    return 0


def _write(chosen: argparse.Namespace, model: Any) -> tuple[Path, list[str]]:
    """Where the instrumented model is, and what is left to do."""
    from activation_health.graphs import files  # noqa: PLC0415
    from activation_health.graphs.triton.repository import Served, write_repository  # noqa: PLC0415

    if chosen.triton_repository is None:
        if chosen.out.resolve() == chosen.model.resolve():
            raise ValueError(f"--out {chosen.out} is the model itself: name another file")
        files.write(model, chosen.model, chosen.out)
        return chosen.out, []
    if not chosen.name:
        raise ValueError("--triton-repository needs --name: the name that clients call")
    settings = chosen.window, chosen.rows_per_second, chosen.instances
    served = Served(chosen.name, chosen.version, chosen.backend, chosen.max_batch_size, *settings)
    left = write_repository(model, chosen.model, chosen.triton_repository, served)
    return chosen.triton_repository / f"{served.name}_network" / str(served.version) / "model.onnx", left


def _show(choice: Choice) -> None:
    for layer in choice.layers:
        dead = "dead at 0" if layer.dormant_tau is None else f"dormant at {layer.dormant_tau:g}"
        _say(f"{layer.name}  {layer.kind}, {layer.units} units on axis {layer.axis}, {dead}")
    for one in choice.skipped:
        _say(f"{one.name}  not watched: {one.reason}")


def _say(*lines: str) -> None:
    sys.stdout.write("".join(f"{_plain(line)}\n" for line in lines))


def _plain(text: str) -> str:
    """As one line that no terminal obeys: names stand in a file from somebody else."""
    return "".join(char if char.isprintable() else " " for char in text)


def _axes(texts: list[str]) -> int | dict[str, int] | None:
    found: dict[str, int] = {}
    for text in texts:
        pattern, _, number = text.rpartition("=")
        try:
            found[pattern or "*"] = int(number)
        except ValueError:
            raise ValueError(f"--channel-axis {text!r} must end in a whole number, such as -1") from None
    return found or None


def _shape(text: str) -> tuple[str, tuple[int, ...]]:
    name, _, numbers = text.rpartition("=")
    try:
        return name, tuple(int(number) for number in numbers.split(","))
    except ValueError:
        raise ValueError(f"--shape {text!r} must be a name and whole numbers, such as x=1,3,224,224") from None


if __name__ == "__main__":
    raise SystemExit(main())
