"""Metrics of a keeper that is not there: its configuration in outline, and an engine whose ticks can be counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

from prometheus_client.parser import text_string_to_metric_families

from keeper.adapters.routes.relay_figures import BuilderFigures
from keeper.app.faults import Fault
from keeper.app.metrics.metrics import Metrics
from keeper.app.parts import Parts
from keeper.config.model import Mode
from keeper.domain.units import Unit
from keeper.domain.verdict import Severity
from keeper.engine.spec import EngineSpec, SourceSpec
from keeper.ports.route import SubmissionKind
from tests.support.engine_world import divergence, market, rule, spec
from tests.support.manual_clock import ManualClock

Labels = Mapping[str, str]


@dataclass
class Builders:
    """A route to builders, of which only the figures are looked at."""

    name: str
    figures: Sequence[BuilderFigures] = ()
    builders: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        self.builders = tuple(each.builder for each in self.figures)


def engine_spec(markets: int = 1, rules: int = 1, max_age_ms: int | None = None) -> EngineSpec:
    """Each market has sources of its own, and a rule on each of its signals."""
    named = [f"M{number}" for number in range(markets)]
    return spec(
        markets=[
            market(
                name,
                [divergence(f"gap-{place}", f"{name}-oracle", f"{name}-spot") for place in range(rules)],
                [rule(f"wide-{place}", f"gap-{place}") for place in range(rules)],
            )
            for name in named
        ],
        sources=[SourceSpec(f"{name}-{kind}", Unit.PRICE, max_age_ms) for name in named for kind in ("oracle", "spot")],
    )


def parts_of(
    engine: EngineSpec,
    *,
    clock: ManualClock | None = None,
    builders: Sequence[Builders] = (),
    notifiers: Sequence[str] = ("log",),
    feeds: Sequence[str] = (),
    checkpoints_s: int = 0,
) -> Parts:
    """As much of a keeper's parts as metrics look at. Every market has the action ``pause``, and the first key is there."""
    config = SimpleNamespace(
        engine=engine,
        keeper=SimpleNamespace(name="test", mode=Mode.LIVE, replicas=None),
        routes=[SimpleNamespace(name=one.name) for one in builders] + [SimpleNamespace(name="public")],
    )
    found = SimpleNamespace(
        config=config,
        edges=SimpleNamespace(clock=clock or ManualClock(), senders={"": "0x01"}),
        armed={(one.name, "pause"): None for one in engine.markets},
        proving=[SimpleNamespace(route=one) for one in builders],
        notifiers=[SimpleNamespace(name=name) for name in notifiers],
        feed_sources=[SimpleNamespace(name=name) for name in feeds],
        signing=SimpleNamespace(every_ms=checkpoints_s * 1000) if checkpoints_s else None,
    )
    return cast(Parts, found)


def samples(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every line by its name and labels, as Prometheus reads them."""
    return {
        (one.name, frozenset(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def value(metrics: Metrics, metric: str, /, **labels: str) -> float:
    """Of one line, which must be there."""
    own = [line for line in metrics.text().splitlines(keepends=True) if line.startswith(metric)]
    return samples("".join(own))[metric, frozenset(labels.items())]


def everything() -> Metrics:
    """Metrics of which each has a line at least."""
    figures = BuilderFigures("titan", {("eth_sendBundle", SubmissionKind.ACCEPTED): 1}, 0, 1.0, 1.0, 1.0)
    metrics = Metrics(
        parts_of(engine_spec(), builders=[Builders("private", [figures])], feeds=["spot"], checkpoints_s=3600)
    )
    metrics.scheduled(["readiness"])
    metrics.fault(Fault("heads", "unreachable", "", "", 0), Severity.CRITICAL)
    return metrics


def described(text: str) -> dict[str, tuple[str, tuple[str, ...], str]]:
    """Kind, labels and meaning of every metric of the keeper's own, by its name."""
    found = {}
    for family in text_string_to_metric_families(text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        if name.startswith("keeper_"):
            labels = {label for one in family.samples for label in one.labels if label != "le"}
            found[name] = family.type, tuple(sorted(labels)), family.documentation
    return found


def table_of(text: str) -> list[str]:
    """The rows of the operator's table."""
    rows = []
    for name, (kind, labels, meaning) in described(text).items():
        shown = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{name}` | {kind} | {shown} | {meaning} |")
    return rows


def work(**fields: Any) -> Any:
    """An intent on its way, of which only some things are looked at."""
    return SimpleNamespace(**fields)
