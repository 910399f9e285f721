"""Whether a wait for builders alone ends before the action does, and who else would wait with it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from keeper.config.routes import travels_by
from keeper.config.sending import PrivateRoute
from keeper.domain.units import Span

if TYPE_CHECKING:
    from keeper.config.actions import ActionDraft
    from keeper.config.routes import Routes

_BLOCK_MS: Final = {
    10: 2_000,
    56: 750,
    100: 5_000,
    130: 1_000,
    137: 2_000,
    8_453: 2_000,
    42_161: 250,
    43_114: 2_000,
    59_144: 2_000,
    84_532: 2_000,
    421_614: 250,
    11_155_420: 2_000,
}
"""What a block takes on chains that are faster than Ethereum."""
_USUAL_MS: Final = 12_000
"""A slot of Ethereum; what is not known is held to be as slow."""


def check_waits(drafts: Iterable[ActionDraft | None], chain_id: int) -> None:
    """Notes actions that expire before the public pool could ever see them: their `public_after` would be `never` without saying so."""
    block_ms = _BLOCK_MS.get(chain_id, _USUAL_MS)
    for draft in drafts:
        if draft is None or draft.public_after is None or draft.public_after * block_ms < draft.expires_ms:
            continue
        waits_ms = draft.public_after * block_ms
        message = f"{Span(blocks=draft.public_after)} take about {Span(ms=waits_ms)}, and the action expires after {Span(ms=draft.expires_ms)}"
        at = draft.at.written("public_after") or draft.at.written("expires") or draft.at
        at.problem(message, "a smaller public_after, a longer expires, or public_after: never")


def check_never(drafts: Iterable[ActionDraft | None], routes: Routes) -> None:
    """Notes actions that are for builders for ever and share a key with what goes another way, which could not land before them."""
    known = [draft for draft in drafts if draft is not None and draft.route not in routes.councils]
    for draft in known:
        if draft.public_after is not None or not isinstance(travels_by(routes.all, draft.route), PrivateRoute):
            continue
        ways = (draft.route, draft.public_after)
        other = next(
            (each for each in known if each.lane == draft.lane and (each.route, each.public_after) != ways), None
        )
        if other is not None:
            message = f"{other.name} is sent from the same key and goes another way: it could not land before this one"
            at = draft.at.written("public_after") or draft.at.written("route") or draft.at
            at.problem(message, "give this action a `lane` of its own, or a public_after in blocks")
