"""From the configuration to keys that sign: the first one, those of the lanes, and what each of them is good for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from keeper.adapters.signing.env import open_env
from keeper.adapters.signing.key_file import open_key_file
from keeper.adapters.signing.keystore import open_keystore
from keeper.adapters.signing.kms import KmsSigner, open_kms
from keeper.adapters.signing.local import LocalSigner
from keeper.adapters.signing.remote import RemoteSigner, open_remote
from keeper.config import model, sending
from keeper.domain.errors import SigningError
from keeper.ports.signer import Signer

DigestSigner = LocalSigner | KmsSigner
"""These sign orders of several keepers and what is proposed to a Safe too; a remote signer signs transactions alone."""
AnySigner = DigestSigner | RemoteSigner


async def open_signer(config: sending.SignerConfig | None, place: str = "signer") -> AnySigner | None:
    """The key, ready to sign: decrypted, or asked for. ``place`` is where it stands in the configuration, for remedies.

    Raises SigningError: it cannot be had, or is not that of the address that the configuration names; SignerAway when nobody answers.
    """
    if config is None:
        return None
    expected = config.address or ""
    match config:
        case sending.KeystoreSigner():
            return await open_keystore(
                Path(config.path),
                config.password.reveal(),
                expected_address=expected,
                setting=f"`{place}.path`",
                password_setting=f"`{place}.password`",
            )
        case sending.KeyFileSigner():
            return await open_key_file(Path(config.path), expected_address=expected, setting=f"`{place}.path`")
        case sending.EnvSigner():
            return await open_env(config.key.reveal(), expected_address=expected, setting=f"`{place}.key`")
        case sending.KmsSigner():
            return await open_kms(
                config.key,
                config.region,
                endpoint=config.endpoint.reveal() if config.endpoint is not None else "",
                expected_address=expected,
                timeout_s=config.timeout_ms / 1000,
                setting=f"`{place}.key`",
            )
        case sending.RemoteSigner():
            token = config.token.reveal() if config.token is not None else ""
            return await open_remote(
                config.url.reveal(), config.address, token=token, timeout_s=config.timeout_ms / 1000
            )


async def open_lanes(config: model.Config, signer: Signer | None) -> dict[str, Signer]:
    """The further keys by name. ``signer`` is the first one. Raises SigningError, also where a key is there twice: nonces are counted by key."""
    lanes: dict[str, Signer] = {}
    for name, one in config.lanes.items():
        opened = await open_signer(one, lane_place(name))
        assert opened is not None, "a lane has a key"
        lanes[name] = opened
        require_distinct(signer, lanes)
    return lanes


def lane_place(name: str) -> str:
    """Where a lane stands in the configuration."""
    return f"lanes.{name}"


def require_distinct(signer: Signer | None, lanes: Mapping[str, Signer]) -> None:
    """Raises SigningError when a key is there twice."""
    seen = {signer.address: "`signer`"} if signer is not None else {}
    for name, lane in lanes.items():
        other = seen.setdefault(lane.address, f"`{lane_place(name)}`")
        if other != f"`{lane_place(name)}`":
            raise SigningError(
                f"the key of `{lane_place(name)}` is that of {other} ({lane.address})",
                remedy="give each lane a key of its own: the nonces of one key cannot be counted twice",
            )


def able_to(signer: Signer | None) -> DigestSigner | None:
    """The same one, where it signs more than transactions; None: it does not."""
    return signer if isinstance(signer, DigestSigner) else None


def why_unable(config: model.Config, signer: Signer | None) -> SigningError | None:
    """What the routes ask of the key that it cannot do; None: nothing. Without a key there is nothing to ask."""
    if signer is None or able_to(signer) is not None:
        return None
    for route in config.routes:
        if isinstance(route, model.BreakerRoute) and route.orders is not None:
            what = "signs orders together with other keepers"
        elif isinstance(route, model.SafeRoute) and route.service is not None:
            what = "signs what is proposed to the Safe's service"
        else:
            continue
        return SigningError(
            f"the route {route.name} {what}, and a remote signer signs transactions alone",
            remedy="use a keystore, a key file or AWS KMS as `signer`, or leave the proposals of the route to files",
        )
    return None
