"""What is in ``deploy/``: it parses, and every command, variable, path and port that it names is one that there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from keeper.app.cli.root import app
from keeper.app.exit_codes import Exit
from keeper.app.pages.guard import HEALTH
from keeper.config import loads
from keeper.config.template import PRESETS, template

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
CONTAINERFILE = (DEPLOY / "container" / "Containerfile").read_text("utf-8")
MANIFEST = DEPLOY / "kubernetes" / "keeper.yaml"
COMMANDS = set(typer.main.get_command(app).commands)  # type: ignore[attr-defined]
VARIABLES = {
    name.removesuffix("_FILE")
    for name in re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=", (ROOT / ".env.example").read_text("utf-8"), re.MULTILINE)
}
OF_OTHERS = {"NUMBA_CACHE_DIR", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
"""What Python and the compiler read."""


def unit(path: Path) -> dict[str, list[str]]:
    """Every setting with all of its values."""
    found: dict[str, list[str]] = {}
    for line in path.read_text("utf-8").splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFEST.read_text("utf-8")))


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for one in documents() if one["kind"] == kind]


def known(name: str) -> bool:
    return name in OF_OTHERS or name.removesuffix("_FILE") in VARIABLES


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit__command_and_variables__are_there(path: Path) -> None:
    settings = unit(path)
    (start,) = settings["ExecStart"]
    program, command, config = start.split()
    assert program.endswith("/.venv/bin/keeper")
    assert command in COMMANDS
    assert config == "/etc/keeper/keeper.yaml"
    assert all(known(one.split("=")[0]) for one in settings["Environment"])
    (page,) = settings["Documentation"]
    assert (ROOT / page.removeprefix("file:/opt/keeper/")).is_file()


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit__may_do__as_little_as_it_needs(path: Path) -> None:
    settings = unit(path)
    for name in ("NoNewPrivileges", "DynamicUser", "PrivateTmp", "PrivateDevices", "ProtectHome", "RestrictSUIDSGID"):
        assert settings[name] == ["yes"], name
    assert settings["ProtectSystem"] == ["strict"]
    assert settings["CapabilityBoundingSet"] == [""]
    assert settings["LimitCORE"] == ["0"], "a core file would hold the key"


def test_keeper_unit__reload_watchdog_and_secrets__are_served() -> None:
    settings = unit(DEPLOY / "systemd" / "keeper.service")
    assert settings["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert settings["Type"] == ["notify"]
    assert "WatchdogSec" in settings
    credentials = {one.split(":")[0] for one in settings["LoadCredential"]}
    named = {one.rsplit("/", 1)[1] for one in settings["Environment"] if "%d/" in one}
    assert credentials == named


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit__what_every_preset_asks_for__is_a_credential_that_the_page_makes(path: Path) -> None:
    settings = unit(path)
    given = dict(one.split("=%d/") for one in settings["Environment"] if "%d/" in one)
    for preset in PRESETS:
        live = "\n".join(line.partition("#")[0] for line in template(preset)[0].splitlines())
        assert {f"{name}_FILE" for name in re.findall(r"\$\{(\w+)\}", live)} <= set(given), preset
    page = (ROOT / "docs" / "operator" / "running.md").read_text("utf-8")
    for credential in given.values():
        assert re.search(rf"/etc/keeper/secrets/{credential}\b", page), credential


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_unit__is_never_given_up__and_may_write_where_it_writes(path: Path) -> None:
    settings = unit(path)
    assert settings["StartLimitIntervalSec"] == ["0"]
    assert settings["WorkingDirectory"] == [f"/var/lib/{settings['StateDirectory'][0]}"]
    cache = f"NUMBA_CACHE_DIR=/var/cache/{settings['CacheDirectory'][0]}/"
    assert any(one.startswith(cache) for one in settings["Environment"])


def test_keeper_unit__what_is_written_down_wrong__is_not_started_again() -> None:
    settings = unit(DEPLOY / "systemd" / "keeper.service")
    assert (settings["Restart"], settings["RestartPreventExitStatus"]) == (["on-failure"], [str(int(Exit.USAGE))])


def test_units__watcher_and_keeper__can_both_open_a_database_that_is_a_file() -> None:
    keeper, watch = (unit(DEPLOY / "systemd" / f"{name}.service") for name in ("keeper", "keeper-watch"))
    assert (keeper["User"], keeper["StateDirectory"]) == (watch["User"], watch["StateDirectory"])


def test_units__systemd_itself__has_nothing_to_say(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:  # not every system is started by systemd; .ci/run installs its reader of units first
        pytest.skip("NOT TESTED: units: systemd-analyze is not installed (Debian's package systemd has it)")
    for path in UNITS:
        text = path.read_text("utf-8").replace("/opt/keeper/.venv/bin/keeper", "/bin/true")
        (tmp_path / path.name).write_text(text, "utf-8")
    done = subprocess.run(
        [analyze, "verify", "--man=no", *(str(tmp_path / path.name) for path in UNITS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    said = [line for line in (done.stdout + done.stderr).splitlines() if any(path.name in line for path in UNITS)]
    assert (done.returncode, said) == (0, []), done.stderr


def test_containerfile__images_and_packages__from_no_named_registry_and_by_hash() -> None:
    images = re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE)
    assert images == ["python:3.12-slim"] * 2
    assert "--require-hashes -r requirements/run.txt" in CONTAINERFILE
    assert re.search(r"^USER 10001:10001$", CONTAINERFILE, re.MULTILINE)


def test_containerfile__what_builds_without_isolation__is_locked_too() -> None:
    build = re.search(r'requires = \["(\w+)', (ROOT / "pyproject.toml").read_text("utf-8"))
    assert build is not None
    assert "--no-build-isolation" in CONTAINERFILE
    assert f"\n{build[1]}==" in (ROOT / "requirements" / "run.txt").read_text("utf-8")


def test_containerfile__what_it_copies_and_runs__is_there() -> None:
    ignored = (DEPLOY / "container" / "Containerfile.dockerignore").read_text("utf-8").splitlines()
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    for line in re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists(), name
            assert name.split("/")[0] in let_in, name
    assert re.search(r'^CMD \["run", ', CONTAINERFILE, re.MULTILINE)
    assert all(
        known(name) for name in re.findall(r"(\w+)=\S+", re.findall(r"^ENV (.+)$", CONTAINERFILE, re.MULTILINE)[0])
    )


def test_manifest__configuration__is_one_that_check_accepts() -> None:
    (config,) = of_kind("ConfigMap")
    found = loads(config["data"]["keeper.yaml"].encode(), folder=ROOT, environ={}, offline=True)
    assert found.keeper.mode == "shadow", "an example sends nothing"
    assert found.keeper.replicas is not None
    oracle, spot = (one for one in found.sources if one.name in ("oracle", "spot"))
    assert type(oracle) is not type(spot), "an oracle that is held against itself never diverges"


def test_manifest__commands_variables_mounts_and_secrets__fit_together() -> None:
    (secret,) = of_kind("Secret")
    (config,) = of_kind("ConfigMap")
    asked = set(re.findall(r"\$\{(\w+)\}", config["data"]["keeper.yaml"]))
    for deployment in of_kind("Deployment"):
        spec = deployment["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        command, path = container["args"]
        assert command in COMMANDS
        mounts = {one["mountPath"]: one["name"] for one in container["volumeMounts"]}
        assert mounts[str(Path(path).parent)] == "config"
        assert set(mounts.values()) == {one["name"] for one in spec["volumes"]}
        given = {one["name"]: one.get("value", "") for one in container["env"]}
        assert all(known(name) for name in given)
        assert {name.removesuffix("_FILE") for name in given} == asked
        files = [value for name, value in given.items() if name.endswith("_FILE")]
        assert {Path(one).name for one in files} == set(secret["stringData"])
        assert {mounts[str(Path(one).parent)] for one in files} == {"secrets"}
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert spec["securityContext"]["runAsUser"] == 10001


def test_manifest__replicas__two_that_are_probed_where_they_listen() -> None:
    keeper = next(one for one in of_kind("Deployment") if one["metadata"]["name"] == "keeper")
    assert keeper["spec"]["replicas"] == 2
    (container,) = keeper["spec"]["template"]["spec"]["containers"]
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert probes == [{"path": HEALTH, "port": "http"}] * 3
    (config,) = of_kind("ConfigMap")
    assert f':{container["ports"][0]["containerPort"]}"' in config["data"]["keeper.yaml"]
    (budget,) = of_kind("PodDisruptionBudget")
    assert budget["spec"]["minAvailable"] == 1
