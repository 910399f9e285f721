"""Lines of the Prometheus text format, made by hand for what there is much of: a line for each rule, source and action costs little then.

The format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: ``kind`` is ``gauge`` or ``counter``, ``labels`` are the names of its labels in their order."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()

    @property
    def header(self) -> str:
        """What stands before its lines."""
        return f"# HELP {self.name} {self.help}\n# TYPE {self.name} {self.kind}\n"

    def prefix(self, *values: str) -> str:
        """A line up to its value."""
        if not self.labels:
            return f"{self.name} "
        pairs = ",".join(f'{label}="{_quoted(value)}"' for label, value in zip(self.labels, values, strict=True))
        return f"{self.name}{{{pairs}}} "


def _quoted(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def number(value: float) -> str:
    """As Prometheus reads it."""
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


def table(family: Family, prefixes: Iterable[str], values: Iterable[float]) -> str:
    """One line for each prefix, with its value."""
    lines = [f"{prefix}{number(value)}\n" for prefix, value in zip(prefixes, values, strict=True)]
    return family.header + "".join(lines)


class OneHot:
    """One series for each possible word, of which the one that holds is 1. What is shown for a word is made once."""

    def __init__(self, family: Family, keys: Sequence[tuple[str, ...]], words: Sequence[str]) -> None:
        """``family`` has one label more than a key has values: the word."""
        self._family = family
        self._shown: dict[tuple[str, ...], Mapping[str, str]] = {}
        for key in keys:
            prefixes = [family.prefix(*key, word) for word in words]
            self._shown[key] = {
                word: "".join(f"{prefix}{int(other == word)}\n" for prefix, other in zip(prefixes, words, strict=True))
                for word in words
            }

    def text(self, words: Mapping[tuple[str, ...], str], otherwise: str) -> str:
        """Every key with its word; ``otherwise`` is that of a key that has none."""
        lines = [shown[words.get(key, otherwise)] for key, shown in self._shown.items()]
        return self._family.header + "".join(lines)
