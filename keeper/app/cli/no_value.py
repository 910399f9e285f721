"""Why a rule has no value or no threshold, in words: which of its inputs is bad, why, and of when its last value is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from keeper.adapters.audit.times import to_iso
from keeper.domain.observation import Quality
from keeper.domain.record import Json
from keeper.domain.verdict import VerdictReason

Body = Mapping[str, Json]


def why_no_value(verdict: Body, body: Body) -> str:
    """``body`` is that of the tick or decision that the verdict is from. Raises what a body that is not as this version writes it leads to."""
    if verdict["reason"] == VerdictReason.WARMING.value:
        return f"no value yet ({verdict['reason']})"
    behind = _inputs(str(verdict["market"]), str(verdict["signal"]), _objects(body.get("signals")))
    seen = {str(one["source"]): one for one in _objects(body.get("observations"))}
    bad = [seen[name] for name in behind if name in seen and seen[name]["quality"] != Quality.OK.value]
    if not bad:
        return f"no value yet ({verdict['reason']})"
    return "no value: " + "; ".join(_input(one) for one in bad)


def why_no_threshold(verdict: Body) -> str:
    """For a verdict with a value and none to hold it against."""
    return f"no threshold yet: the signal that it follows has no value ({verdict['reason']})"


def _input(seen: Body) -> str:
    """Such as ``spot is stale (older than 30s), its value is of 2026-01-01T00:00:00.000Z``."""
    said = f"{seen['source']} is {seen['quality']}" + (f" ({seen['reason']})" if seen["reason"] else "")
    if seen["value"] is None:
        return said
    at_ms = seen["received_ms"] if seen["at_ms"] is None else seen["at_ms"]
    return f"{said}, its value is of {to_iso(int(str(at_ms)))}"


def _inputs(market: str, name: str, signals: Sequence[Body]) -> list[str]:
    """The sources behind a signal, and behind the signals that it is made of; each once."""
    made_of: dict[str, Sequence[Json]] = {}
    for signal in signals:
        inputs = signal["inputs"]
        if signal["market"] == market and isinstance(inputs, list):
            # the qualities that rules need it in may stand after its name
            made_of.setdefault(str(signal["name"]).split(" (", 1)[0], inputs)
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        each = waiting.pop(0)
        if each in made_of:
            waiting += [str(one) for one in made_of.pop(each)]
        else:
            found[each] = None
    return list(found)


def _objects(found: Json) -> list[Body]:
    return [each for each in found if isinstance(each, Mapping)] if isinstance(found, list) else []
