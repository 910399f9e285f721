"""Trips of breakers: from the decision to the event on the chain, and from every event of our keys back to the log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from keeper.app.onchain.findings import Found, Report, Subject, Unchecked
from keeper.app.onchain.nodes import Nodes
from keeper.app.onchain.telling import Story, Told, part, text
from keeper.app.onchain.transactions import FORGED, Problems
from keeper.domain.circuit_breaker import TRIP, TRIP_SIGNED, TRIPPED_TOPIC, breaker_name, evidence_of
from keeper.domain.errors import OutsideError
from keeper.domain.evm import Log

STEP = 5_000
"""Blocks asked for at once, as hosted nodes allow; less where a node refuses."""
LEAST_STEP = 10
UNKNOWN_TRIP = (
    "the key is used elsewhere or stolen, or records were taken out of the log: let the guardian revoke the key "
    "(revokeKeeper) until it is explained, and lift the trip"
)
CUT = "records were taken out, or another version wrote the log: compare with a backup or an exported log"

Progress = Callable[[str], None]


async def check_trip(nodes: Nodes, told: Told, report: Report) -> None:
    """One intent that went through a breaker: decision, calldata and event name the same evidence.

    One that came to no call, because a parameter had no tighter value, names none.
    """
    if not part(told.intent.body, "breaker") or (text(told.intent.body, "data") == "0x" and not told.attempts):
        return
    problems = evidence_as_told(told)
    if problems:
        report.hold(Subject.TRIP, told.intent.seq, problems)
        return
    mined = [
        tx_hash
        for tx_hash, record in told.receipts.items()
        if record is not None and text(record.body, "status") == "1"
    ]
    for tx_hash in mined:
        try:
            said = await nodes.ask(lambda node, which=tx_hash: node.logs_of(which))  # type: ignore[misc]
        except OutsideError as error:
            why = f"the events of transaction {tx_hash}: {error.message}"
            report.unchecked.append(Unchecked(Subject.TRIP, told.intent.seq, why))
            continue
        known = [logs for _, logs in said if logs is not None]
        if known:  # that nobody has it is told of the transaction
            wrong = [problem for logs in known for problem in event_as_told(told, tx_hash, logs)]
            report.hold(Subject.TRIP, told.intent.seq, list(dict.fromkeys(wrong)))


def evidence_as_told(told: Told) -> Problems:
    """Whether the intent of a trip names the hash of its own decision, and its calldata the same."""
    body, breaker = told.intent.body, part(told.intent.body, "breaker")
    evidence, data = text(body, "evidence"), _bytes(text(body, "data"))
    wrong: Problems = []
    if told.decision is None:
        wrong.append(("no decision of the log led to this trip", CUT))
    elif evidence != told.evidence and not (data[:4] == TRIP_SIGNED and evidence in told.borrowed):
        message = f"the evidence {evidence} is not the hash of decision record {told.decision.seq}, which is {told.evidence or 'none'}"
        wrong.append((message, FORGED))
    if "0x" + evidence_of(data).hex() != evidence:
        wrong.append((f"the call of this trip names other evidence than {evidence}", FORGED))
    if _bytes(text(breaker, "id")) != _identifier(data) or text(breaker, "contract") != text(body, "to"):
        wrong.append(
            (
                f"the call of this trip is not of breaker {_name(text(breaker, 'id'))} of {text(breaker, 'contract')}",
                FORGED,
            )
        )
    return wrong


def event_as_told(told: Told, tx_hash: str, logs: Sequence[Log]) -> Problems:
    """The event of the trip in the logs of its transaction."""
    body, breaker = told.intent.body, part(told.intent.body, "breaker")
    contract, identifier = text(breaker, "contract"), text(breaker, "id")
    mine = [log for log in logs if is_trip(log) and (log.address, log.topics[1]) == (contract, identifier)]
    if not mine:
        message = (
            f"transaction {tx_hash} worked by the log, and breaker {_name(identifier)} of {contract} did not trip in it"
        )
        return [(message, "look at the contract: it is no CircuitBreaker, or the record is forged")]
    if mine[0].topics[3] != text(body, "evidence"):
        message = f"the trip in transaction {tx_hash} names the evidence {mine[0].topics[3]}, and the log {text(body, 'evidence')}"
        return [(message, FORGED)]
    return []


async def search_trips(
    nodes: Nodes, story: Story, configured: Iterable[str], report: Report, progress: Progress
) -> None:
    """Every trip of our keys on the contracts that are configured or were used, from the first block that the log knows on."""
    used = (text(part(each.intent.body, "breaker"), "contract") for each in story.told)
    contracts = list(dict.fromkeys([*configured, *(address for address in used if address)]))
    if not contracts or not story.senders:
        return
    if story.first_block is None:
        why = "the log has no evaluated block, so nobody knows from where on to look for trips that it does not tell"
        report.unchecked.append(Unchecked(Subject.TRIP, None, why))
        return
    if report.block < story.first_block:
        why = f"trips that the log does not tell: it begins at block {story.first_block}, and the newest that any endpoint has is {report.block}"
        report.unchecked.append(Unchecked(Subject.TRIP, None, why))
        return
    report.first, report.last = story.first_block, report.block
    known = story.by_transaction
    for contract in contracts:
        for sender in sorted(story.senders):
            logs: dict[Log, None] = {}
            try:
                await _find_trips(nodes, contract, sender, report.first, report.last, logs, progress)
            except OutsideError as error:
                why = f"trips of {sender} on {contract} that the log does not tell: {error.message}"
                report.unchecked.append(Unchecked(Subject.TRIP, None, why))
            for log in logs:
                _check_known(log, known, report)


def is_trip(log: Log) -> bool:
    """Whether this is the event Tripped."""
    return len(log.topics) == 4 and log.topics[0] == TRIPPED_TOPIC


def _check_known(log: Log, known: dict[str, Told], report: Report) -> None:
    told = known.get(log.tx_hash)
    name = _name(log.topics[1])
    if told is None:
        message = (
            f"breaker {name} of {log.address} was tripped by 0x{log.topics[2][-40:]} in block {log.block_number}, transaction {log.tx_hash}, "
            f"evidence {log.topics[3]}, and the log has no such transaction"
        )
        report.found.append(Found(Subject.TRIP, None, message, UNKNOWN_TRIP))
    elif log.topics[1] != text(part(told.intent.body, "breaker"), "id"):
        message = (
            f"transaction {log.tx_hash} tripped breaker {name} of {log.address}, and its intent tells nothing of that"
        )
        report.found.append(Found(Subject.TRIP, told.intent.seq, message, FORGED))


async def _find_trips(
    nodes: Nodes, contract: str, sender: str, first: int, last: int, found: dict[Log, None], progress: Progress
) -> None:
    """Puts in ``found`` all that any node tells of, each once. Raises OutsideError where none answers that has these blocks."""
    topics = (TRIPPED_TOPIC, None, "0x" + sender[2:].rjust(64, "0"))
    start, step = first, STEP
    while start <= last:
        end = nodes.edge(start, min(last, start + step - 1))
        progress(f"trips on {contract}: block {start} of {last}")
        try:
            said = await nodes.ask(lambda node, begin=start, to=end: node.logs(contract, topics, begin, to), having=end)  # type: ignore[misc]
        except OutsideError:  # also one that takes too long, or answers too much
            if step <= LEAST_STEP or end == start:
                raise
            step = max(LEAST_STEP, step // 5)
            continue
        found |= {log: None for _, logs in said for log in logs}
        start = end + 1


def _identifier(data: bytes) -> bytes:
    """The identifier in the calldata of a trip."""
    if data[:4] == TRIP:
        return data[4:36]
    return data[4 + 3 * 32 : 4 + 4 * 32] if data[:4] == TRIP_SIGNED else b""


def _name(identifier: str) -> str:
    try:
        return breaker_name(identifier)
    except ValueError:
        return identifier


def _bytes(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits.removeprefix("0x"))
    except ValueError:
        return b""
