"""Whether what is proposed to a Safe would get to its owners: asked of the chain at every probe, of the service every few minutes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keeper.app.council.onchain import SafeReader
from keeper.app.faults import Faults
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError
from keeper.domain.proposal import SafeState
from keeper.domain.verdict import Severity
from keeper.ports.chain import ChainReader, EventReader
from keeper.ports.clock import Clock

if TYPE_CHECKING:
    from keeper.adapters.safe.service import SafeTransactionService
    from keeper.config.model import Config, SafeRoute

EVERY_MS = 180_000
"""So often the service is asked who may propose; sooner when the Safe's nonce moved."""


class SafeWatch:
    """Safes, each with its service: ``safe:ROUTE`` is down without a Safe, ``safe-key:ROUTE`` when the key may not propose."""

    def __init__(
        self,
        config: Config,
        routes: Sequence[tuple[SafeRoute, SafeTransactionService | None]],
        chain: ChainReader,
        events: EventReader,
        sender: str | None,
        faults: Faults,
        clock: Clock,
    ) -> None:
        self._config = config
        self._sender = sender
        self._faults = faults
        self._clock = clock
        self._routes = [
            (route, service, SafeReader(chain, events, config.chain.id, route.address)) for route, service in routes
        ]
        self._asked: dict[str, tuple[int, float]] = {}

    async def look(self, block: BlockStamp) -> None:
        """Raises OutsideError for the chain; a service that does not answer is the desk's to tell."""
        for route, service, reader in self._routes:
            part = f"safe:{route.name}"
            try:
                state = await reader.state(block)
            except MalformedAnswer as error:
                remedy = error.remedy or "correct `address` of the route"
                self._faults.down(part, "no-safe", error.message, remedy, severity=Severity.CRITICAL)
                continue
            self._faults.up(part)
            if service is not None and self._is_due(route.name, state):
                await self._ask(route, service, state)

    def _is_due(self, name: str, state: SafeState) -> bool:
        now = self._clock.monotonic_ms()
        nonce, at_ms = self._asked.get(name, (-1, 0.0))
        if nonce == state.nonce and now - at_ms < EVERY_MS:
            return False
        self._asked[name] = state.nonce, now
        return True

    async def _ask(self, route: SafeRoute, service: SafeTransactionService, state: SafeState) -> None:
        from keeper.app.doctor.check import Health
        from keeper.app.doctor.safe_service import examine_key

        part = f"safe-key:{route.name}"
        try:
            check = await examine_key(self._config, route, service, state, self._sender)
        except OutsideError:
            self._asked.pop(route.name, None)
            return
        if check.health is Health.FAIL:
            self._faults.down(part, "may-not-propose", check.message, check.remedy, severity=Severity.CRITICAL)
        else:
            self._faults.up(part, check.message)
