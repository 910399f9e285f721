"""Safe's Transaction Service, through safe-eth-py."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar, cast

from keeper.adapters.aside import Aside
from keeper.adapters.safe import answers
from keeper.adapters.safe.looking import LOOK_S, MAX_PAGES, PAGE, Look, Read
from keeper.adapters.safe.origin import check_proposal
from keeper.domain.address import parse_address
from keeper.domain.council_words import hash_bytes
from keeper.domain.errors import MalformedAnswer, Refused, Unreachable
from keeper.domain.proposal import Delegate, Queued, ServedSafe
from keeper.domain.redact import redact_url
from keeper.domain.safe import SafeTransaction
from keeper.ports.clock import Clock
from keeper.ports.council import QueuePage

if TYPE_CHECKING:
    from eth_typing import ChecksumAddress

    from keeper.adapters.safe.api import ServiceApi

ANSWER_S: Final = 20.0
"""For one request, together with those that wait before it."""

T = TypeVar("T")


class SafeTransactionService:
    """Implements ``keeper.ports.council.ProposalService`` and ``DelegateBook``.

    One request at a time, in a thread of its own. ``url`` is the base address (what stands before ``/api/``); neither it nor ``api_key``, empty for
    none, is ever part of an error, nor taken from the environment. No request is repeated here.
    """

    def __init__(
        self, url: str, chain_id: int, *, clock: Clock, api_key: str = "", answer_s: float = ANSWER_S, page: int = PAGE
    ) -> None:
        self._url = url
        self._chain_id = chain_id
        self._clock = clock
        self._api_key = api_key
        self._answer_s = answer_s
        self._page = page
        self._before: Mapping[bytes, Read] = {}
        self._made: ServiceApi | None = None
        self._closed = False
        self._aside = Aside(f"the Safe service {redact_url(url)}", answer_s, remedy="is the service up?")

    async def queue(self, safe: str, since_nonce: int) -> QueuePage:
        path = f"/api/v2/safes/{_checksummed(safe)}/multisig-transactions/"
        look = Look(safe, since_nonce, self._chain_id, self._page, self._before)
        started_ms = self._clock.monotonic_ms()
        while not look.done:
            left_s = LOOK_S - (self._clock.monotonic_ms() - started_ms) / 1000
            try:
                if left_s <= 0:
                    raise Unreachable("the Safe service is slow")
                await self._ask(partial(look.step, path, left_s), left_s)
            except Unreachable as error:
                if not look.pages:
                    raise
                # what was read counts, and the lowest nonces come first
                look.end(f"not all of it was told within {LOOK_S:g} s ({error.message})")
        self._before = look.pages
        return await asyncio.to_thread(look.result)

    async def find(self, safe_tx_hash: str) -> Queued | None:
        hash_bytes(safe_tx_hash)
        try:
            return await self._ask(partial(_find, safe_tx_hash, self._chain_id))
        except Refused as error:
            if error.code == 404 and error.data:  # without words it is not the service that answers
                return None
            raise

    async def propose(self, transaction: SafeTransaction, sender: str, signature: bytes, origin: str) -> None:
        check_proposal(transaction, self._chain_id, origin)
        await self._ask(lambda api: api.propose(transaction, sender, signature, origin))

    async def confirm(self, safe_tx_hash: str, signature: bytes) -> None:
        raw = hash_bytes(safe_tx_hash)
        await self._ask(lambda api: api.post_signatures(raw, signature))

    async def withdraw(self, safe: str, safe_tx_hash: str, signature: bytes) -> None:
        """``safe`` is part of what is signed, and the service knows it by the hash."""
        hash_bytes(safe_tx_hash)
        await self._ask(lambda api: api.delete_transaction(safe_tx_hash, "0x" + signature.hex()))

    async def delegates(self, safe: str, owners: Sequence[str] = ()) -> Sequence[Delegate]:
        found = await self._all("/api/v2/delegates/", safe=_checksummed(safe))
        for owner in owners:
            found += await self._all("/api/v2/delegates/", delegator=_checksummed(owner))
        read = [answers.delegate(one) for one in found]
        return tuple(dict.fromkeys(one for one in read if one.safe in (None, safe)))

    async def add(self, delegate: Delegate, signature: bytes) -> None:
        args = _checksummed(delegate.delegate), _checksummed(delegate.delegator), delegate.label, signature
        safe = None if delegate.safe is None else _checksummed(delegate.safe)
        await self._ask(lambda api: api.add_delegate(*args, safe_address=safe))

    async def remove(self, delegate: Delegate, signature: bytes) -> None:
        args = _checksummed(delegate.delegate), _checksummed(delegate.delegator), signature
        safe = None if delegate.safe is None else _checksummed(delegate.safe)
        await self._ask(lambda api: api.remove_delegate(*args, safe_address=safe))

    async def chain_id(self) -> int:
        """The chain that it serves, by its own word."""
        return answers.served_chain(await self._ask(lambda api: api.page("/api/v1/about/ethereum-rpc/", {})))

    async def safe(self, safe: str) -> ServedSafe | None:
        """What it knows of a Safe; None for one that it does not know. Its 404 may have no words: ask for the chain first."""
        path = f"/api/v1/safes/{_checksummed(safe)}/"
        try:
            return answers.served_safe(await self._ask(lambda api: api.page(path, {})))
        except Refused as error:
            if error.code == 404:
                return None
            raise

    async def close(self) -> None:
        """Let go. Safe to call twice."""
        self._closed = True
        if self._made is not None:
            self._made.close()

    # -- inside ----------------------------------------------------------------------------------------------------------------

    async def _all(self, path: str, **query: object) -> list[object]:
        """The entries of all pages. Raises MalformedAnswer for more pages than anybody reads."""
        found: list[object] = []
        for _ in range(MAX_PAGES):
            asked = {**query, "limit": self._page, "offset": len(found)}
            results, more = answers.entries(await self._ask(partial(_page, path, asked)))
            found += results
            if not more:
                return found
        raise MalformedAnswer(f"the Safe service holds more than {len(found)} entries", remedy="remove what is old")

    async def _ask(self, question: Callable[[ServiceApi], T], within_s: float | None = None) -> T:
        if self._closed:
            raise Unreachable("the connection to the Safe service is closed")
        return await self._aside.run(lambda: question(self._api()), within_s)

    def _api(self) -> ServiceApi:
        """Made in the thread that blocks anyway: the import is slow."""
        if self._made is None:
            from keeper.adapters.safe.api import ServiceApi

            self._made = ServiceApi(self._url, self._chain_id, self._api_key, self._clock, self._answer_s)
        return self._made


def _page(path: str, query: Mapping[str, object], api: ServiceApi) -> object:
    return api.page(path, query)


def _find(safe_tx_hash: str, chain_id: int, api: ServiceApi) -> Queued:
    """Read in the thread that asked."""
    found = answers.proposal(api.page(f"/api/v2/multisig-transactions/{safe_tx_hash}/", {}), chain_id)
    _ = found.transaction.hash
    return found


def _checksummed(text: str) -> ChecksumAddress:
    """Raises UnitError for what the service would not take."""
    parse_address(text)
    return cast("ChecksumAddress", text)
