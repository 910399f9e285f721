"""The order of the comparison. The chain's head comes before the log: what was sent up to it is in the log, whoever writes there meanwhile.

The log's newest block comes before the head: an endpoint that does not have it is behind, however fast the keeper goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from keeper.app.onchain.effects import check_effects
from keeper.app.onchain.findings import Report, Subject, Unchecked
from keeper.app.onchain.nodes import Nodes
from keeper.app.onchain.safes import check_execution
from keeper.app.onchain.sent import search_sent
from keeper.app.onchain.telling import newest_block_of, story_of
from keeper.app.onchain.transactions import check_transactions
from keeper.app.onchain.trips import check_trip, search_trips
from keeper.config.model import ChainConfig

MOST_BLOCKS = 10**9
"""Of eight years at four blocks a second: a node that says more beyond the log keeps nobody busy for ever."""


async def verify_on_chain(
    url: str,
    chain: ChainConfig,
    contracts: Sequence[str],
    progress: Callable[[str], None],
    senders: Sequence[str] = (),
) -> Report:
    """``url`` is that of a log that has been verified by itself; ``contracts`` are the configured breakers, ``senders`` the keeper's keys that
    are known from elsewhere, EIP-55.

    Raises StoreUnavailable, WrongChain, and OutsideError when no node answers at all; what only some questions find unanswered is in the report.
    """
    log_block = newest_block_of(url)
    nodes = await Nodes.meet(chain, log_block)
    try:
        report = begun(nodes, chain, log_block)
        story = story_of(url)
        story.senders.update(sender.lower() for sender in senders)
        for place, told in enumerate(story.told, 1):
            progress(f"intent {place} of {len(story.told)}")
            await check_transactions(nodes, told, report)
            await check_effects(nodes, told, report)
            await check_trip(nodes, told, report)
        for place, carried in enumerate(story.carried, 1):
            progress(f"execution {place} of {len(story.carried)}")
            await check_execution(nodes, carried, report)
        await search_trips(nodes, story, contracts, report, progress)
        await search_sent(nodes, story, report, progress)
        return report
    finally:
        await nodes.close()


def begun(nodes: Nodes, chain: ChainConfig, log_block: int) -> Report:
    """Goes up to the newest block that any endpoint has. What the others, or all, do not have of the log or of each other is not checked."""
    possible = [head for head in nodes.heads if head - log_block <= MOST_BLOCKS]
    report = Report(nodes.names, chain.id, max(possible, default=0), log_block)
    for name, head in zip(nodes.names, nodes.heads, strict=True):
        why = ""
        if head - log_block > MOST_BLOCKS:
            why = f"{name} says that its newest block is {head}, and the log ends at {log_block}: there cannot be so many between"
        elif head < log_block:
            why = f"the newest block of {name} is {head}, and the log goes up to {log_block}: it knows nothing of what is later"
        elif head < report.block - chain.lag_blocks:
            why = f"the newest block of {name} is {head}, and another endpoint has {report.block}: it knows nothing of what is later"
        if why:
            report.unchecked.append(Unchecked(Subject.TRANSACTION, None, why))
    return report
