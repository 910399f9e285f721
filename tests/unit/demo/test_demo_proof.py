"""The proof: each claim that does not hold is found and said, and no sentence says more than was read back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

import pytest

from keeper.adapters.audit.verify import Verification
from keeper.app.demo.claims import claims, verdict
from keeper.app.demo.configuration import TIGHT_LIMIT
from keeper.app.demo.proof import Proof, find_failures
from keeper.app.demo.readback import ChainEffect, ChainFacts, Mined
from keeper.devnet.world import WITHDRAWAL_LIMIT
from keeper.domain.record import Json, Record, RecordKind

pytestmark = pytest.mark.unit

MARKETS = ("ETH-PERP", "BTC-PERP", "SOL-PERP")
HASH = "0x" + "ab" * 32
VERIFIED = Verification(True, 39, "0x" + "cd" * 32)
ACTION: dict[str, object] = {
    "id": "i1",
    "market": "ETH-PERP",
    "action": "pause-market",
    "kind": "pause",
    "outcome": "included",
    "reason": "effect-verified",
    "hash": HASH,
    "block": 15,
}


def effect(**changed: Json) -> ChainEffect:
    body: dict[str, Json] = {"before": "false", "after": "true", "expected": "true"}
    record = Record(
        29, "", RecordKind.EFFECT, "ETH-PERP", "pause-market", "x", "i1", body | changed, "0x", "0x" + "ef" * 32
    )
    return ChainEffect(record, "paused(bytes32)", 15, "false", "true")


FACTS = ChainFacts(
    block=20,
    effects=(effect(),),
    mined=MappingProxyType({HASH: Mined(15, 1)}),
    paused=MappingProxyType({market: market == "ETH-PERP" for market in MARKETS}),
    limits=MappingProxyType(dict.fromkeys(MARKETS, WITHDRAWAL_LIMIT)),
    sent=1,
)
QUIET = replace(FACTS, effects=(), mined={}, paused=dict.fromkeys(MARKETS, False), sent=0)


def test_find_failures__all_as_it_should_be__none() -> None:
    assert find_failures("divergence", [ACTION], FACTS, VERIFIED) == []
    assert find_failures("calm", [], QUIET, VERIFIED) == []


def test_find_failures__council__opened_again_is_as_it_should_be_and_still_paused_is_not() -> None:
    opened = replace(FACTS, paused=dict.fromkeys(MARKETS, False))
    assert find_failures("council", [ACTION], opened, VERIFIED) == []
    assert find_failures("council", [ACTION], FACTS, VERIFIED) == ["ETH-PERP: paused is True on chain at block 20"]


def test_find_failures__private__both_shaken_markets_stay_paused() -> None:
    paused = {market: market in ("ETH-PERP", "BTC-PERP") for market in MARKETS}
    both = replace(FACTS, effects=FACTS.effects * 2, paused=paused, sent=2)
    actions = [ACTION, ACTION | {"market": "BTC-PERP"}]
    assert find_failures("private", actions, both, VERIFIED) == []
    assert find_failures("private", [ACTION, ACTION | {"market": "SOL-PERP"}], both, VERIFIED) != []
    assert find_failures("private", actions, replace(both, paused=FACTS.paused), VERIFIED) == [
        "BTC-PERP: paused is False on chain at block 20"
    ]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: replace(f, effects=()), "0 effects"),
        (lambda f: replace(f, effects=(replace(f.effects[0], after="false"),)), "the chain says false -> false"),
        (lambda f: replace(f, effects=(replace(f.effects[0], before="true"),)), "the chain says true -> true"),
        (lambda f: replace(f, effects=(effect(after="false"),)), "the log says false -> false"),
        (lambda f: replace(f, effects=(effect(expected="other"),)), "expected other"),
        (lambda f: replace(f, mined={}), "the chain says None"),
        (lambda f: replace(f, mined={HASH: Mined(16, 1)}), "Mined(block=16"),
        (lambda f: replace(f, mined={HASH: Mined(15, 0)}), "status=0"),
        (lambda f: replace(f, paused=dict(f.paused) | {"ETH-PERP": False}), "ETH-PERP: paused is False"),
        (lambda f: replace(f, paused=dict(f.paused) | {"SOL-PERP": True}), "SOL-PERP: paused is True"),
        (lambda f: replace(f, limits=dict(f.limits) | {"BTC-PERP": 1}), "BTC-PERP: the limit is 1"),
        (lambda f: replace(f, limits=dict(f.limits) | {"ETH-PERP": TIGHT_LIMIT}), "ETH-PERP: the limit is"),
        (lambda f: replace(f, sent=0), "0 transactions"),
        (lambda f: replace(f, sent=2), "2 transactions"),
    ],
)
def test_find_failures__one_fact_is_another__it_is_said(change: Callable[[ChainFacts], ChainFacts], words: str) -> None:
    failures = find_failures("divergence", [ACTION], change(FACTS), VERIFIED)
    assert len(failures) == 1
    assert words in failures[0]


def test_find_failures__nothing_was_known_before__the_chain_alone_counts() -> None:
    facts = replace(FACTS, effects=(effect(before="unknown"),))
    assert find_failures("divergence", [ACTION], facts, VERIFIED) == []


@pytest.mark.parametrize("changed", [{"outcome": "failed"}, {"market": "SOL-PERP"}])
def test_find_failures__action_ended_otherwise__is_said(changed: dict[str, object]) -> None:
    (failure,) = find_failures("divergence", [ACTION | changed], FACTS, VERIFIED)
    assert failure.startswith("i1 ended as ")


def test_find_failures__broken_log__is_said() -> None:
    broken = replace(VERIFIED, ok=False, problem="record 7 was changed")
    assert find_failures("divergence", [ACTION], FACTS, broken) == ["the log does not verify: record 7 was changed"]


def test_find_failures__anything_in_the_calm__is_said() -> None:
    assert len(find_failures("calm", [ACTION], FACTS, VERIFIED)) >= 3


def test_verdict__proven__says_what_was_read_and_no_more() -> None:
    assert verdict(Proof({}, ()), FACTS, VERIFIED) == (
        "Proven: ETH-PERP is paused since block 15; BTC-PERP and SOL-PERP are still open; "
        "the log is one unbroken chain of 39 records."
    )
    assert verdict(Proof({}, ()), QUIET, VERIFIED).startswith(
        "Proven: nothing was sent, ETH-PERP, BTC-PERP and SOL-PERP are open, and the log"
    )
    assert "NOT proven" in verdict(Proof({}, ("x",)), FACTS, VERIFIED)


def test_claims__each__says_where_it_was_read() -> None:
    found = claims(Proof({}, ()), FACTS, VERIFIED)
    assert found == [
        ("chain", "paused(ETH-PERP): false at block 14, true at block 15"),
        ("log", "record 29, 0xefefefef…efefefef, says the same"),
        ("chain", "transaction 0xabababab…abababab: in block 15, status 1"),
        ("chain", "at block 20: ETH-PERP paused; BTC-PERP and SOL-PERP open"),
        ("chain", "the keeper's key has sent 1 transaction"),
        ("log", "39 records, each hash recomputed, the last is 0xcdcdcdcd…cdcdcdcd"),
    ]


def test_claims__what_does_not_hold__is_not_claimed() -> None:
    broken = replace(VERIFIED, ok=False, problem="record 7 was changed")
    facts = replace(FACTS, effects=(effect(after="false"),), mined={HASH: None})
    found = claims(Proof({}, ("the log does not verify",)), facts, broken)
    texts = [text for _, text in found]
    assert not any("says the same" in text or "recomputed" in text for text in texts)
    assert f"transaction {HASH[:10]}…{HASH[-8:]}: in no block" in texts
    assert found[-1] == ("MISSING", "the log does not verify")
