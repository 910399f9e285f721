"""A row of checkpoints as a keeper signs them one after another, made up without any log."""

from __future__ import annotations

from dataclasses import replace

from keeper.adapters.signing.local import LocalSigner
from keeper.domain.checkpoint import Checkpoint, SignedCheckpoint, message

IDENTITY = LocalSigner(bytes.fromhex("59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"))
OTHER = LocalSigner(bytes.fromhex("5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"))
GENESIS_HASH = "0x" + "1a" * 32


async def signed(checkpoint: Checkpoint, by: LocalSigner = IDENTITY) -> SignedCheckpoint:
    return SignedCheckpoint(checkpoint, await by.sign_text(message(checkpoint)))


async def row_of(count: int, by: LocalSigner = IDENTITY, genesis: str = GENESIS_HASH) -> list[SignedCheckpoint]:
    """Checkpoints 1 to ``count``, ten records apart."""
    found: list[SignedCheckpoint] = []
    for number in range(1, count + 1):
        prev = found[-1].signature if found else ""
        found.append(await signed(checkpoint(number, prev=prev, signer=by.address, genesis=genesis), by))
    return found


def checkpoint(number: int = 1, **changes: object) -> Checkpoint:
    head = "0x" + f"{number:02x}" * 32
    plain = Checkpoint(
        number=number,
        seq=number * 10,
        head=head,
        genesis=GENESIS_HASH,
        at=f"2026-03-01T00:{number:02d}:00.000Z",
        keeper="one",
        chain_id=31337,
        signer=IDENTITY.address,
        prev="",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]
