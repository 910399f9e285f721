"""Who imports whom, and what no module may do."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.architecture

ROOT = Path(__file__).resolve().parents[2]
KEEPER = ROOT / "keeper"
MODULES = sorted(KEEPER.rglob("*.py"))
LINES_MAX = 400


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def test_import_contracts__are_kept() -> None:
    # a process of its own: the library reads the project of the folder it runs in
    command = [
        sys.executable,
        "-c",
        "from importlinter.cli import lint_imports_command; lint_imports_command()",
        "--no-logo",
    ]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert " 0 broken" in answer.stdout, answer.stdout


def test_import_contracts__one_for_every_rule_of_the_design__are_there() -> None:
    """A contract that is deleted is kept too: so their number may only grow."""
    text = (ROOT / "pyproject.toml").read_text()
    assert text.count("[[tool.importlinter.contracts]]") >= 9


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_module__longer_than_the_limit__gives_its_reason_at_the_top(path: Path) -> None:
    text = path.read_text()
    lines = len(text.splitlines())
    reason = f"{LINES_MAX}" in (ast.get_docstring(ast.parse(text)) or "")
    assert lines <= LINES_MAX or reason, f"{lines} lines: split it, or say in its docstring why it is above {LINES_MAX}"


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_module__begins_with_a_docstring(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text())), "say at its top what it is for"


def catches_everything(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(
        kind is None or (isinstance(kind, ast.Name) and kind.id in {"Exception", "BaseException"}) for kind in kinds
    )


def hands_on(handler: ast.ExceptHandler) -> bool:
    """Its last word is to raise, or a call that takes the very error."""
    last = handler.body[-1]
    if isinstance(last, ast.Expr) and isinstance(last.value, ast.Call):
        return any(isinstance(one, ast.Name) and one.id == handler.name for one in last.value.args)
    return isinstance(last, ast.Raise)


@pytest.mark.parametrize("path", MODULES, ids=names(MODULES))
def test_module__outside_of_app__never_catches_everything(path: Path) -> None:
    """Whether a fault is survived is decided in one place. A handler that raises again, or hands the error over to whoever waits, decides nothing."""
    if path.is_relative_to(KEEPER / "app"):
        return
    handlers = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ExceptHandler)]
    swallowing = [one.lineno for one in handlers if catches_everything(one) and not hands_on(one)]
    assert not swallowing, f"lines {swallowing}"


@pytest.mark.parametrize(
    "adapter",
    [
        "signing.local",
        "chain.node",
        "notify.apprise_notifier",
        "audit.store",
        "prices.http",
        "prices.ccxt_venue",
        "safe.api",
    ],
)
def test_recursion_limit__after_an_adapter_and_its_libraries__is_what_it_was(adapter: str) -> None:
    """A library raises it to where hostile JSON overruns the stack; a process of its own, since imports happen once."""
    program = (
        f"import json, sys, keeper.adapters.{adapter}, eth_account, web3\n"
        "try: json.loads('[' * 100_000)\n"
        "except RecursionError: sys.exit(0 if sys.getrecursionlimit() == 1000 else 1)"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
