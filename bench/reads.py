"""The reads of ``hot-path-100``: five views of each of twenty markets of the demo protocol, the same hundred for everybody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.stage import HEAD, MARKET_TEXT, Stage, short
from keeper.devnet.markets import DEFAULT_MARKETS, demo_market
from keeper.devnet.world import World
from keeper.domain.abi import decode_results, parse_signature
from keeper.domain.action import FunctionCall
from keeper.domain.evm import CallResult

MARKETS = (*DEFAULT_MARKETS, *(f"M{number:02d}-PERP" for number in range(len(DEFAULT_MARKETS), 20)))

VIEWS = (
    # name, what the target is, signature, index of the result, decimals, unit
    ("oracle", "feed", "latestRoundData()(uint80,int256,uint256,uint256,uint80)", 1, 8, "price"),
    ("pool", "exchange", "poolOf(bytes32)(uint256)", 0, 6, "amount"),
    ("collateral", "exchange", "collateralOf(bytes32)(uint256)", 0, 6, "amount"),
    ("paused", "exchange", "paused(bytes32)(bool)", 0, 0, "flag"),
    ("limit", "exchange", "withdrawalLimit(bytes32)(uint256)", 0, 6, "amount"),
)
AS_SOURCES = 3
"""In the keeper's own configuration so many of a market's views are sources; the others are read as the effects of its two actions."""


@dataclass(frozen=True, slots=True)
class Read:
    """One view of one market; ``args`` as texts, the number is the result at ``index`` / 10**``decimals``."""

    name: str
    target: str
    signature: str
    args: tuple[str, ...]
    index: int
    decimals: int
    unit: str

    @property
    def moves(self) -> bool:
        """Whether it is a price, which is another at each block."""
        return self.unit == "price"

    @property
    def call(self) -> FunctionCall:
        return FunctionCall(self.target, self.signature, self.args)

    def number(self, result: CallResult) -> Decimal:
        """What a peer's raw answer says. Raises MalformedAnswer."""
        value = decode_results(parse_signature(self.signature), result.data)[self.index]
        return Decimal(int(value)).scaleb(-self.decimals)


class WideStage(Stage):
    """Twenty markets, a hundred reads."""

    @property
    def reads(self) -> tuple[Read, ...]:
        return reads_of(self.world)

    async def move_all(self, price: Decimal) -> None:
        """With the next block the oracles of all markets say this."""
        for market in self.world.markets:
            await self.world.push_price(market, price, wait=False)

    @property
    def calls(self) -> Sequence[FunctionCall]:
        return [read.call for read in self.reads]

    def for_rival(self) -> dict[str, Any]:
        reads = self.reads
        return super().for_rival() | {"count": len(reads), "reads": [asdict(read) for read in reads]}

    def write_configuration(self, folder: Path) -> Path:
        """The same hundred calls in one request, from the configuration: sources and effects."""
        self.write_key(folder)
        world = self.world
        text = HEAD.format(chain_id=world.node.chain_id, url=world.node.ws_url, exchange=world.exchange) + "sources:\n"
        for usual in dict.fromkeys(map(_usual, world.markets)):
            text += f"  usual-{usual}: {{kind: constant, value: {usual}, unit: price}}\n"
        for market in world.markets:
            for read in reads_of_market(world, market)[:AS_SOURCES]:
                text += _source(read)
        text += "markets:\n"
        for market in world.markets:
            name = short(market)
            text += MARKET_TEXT.format(
                market=market,
                name=name,
                id=world.market_id(market),
                against=f"usual-{_usual(market)}",
                swings_of=f"{name}-oracle",
                high="50%",
                low="40%",
            )
        path = folder / "keeper.yaml"
        path.write_text(text, encoding="utf-8")
        return path


def _usual(market: str) -> Decimal:
    return demo_market(market).start_price


def _source(read: Read) -> str:
    args = ", ".join(f'"{arg}"' for arg in read.args)
    given = f"args: [{args}], " if args else ""
    return (
        f'  {read.name}: {{kind: contract-call, target: "{read.target}", call: "{read.signature}", {given}'
        f"index: {read.index}, decimals: {read.decimals}, unit: {read.unit}, max_age: 1h}}\n"
    )


def reads_of(world: World) -> tuple[Read, ...]:
    """All of them; the oracle of the first market, on which a trip is decided, is the first."""
    return tuple(read for market in world.markets for read in reads_of_market(world, market))


def reads_of_market(world: World, market: str) -> Sequence[Read]:
    found = []
    for name, kind, signature, index, decimals, unit in VIEWS:
        target, args = (world.feeds[market], ()) if kind == "feed" else (world.exchange, (world.market_id(market),))
        found.append(Read(f"{short(market)}-{name}", target, signature, args, index, decimals, unit))
    return found
