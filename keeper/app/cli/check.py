"""``keeper check`` and ``keeper schema``."""

from __future__ import annotations

import json
import sys

from keeper.app.cli.output import Output, counted
from keeper.app.exit_codes import Exit
from keeper.domain.errors import ConfigurationError, Problem


def run(output: Output, config: str) -> int:
    """Loads the configuration; prints what is wrong with it, or what it says in short."""
    from keeper.config import load

    try:
        loaded = load(config)
    except ConfigurationError as error:
        show_problems(output, error)
        return Exit.USAGE
    counts = {
        "market": len(loaded.engine.markets),
        "rule": sum(len(market.rules) for market in loaded.engine.markets),
        "source": len(loaded.sources),
        "armed action": len(loaded.actions),
    }
    parts = ", ".join(counted(number, thing) for thing, number in counts.items())
    output.say(f"{config}: ok. {parts}, mode {loaded.keeper.mode}, hash {loaded.hash}")
    output.document({"ok": True, "errors": [], "hash": loaded.hash})
    return Exit.DONE


def print_schema(output: Output) -> None:
    """The JSON Schema, with or without ``--json``."""
    from keeper.config.schema import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")


def show_problems(output: Output, error: ConfigurationError) -> None:
    """Every problem, in the order of the file."""
    output.document({"ok": False, "errors": [_document(problem) for problem in error.problems]})
    if output.as_json:
        return
    for problem in error.problems:
        place = f"line {problem.line}, " if problem.line is not None else ""
        output.error(f"{place}{problem.path}: {problem.message}{_found(problem)}", problem.hint)
    output.error(counted(len(error.problems), "problem"))


def _found(problem: Problem) -> str:
    """What stands there, unless the environment fills it in, or the path or the message says it already."""
    found = problem.found
    if not found or "${" in found or problem.path.endswith(found) or found in problem.message:
        return ""
    return f" (found: {found})"


def _document(problem: Problem) -> dict[str, object]:
    return {
        "path": problem.path,
        "line": problem.line,
        "found": problem.found,
        "message": problem.message,
        "hint": problem.hint,
    }
