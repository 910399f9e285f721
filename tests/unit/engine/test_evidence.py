"""Evidence as record bodies: canonical JSON takes it, nothing is lost, no float is in it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from decimal import Decimal

import pytest
import rfc8785

from keeper.domain.record import Json
from keeper.domain.signal import SignalStatus
from keeper.engine.engine import compile_engine
from keeper.engine.evidence import STATUS_WORDS, block_body, decision_body, incident_body, observation_body, tick_body
from keeper.engine.tick import Tick
from tests.support.engine_world import price, run, snapshot, spec, stamp

pytestmark = pytest.mark.unit


def trip() -> Tick:
    return run(compile_engine(spec()), [snapshot(5, {"oracle": "103.70", "spot": "101.3"})])[0]


def leaves(value: Json) -> Iterator[Json]:
    if isinstance(value, dict):
        for one in value.values():
            yield from leaves(one)
    elif isinstance(value, list):
        for one in value:
            yield from leaves(one)
    else:
        yield value


def bodies() -> list[dict[str, Json]]:
    tick = trip()
    gone = run(compile_engine(spec()), [snapshot(5, {})])[0]
    return [
        tick_body(tick),
        decision_body(tick.decisions[0]),
        incident_body(tick.incidents[0]),
        tick_body(gone),
        decision_body(gone.decisions[0]),
    ]


def test_bodies__every_leaf__is_text_whole_number_or_nothing() -> None:
    for body in bodies():
        for leaf in leaves(body):
            assert leaf is None or type(leaf) in {str, int, bool}


def test_bodies__canonical_form__survives_a_round_trip() -> None:
    for body in bodies():
        assert json.loads(rfc8785.dumps(body)) == body


def test_decision_body__floats__read_back_to_the_same_bits() -> None:
    decision = trip().decisions[0]
    verdict = decision_body(decision)["verdict"]
    assert isinstance(verdict, dict)
    for name in ("value", "threshold", "headroom"):
        text = verdict[name]
        assert isinstance(text, str)
        assert float(text) == getattr(decision.verdict, name)


def test_decision_body__whole__is_what_was_decided() -> None:
    body = decision_body(trip().decisions[0])
    assert {key: body[key] for key in ("id", "kind", "reason", "market", "action", "incident", "at_ms", "block")} == {
        "id": "M@5/pause/5",
        "kind": "act",
        "reason": "tripped",
        "market": "M",
        "action": "pause",
        "incident": "M@5",
        "at_ms": "60000",
        "block": 5,
    }
    assert [one["value"] for one in body["observations"]] == ["103.7", "101.3"]  # type: ignore[index,union-attr,call-overload]
    assert [one["status"] for one in body["signals"]] == ["ready"]  # type: ignore[index,union-attr,call-overload]


def test_decision_body__without_a_value__says_nan_and_null() -> None:
    decision = run(compile_engine(spec()), [snapshot(5, {})])[0].decisions[0]
    body = decision_body(decision)
    assert math.isnan(float(body["verdict"]["headroom"]))  # type: ignore[index,call-overload,arg-type]
    assert body["observations"][0]["value"] is None  # type: ignore[index,call-overload]
    assert body["observations"][0]["quality"] == "missing"  # type: ignore[index,call-overload]


def test_incident_body__opened__names_phase_and_verdict() -> None:
    body = incident_body(trip().incidents[0])
    assert (body["id"], body["phase"], body["block"], body["at_ms"]) == ("M@5", "opened", 5, "60000")
    assert body["verdict"]["rule"] == "wide"  # type: ignore[index,call-overload]


def test_tick_body__decisions_and_incidents__are_named_by_id() -> None:
    body = tick_body(trip())
    assert body["decisions"] == ["M@5/pause/5"]
    assert body["incidents"] == ["M@5"]
    assert body["breakers"] == {"M": "tripped"}
    assert body["counts"]["act:tripped"] == 1  # type: ignore[index,call-overload]


def test_block_body__wei__is_text() -> None:
    assert block_body(stamp(5)) == {
        "number": 5,
        "hash": "0x5a",
        "parent_hash": "0x4a",
        "timestamp_s": 60,
        "next_base_fee_wei": "0",
    }


@pytest.mark.parametrize(
    ("value", "text"), [("1E+3", "1000"), ("0.10", "0.1"), ("-0.0", "0"), ("123456789012345678901234567890.5", None)]
)
def test_observation_body__decimal__is_plain_and_exact(value: str, text: str | None) -> None:
    body = observation_body(price("spot", value))
    assert body["value"] == (value if text is None else text)
    assert Decimal(str(body["value"])) == Decimal(value)


def test_status_words__every_status__has_one() -> None:
    assert STATUS_WORDS.keys() == set(SignalStatus)
