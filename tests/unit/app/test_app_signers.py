"""From the configuration to keys: each kind opens with what was written, and what a key cannot do is told before anything runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from eth_account import Account

from keeper.adapters.signing.local import LocalSigner
from keeper.adapters.signing.remote import RemoteSigner
from keeper.app import wiring
from keeper.app.doctor.check import Health
from keeper.app.doctor.keys import examine_keys
from keeper.app.signers import able_to, open_lanes, open_signer, require_distinct, why_unable
from keeper.config import model
from keeper.config.secret import Secret
from keeper.config.sending import EnvSigner, KeyFileSigner, KeystoreSigner, SignerConfig
from keeper.domain.errors import SigningError

pytestmark = pytest.mark.unit

KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
OTHER_KEY = "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a"
OTHER = Account.from_key(OTHER_KEY).address
PASSWORD = "correct horse battery"


def keystore(folder: Path, address: str | None) -> SignerConfig:
    path = folder / "keystore.json"
    path.write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY), PASSWORD, kdf="pbkdf2", iterations=2)))
    return KeystoreSigner(str(path), Secret(PASSWORD), address)


def key_file(folder: Path, address: str | None) -> SignerConfig:
    path = folder / "keeper.key"
    path.write_text(KEY)
    path.chmod(0o600)
    return KeyFileSigner(str(path), address)


def variable(_: Path, address: str | None) -> SignerConfig:
    return EnvSigner(Secret(KEY), address)


Make = Callable[[Path, str | None], SignerConfig]
KINDS: list[Make] = [keystore, key_file, variable]


def config_of(
    signer: SignerConfig | None = None,
    lanes: Mapping[str, SignerConfig] | None = None,
    *,
    routes: tuple[Any, ...] = (),
    mode: model.Mode = model.Mode.LIVE,
) -> model.Config:
    made: Any = SimpleNamespace(signer=signer, lanes=lanes or {}, routes=routes, keeper=SimpleNamespace(mode=mode))
    return made  # type: ignore[no-any-return]


def quorum(orders: str | None = "sqlite:///orders.db") -> model.BreakerRoute:
    return model.BreakerRoute("breaker", ADDRESS, 60_000, Secret(orders) if orders else None)


def safe(service: str | None = "https://safe.example") -> Any:
    fields: dict[str, Any] = dict.fromkeys(model.SafeRoute.__slots__, "")
    return model.SafeRoute(**{**fields, "name": "safe", "service": Secret(service) if service else None})


@pytest.mark.parametrize("make", KINDS)
@pytest.mark.parametrize("address", [None, ADDRESS])
async def test_open__each_kind__has_the_keys_address(tmp_path: Path, make: Make, address: str | None) -> None:
    signer = await open_signer(make(tmp_path, address))
    assert signer is not None
    assert signer.address == ADDRESS
    assert able_to(signer) is signer


@pytest.mark.parametrize("make", KINDS)
async def test_open__another_address_than_the_configuration_says__names_both(tmp_path: Path, make: Make) -> None:
    with pytest.raises(SigningError, match="belongs to") as caught:
        await open_signer(make(tmp_path, OTHER))
    assert ADDRESS in caught.value.message
    assert OTHER in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("config", "setting"),
    [
        (KeystoreSigner("/nowhere/keystore.json", Secret(PASSWORD)), "`lanes.fast.path`"),
        (KeyFileSigner("/nowhere/keeper.key"), "`lanes.fast.path`"),
        (EnvSigner(Secret("no key")), "`lanes.fast.key`"),
    ],
)
async def test_open__a_lane_that_cannot_be_opened__names_its_place(config: SignerConfig, setting: str) -> None:
    with pytest.raises(SigningError) as caught:
        await open_lanes(config_of(lanes={"fast": config}), None)
    assert setting in f"{caught.value.message} {caught.value.remedy}"


async def test_open_signer__none_configured__is_none() -> None:
    assert await open_signer(None) is None
    assert await open_lanes(config_of(), None) == {}


async def test_lanes__each_its_own_key__by_name(tmp_path: Path) -> None:
    lanes = await open_lanes(config_of(lanes={"fast": EnvSigner(Secret(OTHER_KEY))}), LocalSigner(bytes.fromhex(KEY)))
    assert {name: lane.address for name, lane in lanes.items()} == {"fast": OTHER}


@pytest.mark.parametrize("first", [KEY, OTHER_KEY], ids=["the signer's", "another lane's"])
async def test_lanes__a_key_that_is_there_already__is_refused_by_both_names(tmp_path: Path, first: str) -> None:
    """The configuration sees the same file twice; only opening shows the same key in two files."""
    lanes: dict[str, SignerConfig] = {"slow": EnvSigner(Secret(OTHER_KEY)), "upkeep": EnvSigner(Secret(first))}
    with pytest.raises(SigningError, match=r"lanes\.upkeep") as caught:
        await open_lanes(config_of(lanes=lanes), LocalSigner(bytes.fromhex(KEY)))
    assert ("`signer`" if first == KEY else "`lanes.slow`") in caught.value.message
    assert "nonces" in caught.value.remedy


def test_distinct__no_signer_and_one_lane__is_fine() -> None:
    require_distinct(None, {"fast": LocalSigner(bytes.fromhex(KEY))})


@pytest.mark.parametrize(
    ("routes", "words"),
    [((quorum(),), "orders together with other keepers"), ((safe(),), "proposed to the Safe")],
    ids=["orders", "proposals"],
)
def test_remote_signer__a_route_asks_for_more_than_transactions__is_refused(
    routes: tuple[Any, ...], words: str
) -> None:
    remote = RemoteSigner("https://signer.example", ADDRESS)
    assert able_to(remote) is None
    why = why_unable(config_of(routes=routes), remote)
    assert why is not None
    assert words in why.message
    assert "AWS KMS" in why.remedy


@pytest.mark.parametrize("routes", [(), (quorum(None),), (safe(None),)], ids=["none", "one keeper", "files"])
def test_remote_signer__transactions_are_all_that_is_asked_for__is_fine(routes: tuple[Any, ...]) -> None:
    assert why_unable(config_of(routes=routes), RemoteSigner("https://signer.example", ADDRESS)) is None


def test_key_in_memory__any_route__is_fine() -> None:
    assert why_unable(config_of(routes=(quorum(), safe())), LocalSigner(bytes.fromhex(KEY))) is None
    assert why_unable(config_of(routes=(quorum(), safe())), None) is None


async def test_doctor__signer_and_lanes__a_line_each(tmp_path: Path) -> None:
    keys = await examine_keys(config_of(key_file(tmp_path, None), {"fast": EnvSigner(Secret(OTHER_KEY))}))
    assert [(check.name, check.health) for check in keys.checks] == [("signer", Health.OK), ("lane fast", Health.OK)]
    assert keys.checks[1].message.endswith("which is for development")
    assert (keys.sender, dict(keys.lanes)) == (ADDRESS, {"fast": OTHER})
    assert keys.addresses == {ADDRESS, OTHER}
    assert (keys.of(""), keys.of("fast"), keys.of("slow")) == (ADDRESS, OTHER, None)
    assert keys.senders == {"": ADDRESS, "fast": OTHER}


async def test_doctor__one_key_does_not_open__the_others_are_looked_at_all_the_same(tmp_path: Path) -> None:
    lanes: dict[str, SignerConfig] = {
        "bad": KeyFileSigner("/nowhere/key"),
        "same": EnvSigner(Secret(KEY)),
        "fast": EnvSigner(Secret(OTHER_KEY)),
    }
    keys = await examine_keys(config_of(key_file(tmp_path, None), lanes))
    assert [check.health for check in keys.checks] == [Health.OK, Health.FAIL, Health.FAIL, Health.OK]
    assert all(check.remedy for check in keys.checks if check.health is Health.FAIL)
    assert dict(keys.lanes) == {"fast": OTHER}
    assert KEY not in str(keys)


async def test_doctor__the_signer_does_not_open__has_no_sender() -> None:
    keys = await examine_keys(config_of(KeyFileSigner("/nowhere/key")))
    assert [check.health for check in keys.checks] == [Health.FAIL]
    assert (keys.sender, keys.senders) == (None, {})


async def test_doctor__no_signer__warns() -> None:
    keys = await examine_keys(config_of(None))
    assert [(check.name, check.health) for check in keys.checks] == [("signer", Health.WARN)]


@pytest.mark.parametrize(("mode", "health"), [(model.Mode.LIVE, Health.FAIL), (model.Mode.SHADOW, Health.WARN)])
async def test_doctor__a_signer_that_cannot_do_what_a_route_asks__fails_where_it_would_matter(
    mode: model.Mode, health: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def opened(*_: object) -> RemoteSigner:
        return RemoteSigner("https://signer.example", ADDRESS)

    monkeypatch.setattr("keeper.app.doctor.keys.open_signer", opened)
    (check,) = (await examine_keys(config_of(EnvSigner(Secret(KEY)), routes=(quorum(),), mode=mode))).checks
    assert check.health is health
    assert ADDRESS in check.message
    assert check.remedy


async def test_build__a_live_keeper_whose_key_cannot_do_what_a_route_asks__ends_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def opened(*_: object) -> RemoteSigner:
        return RemoteSigner("https://signer.example", ADDRESS)

    def never(*_: object) -> None:
        raise AssertionError("nothing is opened")

    monkeypatch.setattr(wiring, "open_signer", opened)
    monkeypatch.setattr(wiring, "compile_engine", lambda _: SimpleNamespace(warm_up=lambda: None))
    for name in ("open_lanes", "open_log", "open_nodes", "open_ways"):
        monkeypatch.setattr(wiring, name, never)
    config: Any = config_of(EnvSigner(Secret(KEY)), routes=(quorum(),))
    config.engine = None
    with pytest.raises(SigningError, match="signs orders together"):
        await wiring.build(config)
