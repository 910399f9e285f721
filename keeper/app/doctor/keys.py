"""The keys that sign transactions: whether each can be had, and is the one that it should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from keeper.app.doctor.check import Check, Health
from keeper.app.signers import lane_place, open_signer, require_distinct, why_unable
from keeper.config import model, sending
from keeper.domain.errors import SigningError
from keeper.ports.signer import Signer

NAME = "signer"
SIGNER_FIRST = "mend what the check `signer` says, and ask again"


@dataclass(frozen=True, slots=True)
class Keys:
    """``checks`` has a line for each key. ``sender`` is the address of the first one, ``lanes`` those of the others by name: who opened."""

    checks: list[Check]
    sender: str | None
    lanes: Mapping[str, str] = field(default_factory=dict)

    @property
    def addresses(self) -> frozenset[str]:
        """All that sign transactions."""
        return frozenset({*([self.sender] if self.sender else []), *self.lanes.values()})

    @property
    def senders(self) -> dict[str, str]:
        """By lane; the first one has an empty name."""
        return ({"": self.sender} if self.sender else {}) | dict(self.lanes)

    def of(self, lane: str) -> str | None:
        """Who sends what goes by this lane; empty: the first key."""
        return self.lanes.get(lane) if lane else self.sender


async def examine_keys(config: model.Config) -> Keys:
    """Opens each key once, as a start does: a KMS signs a trial, a remote signer says whose keys it has."""
    checks: list[Check] = []
    signer: Signer | None = None
    try:
        signer = await open_signer(config.signer)
    except SigningError as error:
        checks.append(_failed(NAME, error, NAME))
    else:
        checks.append(_signer(config, signer))
    lanes: dict[str, Signer] = {}
    for name, one in config.lanes.items():
        place = lane_place(name)
        try:
            lane = await open_signer(one, place)
            assert lane is not None, "a lane has a key"
            require_distinct(signer, {**lanes, name: lane})
        except SigningError as error:
            checks.append(_failed(f"lane {name}", error, place))
        else:
            lanes[name] = lane
            checks.append(Check(f"lane {name}", Health.OK, lane.address + _how(one)))
    return Keys(checks, signer.address if signer else None, {name: lane.address for name, lane in lanes.items()})


def _signer(config: model.Config, signer: Signer | None) -> Check:
    if signer is None or config.signer is None:
        message = "no signer: shadow mode only, and only actions by a Safe are simulated"
        return Check(NAME, Health.WARN, message)
    if (unable := why_unable(config, signer)) is not None:
        health = Health.FAIL if config.keeper.mode is model.Mode.LIVE else Health.WARN
        return Check(NAME, health, f"{signer.address}: {unable.message}", unable.remedy)
    return Check(NAME, Health.OK, signer.address + _how(config.signer))


def _failed(name: str, error: SigningError, place: str) -> Check:
    remedy = error.remedy or f"correct `{place}` in the configuration"
    return Check(name, Health.FAIL, error.message, remedy)


def _how(config: sending.SignerConfig) -> str:
    match config:
        case sending.KmsSigner():
            return f"; AWS KMS in {config.region} signs with it"
        case sending.RemoteSigner():
            return f"; {config.shown} answers for it"
        case sending.EnvSigner():
            return "; from the environment, which is for development"
        case _:
            return ""
