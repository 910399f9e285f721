"""One Safe of the configuration for whoever looks or signs: commands and pages. What is shown is computed here or read from the chain.

Every method raises OutsideError (node, service), AuditError (log), and UnitError for an unknown hash or for something unsafe to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from keeper.adapters.safe.files import add_signature, write_proposal
from keeper.app.council.executions import Executions
from keeper.app.council.explaining import Explainer, Scene
from keeper.app.council.facts import after_body, change_body
from keeper.app.council.known import Known
from keeper.app.council.ledger import Ledger, Place, Proposed, Step, What
from keeper.app.council.matter import Change, Level, Matter, Remark
from keeper.app.council.onchain import SafeReader
from keeper.app.council.proposer import UNKNOWN, Proposer, SafeCall
from keeper.app.council.remarks import check_confirmation
from keeper.app.council.told import Gathering, Told, counting
from keeper.config.model import SafeRoute
from keeper.domain.council_words import Withdrawal, hour_of
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, UnitError, Unreachable
from keeper.domain.proposal import Confirmation, SafeState
from keeper.domain.record import Json
from keeper.domain.safe import SafeTransaction, rejection
from keeper.domain.safe_signatures import SignatureKind, kind_of, named_owner, recover_owner
from keeper.domain.text import shown
from keeper.ports.chain import ChainReader
from keeper.ports.clock import Clock
from keeper.ports.council import ProposalService
from keeper.ports.signer import SafeSigner

LEAST_PREFIX: Final = 6
MOST_SHOWN: Final = 50
ALARMED: Final = "the proposal has alarms"
"""Begins the refusal to sign what looks like an attack."""


class Council:
    """``service`` None: proposals are files. ``signer`` None: nothing can be proposed or taken back with the keeper's own key."""

    def __init__(
        self,
        route: SafeRoute,
        reader: SafeReader,
        chain: ChainReader,
        ledger: Ledger,
        proposer: Proposer,
        gathering: Gathering,
        explainer: Explainer,
        service: ProposalService | None,
        signer: SafeSigner | None,
        known: Known,
        clock: Clock,
        *,
        no_signer: str = "",
    ) -> None:
        self.route = route
        self._reader = reader
        self._chain = chain
        self._ledger = ledger
        self._proposer = proposer
        self._gathering = gathering
        self._explainer = explainer
        self._service = service
        self._signer = signer
        self._no_signer = (
            f"the keeper's key cannot be used here: {no_signer}" if no_signer else "no signer is configured"
        )
        self._known = known
        self._clock = clock
        self._executions = Executions(reader)
        self._recording = asyncio.Lock()

    # -- looking --------------------------------------------------------------------------------------------------------------

    async def state(self) -> SafeState:
        """The Safe as the chain has it now."""
        return await self._reader.state(await self._chain.head())

    async def queue(self) -> Sequence[Matter]:
        """What is open, in the order of nonce."""
        scene = await self._scene()
        found = await self._gathering.open(scene.state)
        told = [await self._with_approvals(one, scene) for one in found.told[:MOST_SHOWN]]
        return [await self._explainer.matter(one, scene) for one in told]

    async def matter(self, hash_or_prefix: str) -> Matter:
        """One proposal, by its safeTxHash or at least six digits of it: from the service, the log or a file."""
        wanted = _prefix(hash_or_prefix)
        scene = await self._scene()
        gathered = await self._gathering.open(scene.state)
        hits = [one for one in gathered.told if one.transaction.hash_text.startswith(wanted)]
        hits = hits or [one for one in gathered.told if one.queued and one.queued.claimed_hash.startswith(wanted)]
        hits = hits or await self._over(wanted)
        if not hits and len(wanted) == 66 and self._service is not None:
            queued = await self._service.find(wanted)
            if queued is not None and wanted not in (queued.transaction.hash_text, queued.claimed_hash):
                raise MalformedAnswer(
                    f"the service answers {queued.transaction.hash_text} where {wanted} was asked for"
                )
            hits = [Told(queued.transaction, queued)] if queued is not None else []
        if not hits:
            raise UnitError(
                f"no proposal of the Safe {self.route.address} begins with {wanted}",
                remedy="list what is open with: keeper council CONFIG queue",
            )
        if len(hits) > 1:
            raise UnitError(f"{len(hits)} proposals begin with {wanted}", remedy="write more digits of the hash")
        hit = hits[0]
        ended = await self._executions.of([(hit.transaction, hit.proposed)], scene.state)
        told = await self._with_approvals(hit, scene)
        return await self._explainer.matter(told, scene, ended=ended.get(hit.transaction.hash_text))

    async def history(self, limit: int = 20) -> Sequence[Matter]:
        """What is over by the log, newest first; nothing is simulated."""
        scene = await self._scene()
        over = [one for one in reversed(await self._ledger.all()) if not one.open][:limit]
        ended = await self._executions.of([(one.transaction, one) for one in over], scene.state)
        return [
            await self._explainer.matter(
                Told(one.transaction, proposed=one), scene, light=True, ended=ended.get(one.hash)
            )
            for one in over
        ]

    async def confirmations(self, matter: Matter) -> Sequence[Confirmation]:
        """Those that the Safe would take."""
        scene = await self._scene()
        gathered = await self._gathering.open(scene.state)
        found = next((one for one in gathered.told if one.transaction == matter.transaction), Told(matter.transaction))
        return counting(await self._with_approvals(found, scene), scene.state)

    async def draft(
        self,
        calls: Sequence[SafeCall],
        *,
        title: str,
        why: Sequence[str],
        what: What,
        place: Place,
        changes: Sequence[Change] = (),
    ) -> Matter:
        """What proposing these calls would come to, simulated and judged; nothing is written down. One that is queued already as it is there."""
        scene = await self._scene()
        reconciled = await self._proposer.reconcile(scene.state, calls, first=False)
        if reconciled.equal is not None:
            return await self.matter(reconciled.equal.transaction.hash_text)
        transaction = self._proposer.transaction(scene.state, calls, reconciled.nonce)
        facts: dict[str, Json] = {"changes": [change_body(one) for one in changes], "why": list(why)}
        return await self._drafted(transaction, scene, title, what, place, facts, reconciled.blind)

    async def draft_rejection(self, matter: Matter) -> Matter:
        """What uses up the nonce of this one and does nothing else; one that is queued already as it is there."""
        transaction = rejection(matter.transaction.chain_id, matter.transaction.safe, matter.transaction.nonce)
        scene = await self._scene()
        gathered = await self._gathering.open(scene.state)
        if any(one.transaction == transaction for one in gathered.told):
            found = await self.matter(transaction.hash_text)
            if found.transaction != transaction:
                raise MalformedAnswer("the service tells something else under the hash of the rejection")
            return found
        if transaction.nonce < scene.state.nonce:
            raise UnitError(f"the nonce {transaction.nonce} is used already", remedy="there is nothing to reject")
        title = f"Rejects {matter.hash[:10]}.. (nonce {transaction.nonce}): {matter.title}"
        place = Place(matter.market, matter.action, matter.incident)
        return await self._drafted(transaction, scene, title, What.REJECTION, place, {}, "")

    # -- doing ----------------------------------------------------------------------------------------------------------------

    async def seen(self, matter: Matter, *, via: str) -> None:
        """Somebody has read it: written down once."""
        if matter.times.seen_ms is None:
            await self._note(matter, Step.SEEN, via=via)

    async def confirm(self, matter: Matter, signature: bytes, *, via: str, despite_alarms: bool = False) -> Matter:
        """Adds an owner's signature over the hash computed here, after checking it; the matter as it stands then.

        A key's is in the proposal's file first, where it counts for the keeper, so that a service that is down or has not got the proposal loses
        nothing: a running keeper gives it the signature later. A contract's (EIP-1271) goes to the service alone: no file keeps it. The same again
        is no new record. Raises UnitError for a signature that the Safe would not take, and while there are alarms.
        """
        self._check_alarms(matter, despite_alarms)
        scene = await self._scene()
        state = scene.state
        by_contract = kind_of(signature) is SignatureKind.CONTRACT
        owner = named_owner(signature) if by_contract else recover_owner(matter.transaction.hash, signature)
        given = Confirmation(owner, signature)
        taken = await self._reader.taken(matter.transaction, [given], scene.block) if owner in state.owners else ()
        checked = check_confirmation(
            matter.transaction, given, state, frozenset({owner}) if signature in taken else frozenset()
        )
        if not checked.counts:
            raise UnitError(
                f"the signature is {owner}'s for {matter.hash}, and the Safe would not take it: {checked.why}",
                remedy="sign with the key of an owner, over the safeTxHash that is shown here",
            )
        if matter.transaction.nonce < state.nonce:
            raise UnitError(f"the nonce {matter.transaction.nonce} is used already", remedy="there is nothing to sign")
        if by_contract and self._service is None:
            raise UnitError(
                "files keep the signatures of keys only, and this is a contract's",
                remedy="let the contract approve the hash on chain: keeper council CONFIG confirm HASH --approve-on-chain",
            )
        filed = await asyncio.to_thread(self._file_signature, matter, owner, signature)
        if self._service is not None:
            try:
                await self._service.confirm(matter.hash, signature)
            except OutsideError as error:
                unknown = isinstance(error, Refused) and error.code == UNKNOWN
                if not filed or not (unknown or isinstance(error, Unreachable)):
                    raise
        await self._confirmed(matter, owner, via)
        return await self.matter(matter.hash)

    async def propose(
        self,
        matter: Matter,
        *,
        what: What,
        place: Place,
        signature: bytes | None = None,
        sender: str | None = None,
        facts: Mapping[str, Json] | None = None,
    ) -> Matter:
        """Writes it down, as a file too, and gives it to the service. ``signature`` None: with the keeper's own key.

        One that lies there already is left as it is. Raises OutsideError when the service did not take it: it is in the log and a file then.
        """
        if matter.from_service:
            return matter
        known = await self._ledger.find(matter.hash)
        proposed = known if known is not None and known.open else None
        if proposed is None:
            said: dict[str, Json] = {
                "why": list(matter.why),
                "changes": [change_body(one) for one in matter.changes],
                "after": after_body(matter.after),
                "threshold": matter.state.threshold,
                **(facts or {}),
            }
            if sender is not None:
                said["sender"] = sender
            proposed = await self._proposer.make(
                matter.transaction,
                what=what,
                title=matter.title,
                place=replace(place, intent=None),
                block=matter.state.block,
                evidence=matter.evidence,
                facts=said,
            )
        if signature is not None and sender in matter.state.owners:
            await asyncio.to_thread(self._file_signature, matter, sender, signature)
        if self._service is not None and not proposed.sent:
            await self._give(self._service, proposed, signature, sender)
        return await self.matter(matter.hash)

    async def withdraw(self, matter: Matter) -> None:
        """Takes the keeper's own proposal out of the service's queue. Raises UnitError when it is not its own."""
        if self._service is None or not matter.from_service:
            raise UnitError("it is not in a service's queue", remedy="there is nothing to take back")
        if self._signer is None:
            raise UnitError(self._no_signer, remedy="configure `signer`, or take it back in the Safe web app")
        words = Withdrawal(matter.transaction.chain_id, self.route.address, matter.hash, hour_of(self._clock.now_ms()))
        await self._service.withdraw(self.route.address, matter.hash, await self._signer.sign_safe(words))
        await self._note(matter, Step.SUPERSEDED, why="taken back by hand", withdrawn=True, left_there="")

    async def unwanted(self, matter: Matter, *, owner: str, via: str) -> None:
        """Writes down that this owner rejected this very one, so that nobody takes the used nonce for a no to something else."""
        await self._note(matter, Step.UNWANTED, owner=owner, via=via)

    async def executed(self, matter: Matter, *, tx_hash: str, block: int, ok: bool, via: str) -> None:
        """Writes down that somebody executed it here. A running keeper finds it on the chain by itself, and writes down what came of it."""
        await self._note(matter, Step.CARRIED_OUT, tx_hash=tx_hash, block=block, ok=ok, via=via)

    # -- parts ----------------------------------------------------------------------------------------------------------------

    async def _scene(self) -> Scene:
        block = await self._chain.head()
        return Scene(block, await self._reader.state(block), self._known)

    async def _with_approvals(self, told: Told, scene: Scene) -> Told:
        return await self._gathering.with_approvals(told, scene.state, scene.block)

    async def _over(self, wanted: str) -> list[Told]:
        """What the log knows and is not open any more, with what the service says of it, as far as it answers."""
        found = {one.hash: one for one in await self._ledger.all() if one.hash.startswith(wanted)}
        told = []
        for one in found.values():
            queued = None
            if self._service is not None:
                with suppress(OutsideError):
                    queued = await self._service.find(one.hash)
            told.append(Told(one.transaction, queued, one))
        return told

    async def _drafted(
        self,
        transaction: SafeTransaction,
        scene: Scene,
        title: str,
        what: What,
        place: Place,
        facts: Mapping[str, Json],
        blind: str,
    ) -> Matter:
        now_ms = self._clock.now_ms()
        proposed = Proposed(transaction, what, title, "", place, now_ms, scene.block.number, facts=facts)
        matter = await self._explainer.matter(Told(transaction, proposed=proposed), scene)
        if not blind:
            return matter
        remark = Remark(Level.WARNING, f"the service could not be asked what waits there already: {blind}")
        return replace(matter, remarks=(*matter.remarks, remark))

    async def _give(
        self, service: ProposalService, proposed: Proposed, signature: bytes | None, sender: str | None
    ) -> None:
        if signature is None or sender is None:
            if self._signer is None:
                raise UnitError(self._no_signer, remedy="configure `signer`, or sign with an owner's key")
            sender, signature = self._signer.address, await self._signer.sign_safe(proposed.transaction)
        try:
            await service.propose(proposed.transaction, sender, signature, proposed.origin)
        except OutsideError as error:
            step = Step.REFUSED if isinstance(error, Refused) else Step.KEPT
            await self._ledger.step(proposed, step, message=error.message, remedy=error.remedy)
            raise
        await self._ledger.step(proposed, Step.SENT, sender=sender)

    def _file_signature(self, matter: Matter, owner: str, signature: bytes) -> bool:
        """Whether it is in the file now. One that cannot be written is no reason to refuse a signature that a service takes."""
        if kind_of(signature) is SignatureKind.CONTRACT:
            return False  # nobody can check it without asking the chain
        try:
            filed = write_proposal(Path(self.route.files), matter.transaction, [matter.title])
            add_signature(filed.path, owner, signature)
        except OutsideError:
            if self._service is None:
                raise
            return False
        return True

    async def _confirmed(self, matter: Matter, owner: str, via: str) -> None:
        """Written down once for each owner."""
        async with self._recording:  # a browser may send it twice at once
            known = await self._ledger.find(matter.hash)
            if known is None:
                there = any(one.counts and one.owner == owner for one in matter.signed)
            else:
                there = any(step is Step.CONFIRMED and body.get("owner") == owner for step, _, body in known.told)
            if not there:
                await self._note(matter, Step.CONFIRMED, owner=owner, via=via, despite_alarms=bool(matter.alarms))

    async def _note(self, matter: Matter, step: Step, **facts: Json) -> None:
        known = await self._ledger.find(matter.hash)
        if known is not None:
            await self._ledger.step(known, step, **facts)
        else:
            await self._ledger.note(matter.hash, step, **facts)

    @staticmethod
    def _check_alarms(matter: Matter, despite_alarms: bool) -> None:
        if matter.alarms and not despite_alarms:
            first = matter.alarms[0].text
            more = f" (and {len(matter.alarms) - 1} more)" if len(matter.alarms) > 1 else ""
            raise UnitError(f"{ALARMED}: {first}{more}", remedy="nothing was signed; find out who proposed it, and why")


def _prefix(text: str) -> str:
    digits = text.strip().lower().removeprefix("0x")
    if not LEAST_PREFIX <= len(digits) <= 64 or not all(digit in "0123456789abcdef" for digit in digits):
        raise UnitError(
            f"{shown(text)} is not a safeTxHash or its beginning", remedy=f"0x and {LEAST_PREFIX} to 64 digits"
        )
    return "0x" + digits
