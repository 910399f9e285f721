"""What must hold after every run, read from the chain, the log and the pages alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keeper.adapters.audit.reading import page_sync
from keeper.adapters.audit.verify import verify
from keeper.app.onchain import verify_on_chain
from keeper.app.onchain.findings import Subject
from keeper.config.model import ChainConfig, Endpoint, EndpointRole
from keeper.config.secret import Secret
from keeper.domain.intent import IntentState, IntentTrigger, advance
from keeper.domain.record import Record, RecordKind, RecordQuery
from tests.support.chaos.ground import Ground
from tests.support.keeper_stage import MARKET, OTHER, PAUSE_SELECTOR

DONE = frozenset({"included", "superseded"})
FAILED = frozenset({"failed", "expired"})


@dataclass
class Aftermath:
    """``strangers`` are the transactions that somebody else sent with the keeper's key. ``hopeless``: nothing could bring the effect about."""

    ground: Ground
    folder: Path
    url: str
    first_block: int
    strangers: list[str] = field(default_factory=list)
    hopeless: bool = False
    moot: bool = False
    """Somebody else may have brought the effect about before the keeper decided anything."""
    route: str = "public"
    public_after: int | None = 0
    sighted: list[tuple[str, int]] = field(default_factory=list)
    """What the node's own pool held, and since which block, where nobody else could have put it there."""
    quiet: bool = False
    """Nothing but the keeper itself could make its transaction public, and none of its lives was cut short."""

    def records(self) -> list[Record]:
        found: list[Record] = []
        while page := page_sync(self.url, RecordQuery(after=found[-1].seq if found else 0, limit=1_000)):
            found += page
        return found

    def pages(self) -> list[dict[str, Any]]:
        path = self.folder / "pages"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []

    async def check(self) -> None:
        """Raises AssertionError."""
        records = self.records()
        verdict = verify(self.url)
        assert verdict.ok, f"the log is broken: {verdict.problem}"
        assert [record.seq for record in records] == list(range(1, len(records) + 1)), "a record is missing"
        check_journal(records)
        mined = await self._check_chain()
        self.check_told(records, mined)
        self._check_secrecy(records)
        await self._check_on_chain()

    async def _check_chain(self) -> list[str]:
        """The effect is there once, or not at all where it is impossible; the hashes of the keeper's own mined transactions."""
        assert await self.ground.waiting() == [], "something of the keeper's still waits, although all is done"
        mined = [each for each in await self.ground.sent(self.first_block) if each["hash"] not in self.strangers]
        told = [(each["input"][:10], each["status"], each["nonce"]) for each in mined]
        paused = await self.ground.world.paused(MARKET)
        assert not await self.ground.world.paused(OTHER), "another market is paused"
        assert len(mined) <= 1, f"it was sent more than once: {told}"
        assert all(each["input"].startswith(PAUSE_SELECTOR) for each in mined), told
        assert paused is not self.hopeless, f"the market is {'paused' if paused else 'not paused'}: {told}"
        return [each["hash"] for each in mined]

    def check_told(self, records: Sequence[Record], mined: Sequence[str]) -> None:
        """Every intent has one end; what is mined was written down before; what failed was told to people."""
        intents = [record.intent for record in records if record.kind is RecordKind.INTENT]
        outcomes = [record for record in records if record.kind is RecordKind.OUTCOME]
        assert sorted(map(str, intents)) == sorted(str(record.intent) for record in outcomes), "an intent without end"
        attempts = [record.body["tx_hash"] for record in records if record.kind is RecordKind.ATTEMPT]
        assert len(attempts) == len(set(attempts)), "an attempt was written down twice"
        assert set(mined) <= set(attempts), "something was sent that was not written down"
        if not intents and self.moot:
            return
        assert outcomes, "nothing was ever decided"
        last = outcomes[-1].body
        if self.hopeless:
            critical = [page["title"] for page in self.pages() if page["severity"] == "critical"]
            assert last["kind"] in FAILED, f"it ended as {last['kind']} although it was impossible"
            assert critical, "nobody was paged"
        else:
            assert last["kind"] in DONE, f"the last end is {last['kind']} ({last['reason']}): {last['message']}"

    def _check_secrecy(self, records: Sequence[Record]) -> None:
        if self.route != "private" or self.public_after == 0:
            return
        arrivals = [(arrival.tx_hash, arrival.block) for arrival in self.ground.public.arrivals]
        arrivals += self.sighted
        fallbacks = check_secrecy(records, arrivals, public_after=self.public_after)
        if self.quiet:
            told = [page for page in self.pages() if page["key"].startswith("fallback/")]
            assert len(told) == fallbacks, f"{fallbacks} fallbacks, and people were told of {len(told)}"

    async def _check_on_chain(self) -> None:
        """As ``keeper audit verify --on-chain``; what somebody else sent with the key is all that it may find."""
        node = self.ground.node
        endpoint = Endpoint(Secret(node.ws_url), node.ws_url, EndpointRole.PRIMARY)
        report = await verify_on_chain(
            self.url, ChainConfig(node.chain_id, (endpoint,), 1), (), lambda _: None, (self.ground.key.address,)
        )
        found = [
            each.message
            for each in report.found
            if not (each.subject is Subject.NONCE and any(known in each.message for known in self.strangers))
        ]
        assert not found, found
        assert not report.unchecked, report.unchecked


def check_journal(records: Sequence[Record]) -> None:
    """Every intent went from state to state by the table alone. Raises InvalidTransition."""
    states: dict[str, IntentState] = {}
    for record in records:
        key = record.intent or ""
        match record.kind:
            case RecordKind.INTENT:
                assert key not in states, f"{key} was opened twice"
                states[key] = IntentState.OPEN
            case RecordKind.ATTEMPT:
                states[key] = advance(states[key], IntentTrigger.SIGN)
            case RecordKind.BROADCAST if record.body["accepted"]:
                states[key] = advance(states[key], IntentTrigger.SEND)
            case RecordKind.RECEIPT:
                gone = "gone" in record.body
                states[key] = advance(states[key], IntentTrigger.UNMINE if gone else IntentTrigger.MINE)
            case RecordKind.OUTCOME:
                states[key] = advance(states[key], IntentTrigger.CLOSE)
        still_open = [key for key, state in states.items() if state is not IntentState.DONE]
        assert len(still_open) <= 1, f"two intents of one action are open: {still_open}"
    assert all(state is IntentState.DONE for state in states.values()), states


def check_secrecy(records: Sequence[Record], arrivals: Sequence[tuple[str, int]], *, public_after: int | None) -> int:
    """Where it is for builders alone at first, nothing was public before it was written down that, and why, it is so from then on.

    ``arrivals`` are the hash of each transaction that came to a public node, and the newest block then. How many intents fell back.
    """
    owners = {record.body["tx_hash"]: record.intent for record in records if record.kind is RecordKind.ATTEMPT}
    fallbacks: dict[str | None, dict[str, Any]] = {}
    for record in records:
        if record.kind is RecordKind.BROADCAST and "fallback" in record.body:
            fallbacks.setdefault(record.intent, dict(record.body))
    for tx_hash, block in arrivals:
        fallback = fallbacks.get(owners.get(tx_hash))
        assert fallback is not None, f"{tx_hash} was public without a word, at block {block}"
        assert int(fallback["block"]) <= block, f"{tx_hash} was public at block {block}, before {fallback}"
    for fallback in fallbacks.values():
        why = fallback["fallback"]
        assert public_after is not None, f"it is for builders for ever: {fallback}"
        assert why["reason"] == "refused" or why["blocks"] >= public_after, f"too early: {fallback}"
    return len(fallbacks)
