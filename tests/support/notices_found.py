"""Every place in the program that makes a notice, found in its source."""

from __future__ import annotations

import ast
from pathlib import Path

import keeper

ROOT = Path(keeper.__file__).parent
ELSEWHERE = {
    ("app/watcher/telling.py", "update"): ("watch",),
    ("app/watcher/telling.py", "_over"): ("watch",),
    ("app/notices.py", "of_withheld"): ("refused", "builders", "budget"),
    ("app/council/telling.py", "asks"): ("proposal",),
    ("app/breakers/words.py", "of_turn"): ("breaker-turn",),
    ("app/breakers/words.py", "of_own"): ("breaker-own",),
    ("app/breakers/words.py", "of_stranger"): ("breaker-stranger",),
    ("app/breakers/words.py", "of_term"): ("breaker-term",),
}
"""Where the key is not written in the call."""
PASSING_ON = ("app/notifying/",)
"""These make notices of notices."""


def found() -> dict[str, set[str]]:
    """Where each first part of a key is made, ``?`` for those that cannot be read."""
    places: dict[str, set[str]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        text = path.read_text("utf-8")
        if "Notice(" not in text or name.startswith(PASSING_ON):
            continue
        for function in ast.walk(ast.parse(text)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for call in ast.walk(function):
                    if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Notice":
                        for part in _parts(name, function, call):
                            places.setdefault(part, set()).add(f"{name}:{function.name}")
    return places


def _parts(name: str, function: ast.FunctionDef | ast.AsyncFunctionDef, call: ast.Call) -> tuple[str, ...]:
    if (name, function.name) in ELSEWHERE:
        return ELSEWHERE[name, function.name]
    key: ast.expr | None = call.args[0] if call.args else None
    for keyword in call.keywords:
        if keyword.arg == "key":
            key = keyword.value
    if isinstance(key, ast.Name):
        assigned = [
            one.value
            for one in ast.walk(function)
            if isinstance(one, ast.Assign) and any(isinstance(t, ast.Name) and t.id == key.id for t in one.targets)
        ]
        key = assigned[0] if assigned else key
    if isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
        return (str(key.values[0].value).partition("/")[0],)
    if isinstance(key, ast.Constant):
        return (str(key.value).partition("/")[0],)
    return ("?",)
