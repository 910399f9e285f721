"""What Safes executed: from the transaction that was proposed to its owners to the event on the chain.

The hash that the Safe announces is over everything that the owners signed: a record that tells of another transaction does not have it.
"""

from __future__ import annotations

from collections.abc import Sequence

from keeper.app.council.ledger import transaction_from
from keeper.app.council.onchain import execution_in
from keeper.app.onchain.findings import Report, Subject, Unchecked
from keeper.app.onchain.nodes import Nodes
from keeper.app.onchain.telling import Carried, number, text
from keeper.app.onchain.transactions import ASK_MORE, FORGED, Problems, receipts_of
from keeper.app.onchain.trips import CUT
from keeper.domain.errors import OutsideError, UnitError
from keeper.domain.evm import Log, Receipt
from keeper.domain.record import Record
from keeper.domain.safe import Operation, SafeTransaction


async def check_execution(nodes: Nodes, carried: Carried, report: Report) -> None:
    """One record that says that a Safe executed something."""
    record = carried.executed
    if carried.proposed is not None and number(carried.proposed.body, "chain_id") != report.chain_id:
        _leave(report, record, f"it was proposed on chain {text(carried.proposed.body, 'chain_id')}")
        return
    if problems := proposed_as_told(carried):
        report.hold(Subject.EXECUTION, record.seq, problems)
        return
    tx_hash = text(record.body, "tx_hash")
    try:
        receipts = await receipts_of(nodes, tx_hash, number(record.body, "block") or report.log_block)
        logs = await nodes.ask(lambda node: node.logs_of(tx_hash)) if receipts else []
    except OutsideError as error:
        _leave(report, record, f"transaction {tx_hash}: {error.message}")
        return
    if not receipts and carried.told is not None and carried.told.reorganised:
        report.reorganised += 1
        return
    if not receipts:
        message = (
            f"transaction {tx_hash} is in block {text(record.body, 'block')} by the log, and the chain does not have it"
        )
        report.hold(Subject.EXECUTION, record.seq, [(message, ASK_MORE)])
        return
    found = [problem for name, receipt in receipts for problem in mined_as_told(record, receipt, name)]
    found += [problem for name, each in logs if each is not None for problem in announced_as_told(record, each, name)]
    report.hold(Subject.EXECUTION, record.seq, list(dict.fromkeys(found)))


def proposed_as_told(carried: Carried) -> Problems:
    """Whether the log says what was proposed, with the hash that this has, and for the call that was decided."""
    record, proposed = carried.executed, carried.proposed
    if proposed is None:
        return [(f"no record says what was proposed as {text(record.body, 'safe_tx_hash')}", CUT)]
    try:
        transaction = transaction_from(proposed.body)
    except UnitError as error:
        return [(f"the transaction that record {proposed.seq} proposes: {error.message}", FORGED)]
    if transaction.safe != text(record.body, "safe"):
        message = f"it was proposed to the Safe {transaction.safe}, and executed by {text(record.body, 'safe')}"
        return [(message, FORGED)]
    return _decided(carried, transaction)


def _decided(carried: Carried, transaction: SafeTransaction) -> Problems:
    """Against the intent; one that somebody had proposed already is held to the same."""
    if carried.told is None:
        return []
    intent = carried.told.intent.body
    call = transaction.to, "0x" + transaction.data.hex(), transaction.operation, transaction.value
    if call != (text(intent, "to"), text(intent, "data"), Operation.CALL, 0):
        return [("what was proposed makes another call than its intent", FORGED)]
    return []


def mined_as_told(record: Record, receipt: Receipt, node: str) -> Problems:
    """Where the Safe's transaction was mined. It must have worked itself, whatever came of the Safe's own call."""
    told = text(record.body, "block"), text(record.body, "block_hash"), "1"
    seen = str(receipt.block_number), receipt.block_hash, str(receipt.status)
    if told == seen:
        return []
    ours, theirs = (f"block {block}, {block_hash}, status {status}" for block, block_hash, status in (told, seen))
    return [(f"transaction {receipt.tx_hash}: the log says {ours}; {node} says {theirs}", FORGED)]


def announced_as_told(record: Record, logs: Sequence[Log], node: str) -> Problems:
    """The Safe's own word in the logs of the transaction."""
    safe, safe_tx_hash = text(record.body, "safe"), text(record.body, "safe_tx_hash")
    said = [execution_in(log) for log in logs if log.address == safe]
    mine = [each for each in said if each is not None and each.safe_tx_hash == safe_tx_hash]
    if not mine:
        message = (
            f"{node} says that the Safe {safe} executed no {safe_tx_hash} in transaction {text(record.body, 'tx_hash')}"
        )
        return [(message, FORGED)]
    if mine[0].ok is not record.body.get("ok"):
        ours, theirs = ("worked" if ok else "failed" for ok in (record.body.get("ok"), mine[0].ok))
        return [(f"{safe_tx_hash}: the log says that its call {ours}; {node} says that it {theirs}", FORGED)]
    return []


def _leave(report: Report, record: Record, why: str) -> None:
    report.unchecked.append(Unchecked(Subject.EXECUTION, record.seq, why))
