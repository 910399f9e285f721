"""The two acts with block builders: what must hold for the demo to claim that one pause was hidden and the other one loud."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from keeper.app.demo.acts import BUILDERS
from keeper.app.demo.unseen import Act, claims, failures, verdict
from keeper.domain.record import Json, Record, RecordKind

pytestmark = pytest.mark.unit

NAMES = [builder.name for builder in BUILDERS]


def fallback(seq: int = 40, reason: str = "refused") -> Record:
    body: dict[str, Json] = {
        "message": "sent publicly, since no builder takes it (words)",
        "fallback": {"reason": reason, "blocks": 0},
    }
    return Record(seq, "", RecordKind.BROADCAST, "BTC-PERP", "pause-market", "x", "i2", body, "0x", "0x" + "ef" * 32)


HIDDEN = Act("ETH-PERP", "0x" + "aa" * 32, 13, 0, "titan", None, dict.fromkeys(NAMES, "accepted"), (), None)
LOUD = Act("BTC-PERP", "0x" + "bb" * 32, 17, 3, None, 16, dict.fromkeys(NAMES, "refused"), (41,), fallback())


def test_failures__all_as_it_should_be__none() -> None:
    assert list(failures((HIDDEN, LOUD))) == []
    some = dict.fromkeys(NAMES, "unreachable") | {"quasar": "accepted"}
    assert list(failures((replace(HIDDEN, answers=some), LOUD))) == []


@pytest.mark.parametrize(
    ("hidden", "loud", "words"),
    [
        ({"seen": 12}, {}, "the public pool held the pause of ETH-PERP at block 12"),
        ({"public": (30,)}, {}, "sent publicly: records (30,)"),
        ({"fallback": fallback()}, {}, "sent publicly"),
        ({"position": 1}, {}, "at 1 in a block of titan"),
        ({"position": None}, {}, "at None"),
        ({"built_by": None}, {}, "in a block of None"),
        ({"answers": dict.fromkeys(NAMES, "refused")}, {}, "no builder took the pause of ETH-PERP"),
        ({"market": "SOL-PERP"}, {}, "acts were of"),
        ({}, {"seen": None}, "was not public before its block"),
        ({}, {"public": ()}, "was not public before its block"),
        ({}, {"fallback": None}, "does not say that BTC-PERP fell back"),
        ({}, {"fallback": fallback(reason="not-included")}, "does not say that BTC-PERP fell back"),
        ({}, {"public": (39, 41)}, "in record 39, before the log said so in record 40"),
        ({}, {"answers": dict.fromkeys(NAMES, "refused") | {"titan": "accepted"}}, "expected that all refuse"),
        ({}, {"answers": {"titan": "refused"}}, "expected that all refuse"),
    ],
)
def test_failures__one_thing_wrong__is_named(hidden: dict[str, Any], loud: dict[str, Any], words: str) -> None:
    (failure,) = failures((replace(HIDDEN, **hidden), replace(LOUD, **loud)))
    assert words in failure


def test_failures__no_second_act__is_named() -> None:
    assert len(list(failures((HIDDEN,)))) == 1


def test_claims__both_acts__say_from_where() -> None:
    told = list(claims((HIDDEN, LOUD)))
    assert [where for where, _ in told] == ["pool", "chain", "pool", "log", ""]
    assert "(words)" not in told[3][1]
    assert verdict((HIDDEN, LOUD)).startswith("ETH-PERP was paused in block 13, and no public pool held it before;")
    assert not any(words.endswith((";", ",")) for _, words in told)
    assert LOUD.document["fallback"] == {"record": 40, "reason": "refused", "blocks": 0}
    assert HIDDEN.document["fallback"] is None
