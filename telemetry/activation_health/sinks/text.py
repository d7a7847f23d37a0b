"""The Prometheus text format, for tests and for a server that has no metrics library."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from activation_health.catalog import Sample
    from activation_health.monitor import Monitor


def render(*monitors: Monitor) -> str:
    """Every series of these monitors in the Prometheus text format 0.0.4."""
    by_family: dict[str, list[Sample]] = {}
    for monitor in monitors:
        for group in monitor.collect():
            for sample in group:
                by_family.setdefault(sample.family.name, []).append(sample)
    lines = []
    for name, samples in by_family.items():
        family = samples[0].family
        # Parsers add _total to a counter that lacks it: such a name goes untyped and stays what it is.
        plain = family.kind == "counter" and not name.endswith("_total")
        kind = "untyped" if plain else family.kind
        lines += [f"# HELP {name} {_escape_help(family.help)}", f"# TYPE {name} {kind}"]
        lines += [_line(sample) for sample in samples]
    return "\n".join(lines) + "\n"


def _line(sample: Sample) -> str:
    labels = ",".join(f'{name}="{_escape(value)}"' for name, value in sample.label_map().items())
    return f"{sample.family.name}{{{labels}}} {format(sample.value, '.17g')}"


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _escape_help(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")
