"""What the chain says after a run. It is asked over a connection of its own: no part of the keeper stands in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keeper.devnet.anvil import quantity
from keeper.devnet.world import World
from keeper.domain.abi import parse_signature, to_text
from keeper.domain.record import Record, RecordKind


@dataclass(frozen=True, slots=True)
class ChainEffect:
    """The view that an effect record of the log names: what it answered at the block before ``block``, and at ``block``, as text."""

    record: Record
    call: str
    block: int
    before: str
    after: str

    @property
    def function(self) -> str:
        return self.call.split("(", maxsplit=1)[0]


@dataclass(frozen=True, slots=True)
class Mined:
    """``status`` 1: it did not revert."""

    block: int
    status: int


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """``paused``, ``limits`` (10 ** -6 of the demo dollar) and ``sent`` are as of ``block``; ``sent`` counts the key's transactions in blocks.

    ``mined`` has the transactions that the log calls mined; None: the chain has none with this hash.
    """

    block: int
    effects: tuple[ChainEffect, ...]
    mined: Mapping[str, Mined | None]
    paused: Mapping[str, bool]
    limits: Mapping[str, int]
    sent: int


async def ask_the_chain(world: World, records: Sequence[Record]) -> ChainFacts:
    """Asks for all that the log claims, and for the state of every market. Raises OutsideError."""
    block = await world.node.block_number()
    effects = [await _effect(world, record) for record in records if record.kind is RecordKind.EFFECT]
    hashes = [str(record.body["tx_hash"]) for record in records if record.kind is RecordKind.RECEIPT]
    return ChainFacts(
        block=block,
        effects=tuple(effects),
        mined={tx_hash: await _mined(world, tx_hash) for tx_hash in hashes},
        paused={market: await world.paused(market, block=block) for market in world.markets},
        limits={market: await world.withdrawal_limit(market, block=block) for market in world.markets},
        sent=quantity(await world.node.rpc("eth_getTransactionCount", world.keeper.address, hex(block))),
    )


async def _effect(world: World, record: Record) -> ChainEffect:
    body = record.body
    arguments, block = body["args"], int(str(body["block"]))
    assert isinstance(arguments, list), "as every effect record has it"
    view = parse_signature(str(body["call"]))

    async def at(number: int) -> str:
        values = await world.read(str(body["contract"]), str(body["call"]), *map(str, arguments), block=number)
        return to_text(view.outputs[0], values[0])

    return ChainEffect(record, view.signature, block, await at(block - 1), await at(block))


async def _mined(world: World, tx_hash: str) -> Mined | None:
    receipt = await world.node.rpc("eth_getTransactionReceipt", tx_hash)
    return None if receipt is None else Mined(quantity(receipt["blockNumber"]), quantity(receipt["status"]))
