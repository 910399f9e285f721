"""From the items of one tick to new intents: which of them get one, and the drafts of all in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from keeper.domain.action import Call
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError
from keeper.domain.intent import Attempt, Intent, IntentState
from keeper.domain.outcome import Outcome
from keeper.domain.record import Draft, RecordKind
from keeper.execution import journal
from keeper.execution.gate import Declined, already_there, not_adjusted
from keeper.execution.pen import Pen
from keeper.execution.planner import ArmedAction
from keeper.execution.work import UNKNOWN, Order, Work
from keeper.ports.chain import AccountReader

Item = tuple[Draft, Order | None]


@dataclass(frozen=True, slots=True)
class Opening:
    """``drafts`` hold what was decided, each followed by its intent if it gets one; ``works`` are those intents."""

    drafts: tuple[Draft, ...]
    works: tuple[Work, ...]

    def drop(self) -> None:
        """It was not written down: let go of what runs for it."""
        for work in self.works:
            work.drop_simulation()


SenderOf = Callable[[Work], str | None]
"""The address of the key that signs it; None without a key."""


def plan(
    items: Sequence[Item],
    open_works: Sequence[Work],
    sender_of: SenderOf,
    marks: Mapping[str, float],
    block: int | None = None,
) -> Opening:
    """An intent for every order whose (market, action) has none, open or of an earlier item. ``block`` is the number of the newest block.

    A parameter's new value is made of its current one here; one that another intent is changing is as good as unknown.
    """
    keys = {work.key for work in open_works}
    changing = {work.armed.word for work in open_works if work.armed is not None}
    drafts: list[Draft] = []
    works: list[Work] = []
    for draft, order in items:
        drafts.append(draft)
        if order is None or order.armed.key in keys:
            continue
        keys.add(order.armed.key)
        if order.armed.action.adjustment is not None and order.armed.word in changing:
            order = replace(order, before=None)
        armed = order.armed.at(order.before)
        if order.evidence:
            armed = armed.on(order.evidence)
        if order.signed and armed.call.data:
            armed = replace(armed, call=Call(armed.call.to, order.signed))
        if not_adjusted(armed) is None:
            changing.add(armed.word)
        work = Work(intent_of(order, armed), armed, dict(marks), rehearsed=order.rehearsed)
        works.append(work)
        drafts.append(journal.intent_draft(work.intent, armed, sender_of(work), block))
    return Opening(tuple(drafts), tuple(works))


async def simulate_meanwhile(
    opening: Opening,
    accounts: AccountReader,
    sender_of: SenderOf,
    block: BlockStamp,
    declined: Declined,
) -> None:
    """Asks for the simulations before the intents are written: both must be done before anything is sent. What is ``declined`` needs none.

    What was rehearsed with the reads, or by the readiness at the block before, is known already.
    """
    asked = False
    for work in opening.works:
        armed, sender = work.armed, sender_of(work)
        if armed is None or sender is None or not_adjusted(armed) is not None or declined.outcome(armed) is not None:
            continue
        if already_there(armed, work.intent.effect_before) is None:
            known = work.rehearsed
            if known is not None and known.answers(work.call, sender, block):
                work.simulation = asyncio.get_running_loop().create_future()
                work.simulation.set_result(known.simulation)
            else:
                work.simulation, asked = asyncio.ensure_future(accounts.simulate(work.call, sender, block)), True
    # They are on their way before the writing begins: two threads that both want the interpreter would hold each other up.
    if not asked:
        return
    await asyncio.sleep(0)  # the tasks send
    await asyncio.sleep(0)  # uvloop hands over to the socket what was sent in the turn before


async def sign_ahead(
    opening: Opening, pens: Collection[Pen], pen_of: Callable[[Work], Pen], open_works: Iterable[Work]
) -> Opening:
    """The first attempt of every intent that is being simulated, where signing needs no question to the chain: it becomes durable with its intent.

    A disk takes its time for each commit, so two would be most of the way from a head to a sent transaction. Nothing is sent before both
    the commit and the simulation are done. What cannot be signed now stays open, and is signed when it is carried out. ``pens`` are those whose
    turn the caller has; one whose key takes its time signs nothing here but what it has signed beforehand.
    """
    signed: dict[str, Draft] = {}
    before = list(open_works)
    for work in opening.works:
        pen = pen_of(work)
        if pen not in pens or work.simulation is None or not pen.knows_enough(work):
            continue
        try:
            attempt = await pen.write(work, [*before, *opening.works], replaces=None, patient=False)
        except OutsideError:
            continue
        if isinstance(attempt, Attempt):
            signed[work.intent.id] = journal.attempt_draft(work.intent, attempt)
            work.add(attempt)
    for work in opening.works:
        work.unsent = frozenset(attempt.nonce for attempt in work.intent.attempts)
    drafts: list[Draft] = []
    for draft in opening.drafts:
        drafts.append(draft)
        if draft.kind is RecordKind.INTENT and draft.intent in signed:
            drafts.append(signed[draft.intent])
    return replace(opening, drafts=tuple(drafts))


def refused(items: Sequence[Item], endings: Iterable[tuple[Work, Outcome]], at_ms: int) -> list[Draft]:
    """The drafts of a tick whose intents cannot be opened: what was decided, and that nothing came of it."""
    outcomes = [
        replace(journal.outcome_draft(work.intent, outcome, at_ms, {}), intent=None) for work, outcome in endings
    ]
    return [*(draft for draft, _ in items), *outcomes]


def intent_of(order: Order, armed: ArmedAction) -> Intent:
    """Not written down yet."""
    return Intent(
        id=order.id,
        market=armed.action.market,
        action=armed.action.name,
        incident=order.incident,
        state=IntentState.OPEN,
        created_ms=order.at_ms,
        expires_ms=order.at_ms + armed.action.expires_ms,
        to=armed.call.to,
        data="0x" + armed.call.data.hex(),
        effect_before=order.before if order.before is not None else UNKNOWN,
    )
