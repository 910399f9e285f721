"""The order of the comparison. The chain's head comes before the log: what was sent up to it is in the log, whoever writes there meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median_low

from keeper.app.onchain.effects import check_effects
from keeper.app.onchain.findings import Report
from keeper.app.onchain.nodes import Nodes
from keeper.app.onchain.telling import story_of
from keeper.app.onchain.transactions import check_transactions
from keeper.app.onchain.trips import check_trip, search_trips
from keeper.config.model import ChainConfig


async def verify_on_chain(
    url: str, chain: ChainConfig, contracts: Sequence[str], progress: Callable[[str], None]
) -> Report:
    """``url`` is that of a log that has been verified by itself; ``contracts`` are the configured breakers, EIP-55.

    Raises StoreUnavailable, WrongChain, and OutsideError when no node answers at all; what only some questions find unanswered is in the report.
    """
    nodes = await Nodes.meet(chain)
    try:
        heads = await nodes.ask(lambda node: node.head())
        newest = median_low(head.number for _, head in heads)
        story = story_of(url)
        report = Report(nodes.names, chain.id, newest)
        for place, told in enumerate(story.told, 1):
            progress(f"intent {place} of {len(story.told)}")
            await check_transactions(nodes, told, report)
            await check_effects(nodes, told, report)
            await check_trip(nodes, told, report)
        await search_trips(nodes, story, contracts, report, progress)
        return report
    finally:
        await nodes.close()
