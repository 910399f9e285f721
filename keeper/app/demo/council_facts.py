"""What the chain, the service and the log say of the council's restore after a run, and whether all three say the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from keeper.app.cli.council_document import transaction_document
from keeper.app.council.ledger import Step
from keeper.app.demo.chamber import DELEGATOR, Chamber
from keeper.app.demo.sitting import LIES, SIGNERS, Look
from keeper.app.demo.story import joined_words, short
from keeper.devnet.anvil import quantity
from keeper.devnet.council import Council
from keeper.devnet.scenarios import SHAKEN
from keeper.devnet.transactions import calldata
from keeper.domain.abi import parse_signature
from keeper.domain.abi_codec import decode_values
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.errors import Refused
from keeper.domain.proposal import Queued
from keeper.domain.record import Record, RecordKind
from keeper.domain.safe import Operation, SafeTransaction
from keeper.domain.safe_signatures import EXEC_TRANSACTION, recover_owner, split
from keeper.execution.reverts import explain, revert_data

SUCCESS: Final = "0x" + keccak256(b"ExecutionSuccess(bytes32,uint256)").hex()
STEPS: Final = (
    Step.MADE, Step.SENT, Step.SEEN, *[Step.CONFIRMED, Step.SIGNED] * len(SIGNERS), Step.THRESHOLD, Step.CARRIED_OUT, Step.EXECUTED,
)  # fmt: skip
"""What the log must hold of the proposal, each at least so often; the command and the keeper both write, each when it gets to it."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What stands in the block: the transaction of the Safe as it is written in the calldata, and whose signatures are with it.

    ``contract_hash`` is what the Safe's own ``getTransactionHash`` answers for it; ``succeeded`` says whether the Safe's event is there.
    """

    tx_hash: str
    block: int
    sender: str
    transaction: SafeTransaction
    signed_by: tuple[str, ...]
    contract_hash: str
    succeeded: bool
    nonces: tuple[int, int]
    """The Safe's, before the block and at it."""
    paused: tuple[bool, bool]
    """``SHAKEN``, before the block and at it."""


@dataclass(frozen=True, slots=True)
class CouncilFacts:
    """``members`` are names by address; ``logged`` is the proposal's hash by the log; ``opening`` is why the keeper's key may not open the market."""

    safe: str
    version: str
    threshold: int
    owners: tuple[str, ...]
    members: Mapping[str, str]
    keeper: str
    delegator: str
    logged: str
    steps: tuple[str, ...]
    told: Queued | None
    executed: Executed | None
    opening: str
    looks: tuple[Look, ...]

    @property
    def signers(self) -> tuple[str, ...]:
        """Their names, as recovered from what was executed."""
        found = self.executed.signed_by if self.executed else ()
        return tuple(sorted(self.members.get(one, one) for one in found))

    @property
    def document(self) -> dict[str, object]:
        """For the JSON of the demo."""
        executed, told = self.executed, self.told
        return {
            "safe": self.safe,
            "version": self.version,
            "threshold": self.threshold,
            "owners": [{"name": self.members.get(one), "address": one} for one in self.owners],
            "proposal": None if executed is None else {
                "hash": self.logged,
                **transaction_document(executed.transaction),
                "contract_hash": executed.contract_hash,
                "proposer": told.proposer if told else None,
                "delegate": told.delegate if told else None,
            },
            "signed_by": list(executed.signed_by) if executed else [],
            "executed_tx": executed.tx_hash if executed else None,
            "executed_by": executed.sender if executed else None,
            "block": executed.block if executed else None,
            "effect": None if executed is None else {
                "call": "paused(bytes32)", "market": SHAKEN, "before": _word(executed.paused[0]), "after": _word(executed.paused[1]),
            },
            "records": list(self.steps),
            "keeper_refused": self.opening or None,
            "hostile": [{"field": one.field, "alarm": one.alarm or None, "refused": one.refused or None} for one in self.looks],
        }  # fmt: skip


async def ask_the_council(chamber: Chamber, looks: tuple[Look, ...], records: Sequence[Record]) -> CouncilFacts:
    """Raises OutsideError."""
    council = chamber.council
    world, safe = council.world, council.safe.address
    mine = [one.body for one in records if one.kind is RecordKind.PROPOSAL and one.body.get("safe") == safe]
    logged = next((str(body["safe_tx_hash"]) for body in mine if body.get("step") == Step.MADE), "")
    mine = [body for body in mine if body.get("safe_tx_hash") == logged]
    tx_hash = next((str(body["tx_hash"]) for body in mine if body.get("step") == Step.EXECUTED), "")
    (version,) = await world.read(safe, "VERSION()(string)")
    (threshold,) = await world.read(safe, "getThreshold()(uint256)")
    executed = await _executed(council, tx_hash) if tx_hash else None
    return CouncilFacts(
        safe=safe,
        version=str(version),
        threshold=int(threshold),
        owners=await _owners(council),
        members={account.address: name for name, account in council.members.items()},
        keeper=world.keeper.address,
        delegator=council.members[DELEGATOR].address,
        logged=logged,
        steps=tuple(str(body["step"]) for body in mine),
        told=await chamber.told(logged) if logged else None,
        executed=executed,
        opening=await _opening(council, executed.block - 1 if executed else await world.node.block_number()),
        looks=looks,
    )


def failures(facts: CouncilFacts) -> Iterator[str]:
    """Everything that does not hold, in words."""
    if missing := Counter(map(str, STEPS)) - Counter(facts.steps):
        yield f"the log lacks steps of the restore: {', '.join(missing.elements())}"
    if not facts.opening:
        yield f"the keeper's key may open {SHAKEN}"
    told = facts.told
    if told is None or (told.proposer, told.delegate) != (facts.delegator, facts.keeper):
        yield f"the service does not have the restore as proposed by the keeper for {DELEGATOR}: {told}"
    executed = facts.executed
    if executed is None:
        yield "the restore was not executed"
        return
    computed = executed.transaction.hash_text
    if not computed == executed.contract_hash == facts.logged:
        yield f"its hash is {computed} here, {executed.contract_hash} by the Safe, {facts.logged} by the log"
    if facts.signers != tuple(sorted(SIGNERS)):
        yield f"it was signed by {', '.join(facts.signers) or 'nobody'}, expected {joined_words(SIGNERS)}"
    if told is not None and (told.transaction, told.executed_tx) != (executed.transaction, executed.tx_hash):
        yield "the service tells another transaction than the one that was executed"
    if not executed.succeeded or executed.nonces != (executed.transaction.nonce, executed.transaction.nonce + 1):
        yield f"the Safe says that it did not succeed, or its nonces are {executed.nonces}"
    if executed.paused != (True, False):
        yield f"{SHAKEN} was paused: {executed.paused[0]} before the execution, {executed.paused[1]} after it"
    yield from _of_looks(facts.looks)


def claims(facts: CouncilFacts) -> Iterator[tuple[str, str]]:
    """What was read back, and from where."""
    executed, told = facts.executed, facts.told
    if executed is not None:
        before, after = (_word(one) for one in executed.paused)
        block = executed.block
        yield "chain", f"paused({SHAKEN}): {before} at block {block - 1}, {after} at block {block}"
        yield (
            "chain",
            f"transaction {short(executed.tx_hash)} executes {short(executed.transaction.hash_text)},",
        )
        yield "", f"signed by {joined_words(facts.signers)}: recovered from its calldata"
        if executed.contract_hash == facts.logged:
            yield "chain", "the Safe's own getTransactionHash gives the same hash,"
            yield "log", f"and so does the proposal: {len(facts.steps)} records, from made to executed"
        event = "ExecutionSuccess" if executed.succeeded else "no ExecutionSuccess"
        yield "chain", f"{event}; the Safe's nonce: {executed.nonces[0]}, then {executed.nonces[1]}"
    if told is not None and told.proposer and told.delegate:
        proposer = facts.members.get(told.proposer, told.proposer)
        by = "the keeper" if told.delegate == facts.keeper else told.delegate
        yield "service", f"proposed in the name of {proposer} by her delegate, {by}"
    if facts.opening:
        yield "chain", f"the keeper's key may not open {SHAKEN}: the exchange refuses it"


def verdict(facts: CouncilFacts) -> str:
    """The council's part of the last sentence."""
    assert facts.executed is not None, "it is proven"
    return (
        f"the keeper proposed to open it again, {joined_words(facts.signers)} signed, and it is open since block "
        f"{facts.executed.block}"
    )


def _of_looks(looks: Sequence[Look]) -> Iterator[str]:
    if {one.field for one in looks} != set(LIES):
        yield f"the service lied in {len(looks)} fields, expected {len(LIES)}"
    for one in looks:
        if not one.alarm:
            yield f"a service that lies about {one.field} was not noticed"
        if not one.refused:
            yield f"a signature was taken while the service lied about {one.field}"


async def _owners(council: Council) -> tuple[str, ...]:
    raw = await council.world.node.rpc(
        "eth_call", {"to": council.safe.address, "data": "0x" + calldata("getOwners()").hex()}, "latest"
    )
    words = bytes.fromhex(str(raw)[2:])
    size = int.from_bytes(words[32:64], "big")
    return tuple(str(one) for one in decode_values(("address",) * size, words[64 : 64 + 32 * size]))


async def _executed(council: Council, tx_hash: str) -> Executed | None:
    world, safe = council.world, council.safe
    sent = await world.node.rpc("eth_getTransactionByHash", tx_hash)
    receipt = await world.node.rpc("eth_getTransactionReceipt", tx_hash)
    function = parse_signature(EXEC_TRANSACTION)
    data = bytes.fromhex(str(sent["input"])[2:]) if sent else b""
    if receipt is None or data[:4] != function.selector or str(sent["to"]).lower() != safe.address.lower():
        return None
    block = quantity(receipt["blockNumber"])
    nonces = [int((await world.read(safe.address, "nonce()(uint256)", block=at))[0]) for at in (block - 1, block)]
    transaction, signatures = _decoded(council, data[4:], nonces[0])
    digest = await safe.hash_of(transaction)
    signed_by = tuple(recover_owner(digest, one) for one in split(signatures, safe.threshold))
    return Executed(
        tx_hash=tx_hash,
        block=block,
        sender=checksum_address(bytes.fromhex(str(sent["from"])[2:])),
        transaction=transaction,
        signed_by=signed_by,
        contract_hash="0x" + digest.hex(),
        succeeded=quantity(receipt["status"]) == 1 and _success(receipt["logs"], safe.address, digest),
        nonces=(nonces[0], nonces[1]),
        paused=(await world.paused(SHAKEN, block=block - 1), await world.paused(SHAKEN, block=block)),
    )


def _decoded(council: Council, arguments: bytes, nonce: int) -> tuple[SafeTransaction, bytes]:
    """The transaction, and the signatures that came with it."""
    to, value, data, operation, safe_tx_gas, base_gas, gas_price, gas_token, receiver, signatures = decode_values(
        parse_signature(EXEC_TRANSACTION).inputs, arguments
    )
    transaction = SafeTransaction(
        chain_id=council.world.node.chain_id,
        safe=council.safe.address,
        nonce=nonce,
        to=str(to),
        data=_bytes(data),
        value=int(value),
        operation=Operation(int(operation)),
        safe_tx_gas=int(safe_tx_gas),
        base_gas=int(base_gas),
        gas_price=int(gas_price),
        gas_token=str(gas_token),
        refund_receiver=str(receiver),
    )
    return transaction, _bytes(signatures)


def _success(logs: Sequence[Mapping[str, Any]], safe: str, digest: bytes) -> bool:
    """Whether the Safe says that it executed this hash."""
    return any(
        str(log["address"]).lower() == safe.lower() and list(log["topics"]) == [SUCCESS, "0x" + digest.hex()]
        for log in logs
    )


async def _opening(council: Council, block: int) -> str:
    """Why the keeper's key may not open the market, which is paused at this block; empty when it may."""
    world = council.world
    data = "0x" + calldata("unpauseMarket(bytes32)", world.market_id(SHAKEN)).hex()
    try:
        await world.node.rpc("eth_call", {"from": world.keeper.address, "to": world.exchange, "data": data}, hex(block))
    except Refused as error:
        return explain(revert_data(error), error.message).text
    return ""


def _bytes(value: object) -> bytes:
    assert isinstance(value, bytes), "of the type bytes"
    return value


def _word(value: bool) -> str:
    return "true" if value else "false"
