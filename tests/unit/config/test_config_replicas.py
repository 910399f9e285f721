"""The section ``keeper.replicas``: the lease, the name, and what it cannot be together with."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from keeper.config.replicas import ReplicasConfig

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Edit, Load

pytestmark = pytest.mark.unit

KEEPER = "keeper: {name: demo, mode: live}"
AUDIT = 'audit: {url: "sqlite:///keeper.db"}'
POSTGRES = "postgresql+psycopg://keeper@db/log"


def edits(replicas: str, audit: str = f"{{url: {POSTGRES}}}") -> list[Edit]:
    return [(KEEPER, f"keeper: {{name: demo, mode: live, replicas: {replicas}}}"), (AUDIT, f"audit: {audit}")]


def test_replicas__left_out__there_are_none(load_good: Load) -> None:
    assert load_good().keeper.replicas is None


def test_replicas__empty__has_a_lease_and_a_name_of_its_own(load_good: Load) -> None:
    found = load_good(*edits("{}")).keeper.replicas
    assert found is not None
    assert found.lease_ms == 6_000
    assert found.name.endswith(f"-{os.getpid()}")


def test_replicas__lease_and_name__name_may_come_from_the_environment(load_good: Load, secrets: dict[str, str]) -> None:
    environ = secrets | {"REPLICA": "b"}
    config = load_good(*edits('{lease: 1s, name: "${REPLICA}"}'), environ=environ)
    assert config.keeper.replicas == ReplicasConfig(1_000, "b")
    other = load_good(*edits('{lease: 1s, name: "${REPLICA}"}'), environ=environ | {"REPLICA": "a"})
    assert other.hash == config.hash, "the replicas of one configuration have one hash"


@pytest.mark.parametrize(("lease", "fits"), [("999ms", False), ("1s", True), ("60s", True), ("61s", False)])
def test_replicas__lease__is_bounded(load_good: Load, broken: Break, lease: str, fits: bool) -> None:
    if fits:
        load_good(*edits(f"{{lease: {lease}}}"))
    else:
        (problem,) = broken(*edits(f"{{lease: {lease}}}"))
        assert problem.path == "keeper.replicas.lease"


@pytest.mark.parametrize("name", ['" "', "a" * 65, '"a\\tb"'])
def test_replicas__bad_name__is_refused(broken: Break, name: str) -> None:
    (problem,) = broken(*edits(f"{{name: {name}}}"))
    assert problem.path == "keeper.replicas.name"


def test_replicas__log_in_a_file__is_refused_with_what_to_write(broken: Break) -> None:
    (problem,) = broken(*edits("{}", "{url: 'sqlite:///keeper.db'}"))
    assert problem.path == "keeper.replicas"
    assert "PostgreSQL" in problem.message
    assert "postgresql+psycopg://" in problem.hint


def test_replicas__acting_without_the_log__is_refused_with_the_reason(broken: Break) -> None:
    (problem,) = broken(*edits("{}", f"{{url: {POSTGRES}, act-without-log: critical}}"))
    assert problem.path == "keeper.replicas"
    assert "act-without-log" in problem.message
