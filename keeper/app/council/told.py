"""What is known of one proposal before anybody has explained it, and whose words under it the Safe would take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from keeper.adapters.safe.files import FolderPage, ProposalFile, read_folder
from keeper.app.council.ledger import Ledger, Proposed
from keeper.app.council.matter import Signed
from keeper.app.council.onchain import SafeReader
from keeper.app.council.remarks import check_confirmation
from keeper.config.model import SafeRoute
from keeper.domain.block import BlockStamp
from keeper.domain.errors import OutsideError, Unreachable
from keeper.domain.proposal import Confirmation, Queued, SafeState
from keeper.domain.safe import SafeTransaction
from keeper.domain.safe_signatures import approved_signature
from keeper.ports.council import ProposalService, QueuePage, Skipped

MOST_FOUND: Final = 20
"""Of the keeper's own, asked for one by one where a queue cannot be read to its end."""
MOST_WORDS: Final = 4
"""Of one owner, about which the chain is asked: by service, by file."""


@dataclass(frozen=True, slots=True)
class Told:
    """The service's word, the log's, the signatures (by owner) of its file, and the owners who have approved its hash on chain.

    ``taken`` are the signatures of contracts that the Safe takes. ``unread`` is what is wrong with the service's answer about it where that
    cannot be read, or is about something else.
    """

    transaction: SafeTransaction
    queued: Queued | None = None
    proposed: Proposed | None = None
    approved: frozenset[str] = frozenset()
    filed: Mapping[str, bytes] = field(default_factory=dict)
    taken: frozenset[bytes] = frozenset()
    unread: str = ""

    @property
    def vouched(self) -> frozenset[str]:
        """Owners for whom the chain speaks, in whichever way."""
        given = self.queued.confirmations if self.queued is not None else ()
        return self.approved | {one.owner for one in given if one.signature in self.taken}

    @property
    def words(self) -> list[Confirmation]:
        """Everything that was given as an owner's word, unchecked; one owner may be there more than once."""
        given = list(self.queued.confirmations) if self.queued is not None else []
        given += [Confirmation(owner, signature) for owner, signature in self.filed.items()]
        return given + [Confirmation(owner, approved_signature(owner)) for owner in sorted(self.approved)]


def check_word(told: Told, one: Confirmation, state: SafeState, names: Mapping[str, str] | None = None) -> Signed:
    """Whether the Safe would take it. A hash that is approved on chain makes no contract's signature good, nor the other way round."""
    approved = told.approved
    if one.signature[64:65] == b"\0":
        approved = frozenset({one.owner}) if one.signature in told.taken else frozenset()
    return check_confirmation(told.transaction, one, state, approved, names)


def counting(told: Told, state: SafeState) -> tuple[Confirmation, ...]:
    """The words that the Safe would take, one for each owner, in the order of its owners."""
    found: dict[str, Confirmation] = {}
    for one in told.words:
        if one.owner not in found and check_word(told, one, state).counts:
            found[one.owner] = one
    return tuple(found[owner] for owner in state.owners if owner in found)


@dataclass(frozen=True, slots=True)
class Gathered:
    """In the order of nonce. ``blind``: why the service could not be asked, empty when it was; ``skipped`` is what could not be read."""

    told: tuple[Told, ...]
    blind: str = ""
    skipped: tuple[Skipped, ...] = ()


class Gathering:
    """Asks everybody who may know something of a Safe's proposals. ``service`` None: there is none."""

    def __init__(self, route: SafeRoute, service: ProposalService | None, ledger: Ledger, reader: SafeReader) -> None:
        self._route = route
        self._service = service
        self._ledger = ledger
        self._reader = reader

    async def open(self, state: SafeState) -> Gathered:
        """Everything that is open, without what only the chain knows. A service that does not answer hides nothing else. Raises StoreUnavailable."""
        page, blind = await self._asked(state)
        found, skipped = _told_by(page), page.skipped
        known = await self._ledger.all()
        if not page.whole:
            await self._find_own(found, known, state)
        claims = {one.queued.claimed_hash: key for key, one in found.items() if one.queued is not None}
        for proposed in known:
            _add(found, proposed, state, claims.get(proposed.hash, proposed.hash))
        filed_page = await self.folder(state.nonce)
        if self._service is None:
            skipped += filed_page.skipped
        for filed in filed_page.found:
            name = filed.transaction.hash_text
            if name in found:
                found[name] = replace(found[name], filed=filed.signatures)
            elif self._service is None and filed.transaction.nonce >= state.nonce:
                found[name] = Told(filed.transaction, filed=filed.signatures)
        for one in skipped:
            if one.place in found:
                found[one.place] = replace(found[one.place], unread=one.why)
        ordered = sorted(found.values(), key=lambda each: (each.transaction.nonce, each.transaction.hash))
        return Gathered(tuple(ordered), blind, skipped)

    async def with_approvals(self, told: Told, state: SafeState, block: BlockStamp) -> Told:
        """Who has approved its hash on chain, and which contracts stand by their signatures. Raises OutsideError."""
        approved = await self._reader.approvals(told.transaction.hash, state.owners, block)
        given: list[Confirmation] = []
        for one in told.words:
            if one.owner in state.owners and sum(each.owner == one.owner for each in given) < MOST_WORDS:
                given.append(one)
        return replace(told, approved=approved, taken=await self._reader.taken(told.transaction, given, block))

    async def files(self, since_nonce: int) -> list[ProposalFile]:
        """As ``folder``, without what is wrong there."""
        return list((await self.folder(since_nonce)).found)

    async def folder(self, since_nonce: int) -> FolderPage:
        """What is open of this Safe in the route's folder. Raises Unreachable where files are all there is."""
        try:
            page = await asyncio.to_thread(read_folder, Path(self._route.files), self._route.address, since_nonce)
        except Unreachable:
            if self._service is None:
                raise
            return FolderPage(())
        return FolderPage(tuple(one for one in page.found if one.transaction.safe == self._route.address), page.skipped)

    async def find(self, safe_tx_hash: str) -> Queued | None:
        """One that should lie in the service's queue and was not on the pages that were read; None: it does not. Raises OutsideError."""
        if self._service is None:
            return None
        found = await self._service.find(safe_tx_hash)
        if found is None or found.executed or safe_tx_hash not in (found.claimed_hash, found.transaction.hash_text):
            return None
        return found

    async def _asked(self, state: SafeState) -> tuple[QueuePage, str]:
        if self._service is None:
            return QueuePage(()), ""
        try:
            return await self._service.queue(self._route.address, state.nonce), ""
        except OutsideError as error:
            return QueuePage(()), error.message

    async def _find_own(self, found: dict[str, Told], known: Sequence[Proposed], state: SafeState) -> None:
        """Junk of others must not hide what this keeper proposed."""
        claimed = {one.queued.claimed_hash for one in found.values() if one.queued is not None}
        wanted = [one.hash for one in known if one.open and one.transaction.nonce >= state.nonce]
        missing = [one for one in wanted if one not in found and one not in claimed]
        for name in missing[:MOST_FOUND]:
            with suppress(OutsideError):
                queued = await self.find(name)
                if queued is not None:
                    found[queued.transaction.hash_text] = Told(queued.transaction, queued)


def _told_by(page: QueuePage) -> dict[str, Told]:
    found: dict[str, Told] = {}
    for queued in page.queued:
        found.setdefault(queued.transaction.hash_text, Told(queued.transaction, queued))
    return found


def _add(found: dict[str, Told], proposed: Proposed, state: SafeState, claimed: str) -> None:
    """The log's word beside the service's. Where the service has other fields under our hash (``claimed``), it is held against those."""
    name = proposed.hash
    if claimed in found:
        found[claimed] = replace(found[claimed], proposed=proposed)
    elif proposed.open and proposed.transaction.nonce >= state.nonce:
        found[name] = Told(proposed.transaction, proposed=proposed)
