"""The declarations: complete, consistent, light, and each with a module behind it."""

from __future__ import annotations

import ast
import inspect
from importlib import import_module

import pytest

from keeper.domain.units import Span, Unit
from keeper.signals import registry, spec
from keeper.signals.bank import load
from keeper.signals.registry import SIGNALS
from keeper.signals.spec import ParamType, SignalKind, SignalSpec
from keeper.signals.windows import MAX_INTERVALS

pytestmark = pytest.mark.unit

KINDS = pytest.mark.parametrize("kind", SIGNALS.values(), ids=list(SIGNALS))


def test_registry__this_issue__holds_the_two_kinds() -> None:
    assert {"divergence", "realised-volatility"} <= SIGNALS.keys()


@KINDS
def test_registry__each_kind__is_listed_under_its_own_name(kind: SignalKind) -> None:
    assert SIGNALS[kind.kind] is kind
    assert kind.summary.endswith(".")
    assert kind.formula
    assert kind.accepts


@KINDS
def test_registry__params__sources_come_first_and_names_are_unique(kind: SignalKind) -> None:
    assert kind.params == kind.sources + kind.others
    assert len(kind.sources) >= 1
    names = [param.name for param in kind.params]
    assert len(set(names)) == len(names)


@KINDS
def test_registry__params__optional_ones_have_a_default_that_is_allowed(kind: SignalKind) -> None:
    for param in kind.params:
        assert param.help.endswith(".")
        assert param.required == (param.default is None)
        assert bool(param.choices) == (param.type is ParamType.CHOICE)
        if param.choices and param.default is not None:
            assert param.default in param.choices


@KINDS
def test_registry__module__offers_what_a_statistic_needs(kind: SignalKind) -> None:
    statistic = load(kind)
    assert callable(statistic.prepare)
    assert callable(statistic.allocate)
    assert callable(statistic.step)
    assert statistic.__doc__ is not None
    assert "Unit:" in statistic.__doc__


def test_load__tuples_of_all_kinds__have_names_of_their_own() -> None:
    """With equal names, the compiler takes those that look alike for the same, finds no code for them, and looks it up in Python at each call."""
    tuples = [
        getattr(import_module(kind.module), name)
        for kind in SIGNALS.values()
        if load(kind)
        for name in ("Params", "State")
    ]
    assert len({one.__name__ for one in tuples}) == len(set(tuples)) == 2 * len(SIGNALS)


@pytest.mark.parametrize("module", [registry, spec])
def test_registry__imports__do_not_pull_in_the_compiler(module: object) -> None:
    tree = ast.parse(inspect.getsource(module))  # type: ignore[arg-type]
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    assert not {name for name in imported if name and name.split(".")[0] in {"numpy", "numba"}}
    assert "keeper.signals.bank" not in imported


def test_registry__units__a_volatility_is_no_ratio() -> None:
    assert SIGNALS["divergence"].output is Unit.RATIO
    assert SIGNALS["realised-volatility"].output is Unit.VOLATILITY
    assert SIGNALS["divergence"].accepts == {Unit.PRICE}


@pytest.mark.parametrize(
    ("window_ms", "sampling_ms", "wrong"),
    [
        (120_000, 60_000, None),
        (60_000, 60_000, "window"),
        (119_999, 60_000, "window"),
        (120_001, 60_000, "window"),
        (MAX_INTERVALS * 10, 10, None),
        ((MAX_INTERVALS + 1) * 10, 10, "sampling"),
    ],
)
def test_realised_volatility__window_against_sampling__both_sides(
    window_ms: int, sampling_ms: int, wrong: str | None
) -> None:
    found = SIGNALS["realised-volatility"].check({"window": Span(ms=window_ms), "sampling": Span(ms=sampling_ms)})
    assert [problem.param for problem in found] == ([] if wrong is None else [wrong])
    assert all(problem.hint for problem in found)


def test_divergence__check__has_nothing_to_say() -> None:
    assert SIGNALS["divergence"].check({"side": "either"}) == ()


def test_signal_spec__param__by_name_or_key_error() -> None:
    one = SignalSpec("x", "divergence", ("a", "b"), (("side", "above"),))
    assert one.param("side") == "above"
    with pytest.raises(KeyError):
        one.param("window")
