"""``keeper audit CONFIG verify --on-chain``: what the comparison of the log with the chain came to, for people and for machines."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from keeper.app.cli import logs
from keeper.app.cli.output import Output, counted
from keeper.app.cli.progress import Progress
from keeper.app.exit_codes import Exit

if TYPE_CHECKING:
    from keeper.app.onchain import Report

SHOWN = 10
"""So many of what could not be compared are shown one by one."""
STATE_GONE = "nodes keep old state only when they are set up to (archive); add such an endpoint to have it compared"


def compare(output: Output, config: str, url: str, keys: Sequence[str] = ()) -> Report:
    """Asks the nodes of the configuration; ``keys`` are addresses of the keeper's besides those that the log names.

    Raises KeeperError as ``verify_on_chain`` does and for what is no address, and ConfigurationError.
    """
    from keeper.app.onchain import verify_on_chain
    from keeper.config.onchain import chain_and_breakers

    senders = [_address(key) for key in keys]
    logs.set_up(output.verbosity)
    chain, contracts = chain_and_breakers(config)
    progress = Progress(output)
    try:
        return asyncio.run(verify_on_chain(url, chain, contracts, progress.say, senders))
    finally:
        progress.end()


def _address(text: str) -> str:
    from keeper.domain.address import checksum_address, parse_address
    from keeper.domain.errors import KeeperError, UnitError

    try:
        return checksum_address(parse_address(text))
    except UnitError as error:
        raise KeeperError(f"--key: {error.message}", remedy=error.remedy) from None


def exit_of(report: Report) -> Exit:
    """What differs goes before what could not be compared; old state that a node has let go of alone is no failure."""
    if not report.ok:
        return Exit.FOUND
    return Exit.DONE if report.complete else Exit.OUTSIDE


def document_of(report: Report) -> dict[str, object]:
    """The key ``on_chain`` of the answer."""
    return {
        "ok": report.ok,
        "complete": report.complete,
        "chain_id": report.chain_id,
        "block": report.block,
        "endpoints": list(report.endpoints),
        "checked": {f"{subject}s": count for subject, count in report.checked.items()},
        "reorganised": report.reorganised,
        "searched": None if report.first is None else {"first_block": report.first, "last_block": report.last},
        "findings": [
            {"subject": each.subject.value, "seq": each.seq, "message": each.message, "remedy": each.remedy}
            for each in report.found
        ],
        "not_checked": [
            {"subject": each.subject.value, "seq": each.seq, "message": each.why} for each in report.unchecked
        ],
    }


def say(output: Output, report: Report) -> None:
    """The same for people."""
    counts = ", ".join(counted(count, str(subject)) for subject, count in report.checked.items())
    output.say(f"on chain {report.chain_id} as of block {report.block}, asked of {', '.join(report.endpoints)}:")
    output.say(f"  {counts} as the log tells", "green" if report.ok else None)
    if report.first is not None:
        output.say(f"  trips by the keeper's keys searched for in blocks {report.first} to {report.last}")
    if report.reorganised:
        number = counted(report.reorganised, "transaction")
        output.say(f"  {number} taken away by a reorganisation, as the log says")
    for found in report.found:
        place = f"record {found.seq}" if found.seq is not None else "no record"
        output.say(f"DIFFERS at {place} ({found.subject}): {found.message}", "bold red")
        output.say(f"  -> {found.remedy}")
    for each in report.unchecked[:SHOWN]:
        place = f"record {each.seq} " if each.seq is not None else ""
        output.say(f"NOT CHECKED {place}({each.subject}): {each.why}", "yellow")
    if report.unchecked:
        more = len(report.unchecked) - SHOWN
        output.say(f"{len(report.unchecked)} not checked{f', {more} of them not shown' if more > 0 else ''}", "yellow")
        output.say(f"  -> {STATE_GONE if report.complete else 'try again, or add another endpoint'}")
