"""From a proposal to everything that a member must know of it, each part computed here or read from the chain. Raises OutsideError, AuditError."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from keeper.adapters.audit.times import to_iso
from keeper.app.council.executions import Ended
from keeper.app.council.known import Known
from keeper.app.council.ledger import Ledger, Proposed, Step, What
from keeper.app.council.matter import After, Change, Decoded, Level, Matter, Remark, Signed, Standing
from keeper.app.council.reading import CallReader
from keeper.app.council.reasons import Reasons, reasons_of
from keeper.app.council.remarks import altered, differences, remarks
from keeper.app.council.telling import Links
from keeper.app.council.told import Told, check_word
from keeper.domain.abi import decode_results, encode_call, parse_signature, to_text
from keeper.domain.action import Action, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, UnitError
from keeper.domain.evm import CallResult
from keeper.domain.future import Step as FutureStep
from keeper.domain.multisend import TRUSTED_MULTI_SEND
from keeper.domain.proposal import SafeState
from keeper.domain.record import Json
from keeper.domain.safe import SafeTransaction
from keeper.domain.text import printable
from keeper.ports.audit import AuditStore
from keeper.ports.chain import ChainReader
from keeper.ports.future import StateAfter

MOST_VIEWS: Final = 40

Joint = Callable[[Sequence[FutureStep], BlockStamp], Awaitable[After]]
"""The joint check of the state after these steps."""


@dataclass(frozen=True, slots=True)
class Scene:
    """The chain at one block: the Safe, and what people can be told about addresses and calls."""

    block: BlockStamp
    state: SafeState
    known: Known


class Explainer:
    """One Safe. ``actions`` are those of the configuration; ``joint`` None: nothing is simulated."""

    def __init__(
        self,
        chain: ChainReader,
        store: AuditStore,
        ledger: Ledger,
        links: Links,
        actions: Sequence[Action],
        future: StateAfter,
        joint: Joint,
        calls: CallReader,
    ) -> None:
        self._chain = chain
        self._store = store
        self._ledger = ledger
        self._links = links
        self._actions = actions
        self._future = future
        self._joint = joint
        self._calls = calls

    async def matter(self, told: Told, scene: Scene, *, light: bool = False, ended: Ended | None = None) -> Matter:
        """``light``: without simulation and chart, for a list of what is over. ``ended``: what became of it, where its nonce is used."""
        transaction, proposed, state = told.transaction, told.proposed, scene.state
        calls = await self._calls.read(transaction, scene.known)
        decoded, steps, library = calls.decoded, calls.steps, None
        signed = await asyncio.to_thread(self._signed, told, state)
        after, changes = After(None, "not simulated"), _recorded_changes(proposed)
        over = transaction.nonce < state.nonce
        if not over and not light:
            library = await self._calls.library(transaction, scene.known)
        if calls.blind:
            after = After(None, calls.blind)
        elif over:
            after = After(None, "There is nothing to simulate: its nonce is used.")
        elif library is not None:
            after = After(None, f"It cannot be simulated: {library.text}.")
        elif not light:
            after = await self._joint(steps, scene.block)
            changes = await self._changes(steps, decoded, changes, scene)
        place = proposed.place if proposed is not None else None
        reasons = Reasons()
        if place is not None:
            reasons = await reasons_of(self._store, place.incident, place.action)
        executed_tx = ended.tx_hash if ended is not None and over else None
        standing = _standing(transaction, state, sum(one.counts for one in signed), executed_tx)
        names = self._links.route.members
        counting = {one.owner for one in signed if one.counts}
        return Matter(
            transaction=transaction,
            state=state,
            standing=standing,
            title=_title(told, decoded),
            why=_why(proposed, reasons),
            changes=changes,
            decoded=decoded,
            after=after,
            signed=signed,
            not_signed=tuple(
                Signed(owner, names.get(owner, ""), counts=False) for owner in state.owners if owner not in counting
            ),
            remarks=await asyncio.to_thread(
                self._remarks, told, scene, decoded, after, ended if over else None, library
            ),
            pointless=_pointless(proposed, standing),
            times=await self._ledger.times(transaction.hash_text),
            chart=None if light else reasons.chart,
            market=place.market if place else None,
            action=place.action if place else None,
            incident=place.incident if place else None,
            evidence=proposed.evidence if proposed else None,
            proposer=told.queued.proposer if told.queued else None,
            delegate=told.queued.delegate if told.queued else None,
            origin=printable(told.queued.origin, 200) if told.queued else "",
            from_service=told.queued is not None,
            ours=proposed is not None and not proposed.adopted,
            web_url=self._links.web(transaction.chain_id, transaction.hash_text),
            former=_former(proposed) & counting,
            executed_tx=executed_tx,
            failed=executed_tx is not None and ended is not None and not ended.ok,
            unsure=standing is Standing.DEAD and ended is not None and bool(ended.unsure),
        )

    def _signed(self, told: Told, state: SafeState) -> tuple[Signed, ...]:
        """Each word that was given, checked; one that counts beats one that does not."""
        found: dict[str, Signed] = {}
        for one in told.words:
            checked = check_word(told, one, state, self._links.route.members)
            before = found.get(one.owner)
            if (
                before is None
                or (checked.counts and not before.counts)
                or (before.counts and checked.counts and before.at_ms is None)
            ):
                found[one.owner] = checked
        return tuple(found.values())

    def _remarks(
        self,
        told: Told,
        scene: Scene,
        decoded: Decoded,
        after: After,
        ended: Ended | None,
        library: Remark | None,
    ) -> tuple[Remark, ...]:
        trusted = TRUSTED_MULTI_SEND | scene.known.multisend
        found = list(remarks(told.transaction, scene.state, decoded, trusted, known=scene.known.names))
        if library is not None:
            found.append(library)
        if told.queued is not None:
            found += differences(told.queued, scene.state, told.vouched, self._links.route.members)
            if told.proposed is not None:
                found += altered(told.proposed.transaction, told.queued.transaction)
        if ended is not None:
            found += _of_end(told, ended)
        if told.unread:
            found.append(Remark(Level.ALARM, f"the service's answer about it cannot be used: {told.unread}"))
        if after.goes_through is False:
            found.append(Remark(Level.WARNING, f"it would fail if it were executed now: {after.text}"))
        found += [
            Remark(Level.WARNING, f"{one.name} would not hold: {one.text}") for one in after.kept if one.holds is False
        ]
        found += [
            Remark(Level.WARNING, f"{one.name} could not be judged: {one.text}")
            for one in after.kept
            if one.holds is None
        ]
        if told.proposed is not None:
            found += _of_former(told, told.proposed, self._links.route.members)
            for step, _, body in told.proposed.told:
                if step is Step.CONFLICT:
                    found.append(Remark(Level.WARNING, str(body.get("message"))))
        order = [Level.ALARM, Level.WARNING, Level.NOTE]
        return tuple(sorted(dict.fromkeys(found), key=lambda one: order.index(one.level)))

    async def _changes(
        self, steps: Sequence[FutureStep], decoded: Decoded, recorded: Sequence[Change], scene: Scene
    ) -> tuple[Change, ...]:
        """Every configured view of the contracts that are called: as it is now, and as it would be."""
        views = _views(self._actions, decoded, recorded)
        if not views:
            return ()
        calls = [encode_call(view) for view in views]
        before = await self._chain.read(calls, scene.block)
        try:
            then = (await self._future.after(steps, calls, scene.block)).reads
        except OutsideError:
            then = ()
        known = {(one.contract, one.asked, one.args): one for one in recorded}
        changes = []
        for place, view in enumerate(views):
            now = _text(view, before[place])
            later = _text(view, then[place]) if then else None
            one = known.get((view.target, view.signature, view.args))
            if one is None and (now == later or later is None):
                continue
            recorded_before = one.recorded if one is not None else None
            change = Change(view.target, view.signature, view.args, now, later, recorded_before)
            markets = (action.market for action in self._actions if action.effect.read == view)
            changes.append(replace(change, text=_in_words(change, view, scene.known, next(markets, None))))
        return tuple(changes)


def _views(actions: Sequence[Action], decoded: Decoded, recorded: Sequence[Change]) -> list[FunctionCall]:
    targets = set(_targets(decoded))
    found = [FunctionCall(one.contract, one.asked, one.args) for one in recorded]
    for action in actions:
        called = {action.call.target, action.effect.read.target}
        called |= {action.undo.target} if action.undo is not None else set()
        called |= {action.breaker.contract} if action.breaker is not None else set()
        if called & targets and action.effect.read not in found:
            found.append(action.effect.read)
    return found[:MOST_VIEWS]


def _targets(decoded: Decoded) -> list[str]:
    return [decoded.to, *(target for inner in decoded.inner for target in _targets(inner))]


def _text(view: FunctionCall, result: CallResult) -> str | None:
    if not result.ok:
        return None
    try:
        function = parse_signature(view.signature)
        return to_text(function.outputs[0], decode_results(function, result.data)[0])
    except (MalformedAnswer, UnitError, IndexError):
        return None


def _in_words(change: Change, view: FunctionCall, known: Known, market: str | None) -> str:
    name = view.signature.partition("(")[0]
    where = known.names.get(change.contract, change.contract)
    about = f"of {market}" if market else f"({', '.join(view.args)}) of {where}"
    text = f"{name} {about}: {change.before or 'unreadable'} now -> {change.after or 'not known'}"
    return text + (f" ({change.recorded} before the incident)" if change.recorded is not None else "")


def _recorded_changes(proposed: Proposed | None) -> tuple[Change, ...]:
    found = proposed.facts.get("changes") if proposed is not None else None
    changes = []
    for one in found if isinstance(found, list) else ():
        if isinstance(one, Mapping):
            args = one.get("args")
            changes.append(
                Change(
                    contract=str(one.get("contract")),
                    asked=str(one.get("asked")),
                    args=tuple(map(str, args)) if isinstance(args, list) else (),
                    before=_or_none(one.get("before")),
                    after=_or_none(one.get("after")),
                    recorded=_or_none(one.get("recorded")),
                    text=str(one.get("text") or ""),
                )
            )
    return tuple(changes)


def _or_none(found: Json) -> str | None:
    return None if found is None else str(found)


def _former(proposed: Proposed | None) -> frozenset[str]:
    """Owners whose words lay there when it was made and have not been given here since."""
    if proposed is None:
        return frozenset()
    return proposed.former - {str(body.get("owner")) for step, _, body in proposed.told if step is Step.CONFIRMED}


def _of_former(told: Told, proposed: Proposed, members: Mapping[str, str]) -> list[Remark]:
    former = _former(proposed) & {one.owner for one in told.words}
    if not former:
        return []
    names = ", ".join(members.get(owner, owner) for owner in sorted(former))
    text = (
        f"the words of {names} are older than this proposal: they were given for an earlier one that was the same transaction. "
        "The Safe takes them all the same; whoever wants it signs it again"
    )
    return [Remark(Level.WARNING, text)]


def _of_end(told: Told, ended: Ended) -> list[Remark]:
    """Where a service says something else than the chain about what its nonce was used for, and where the chain does not tell."""
    queued = told.queued if told.queued is not None and told.queued.executed else None
    by = f" by {printable(queued.executed_tx, 70)}" if queued is not None and queued.executed_tx else ""
    if ended.tx_hash is None and ended.unsure:
        says = f" (the service says that it was executed{by})" if queued is not None else ""
        text = f"its nonce is used, and whether by it or by another transaction is not known{says}: {ended.unsure}"
        return [Remark(Level.WARNING, text)]
    if queued is None or (ended.tx_hash is not None and by.lower() in ("", f" by {ended.tx_hash}".lower())):
        return []
    chain = f"by {ended.tx_hash}" if ended.tx_hash is not None else "its nonce was used by another transaction"
    text = f"the service says that it was executed{by}, and that is not so by the Safe's own events: {chain}"
    return [Remark(Level.ALARM, text)]


def _standing(transaction: SafeTransaction, state: SafeState, counting: int, executed_tx: str | None) -> Standing:
    if transaction.nonce < state.nonce:
        return Standing.EXECUTED if executed_tx else Standing.DEAD
    if counting < state.threshold:
        return Standing.WAITING
    return Standing.READY if transaction.nonce == state.nonce else Standing.BEHIND


def _title(told: Told, decoded: Decoded) -> str:
    if told.proposed is not None and told.proposed.title:
        return told.proposed.title
    if told.transaction.is_rejection:
        return f"Rejects what has the nonce {told.transaction.nonce}"
    return decoded.text or "A transaction of the Safe"


def _why(proposed: Proposed | None, reasons: Reasons) -> tuple[str, ...]:
    if proposed is None:
        return ("the log of this keeper does not know it: ask who proposed it",)
    found = proposed.facts.get("why")
    lines = [str(line) for line in found] if isinstance(found, list) else []
    return tuple(dict.fromkeys((*lines, *reasons.lines)))  # a restore's record holds its reasons already


def _pointless(proposed: Proposed | None, standing: Standing) -> str:
    """When signing it becomes pointless, in words."""
    if standing is Standing.EXECUTED:
        return "it is executed"
    if standing is Standing.DEAD:
        return "its nonce is used"
    if proposed is not None and not proposed.open:
        superseded = proposed.last(Step.SUPERSEDED)
        return f"already: {superseded[1].get('why')}" if superseded else "already"
    usual = "when another transaction with this nonce is executed"
    if proposed is None or proposed.what is not What.ACTION:
        return usual
    until = f"at {to_iso(proposed.expires_ms)}, " if proposed.expires_ms is not None else ""
    return f"{until}when the market recovers, when somebody else has done it, or {usual}"
