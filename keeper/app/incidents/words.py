"""A story in plain sentences, and its numbers as people write them."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from keeper.adapters.audit.times import to_iso
from keeper.app.incidents.moments import numbers
from keeper.app.incidents.story import Action, Figure, Instant, Source, State, Story

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000))
_COIN_DIGITS: Final = 18
UNKNOWN: Final = "not known"


def milliseconds(ms: Decimal) -> str:
    """``2.924 ms``, ``412 ms``, ``1,356 ms (1.4 s)``, ``330,000 ms (5 min 30 s)``."""
    size = abs(ms)
    if size < 10 and ms != ms.to_integral_value():
        return f"{ms:.3f} ms"
    whole = int(ms.to_integral_value(ROUND_HALF_EVEN))
    if size < 1_000:
        return f"{whole} ms"
    if size < 60_000:
        return f"{whole:,} ms ({ms / 1000:.1f} s)"
    return f"{whole:,} ms ({'-' if ms < 0 else ''}{lasting(abs(whole))})"


def lasting(ms: int) -> str:
    """By its two largest units, rounded down; below a second in ms."""
    if ms < 1_000:
        return f"{ms} ms"
    parts: list[str] = []
    rest = ms
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append(f"{count} {unit}" if count else "")
        if len(parts) == 2:
            break
    return " ".join(part for part in parts if part)


def time_text(at: Instant | None) -> str:
    """ISO 8601 UTC; a block's own time in whole seconds, as the chain has it."""
    if at is None:
        return UNKNOWN
    iso = to_iso(at.at_ms)
    return f"{iso[:19]}Z" if at.source is Source.BLOCK else iso


def coin(wei: int) -> str:
    """Such as ``0.000036473878574706``; of a coin with 18 digits, exact."""
    whole, rest = divmod(wei, 10**_COIN_DIGITS)
    return f"{whole}{f'.{rest:0{_COIN_DIGITS}}'.rstrip('0').rstrip('.')}"


def figure_text(figure: Figure) -> str:
    return milliseconds(figure.ms) if figure.ms is not None else "none"


def summary_of(story: Story) -> tuple[str, ...]:
    """What happened, when it was known, what was done, what changed, what it cost: one sentence each."""
    lines = [_began(story), _rule(story), _known(story), *_done(story), _ended(story)]
    if story.standing.mode == "shadow":
        lines.append("The keeper was in shadow mode: it decided and recorded, and sent nothing.")
    lines.append(_restored(story))
    lines.append(_cost(story))
    return tuple(line for line in lines if line)


def _at(at: Instant | None) -> str:
    if at is None:
        return "at a time that the log does not say"
    return f"at {time_text(at)}" + (f" (block {at.block})" if at.block is not None else "")


def as_of_text(story: Story) -> str:
    """Such as ``As of record 40 (2026-11-21T19:12:00.000Z)``."""
    if story.as_of is None:
        return "As far as the log goes"
    return f"As of record {story.as_of.seq} ({time_text(story.as_of)})"


def _began(story: Story) -> str:
    where = f" of {story.market}" if story.market else ""
    severity = f", severity {story.severity}" if story.severity else ""
    if not story.rule:
        return f"The log does not say which rule began this incident{where}."
    rule = f"rule {story.rule}{where} tripped {_at(story.opened)}"
    return f"The {rule}{severity}: {numbers(story.judgement, share=story.meant.share).removeprefix(f'{story.rule}: ')}."


def _rule(story: Story) -> str:
    return f"The rule, as the recorded configuration has it: {story.meant.words}." if story.meant.words else ""


def _known(story: Story) -> str:
    onset = story.onset
    if onset.at is None:
        return f"Since when it had been beyond its threshold cannot be told: {onset.why}."
    if onset.blocks == 0:
        return f"That block was the first beyond the threshold; its own time is {time_text(onset.at)}."
    blocks = "" if onset.blocks is None else f", {onset.blocks} block{'s' if onset.blocks != 1 else ''} before the trip"
    return f"The first block beyond the threshold was block {onset.at.block}, of {time_text(onset.at)}{blocks}."


def _done(story: Story) -> list[str]:
    if not story.actions:
        asked = [one for one in story.decisions if one.kind == "declined"]
        if asked:
            return [f"The keeper acted on nothing: it declined {asked[0].action}, because {asked[0].meaning}."]
        return ["No action was decided."]
    return [action_sentence(one) for one in story.actions]


def action_sentence(action: Action) -> str:
    """What was decided and what came of it."""
    name = action.name or "An action"
    effect, ending = action.effect, action.ending
    how = f" {action.way_words}" if action.way_words else ""
    if ending is None:
        return f"{name} was decided{how}; the log has no outcome of it yet."
    if ending.kind == "included" and effect is not None:
        mined = next((one.block for one in action.sent if one.status == 1), ending.block)
        read = f"{effect.call} was {effect.before} and is {effect.after}, read back at block {effect.block}"
        comma = "," if "," in how else ""
        return f"{name} was done{how}{comma} in block {mined}: {read}."
    said = f": {ending.message}" if ending.message else ""
    return f"{name} ended as {ending.kind} ({ending.reason}){how}{said}."


def _ended(story: Story) -> str:
    if story.closed is None:
        return f"{as_of_text(story)}, rules are still tripped: the incident is open."
    lasted = story.lasted_ms
    after = "" if lasted is None or lasted < 0 else f", {lasting(lasted)} after the trip"
    return f"Every rule was clear again {_at(story.closed)}{after}."


def _restored(story: Story) -> str:
    if story.restored is not None:
        return f"What was done was undone {_at(story.restored)}: {story.restored_words}."
    if story.restored_words:
        return f"Not everything was put back: {story.restored_words}."
    if any(one.effect is not None and one.effect.before != one.effect.after for one in story.actions):
        return f"{as_of_text(story)}, what was done is still in effect."
    return ""


def _cost(story: Story) -> str:
    mined = [one for action in story.actions for one in action.sent if one.gas_used is not None]
    if not mined:
        return ""
    gas = sum(one.gas_used or 0 for one in mined)
    cost = story.cost_wei
    price = "" if cost is None else f" and cost {coin(cost)} of the chain's coin"
    count = f"{len(mined)} transaction{'s' if len(mined) != 1 else ''}"
    return f"The keeper's {count} used {gas:,} gas{price}."


def actions_text(actions: Sequence[Action]) -> str:
    """Such as ``pause-market included``, for a list."""
    return ", ".join(f"{one.name} {one.outcome}" for one in actions) or "none"


def state_text(state: State) -> str:
    return {State.OPEN: "OPEN", State.CLOSED: "closed", State.RESTORED: "restored"}[state]
