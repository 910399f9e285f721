"""What the commands ask of whoever knows the council's matters, and how that is opened for one command."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from keeper.app.council.ledger import Place, What
    from keeper.app.council.matter import Change, Matter
    from keeper.app.council.proposer import SafeCall
    from keeper.config.model import Config, SafeRoute
    from keeper.domain.proposal import Confirmation, SafeState
    from keeper.domain.record import Json
    from keeper.domain.safe import SafeTransaction


class CouncilTable(Protocol):
    """One Safe. Raises OutsideError (node, service), AuditError (log) and UnitError (an unknown hash, or something unsafe to do)."""

    @property
    def route(self) -> SafeRoute:
        """As it is configured."""

    async def state(self) -> SafeState:
        """The Safe as the chain has it now."""

    async def queue(self) -> Sequence[Matter]:
        """What is open, in the order of nonce."""

    async def history(self) -> Sequence[Matter]:
        """What is over by the log, newest first."""

    async def matter(self, hash_or_prefix: str, /) -> Matter:
        """One proposal, by its safeTxHash or the beginning of it."""

    async def seen(self, matter: Matter, /, *, via: str) -> None:
        """Somebody has read it."""

    async def confirm(self, matter: Matter, signature: bytes, /, *, via: str, despite_alarms: bool = False) -> Matter:
        """Adds an owner's signature over the hash computed here, after checking it; the matter as it stands then."""

    async def confirmations(self, matter: Matter, /) -> Sequence[Confirmation]:
        """Those that the Safe would take."""

    async def draft(
        self,
        calls: Sequence[SafeCall],
        /,
        *,
        title: str,
        why: Sequence[str],
        what: What,
        place: Place,
        changes: Sequence[Change] = (),
    ) -> Matter:
        """What proposing these calls would come to, simulated and judged; nothing is written down. One that is queued already as it is there."""

    async def draft_rejection(self, matter: Matter, /) -> Matter:
        """What uses up the nonce of this one and does nothing else; one that is queued already as it is there."""

    async def propose(
        self,
        matter: Matter,
        /,
        *,
        what: What,
        place: Place,
        signature: bytes | None = None,
        sender: str | None = None,
        facts: Mapping[str, Json] | None = None,
    ) -> Matter:
        """Writes it down, as a file too, and gives it to the service. ``signature`` None: with the keeper's own key."""

    async def withdraw(self, matter: Matter, /) -> None:
        """Takes the keeper's own proposal out of the service's queue. Raises UnitError when it is not its own."""

    async def unwanted(self, matter: Matter, /, *, owner: str, via: str) -> None:
        """Writes down that this owner rejected this very one."""

    async def executed(self, matter: Matter, /, *, tx_hash: str, block: int, ok: bool, via: str) -> None:
        """Writes down that it was executed."""


@asynccontextmanager
async def table_of(config: Config, name: str | None) -> AsyncIterator[CouncilTable]:
    """The Safe of the route of this name, of the only one without a name. Raises UnitError, KeeperError."""
    from keeper.app.council.opening import open_council

    async with open_council(config, name) as table:
        yield table


def file_text(transaction: SafeTransaction) -> str:
    """The document that wallets sign, as text of a file."""
    import json

    return json.dumps(transaction.typed_data(), indent=2) + "\n"
