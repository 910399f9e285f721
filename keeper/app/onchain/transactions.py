"""Every attempt against its receipt, and what it was signed as against what the log says of it."""

from __future__ import annotations

from keeper.app.onchain.findings import Report, Subject, Unchecked
from keeper.app.onchain.nodes import Nodes
from keeper.app.onchain.telling import Told, number, text
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.errors import OutsideError
from keeper.domain.evm import Receipt
from keeper.domain.record import Record

FORGED = (
    "a record was changed after it was written: keep a copy of the log, and compare with a backup or an exported log"
)
ASK_MORE = (
    "a reorganisation took it away, or the record is forged; some nodes forget old transactions: "
    "add an endpoint that keeps them all"
)
NOT_TOLD = "it was mined after the keeper had given it up, or records were taken out: compare with a backup, and look at what it did"
_SIGNED = ("chain_id", "nonce", "to", "data", "gas_limit", "max_fee_wei", "priority_fee_wei", "sender")
_MINED = ("status", "block", "block_hash", "gas_used", "effective_gas_price_wei")

Problems = list[tuple[str, str]]


async def check_transactions(nodes: Nodes, told: Told, report: Report) -> None:
    """All attempts of an intent."""
    hashes = {text(attempt.body, "tx_hash") for attempt in told.attempts}
    for attempt in told.attempts:
        tx_hash = text(attempt.body, "tx_hash")
        if number(attempt.body, "chain_id") != report.chain_id:
            why = f"{_named(tx_hash)} is of chain {text(attempt.body, 'chain_id')}"
            report.unchecked.append(Unchecked(Subject.TRANSACTION, attempt.seq, why))
            continue
        problems = signed_as_told(attempt)
        if any(text(attempt.body, key) != text(told.intent.body, key) for key in ("to", "data")):
            problems.append(("this attempt makes another call than its intent", FORGED))
        if problems:
            report.hold(Subject.TRANSACTION, attempt.seq, problems)
            continue
        await _check_mined(nodes, told, attempt, report)
    for tx_hash, receipt in told.receipts.items():
        if receipt is not None and tx_hash not in hashes:
            message = f"{_named(tx_hash)} has a receipt record, and no attempt of the intent is this transaction"
            report.hold(Subject.TRANSACTION, receipt.seq, [(message, FORGED)])
    if told.outcome is not None and told.outcome.body.get("tx_hash"):
        _check_outcome(told, told.outcome, report)


def signed_as_told(attempt: Record) -> Problems:
    """Whether hash, signature and fields of the signed transaction are those that the record tells."""
    body = attempt.body
    try:
        payload = bytes.fromhex(text(body, "raw").removeprefix("0x"))
        found = _decoded(payload)
    except ValueError:
        return [("the signed transaction of this attempt is none", FORGED)]
    wrong = [key for key in _SIGNED if text(body, key).lower() != found[key].lower()]
    if "0x" + keccak256(payload).hex() != text(body, "tx_hash"):
        wrong.insert(0, "tx_hash")
    if not wrong:
        return []
    return [(f"the signed transaction of this attempt says otherwise in {', '.join(wrong)}", FORGED)]


def _decoded(payload: bytes) -> dict[str, str]:
    """The fields by their names in the record. Raises ValueError for what is no signed EIP-1559 transaction."""
    from eth_account import Account  # imported late: it is slow
    from eth_account.typed_transactions.typed_transaction import TypedTransaction
    from hexbytes import HexBytes

    try:
        sender = str(Account.recover_transaction(payload))
        fields = TypedTransaction.from_bytes(HexBytes(payload)).as_dict()
        return {
            "sender": sender,
            "chain_id": str(int(fields["chainId"])),
            "nonce": str(int(fields["nonce"])),
            "to": checksum_address(bytes(fields["to"])),
            "data": "0x" + bytes(fields["data"]).hex(),
            "gas_limit": str(int(fields["gas"])),
            "max_fee_wei": str(int(fields["maxFeePerGas"])),
            "priority_fee_wei": str(int(fields["maxPriorityFeePerGas"])),
        }
    except Exception as error:  # noqa: BLE001 - whatever the decoder does not like is not a transaction
        raise ValueError(type(error).__name__) from None


async def _check_mined(nodes: Nodes, told: Told, attempt: Record, report: Report) -> None:
    tx_hash = text(attempt.body, "tx_hash")
    record = told.receipts.get(tx_hash)
    block = number(record.body, "block") if record is not None else None
    try:
        receipts = await receipts_of(nodes, tx_hash, block or report.log_block)
    except OutsideError as error:
        report.unchecked.append(Unchecked(Subject.TRANSACTION, attempt.seq, f"{_named(tx_hash)}: {error.message}"))
        return
    if not receipts:
        _check_absent(told, attempt, report)
    elif record is not None:
        problems = [problem for name, receipt in receipts for problem in mined_as_told(record, receipt, name)]
        report.hold(Subject.TRANSACTION, record.seq, problems)
    elif told.outcome is None:
        block = receipts[0][1].block_number
        why = (
            f"{_named(tx_hash)} is in block {block}, and its intent is still open: the keeper takes it up when it runs"
        )
        report.unchecked.append(Unchecked(Subject.TRANSACTION, attempt.seq, why))
    else:
        receipt = receipts[0][1]
        message = f"{_named(tx_hash)} is in block {receipt.block_number} (status {receipt.status}), and the log has no receipt of it"
        report.hold(Subject.TRANSACTION, attempt.seq, [(message, NOT_TOLD)])


async def receipts_of(nodes: Nodes, tx_hash: str, block: int) -> list[tuple[str, Receipt]]:
    """From whoever has it; none where those that have this block do not. Raises OutsideError where nobody can say."""
    said = await nodes.ask(lambda node: node.receipt(tx_hash))
    if all(receipt is None for _, receipt in said):  # only who has the block can say that it is not there
        said = await nodes.ask(lambda node: node.receipt(tx_hash), having=block)
    return [(name, receipt) for name, receipt in said if receipt is not None]


def _check_absent(told: Told, attempt: Record, report: Report) -> None:
    """No node has the transaction."""
    record = told.receipts.get(text(attempt.body, "tx_hash"))
    if record is None:
        report.hold(Subject.TRANSACTION, attempt.seq, [])  # not mined, as the log has it
    elif told.reorganised:
        report.reorganised += 1
    else:
        tx_hash, block = text(record.body, "tx_hash"), text(record.body, "block")
        message = f"{_named(tx_hash)} is in block {block} by the log, and the chain does not have it"
        report.hold(Subject.TRANSACTION, record.seq, [(message, ASK_MORE)])


def mined_as_told(record: Record, receipt: Receipt, node: str) -> Problems:
    """A receipt record against the receipt that this node gave."""
    found = {
        "status": str(receipt.status),
        "block": str(receipt.block_number),
        "block_hash": receipt.block_hash,
        "gas_used": str(receipt.gas_used),
        "effective_gas_price_wei": str(receipt.effective_gas_price_wei),
    }
    wrong = [key for key in _MINED if text(record.body, key) != found[key]]
    if not wrong:
        return []
    told = ", ".join(f"{key} {text(record.body, key)}" for key in wrong)
    seen = ", ".join(f"{key} {found[key]}" for key in wrong)
    return [(f"{_named(receipt.tx_hash)}: the log says {told}; {node} says {seen}", FORGED)]


def _check_outcome(told: Told, outcome: Record, report: Report) -> None:
    """What an outcome says of its transaction is what the receipt record says, or the record of what a Safe executed."""
    tx_hash = text(outcome.body, "tx_hash")
    mined = number(outcome.body, "block")
    saying = [told.receipts.get(tx_hash)]
    saying += [each.executed for each in told.carried if text(each.executed.body, "tx_hash") == tx_hash]
    if mined is None or any(record is not None and number(record.body, "block") == mined for record in saying):
        return
    message = f"the outcome says that {_named(tx_hash)} is in block {mined}, and no record of a receipt or an execution says so"
    report.hold(Subject.TRANSACTION, outcome.seq, [(message, FORGED)])


def _named(tx_hash: str) -> str:
    return f"transaction {tx_hash}"
