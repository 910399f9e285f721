"""From the routes of a configuration to the ways that transactions take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.adapters.routes.dry_run import DryRunRoute
from keeper.adapters.routes.private import PrivateRoute
from keeper.adapters.routes.public import PublicRoute
from keeper.adapters.routes.relay_client import Builder, Cancelling
from keeper.app.sending import Ways, open_ways
from keeper.config import model, sending
from keeper.config.secret import Secret
from keeper.domain.errors import SigningError
from keeper.ports.route import SubmissionKind
from tests.support.execution_stage import pause
from tests.support.manual_clock import ManualClock
from tests.support.scripted_relay import IDENTITY, IDENTITY_KEY, attempt

pytestmark = pytest.mark.unit

PUBLIC = sending.PublicRoute("public")
BUILDERS = (
    sending.BuilderConfig("titan", Secret("https://t.example"), "t", "", True, sending.Cancel.METHOD, Secret("https://s.example")),
    sending.BuilderConfig("net", Secret("https://b.example"), "b", cancel=sending.Cancel.EMPTY),
)  # fmt: skip
RACE = sending.RaceRoute("race", "private", "public")
BREAKER = model.BreakerRoute("breaker", "0x" + "11" * 20, 60_000, None, "private")


class Node:
    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send_raw(self, raw: str) -> str:
        self.sent.append(raw)
        return attempt().tx_hash


@pytest.fixture
def private(tmp_path: Path) -> sending.PrivateRoute:
    key = tmp_path / "identity.key"
    key.write_text(IDENTITY_KEY.hex())
    key.chmod(0o600)
    return sending.PrivateRoute("private", BUILDERS, sending.KeyFileSigner(str(key)), "public", 2, 2_000, 300_000)


async def ways(
    *routes: model.RouteConfig,
    live: bool = True,
    alone: Sequence[int | None] = (),
    senders: Sequence[str] = (),
    node: Node | None = None,
    checkpoints: str = "",
) -> Ways:
    """``alone`` is ``public_after`` of each action on ``private``."""
    action = replace(pause().action, route="private")
    config: Any = SimpleNamespace(
        keeper=SimpleNamespace(mode=model.Mode.LIVE if live else model.Mode.SHADOW),
        routes=routes,
        actions=[replace(action, public_after=blocks) for blocks in alone],
    )
    found = await open_ways(config, [node or Node()], ManualClock(), senders, checkpoints)
    for close in found.closers:
        await close()
    return found


async def test_ways__public__goes_to_the_nodes_of_the_chain_or_to_its_own(private: sending.PrivateRoute) -> None:
    node = Node()
    own = sending.PublicRoute("sequencer", (Secret("http://127.0.0.1:9"),), ("shown",))
    found = await ways(PUBLIC, own, node=node)
    assert not found.proving
    public, sequencer = found.by_route["public"].open, found.by_route["sequencer"].open
    assert isinstance(public, PublicRoute)
    assert isinstance(sequencer, PublicRoute)
    assert (await public.submit(attempt(), 1)).kind is SubmissionKind.ACCEPTED
    assert (await sequencer.submit(attempt(), 1)).kind is SubmissionKind.UNREACHABLE
    assert len(node.sent) == 1


async def test_ways__private_race_and_breaker__share_what_they_name(private: sending.PrivateRoute) -> None:
    found = await ways(BREAKER, RACE, private, PUBLIC, alone=[2])
    way, race = found.by_route["private"], found.by_route["race"]
    assert isinstance(way.secret, PrivateRoute)
    assert way.open is found.by_route["public"].open
    assert not way.together
    assert (race.open, race.secret, race.together) == (way.open, way.secret, True)
    assert found.by_route["breaker"] is way
    (proving,) = found.proving
    assert (proving.route, proving.every_ms) == (way.secret, 300_000)
    assert way.secret.builders == ("titan", "net")


async def test_ways__builders__are_as_configured(private: sending.PrivateRoute) -> None:
    found = await ways(private, PUBLIC)
    secret = found.by_route["private"].secret
    assert isinstance(secret, PrivateRoute)
    assert [client.builder for client in secret._clients] == [
        Builder("titan", "https://t.example", "", True, Cancelling.METHOD, "https://s.example"),
        Builder("net", "https://b.example", "X-Flashbots-Signature", False, Cancelling.EMPTY, None),
    ]


@pytest.mark.parametrize(
    ("alone", "led", "opens"),
    [([None], False, False), ([None, 2], False, True), ([0], False, True), ([], False, False), ([None], True, True)],
)
async def test_ways__nothing_may_ever_be_public__there_is_nothing_that_could_make_it_so(
    private: sending.PrivateRoute, alone: list[int | None], led: bool, opens: bool
) -> None:
    """What the keeper does for itself at a breaker contract may be."""
    found = await ways(private, PUBLIC, *([BREAKER] if led else []), alone=alone)
    assert (found.by_route["private"].open is not None) is opens


async def test_ways__shadow__nothing_leaves_and_no_identity_is_opened(private: sending.PrivateRoute) -> None:
    nowhere = replace(private, identity=sending.KeyFileSigner("/nowhere"))
    found = await ways(nowhere, RACE, BREAKER, PUBLIC, live=False)
    assert all(isinstance(way.open, DryRunRoute) and way.secret is None for way in found.by_route.values())
    assert (len(found.by_route), list(found.proving)) == (4, [])


async def test_ways__identity_that_sends_transactions__is_refused(private: sending.PrivateRoute) -> None:
    with pytest.raises(SigningError, match=r"`routes\.private\.identity` is that of `signer`"):
        await ways(private, PUBLIC, senders=[IDENTITY])


async def test_ways__identity_that_signs_checkpoints_too__is_refused(private: sending.PrivateRoute) -> None:
    with pytest.raises(SigningError, match=r"identity` is that of `audit\.checkpoints\.identity`") as caught:
        await ways(private, PUBLIC, checkpoints=IDENTITY)
    assert "of its own" in caught.value.remedy


async def test_ways__identity_that_is_not_there__names_the_setting(private: sending.PrivateRoute) -> None:
    with pytest.raises(SigningError) as caught:
        await ways(replace(private, identity=sending.KeyFileSigner("/nowhere/key")), PUBLIC)
    assert "routes.private.identity" in caught.value.remedy
