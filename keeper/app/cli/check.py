"""``keeper check`` and ``keeper schema``."""

from __future__ import annotations

import json
import sys

from keeper.app.cli.output import Output
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
    rules = sum(len(market.rules) for market in loaded.engine.markets)
    output.say(
        f"{config}: ok. {len(loaded.engine.markets)} markets, {rules} rules, {len(loaded.sources)} sources, "
        f"{len(loaded.actions)} armed actions, mode {loaded.keeper.mode}, hash {loaded.hash}"
    )
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
        output.error(f"{place}{problem.path}: {problem.message}", problem.hint)
    count = len(error.problems)
    output.error(f"{count} problem{'' if count == 1 else 's'} in the configuration")


def _document(problem: Problem) -> dict[str, object]:
    return {
        "path": problem.path,
        "line": problem.line,
        "found": problem.found,
        "message": problem.message,
        "hint": problem.hint,
    }
