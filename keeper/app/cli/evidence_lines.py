"""What a decision was made from, one line for each source: for whoever asks whether it is real."""

from __future__ import annotations

from collections.abc import Mapping

from keeper.adapters.audit.errors import DraftRefused
from keeper.adapters.audit.times import to_iso
from keeper.domain.decision import DecisionKind, DecisionReason
from keeper.domain.observation import Quality
from keeper.domain.record import Json, Record, RecordKind

Body = Mapping[str, Json]


def evidence_lines(record: Record) -> list[str]:
    """A line for each source, and for each node that was asked, of a decision that acts or lacks its quorum; none for anything else.

    None either for a body that is not as this version writes it.
    """
    if record.kind is not RecordKind.DECISION or not _is_about_acting(record.body):
        return []
    try:
        rows = [_source(each) for each in _objects(record.body["observations"])]
        width = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join(f"{cell:<{size}}" for cell, size in zip(row, width, strict=True)).rstrip() for row in rows]
        testimony = record.body.get("testimony")
        if isinstance(testimony, Mapping):
            lines += [_statement(each) for each in _objects(testimony["statements"])]
    except (DraftRefused, KeyError, TypeError, ValueError):
        return []
    return [" | ".join(line.splitlines()) for line in lines]


def _is_about_acting(body: Body) -> bool:
    return body.get("kind") == DecisionKind.ACT.value or body.get("reason") == DecisionReason.NO_QUORUM.value


def _objects(found: Json) -> list[Body]:
    if not isinstance(found, list):
        raise TypeError("not a list")
    return [each for each in found if isinstance(each, Mapping)]


def _source(seen: Body) -> tuple[str, str, str, str]:
    """Name, value with its unit, block and time, quality."""
    value = "no value" if seen["value"] is None else f"{seen['value']} {seen['unit']}"
    quality = str(seen["quality"])
    if quality != Quality.OK.value and seen["reason"]:
        quality = f"{quality}: {seen['reason']}"
    return str(seen["source"]), value, _when(seen), quality


def _when(seen: Body) -> str:
    """The block that it was read at, the time that the source gives, or when the keeper had it."""
    block = seen["block"]
    parts = [f"block {block['number']}"] if isinstance(block, Mapping) else []
    if seen["at_ms"] is not None:
        parts.append(f"of {to_iso(int(str(seen['at_ms'])))}")
    return ", ".join(parts) or f"received {to_iso(int(str(seen['received_ms'])))}"


def _statement(said: Body) -> str:
    """``node verify-1 disagrees: source:oracle is 0x02 there and 0x01 at the endpoint in use``."""
    line = f"node {said['endpoint']} {said['word']}"
    if said["silence"] is not None:
        return f"{line} ({said['silence']}): {said['message']}"
    told = "; ".join(
        f"{one['about']} is {one['theirs']} there and {one['ours']} at the endpoint in use"
        for one in _objects(said["differences"])
    )
    return f"{line}: {told}" if told else line
