"""What is particular about each builder: its share of the blocks, whose signature it wants, what it takes, and how it says no."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from keeper.devnet.relay.header import NAMES

SEND_BUNDLE: Final = "eth_sendBundle"
CALL_BUNDLE: Final = "eth_callBundle"
CANCEL_BUNDLE: Final = "eth_cancelBundle"
SEND_PRIVATE: Final = "eth_sendPrivateTransaction"
CANCEL_PRIVATE: Final = "eth_cancelPrivateTransaction"
SEND_RAW: Final = "eth_sendRawTransaction"
EVERYTHING: Final = frozenset({SEND_BUNDLE, CALL_BUNDLE, CANCEL_BUNDLE, SEND_PRIVATE, CANCEL_PRIVATE, SEND_RAW})


class Header(StrEnum):
    """Whether a request needs a signature; one that is there must always be right."""

    REQUIRED = "required"
    OPTIONAL = "optional"


class Shape(StrEnum):
    """How a builder says no."""

    RPC = "json-rpc"
    """``{"error": {"code", "message"}}`` with HTTP 200."""
    RPC_WITH_STATUS = "json-rpc-with-status"
    """The same, with HTTP 400 or 500."""
    BARE = "bare"
    """``{"error": "text"}`` with HTTP 403."""
    PLAIN = "plain"
    """HTTP 400 and no JSON, as a gateway answers."""


@dataclass(frozen=True, slots=True)
class Builder:
    """``percent`` of the blocks that take private transactions are its own. ``leads_to`` are builders that get what is sent here.

    ``headers`` are those that may carry the signature. ``answers_200``: ``eth_sendPrivateTransaction`` is answered with 200, not with a hash.
    ``empty_cancels``: a bundle without transactions takes back those with its ``replacementUuid``. ``any_block``: a bundle need not name its block.
    """

    name: str
    percent: int = 0
    header: Header = Header.REQUIRED
    headers: tuple[str, ...] = NAMES[:1]
    shape: Shape = Shape.RPC
    methods: frozenset[str] = EVERYTHING
    answers_200: bool = False
    empty_cancels: bool = False
    any_block: bool = False
    leads_to: tuple[str, ...] = ()


DOCUMENTED: Final = (
    Builder(
        "titan", 50, header=Header.OPTIONAL, methods=frozenset({SEND_BUNDLE, CANCEL_BUNDLE, SEND_PRIVATE, SEND_RAW}), answers_200=True,
        empty_cancels=True, any_block=True,
    ),
    Builder(
        "buildernet", 28, headers=NAMES, shape=Shape.RPC_WITH_STATUS, methods=frozenset({SEND_BUNDLE, SEND_RAW}), empty_cancels=True,
    ),
    Builder("quasar", 17, shape=Shape.BARE, methods=frozenset({SEND_BUNDLE, CANCEL_BUNDLE, SEND_RAW})),
    Builder("flashbots", leads_to=("buildernet",)),
)  # fmt: skip
"""As their owners describe them, with the shares of blocks of February 2026. The rest of the blocks is of builders that nobody here sends to.

``flashbots`` is a relay: it builds nothing itself.
"""
