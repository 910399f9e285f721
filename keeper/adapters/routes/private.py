"""The private route: to every block builder at once, and to nobody else.

A bundle is for one block, so each submission sends one for the next block and one for that after it. Both carry a ``replacementUuid`` made of sender,
nonce and block: of the transactions with one nonce only one can be mined, so the newest offer replaces the one before it, also after a restart, which
makes the same name again. A secret is mixed in (a signature of the identity that is never sent anywhere), because some builders let everybody cancel
who knows the name.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import uuid
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from typing import Final

from keeper.adapters.routes.relay_answers import STATES
from keeper.adapters.routes.relay_client import RelayClient
from keeper.adapters.routes.relay_figures import BuilderFigures
from keeper.domain.builder_words import in_one_line
from keeper.domain.errors import SigningError, UnitError
from keeper.domain.intent import Attempt
from keeper.ports.route import Answer, Submission, SubmissionKind
from keeper.ports.signer import IdentitySigner

AHEAD: Final = (1, 2)
"""Blocks after the newest one that bundles are for."""
PRIVATE_BLOCKS: Final = 25
"""So long a builder tries a private transaction."""
FORGOTTEN_BLOCKS: Final = 64
"""What was for a block so long ago is not remembered."""
GRACE_MS: Final = 50
"""So long the others are waited for after one has taken it."""
TAKEN: Final = frozenset({SubmissionKind.ACCEPTED, SubmissionKind.KNOWN})
NAMES: Final = "keeper: names of bundles"

Nonce = tuple[str, int]
OnAnswer = Callable[[Attempt, Answer], None]
"""Told each answer that came too late for the submission."""


class PrivateRoute:
    """Implements ``keeper.ports.route.SecretRoute``."""

    def __init__(
        self,
        name: str,
        clients: Sequence[RelayClient],
        identity: IdentitySigner,
        *,
        timeout_ms: int,
        grace_ms: int = GRACE_MS,
        on_answer: OnAnswer = lambda attempt, answer: None,
    ) -> None:
        """``timeout_ms``: a submission never takes longer. Raises UnitError without any builder."""
        if not clients:
            raise UnitError("a private route needs at least one builder", remedy="name one in `builders`")
        self._name = name
        self._clients = tuple(clients)
        self._identity = identity
        self._timeout_s = timeout_ms / 1000
        self._grace_s = grace_ms / 1000
        self._on_answer = [on_answer]
        self._secret = b""
        self._newest = 0
        self._targets: dict[Nonce, dict[int, tuple[str, str]]] = {}
        """By block, the intent and the transaction that builders were sent last."""
        self._private: dict[tuple[str, str], int] = {}
        self._running: dict[asyncio.Task[Answer], tuple[str, str]] = {}

    @property
    def name(self) -> str:
        """Its name in the configuration."""
        return self._name

    @property
    def builders(self) -> tuple[str, ...]:
        """Their names, in the order of the configuration."""
        return tuple(client.name for client in self._clients)

    @property
    def figures(self) -> tuple[BuilderFigures, ...]:
        """What each builder did so far."""
        return tuple(client.figures for client in self._clients)

    def also_tell(self, on_answer: OnAnswer) -> None:
        """One more that is told what came too late."""
        self._on_answer.append(on_answer)

    async def submit(self, attempt: Attempt, block: int) -> Submission:
        """To all builders for the two blocks after ``block``, and as a private transaction where that is taken and not under way already.

        The answer comes shortly after the first builder has taken it, and within the time-out; what is sent goes on.
        """
        try:
            tasks = await self._send(attempt, block)
        except SigningError as error:  # a key in memory does not fail; if it did, nothing was sent
            return Submission(SubmissionKind.REFUSED, error.message)
        late = set(tasks)
        try:
            await self._until_taken(tasks)
            known = [task for task in tasks if task.done()]
            late -= set(known)
            return _summary([task.result() for task in known], self._silent(tasks))
        finally:
            for task in late:
                task.add_done_callback(lambda done: self._tell(attempt, done))

    async def withdraw(self, attempts: Sequence[Attempt]) -> Sequence[Answer]:
        """Best effort. What another intent has put in the place of a bundle meanwhile is left alone."""
        if not attempts:
            return ()
        try:
            names = [
                (await self._bundle_name(attempt, block), attempt, block)
                for attempt, block in self._live_targets(attempts)
            ]
        except SigningError:
            names = []
        for attempt in attempts:
            self._forget(attempt)
        found = await asyncio.gather(*(self._withdraw_from(client, attempts, names) for client in self._clients))
        return tuple(answer for answers in found for answer in answers)

    async def status(self, attempt: Attempt) -> str:
        """The word that says most, of the builders that can be asked; empty where nobody knows."""
        words = await asyncio.gather(*(client.status(attempt.tx_hash) for client in self._clients))
        return min((word for word in words if word), key=STATES.index, default="")

    async def prove(self) -> Sequence[Answer]:
        """One answer of each builder, in their order. ACCEPTED: it takes our signature; else the message says what is wrong."""
        return tuple(await asyncio.gather(*(client.prove() for client in self._clients)))

    async def warm(self) -> None:
        """Opens the connections that a submission uses, or keeps them open."""
        await asyncio.gather(*(client.warm() for client in self._clients))

    async def close(self) -> None:
        """Waits for what is on its way, which ends by itself. Safe to call twice."""
        await asyncio.gather(*self._running, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients), return_exceptions=True)

    # -- sending ---------------------------------------------------------------------------------------------------------------

    async def _send(self, attempt: Attempt, block: int) -> list[asyncio.Task[Answer]]:
        """Raises SigningError before anything is sent."""
        blocks = [block + ahead for ahead in AHEAD]
        names = [await self._bundle_name(attempt, target) for target in blocks]
        self._newest = block
        self._forget_old(block)
        newest = dict.fromkeys(blocks, (attempt.intent, attempt.tx_hash))
        self._targets.setdefault(_nonce(attempt), {}).update(newest)
        tasks = []
        for client in self._clients:
            for target, name in zip(blocks, names, strict=True):
                wanted = partial(self._is_newest, attempt, target)
                sending = client.send_bundle([attempt.raw], target, name, wanted=wanted)
                tasks.append(self._begin(client, attempt, sending))
            if client.builder.private_transactions and self._due(client, attempt, block):
                tasks.append(self._begin(client, attempt, self._send_private(client, attempt, block)))
        return tasks

    def _begin(
        self, client: RelayClient, attempt: Attempt, sending: Coroutine[None, None, Answer]
    ) -> asyncio.Task[Answer]:
        task = asyncio.create_task(sending)
        self._running[task] = (client.name, attempt.tx_hash)
        task.add_done_callback(lambda done: self._running.pop(done, None))
        return task

    def _due(self, client: RelayClient, attempt: Attempt, block: int) -> bool:
        """Once, and again when the builder has stopped trying; also when a reorganisation has led back before that."""
        since = self._private.get((client.name, attempt.tx_hash))
        return since is None or not since <= block < since + PRIVATE_BLOCKS

    async def _send_private(self, client: RelayClient, attempt: Attempt, block: int) -> Answer:
        key = (client.name, attempt.tx_hash)
        self._private[key] = block
        answer = await client.send_private(attempt.raw, attempt.tx_hash, block + PRIVATE_BLOCKS)
        if answer.kind not in TAKEN and self._private.get(key) == block:
            del self._private[key]
        return answer

    async def _until_taken(self, tasks: Iterable[asyncio.Task[Answer]]) -> None:
        try:
            async with asyncio.timeout(self._timeout_s):
                for next_answer in asyncio.as_completed(tasks):
                    if (await next_answer).kind in TAKEN:
                        await asyncio.wait(tasks, timeout=self._grace_s)
                        return
        except TimeoutError:
            return

    def _silent(self, tasks: Iterable[asyncio.Task[Answer]]) -> list[str]:
        """Who has not answered at all yet."""
        waiting = {self._running[task][0] for task in tasks if not task.done() and task in self._running}
        heard = {task.result().to for task in tasks if task.done()}
        return [name for name in self.builders if name in waiting - heard]

    def _tell(self, attempt: Attempt, task: asyncio.Task[Answer]) -> None:
        if not task.cancelled():
            for told in self._on_answer:
                told(attempt, task.result())

    # -- what is under way -----------------------------------------------------------------------------------------------------

    async def _withdraw_from(
        self, client: RelayClient, attempts: Sequence[Attempt], names: Sequence[tuple[str, Attempt, int]]
    ) -> list[Answer]:
        """After what is still on its way there, which would come to life again."""
        hashes = [attempt.tx_hash for attempt in attempts]
        before = [task for task, (name, tx_hash) in self._running.items() if name == client.name and tx_hash in hashes]
        await asyncio.gather(*before, return_exceptions=True)
        # by then another intent may have a bundle of the same name there
        free = [(name, block) for name, attempt, block in names if block not in self._targets.get(_nonce(attempt), {})]
        asking = [client.cancel_bundle(name, block) for name, block in free]
        if client.builder.private_transactions:
            asking += [client.cancel_private(tx_hash) for tx_hash in hashes]
        return list(await asyncio.gather(*asking))

    def _live_targets(self, attempts: Sequence[Attempt]) -> list[tuple[Attempt, int]]:
        """One entry for each bundle of these intents that a block could still take."""
        found: dict[tuple[Nonce, int], Attempt] = {}
        for attempt in attempts:
            for block, (intent, _) in self._targets.get(_nonce(attempt), {}).items():
                if block > self._newest and intent == attempt.intent:
                    found[_nonce(attempt), block] = attempt
        return [(attempt, block) for (_, block), attempt in found.items()]

    def _is_newest(self, attempt: Attempt, block: int) -> bool:
        """Whether nothing has taken its place: a second try must not come after a dearer offer, and undo it."""
        return self._targets.get(_nonce(attempt), {}).get(block) == (attempt.intent, attempt.tx_hash)

    def _forget(self, attempt: Attempt) -> None:
        targets = self._targets.get(_nonce(attempt), {})
        for block in [block for block, (intent, _) in targets.items() if intent == attempt.intent]:
            del targets[block]
        for client in self._clients:
            self._private.pop((client.name, attempt.tx_hash), None)

    def _forget_old(self, block: int) -> None:
        for nonce, targets in list(self._targets.items()):
            if max(targets, default=0) < block - FORGOTTEN_BLOCKS:
                del self._targets[nonce]
        for key, since in list(self._private.items()):
            if since < block - FORGOTTEN_BLOCKS:
                del self._private[key]

    async def _bundle_name(self, attempt: Attempt, block: int) -> str:
        """A UUID of version 4 in form. Raises SigningError."""
        if not self._secret:
            self._secret = (await self._identity.sign_text(NAMES)).encode("ascii")
        what = f"{attempt.chain_id} {attempt.sender.lower()} {attempt.nonce} {block}".encode()
        return str(uuid.UUID(bytes=hmac.digest(self._secret, what, hashlib.sha256)[:16], version=4))


def _nonce(attempt: Attempt) -> Nonce:
    return attempt.sender.lower(), attempt.nonce


def _summary(answers: Sequence[Answer], silent: Sequence[str]) -> Submission:
    """Taken by one is taken. One builder's word that a nonce is too low ends nothing: the chain itself knows that."""
    for kind in (SubmissionKind.ACCEPTED, SubmissionKind.KNOWN):
        takers = list(dict.fromkeys(answer.to for answer in answers if answer.kind is kind))
        if takers:
            return Submission(kind, f"taken by {', '.join(takers)}", tuple(answers))
    told = in_one_line((answer.to, answer.kind.value, answer.message) for answer in answers)
    words = [told] if told else []
    if silent:
        words.append(f"no answer yet from {', '.join(silent)}")
    unsure = silent or any(answer.kind is SubmissionKind.UNREACHABLE for answer in answers)
    kind = SubmissionKind.UNREACHABLE if unsure else SubmissionKind.REFUSED
    return Submission(kind, "; ".join(words), tuple(answers))
