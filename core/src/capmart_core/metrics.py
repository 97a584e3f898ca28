"""Numbers for whoever watches a service, in the text format that Prometheus reads (version 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Metric:
    """One metric family.

    Attributes:
        name: with the unit, and ``_total`` for a counter.
        kind: a counter only rises.
        help: what it counts, one line.
        samples: value by labels.
    """

    name: str
    kind: Literal["counter", "gauge"]
    help: str
    samples: Mapping[Labels, float]


def exposition(metrics: Iterable[Metric]) -> str:
    """The metrics as text."""
    lines: list[str] = []
    for metric in metrics:
        lines += [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]
        lines += [f"{metric.name}{_labels(labels)} {value:.12g}" for labels, value in sorted(metric.samples.items())]
    return "\n".join(lines) + "\n" if lines else ""


def _labels(labels: Labels) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
