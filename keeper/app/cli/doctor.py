"""``keeper doctor``."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keeper.app.cli import logs
from keeper.app.cli.output import Output, counted
from keeper.app.exit_codes import Exit

if TYPE_CHECKING:
    from keeper.app.doctor import Check
    from keeper.config.model import Config

STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}


def run(output: Output, config: str) -> int:
    """One line a check as it is done; FOUND when one failed."""
    from keeper.config import load

    logs.set_up(output.verbosity)
    checks = asyncio.run(_examine(output, load(config)))
    failed = sum(check.health == "fail" for check in checks)
    output.document(
        {
            "ok": not failed,
            "checks": [
                {"name": each.name, "state": each.health.value, "message": each.message, "remedy": each.remedy}
                for each in checks
            ],
        }
    )
    output.say(f"{counted(len(checks), 'check')}, {failed} failed", "bold red" if failed else "bold green")
    return Exit.FOUND if failed else Exit.DONE


async def _examine(output: Output, config: Config) -> list[Check]:
    from keeper.app.doctor import examine

    checks = []
    async for check in examine(config):
        checks.append(check)
        output.say(f"{check.health.value:<5} {check.name}: {check.message}", STYLES[check.health.value])
        if check.remedy and check.health.value != "ok":
            output.say(f"      -> {check.remedy}")
    return checks
