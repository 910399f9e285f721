"""Alerts, runbooks, dashboard and the operator's page speak of metrics that exist, and of commands that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from keeper.app.cli.root import app
from tests.support.alert_cases import CASES
from tests.support.metrics_scene import described, everything, samples, table_of
from tests.support.prometheus_words import compared_in, family_of, grouped_in, metrics_in

pytestmark = pytest.mark.architecture

ROOT = Path(__file__).resolve().parents[2]
RUNBOOKS = ROOT / "docs" / "runbooks"
HEADINGS = ["What it means", "How bad it is", "Look here", "Do this", "When it ends"]
OF_PROMETHEUS = {"job", "instance", "le"}
NOT_IN_THE_SCENE = {"keeper_fault", "keeper_info"}
"""Their labels hold what goes on, not what is configured."""


@cache
def rules() -> dict[str, dict[str, Any]]:
    """Every alert by its name."""
    groups = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yaml").read_text("utf-8"))["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert len({rule["alert"] for rule in found}) == len(found)
    return {rule["alert"]: rule for rule in found}


@cache
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy/grafana/keeper.json").read_text("utf-8"))
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Every query of alerts and dashboard, with where it stands."""
    for name, rule in rules().items():
        yield name, rule["expr"]
    board = dashboard()
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield f"{panel['title']} {target['refId']}", target["expr"]
    for annotation in board["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in board["templating"]["list"]:
        yield variable["name"], variable.get("definition", "")


@cache
def code() -> str:
    return "\n".join(path.read_text("utf-8") for path in (ROOT / "keeper").rglob("*.py"))


@cache
def shown() -> str:
    return everything().text()


@cache
def known() -> dict[str, set[str]]:
    """The labels of every metric."""
    found = {name: set(labels) for name, (_, labels, _) in described(shown()).items()}
    names = re.findall(r"^# TYPE (process_\S+)", shown(), re.MULTILINE)
    return found | {name: set() for name in [*names, "up"]}


QUERIES = list(queries())


@pytest.mark.parametrize("query", [query for _, query in QUERIES], ids=[where for where, _ in QUERIES])
def test_query__its_metrics_and_labels__exist(query: str) -> None:
    families = set(known())
    used = {family_of(metric, families) for metric in metrics_in(query)}
    assert used <= families
    labels: set[str] = OF_PROMETHEUS.union(*(known()[metric] for metric in used))
    assert grouped_in(query) <= labels
    for one in compared_in(query):
        assert one.label in known()[family_of(one.metric, families)] | OF_PROMETHEUS, one


@pytest.mark.parametrize("alert", list(rules()))
def test_alert__what_it_compares_labels_with__can_be_there(alert: str) -> None:
    values = [(name, dict(labels)) for name, labels in samples(shown())]
    for one in compared_in(rules()[alert]["expr"]):
        if one.label in OF_PROMETHEUS or one.metric in NOT_IN_THE_SCENE:
            continue
        found = [labels[one.label] for name, labels in values if name == one.metric]
        assert any(re.fullmatch(one.value, each) for each in found), one


@pytest.mark.parametrize("alert", list(rules()))
def test_alert__its_faults__are_named_so_in_the_code(alert: str) -> None:
    for one in compared_in(rules()[alert]["expr"]):
        if one.metric == "keeper_fault":
            for word in re.split(r"\|", re.sub(r"\(.*?\)\?|\.\+|-\.\+", "", one.value)):
                assert re.search(rf"""["']{re.escape(word)}""", code()), one


@pytest.mark.parametrize("alert", list(rules()))
def test_alert__its_form__is_that_of_all_others(alert: str) -> None:
    rule = rules()[alert]
    assert rule["labels"] in ({"severity": "critical"}, {"severity": "warning"})
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{alert}.md"
    assert alert.startswith("Keeper")
    words = set(re.findall(r"\$labels\.([a-z_]+)", rule["annotations"]["summary"]))
    families = set(known())
    used = {family_of(metric, families) for metric in metrics_in(rule["expr"])}
    assert words <= OF_PROMETHEUS.union(*(known()[metric] for metric in used))


def test_alerts__each_one__has_a_case_that_fires_and_one_that_does_not() -> None:
    assert set(CASES) == set(rules())


@pytest.mark.parametrize("alert", list(rules()))
def test_runbook__of_each_alert__is_there_with_its_headings(alert: str) -> None:
    rule = rules()[alert]
    page = (RUNBOOKS / f"{alert}.md").read_text("utf-8")
    assert page.startswith(f"# {alert}\n")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == HEADINGS
    after = f"after {rule['for']}" if "for" in rule else "at once"
    assert f"Severity {rule['labels']['severity']}, fires {after}." in page


def test_runbooks__list__names_each_alert_with_its_severity_and_nothing_else() -> None:
    listed = re.findall(
        r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \|", (RUNBOOKS / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert {(name, page, severity) for name, page, severity in listed} == {
        (name, name, rule["labels"]["severity"]) for name, rule in rules().items()
    }
    assert {page.stem for page in RUNBOOKS.glob("*.md")} - {"README"} == set(rules())


def commands(text: str) -> set[str]:
    """Each command line of the keeper in a page."""
    fenced = [line for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) for line in block.splitlines()]
    inline = re.findall(r"`(keeper [^`]+)`", text)
    return {
        line.strip().removeprefix(".venv/bin/")
        for line in [*fenced, *inline]
        if re.match(r"(\.venv/bin/)?keeper ", line)
    }


@cache
def _program() -> Any:
    return typer.main.get_command(app)


def is_command(line: str) -> bool:
    """Whether the command, its part and its options are there; arguments are anything."""
    command: Any = _program()
    for word in line.split()[1:]:
        if word.startswith("-"):
            if all(word.split("=")[0] not in each.opts for each in command.params):
                return False
        elif word in getattr(command, "commands", {}):
            command = command.commands[word]
    return not hasattr(command, "commands")


@pytest.mark.parametrize(
    "page", [*sorted(RUNBOOKS.glob("*.md")), ROOT / "docs/operator/metrics.md"], ids=lambda page: page.stem
)
def test_page__its_commands__exist(page: Path) -> None:
    wrong = [line for line in commands(page.read_text("utf-8")) if not is_command(line)]
    full = [line for line in wrong if len(line.split()) > 2]  # "`keeper doctor` says" is no command line
    assert full == []


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("keeper status keeper.yaml", True),
        ("keeper audit keeper.yaml log --kind chain", True),
        ("keeper audit keeper.yaml logs", False),
        ("keeper audit keeper.yaml log --sort", False),
        ("keeper statuses keeper.yaml", False),
    ],
)
def test_is_command__what_is_not_there__is_found(line: str, there: bool) -> None:
    assert is_command(line) is there


def test_metrics_page__its_table__is_that_of_the_keeper() -> None:
    page = (ROOT / "docs/operator/metrics.md").read_text("utf-8")
    assert [line for line in page.splitlines() if line.startswith("| `keeper_")] == table_of(shown())


def test_dashboard__its_form__is_one_that_grafana_imports() -> None:
    board = dashboard()
    assert board["uid"] == "keeper"
    assert board["templating"]["list"][0]["type"] == "datasource"
    numbers = [panel["id"] for panel in board["panels"]]
    assert len(set(numbers)) == len(numbers)
    rows = [panel["title"] for panel in board["panels"] if panel["type"] == "row"]
    assert rows == [
        "Is it alive",
        "Markets",
        "Sources",
        "How long each stage takes",
        "Readiness",
        "Journal and log",
        "Nodes and builders",
        "Notifications",
    ]
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            assert target["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            assert 'job="$job"' in target["expr"]


def test_dashboard__no_two_panels__lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not cells & taken, panel["title"]
        taken |= cells
