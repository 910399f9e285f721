"""The council's part of the proof: each claim that does not hold is found and said; and its words for people."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
from rich.console import Console

from keeper.adapters.audit.verify import Verification
from keeper.app.cli.output import Output
from keeper.app.demo.claims import verdict as whole_verdict
from keeper.app.demo.council_facts import STEPS, CouncilFacts, Executed, claims, failures, verdict
from keeper.app.demo.proof import Proof
from keeper.app.demo.readback import ChainEffect, ChainFacts
from keeper.app.demo.sitting import LIES, Look, names
from keeper.app.demo.sitting_words import SittingWords
from keeper.app.demo.story import Story
from keeper.domain.proposal import Queued
from keeper.domain.record import Json, Record, RecordKind
from keeper.domain.safe import SafeTransaction

pytestmark = pytest.mark.unit

ADA, BEN, CLEO, KEEPER, SAFE, TARGET = (f"0x{number:040d}" for number in range(1, 7))
TRANSACTION = SafeTransaction(31337, SAFE, 0, TARGET, b"\x5a\x6d\x00\x39")
HASH = TRANSACTION.hash_text
TX_HASH = "0x" + "ab" * 32
EXECUTED = Executed(TX_HASH, 28, CLEO, TRANSACTION, (BEN, ADA), HASH, True, (0, 1), (True, False))
TOLD = Queued(TRANSACTION, HASH, proposer=ADA, delegate=KEEPER, executed=True, executed_tx=TX_HASH)
LOOKS = tuple(Look(name, f"{name}: not what we proposed", "the proposal has alarms") for name in LIES)
FACTS = CouncilFacts(
    safe=SAFE,
    version="1.4.1",
    threshold=2,
    owners=(ADA, BEN, CLEO),
    members=MappingProxyType({ADA: "Ada", BEN: "Ben", CLEO: "Cleo"}),
    keeper=KEEPER,
    delegator=ADA,
    logged=HASH,
    steps=tuple(map(str, STEPS)),
    told=TOLD,
    executed=EXECUTED,
    opening="AccessControlUnauthorizedAccount",
    looks=LOOKS,
)


def other(**changed: Any) -> Callable[[CouncilFacts], CouncilFacts]:
    """The same with something else in what was executed."""
    return lambda facts: replace(facts, executed=replace(EXECUTED, **changed))


def test_failures__all_as_it_should_be__none() -> None:
    assert list(failures(FACTS)) == []
    twice = replace(FACTS, steps=(*FACTS.steps, "sent"))
    assert list(failures(twice)) == [], "a step that was written down twice is no lie"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: replace(f, steps=f.steps[:-1]), "the log lacks steps of the restore: executed"),
        (lambda f: replace(f, steps=tuple(dict.fromkeys(f.steps))), "lacks steps of the restore: confirmed, signed"),
        (lambda f: replace(f, opening=""), "the keeper's key may open ETH-PERP"),
        (lambda f: replace(f, told=None), "the service does not have the restore"),
        (lambda f: replace(f, told=replace(TOLD, delegate=None)), "the service does not have the restore"),
        (lambda f: replace(f, told=replace(TOLD, proposer=BEN)), "the service does not have the restore"),
        (lambda f: replace(f, told=replace(TOLD, executed_tx=None)), "the service tells another transaction"),
        (lambda f: replace(f, executed=None), "the restore was not executed"),
        (lambda f: replace(f, logged="0x" + "00" * 32), "by the log"),
        (other(contract_hash="0x" + "00" * 32), "by the Safe"),
        (other(signed_by=(ADA,)), "it was signed by Ada, expected Ada and Ben"),
        (other(signed_by=(ADA, CLEO)), "it was signed by Ada, Cleo"),
        (other(signed_by=(ADA, TARGET)), f"it was signed by {TARGET}, Ada"),
        (other(succeeded=False), "it did not succeed"),
        (other(nonces=(0, 0)), "nonces are (0, 0)"),
        (other(paused=(True, True)), "paused: True before the execution, True after it"),
        (other(paused=(False, False)), "paused: False before"),
        (lambda f: replace(f, looks=()), "the service lied in 0 fields"),
        (lambda f: replace(f, looks=(replace(LOOKS[0], alarm=""), *LOOKS[1:])), "lies about to was not noticed"),
        (lambda f: replace(f, looks=(replace(LOOKS[0], refused=""), *LOOKS[1:])), "a signature was taken"),
    ],
)
def test_failures__one_fact_is_another__it_is_said(change: Callable[[CouncilFacts], CouncilFacts], words: str) -> None:
    (failure,) = failures(change(FACTS))
    assert words in failure


def test_failures__another_transaction_was_executed__hash_and_service_say_so() -> None:
    found = " ".join(failures(replace(FACTS, executed=replace(EXECUTED, transaction=replace(TRANSACTION, value=1)))))
    assert "its hash is" in found
    assert "the service tells another transaction" in found


def test_claims__each__says_where_it_was_read() -> None:
    found = list(claims(FACTS))
    assert [where for where, _ in found] == ["chain", "chain", "", "chain", "log", "chain", "service", "chain"]
    assert found[0][1] == "paused(ETH-PERP): true at block 27, false at block 28"
    assert found[2][1].startswith("signed by Ada and Ben")
    assert found[6][1] == "proposed in the name of Ada by her delegate, the keeper"


def test_claims__what_was_not_read__is_not_claimed() -> None:
    assert list(claims(replace(FACTS, executed=None, told=None, opening=""))) == []
    unlike = list(claims(replace(FACTS, logged="0x" + "00" * 32)))
    assert not any("getTransactionHash" in text for _, text in unlike)


def test_verdict__proven__names_who_signed_and_the_blocks() -> None:
    assert verdict(FACTS) == "the keeper proposed to open it again, Ada and Ben signed, and it is open since block 28"
    body: dict[str, Json] = {"before": "false", "after": "true"}
    record = Record(26, "", RecordKind.EFFECT, "ETH-PERP", "pause-market", "x", "i1", body, "0x", "0x")
    effect = ChainEffect(record, "paused(bytes32)", 15, "false", "true")
    facts = ChainFacts(30, (effect,), {}, {"ETH-PERP": False}, {}, 1)
    verified = Verification(True, 62, "0x" + "cd" * 32)
    assert whole_verdict(Proof({}, ()), facts, verified, None, FACTS).startswith(
        "Proven: ETH-PERP was paused in block 15 by the keeper alone; the keeper proposed"
    )


def test_document__has_what_was_read() -> None:
    document = FACTS.document
    assert document["signed_by"] == [BEN, ADA]
    proposal = document["proposal"]
    assert isinstance(proposal, dict)
    assert (proposal["hash"], proposal["delegate"], proposal["to"]) == (HASH, KEEPER, TARGET)
    nothing = replace(FACTS, executed=None, told=None, looks=()).document
    assert (nothing["proposal"], nothing["signed_by"], nothing["effect"]) == (None, [], None)


@pytest.mark.parametrize(
    ("alarm", "name", "is_named"),
    [
        ("to: we proposed 0x1, the service tells 0x2", "to", True),
        ("gasToken: we proposed 0x1, the service tells 0x2", "gasToken", True),
        ("gasToken: we proposed 0x1, the service tells 0x2", "to", False),
        ("the service calls it 0xaa, but its fields have the hash 0xbb", "safeTxHash", True),
        ("the service calls it 0xaa, but its fields have the hash 0xbb", "data", False),
    ],
)
def test_names__an_alarm__is_about_one_field(alarm: str, name: str, is_named: bool) -> None:
    assert names(alarm, name) is is_named


def said(say: Callable[[SittingWords], None]) -> str:
    """What comes out of it."""
    file = io.StringIO()
    output = Output(_console=Console(file=file, width=80, soft_wrap=True))
    say(SittingWords(output, Story(output)))
    return file.getvalue()


def test_lied_to__all_noticed__says_so_within_80_columns() -> None:
    alarm = f"to: we proposed {TARGET}, the service tells 0x6666666666666666666666666666666666666666"
    text = said(lambda words: words.lied_to((replace(LOOKS[0], alarm=alarm), *LOOKS[1:])))
    assert "no signature is taken while there are alarms" in text
    assert f"each of the {len(LIES) - 1} other fields" in text
    assert max(map(len, text.splitlines())) <= 80


def test_lied_to__one_was_missed__is_said_and_nothing_better() -> None:
    text = said(lambda words: words.lied_to((LOOKS[0], replace(LOOKS[1], alarm=""), LOOKS[2])))
    assert "MISSED    the same was not so with value" in text
    assert "other fields" not in text
    first = said(lambda words: words.lied_to((Look("to", "", ""), *LOOKS[1:])))
    assert "it was NOT noticed" in first
    assert "NOT refused" in first


def test_read_back__still_paused__is_not_called_open() -> None:
    assert "is true at block 28" in said(lambda words: words.read_back(True, 28, noticed=False))
    assert "noticed" not in said(lambda words: words.read_back(False, 28, noticed=False))
    assert "noticed" in said(lambda words: words.read_back(False, 28, noticed=True))
