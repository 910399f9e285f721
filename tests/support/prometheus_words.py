"""What queries name: metrics, labels, and the values that labels are compared with."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_METRIC = re.compile(r"\b((?:keeper|process)_[a-z_]+|up)\b(?:\{([^}]*)\})?")
_PAIR = re.compile(r'([a-z_]+)\s*(=~|!~|!=|=)\s*"((?:[^"\\]|\\.)*)"')
_GROUPING = re.compile(r"\b(?:by|on|ignoring|without|group_left|group_right)\s*\(([^)]*)\)")
SUFFIXES = ("_bucket", "_sum", "_count")


@dataclass(frozen=True)
class Compared:
    """A label of a metric, and the regular expression or text that it is compared with."""

    metric: str
    label: str
    value: str


def metrics_in(query: str) -> set[str]:
    """The names of all metrics."""
    return {name for name, _ in _METRIC.findall(query)}


def compared_in(query: str) -> Iterator[Compared]:
    """Every comparison of a label."""
    for name, selector in _METRIC.findall(query):
        for label, _, value in _PAIR.findall(selector):
            yield Compared(name, label, value)


def grouped_in(query: str) -> set[str]:
    """The labels by which a query groups or matches."""
    return {label.strip() for found in _GROUPING.findall(query) for label in found.split(",") if label.strip()}


def family_of(metric: str, families: set[str]) -> str:
    """The metric that a line belongs to: a histogram has lines of other names than its own."""
    for suffix in SUFFIXES:
        if metric.endswith(suffix) and metric.removesuffix(suffix) in families:
            return metric.removesuffix(suffix)
    return metric
