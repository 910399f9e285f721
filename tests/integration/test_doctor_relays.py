"""What the doctor says of block builders: a line for each."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app.canary import ADDRESS, AWAY, HEADER, UNSIGNED
from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.relays import examine_relays
from keeper.config import sending
from keeper.config.secret import Secret
from keeper.devnet.anvil import Anvil
from keeper.devnet.relay import Fault, FaultKind, Relay
from tests.support.relay_stage import FIFO
from tests.support.scripted_relay import IDENTITY, IDENTITY_KEY

pytestmark = pytest.mark.integration


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    async with Anvil(no_mining=True, extra=FIFO) as node, Relay.open(node.http_url) as found:
        yield found


def builder(relay: Relay, name: str, **more: Any) -> sending.BuilderConfig:
    url = more.pop("url", "") or relay.url(name)
    return sending.BuilderConfig(name, Secret(url), "shown", **more)


def nobodys_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def look(folder: Path, *builders: sending.BuilderConfig, sender: str = "", mode: int = 0o600) -> list[Check]:
    key = folder / "identity.key"
    key.write_text(IDENTITY_KEY.hex())
    key.chmod(mode)
    identity = sending.KeyFileSigner(str(key))
    route = sending.PrivateRoute("private", builders, identity, "public", 2, 20_000, 300_000)
    config: Any = SimpleNamespace(routes=(sending.PublicRoute("public"), route))
    return [check async for check in examine_relays(config, [sender])]


async def test_relays__all_is_well__a_line_for_each(tmp_path: Path, relay: Relay) -> None:
    builders = [
        builder(relay, "titan", header="", private_transactions=True),
        builder(relay, "buildernet", cancel=sending.Cancel.EMPTY),
        builder(relay, "quasar"),
        builder(relay, "flashbots", cancel=sending.Cancel.NONE),
    ]
    checks = await look(tmp_path, *builders)
    assert [check.name for check in checks] == [f"builder {one.name} of private" for one in builders]
    assert {check.health for check in checks} == {Health.OK}
    assert checks[0].message.startswith("answers, and wants no signature")
    assert checks[1].message.startswith("takes our signature, in ")


async def test_relays__each_trouble__has_its_remedy(tmp_path: Path, relay: Relay) -> None:
    relay.inject(Fault(FaultKind.WRONG_SIGNATURE, "quasar"))
    gone = f"http://127.0.0.1:{nobodys_port()}/secret-path-1234"
    checks = await look(
        tmp_path,
        builder(relay, "flashbots", header=""),
        builder(relay, "quasar"),
        builder(relay, "buildernet"),
        builder(relay, "titan", url=relay.base_url + "/nobody"),
        builder(relay, "gone", url=gone),
    )
    assert {check.health for check in checks} == {Health.FAIL}
    assert [check.remedy for check in checks] == [UNSIGNED, HEADER, ADDRESS, ADDRESS, AWAY]
    assert "signature is required" in checks[0].message
    assert "does not offer this way to cancel" in checks[2].message
    assert checks[4].message == "connection refused"
    assert "secret-path" not in repr(checks)


async def test_relays__identity_cannot_be_used__is_one_line(tmp_path: Path, relay: Relay) -> None:
    for checks, words in (
        (await look(tmp_path, builder(relay, "titan"), mode=0o644), "may be read or changed by others"),
        (await look(tmp_path, builder(relay, "titan"), sender=IDENTITY), "is that of `signer`"),
    ):
        (check,) = checks
        assert (check.name, check.health) == ("route private", Health.FAIL)
        assert words in check.message
        assert check.remedy
