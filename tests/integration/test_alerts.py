"""Every alert fires where it should, and not next to that: by Prometheus' own tool, all in one run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tests.support.alert_cases import CASES, Case, always, grows, promtool_test
from tests.support.keeper_process import ROOT
from tests.support.prometheus import promtool

pytestmark = pytest.mark.integration

RULES = ROOT / "deploy/prometheus/alerts.yaml"


def tried(folder: Path, cases: dict[str, Case]) -> tuple[int, str]:
    """Exit code and words of the tool, for each case as it fires and as it does not; each alert alone, which is quicker by far."""
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    rules = {rule["alert"]: rule for group in groups for rule in group["rules"]}
    files = []
    for alert, case in cases.items():
        alone = {"groups": [{"name": alert, "rules": [rules[alert]]}]}
        (folder / f"{alert}.yaml").write_text(yaml.safe_dump(alone), "utf-8")
        tests = [promtool_test(alert, case.fires, case.at, 1), promtool_test(alert, case.calm, case.at, 0)]
        document = {"rule_files": [f"{alert}.yaml"], "evaluation_interval": "1m", "tests": tests}
        files.append(folder / f"{alert}-test.yaml")
        files[-1].write_text(yaml.safe_dump(document), "utf-8")
    done = promtool("test", "rules", *files)
    return done.returncode, done.stdout + done.stderr


def test_alerts__each__fires_where_it_should_and_only_there(tmp_path: Path) -> None:
    code, said = tried(tmp_path, dict(CASES))
    assert code == 0, said


def test_tripped__between_two_scrapes__is_seen_by_its_incident(tmp_path: Path) -> None:
    never = always('keeper_rule_tripped{market="M",rule="r"}', 0)
    incidents = 'keeper_incidents_total{market="M"}'
    case = Case(never | grows(incidents), never | always(incidents, 3))
    code, said = tried(tmp_path, {"KeeperTripped": case})
    assert code == 0, said


def test_alerts__a_case_that_is_the_wrong_way_round__is_found(tmp_path: Path) -> None:
    case = CASES["KeeperTripped"]
    code, said = tried(tmp_path, {"KeeperTripped": Case(case.calm, case.fires)})
    assert code == 1
    assert len(re.findall("FAILED|got:", said)) >= 2


def test_rules_and_example__promtool__takes_them(tmp_path: Path) -> None:
    assert promtool("check", "rules", RULES).returncode == 0
    example = promtool("check", "config", "--syntax-only", ROOT / "deploy/prometheus/prometheus.yaml")
    assert example.returncode == 0, example.stdout + example.stderr
