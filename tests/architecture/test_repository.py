"""What must not be in the repository: machine paths, registry hosts, packages without a hash."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.architecture

ROOT = Path(__file__).resolve().parents[2]
# Written in parts, so that this file does not hold them.
FORBIDDEN = tuple(
    "".join(parts)
    for parts in [("/wo", "rk/"), ("/ro", "ot/"), ("pypi", ".org"), ("npm", "js"), ("python", "hosted"), ("/home", "/")]
)
LOCKS = ["requirements/run.txt", "requirements/dev.txt"]
# Of environments of their own, which agree with the others in nothing.
APART_LOCKS = ["requirements/prove.txt", "requirements/reference.txt"]


def repository_files() -> list[Path]:
    """Everything that is tracked, or would be by `git add .`."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    paths = [ROOT / name.decode() for name in answer.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def test_files__no_machine_path_and_no_registry_host__in_any_of_them() -> None:
    found = []
    for path in repository_files():
        text = path.read_bytes().decode(errors="replace")
        for number, line in enumerate(text.splitlines(), start=1):
            found += [f"{path.relative_to(ROOT)}:{number}: {word}" for word in FORBIDDEN if word in line]
    assert found == []


def test_files__the_search__sees_this_one() -> None:
    assert Path(__file__).resolve() in repository_files()


@pytest.mark.parametrize("name", [*LOCKS, *APART_LOCKS])
def test_python_lock__every_package__is_pinned_with_a_hash(name: str) -> None:
    text = re.sub(r"\\\n", " ", (ROOT / name).read_text())
    entries = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    assert len(entries) > 40
    loose = [
        line.split(" ")[0]
        for line in entries
        if not re.match(r"[a-z0-9._-]+(\[[a-z0-9,._-]+\])?==\S+.* --hash=sha256:[0-9a-f]{64}", line)
    ]
    assert loose == []


@pytest.mark.parametrize("name", [*LOCKS, *APART_LOCKS, "package-lock.json"])
def test_lock__no_line__says_where_to_download(name: str) -> None:
    text = (ROOT / name).read_text()
    for word in ("--index-url", "--find-links", "--trusted-host", '"resolved"', ".tgz", ".whl"):
        assert word not in text, word
    addresses = re.findall(r'"(\w+)": "[a-z+]+://', text)
    assert set(addresses) <= {"url"}, "only the pages of those who fund a package"


def test_node_lock__every_package__has_an_integrity_hash() -> None:
    packages = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    loose = [
        name
        for name, entry in packages.items()
        if name and not re.match(r"sha512-[A-Za-z0-9+/]{86}==", entry.get("integrity", ""))
    ]
    assert len(packages) > 6
    assert loose == []


def test_node_lock__the_direct_packages__are_pinned_exactly() -> None:
    wanted = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    assert all(re.fullmatch(r"\d+\.\d+\.\d+", version) for version in wanted.values())
    locked = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    assert {name: locked[f"node_modules/{name}"]["version"] for name in wanted} == wanted


def test_run_lock__every_version__is_the_dev_locks_too() -> None:
    """`make setup-dev` after `make setup` only adds."""
    pins = {name: set(re.findall(r"^([a-z0-9._-]+)==(\S+)", (ROOT / name).read_text(), re.MULTILINE)) for name in LOCKS}
    assert pins[LOCKS[0]] <= pins[LOCKS[1]]
