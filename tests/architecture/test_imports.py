"""Who imports whom, and what no module may do."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.architecture

ROOT = Path(__file__).resolve().parents[2]
KEEPER = ROOT / "keeper"
MODULES = sorted(KEEPER.rglob("*.py"))
LINES_MAX = 400


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


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


# Over all modules within one test: as one test for each they took longer than what they look at.


def test_modules__longer_than_the_limit__give_their_reason_at_the_top() -> None:
    lines = {path: len(path.read_text().splitlines()) for path in MODULES}
    long = {
        name(path): count
        for path, count in lines.items()
        if count > LINES_MAX and f"{LINES_MAX}" not in (ast.get_docstring(parsed(path)) or "")
    }
    assert not long, f"split it, or say in its docstring why it is above {LINES_MAX}"


def test_modules__begin_with_a_docstring() -> None:
    silent = [name(path) for path in MODULES if not ast.get_docstring(parsed(path))]
    assert not silent, "say at its top what it is for"


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


def test_modules__outside_of_app__never_catch_everything() -> None:
    """Whether a fault is survived is decided in one place. A handler that raises again, or hands the error over to whoever waits, decides nothing."""
    swallowing = [
        f"{name(path)}:{node.lineno}"
        for path in MODULES
        if not path.is_relative_to(KEEPER / "app")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ExceptHandler) and catches_everything(node) and not hands_on(node)
    ]
    assert not swallowing


ADAPTERS = (
    "signing.local",
    "chain.node",
    "notify.apprise_notifier",
    "audit.store",
    "prices.http",
    "prices.ccxt_venue",
    "safe.api",
)


def test_recursion_limit__after_each_adapter_and_its_libraries__is_what_it_was() -> None:
    """A library raises it to where hostile JSON overruns the stack; a process of its own, since imports happen once."""
    modules = [*(f"keeper.adapters.{one}" for one in ADAPTERS), "eth_account", "web3"]
    program = (
        "import importlib, json, sys\n"
        f"for module in {modules}:\n"
        "    importlib.import_module(module)\n"
        "    assert sys.getrecursionlimit() == 1000, module\n"
        "try: json.loads('[' * 100_000)\n"
        "except RecursionError: sys.exit(0)\n"
        "sys.exit(1)"
    )
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
