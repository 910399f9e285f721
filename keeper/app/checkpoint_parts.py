"""From the configuration to what checkpoints are made with."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from pathlib import Path

from keeper.adapters.audit.checkpoints import SqlCheckpointBook
from keeper.adapters.signing.key_file import open_key_file
from keeper.adapters.signing.keystore import open_keystore
from keeper.adapters.signing.local import LocalSigner
from keeper.adapters.witness.file import FileWitness
from keeper.adapters.witness.post import PostWitness
from keeper.app.checkpoints import Signing
from keeper.config import model, sending
from keeper.config.audit import AuditConfig, CheckpointConfig
from keeper.config.audit import FileWitness as FileWitnessConfig
from keeper.domain.errors import SigningError
from keeper.ports.witness import Witness

PLACE = "audit.checkpoints.identity"


async def open_signing(config: model.Config, senders: Collection[str]) -> Signing | None:
    """None where the configuration has no checkpoints. ``senders`` sign transactions, and must be other keys. Raises SigningError."""
    made = config.audit.checkpoints
    if made is None:
        return None
    identity = await open_identity(made, config.audit.signer or "")
    if identity.address in senders:
        raise same_key(identity.address)
    if identity.address in config.audit.witness_for.values():
        raise own_witness(identity.address)
    return Signing(
        book=SqlCheckpointBook(config.audit.url.reveal()),
        identity=identity,
        witnesses=open_witnesses(config.audit),
        keeper=config.keeper.name,
        chain_id=config.chain.id,
        every_ms=made.every_ms,
    )


async def open_identity(config: CheckpointConfig, expected: str = "") -> LocalSigner:
    """The identity's key, decrypted. ``expected`` is the address that it must have. Raises SigningError."""
    path, place = Path(config.identity.path), f"`{PLACE}.path`"
    if isinstance(config.identity, sending.KeyFileSigner):
        return await open_key_file(path, expected_address=expected, setting=place)
    password, password_place = config.identity.password.reveal(), f"`{PLACE}.password`"
    return await open_keystore(
        path, password, expected_address=expected, setting=place, password_setting=password_place
    )


def same_key(address: str) -> SigningError:
    """The identity is the key of ``signer``."""
    return SigningError(
        f"the key of `{PLACE}` is that of `signer` or of a lane ({address}): a key that sends transactions must not sign texts as well",
        remedy="make a key of its own, which needs no funds and no rights: docs/operator/audit.md",
    )


def own_witness(address: str) -> SigningError:
    """``audit.witness_for`` names the identity itself."""
    return SigningError(
        f"`audit.witness_for` names the keeper's own identity ({address}): a keeper is no witness of itself",
        remedy="name the signers of other keepers there",
    )


def open_witnesses(audit: AuditConfig) -> list[Witness]:
    """Nothing is connected to yet. How far an address came is remembered beside the spool."""
    found: list[Witness] = []
    for one in audit.checkpoints.witnesses if audit.checkpoints else ():
        if isinstance(one, FileWitnessConfig):
            found.append(FileWitness(Path(one.path)))
        else:
            url = one.url.reveal()
            token = one.token.reveal() if one.token is not None else ""
            found.append(PostWitness(url, token, _cursor(audit.spool, url)))
    return found


def _cursor(spool: str, url: str) -> Path:
    """A file for each address: ``keeper.witness-1a2b3c4d``."""
    name = hashlib.sha256(url.encode()).hexdigest()[:8]
    return Path(spool).with_suffix(f".witness-{name}")
