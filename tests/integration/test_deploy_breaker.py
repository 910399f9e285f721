"""From a reviewed file to a contract in force: the commands as an operator runs them, and each way in which the chain can differ."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keeper.devnet.anvil import Anvil
from keeper.devnet.world import Role, deploy_world
from keeper.domain.address import keccak256
from keeper.domain.breaker_registration import BREAKER_TYPE
from scripts.breaker_artifact import Compiled, compiled
from scripts.breaker_chain import Chain, calldata, errors_of
from scripts.breaker_file import fill, load
from scripts.breaker_model import Breaker, Params
from scripts.breaker_readback import deployed_block
from scripts.verify_breaker import main as verify
from tests.support.safe import deploy_safe_contracts

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "scripts" / "deploy_params" / "31337.json"
OUT = ROOT / os.environ.get("FOUNDRY_OUT", "out")  # noqa: TID251


@dataclass
class Stage:
    """A node with the demo protocol, and the breaker that ``scripts/deploy_breaker`` has deployed there."""

    node: Anvil
    runner: asyncio.Runner
    broadcast: Path
    said: str = ""

    def rpc(self, method: str, *params: object) -> Any:
        return self.runner.run(self.node.rpc(method, *params))

    def script(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``scripts/deploy_breaker``, as from a shell, signing as anvil's own account."""
        command = [str(ROOT / "scripts" / "deploy_breaker"), *arguments]
        environment = os.environ | {"FOUNDRY_BROADCAST": str(self.broadcast)}  # noqa: TID251
        return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False, env=environment)

    @property
    def chain(self) -> Chain:
        return Chain(self.node.http_url, errors_of(self.contract.abi))

    @property
    def contract(self) -> Compiled:
        return compiled(OUT)

    @property
    def params(self) -> Params:
        return load(FILE)

    @property
    def address(self) -> str:
        return self.params.address(self.contract.creation)

    def send(self, sender: str, to: str, data: bytes) -> None:
        """A transaction of anybody that must succeed."""
        self.rpc("anvil_impersonateAccount", sender)
        self.rpc("anvil_setBalance", sender, hex(10**19))
        fields = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(6_000_000)}
        sent = self.rpc("eth_sendTransaction", fields)
        while (receipt := self.rpc("eth_getTransactionReceipt", sent)) is None:
            self.rpc("evm_mine")
        assert receipt["status"] == "0x1"

    def owner_sends(self, signature: str, *arguments: object) -> None:
        """By whoever owns the breaker right now."""
        (owner,) = self.chain.ask(self.address, "owner()", results=["address"])
        self.send(owner, self.address, calldata(signature, *arguments))

    def accept(self) -> None:
        self.send(self.params.council, self.address, calldata("acceptOwnership()"))

    def grant(self, count: int = 99) -> None:
        for right in self.params.rights[:count]:
            self.send(right.by, right.target, right.data(self.address))

    def take_from_the_keepers(self) -> None:
        """The roles that the demo protocol gives to the keeper's own key."""
        for role in (Role.PAUSER, Role.RISK):
            data = calldata("revokeRole(bytes32,address)", role.id, self.params.keepers[0])
            self.send(self.params.council, self.params.breakers[0].target, data)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Compiling takes its time, so all tests of this file share one deployment, each from a snapshot of its own."""
    node = Anvil()
    with asyncio.Runner() as runner:
        try:
            runner.run(node.start())
            runner.run(deploy_world(node))
            stage = Stage(node, runner, tmp_path_factory.mktemp("broadcast"))
            record = ROOT / "scripts" / "deployments" / "31337.json"
            before = record.read_bytes() if record.exists() else None
            record.unlink(missing_ok=True)
            try:
                answer = stage.script("31337", "--rpc-url", node.http_url, "--unlocked")
                assert answer.returncode == 0, answer.stdout[-4000:] + answer.stderr[-4000:]
                stage.said = answer.stdout
                assert json.loads(record.read_text())["address"] == stage.address
            finally:
                record.unlink(missing_ok=True)
                if before is not None:
                    record.write_bytes(before)
            yield stage
        finally:
            runner.run(node.stop())


@pytest.fixture
def stage(deployed: Stage) -> Iterator[Stage]:
    snapshot = deployed.rpc("evm_snapshot")
    yield deployed
    deployed.rpc("evm_revert", snapshot)


class Verified:
    """What ``verify_breaker`` ended with, said and recorded."""

    def __init__(self, stage: Stage, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._stage, self._capsys, self.path = stage, capsys, folder / "record.json"
        self.code, self.out, self.err = -1, "", ""

    def __call__(self, *arguments: str, file: Path = FILE) -> Verified:
        self._capsys.readouterr()
        words = [str(file), "--rpc-url", self._stage.node.http_url, "--out", str(OUT), "--record", str(self.path)]
        self.code = verify([*words, *arguments])
        self.out, self.err = self._capsys.readouterr()
        return self

    @property
    def failures(self) -> list[str]:
        return [line[6:] for line in self.out.splitlines() if line.startswith("fail")]

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.path.read_text(encoding="utf-8"))
        return found


@pytest.fixture
def verified(stage: Stage, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verified:
    return Verified(stage, tmp_path, capsys)


def words(breaker: Breaker, **changed: object) -> tuple[object, ...]:
    """The struct with some fields changed."""
    places = {"duration": 1, "budget": 6}
    fields = list(breaker.words())
    for name, value in changed.items():
        fields[places[name]] = value
    return tuple(fields)


# ------------------------------------------------------------------------------------------------------------- the way


def test_deploy__fresh_chain__everything_is_as_in_the_file_and_not_in_force(deployed: Stage) -> None:
    assert "1 of " not in deployed.said
    assert "fail" not in [line.split(" ")[0] for line in deployed.said.splitlines()]
    assert "the council 0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266 has not accepted" in deployed.said
    assert "rehearsed pause SOL-PERP: works once the rights are given" in deployed.said
    assert f"with breaker = {deployed.address}" in deployed.said
    assert "recorded in 31337.json: all as in the file, and NOT IN FORCE yet" in deployed.said


def test_deploy__again__changes_nothing(stage: Stage) -> None:
    before = stage.rpc("eth_blockNumber")
    answer = stage.script("31337", "--rpc-url", stage.node.http_url, "--unlocked", "--dry-run")
    assert answer.returncode == 0, answer.stderr
    assert "registered before pause ETH-PERP" in answer.stdout
    assert "offering" not in answer.stdout
    assert stage.rpc("eth_blockNumber") == before


def test_deploy__after_it_was_cut_off__goes_on_with_what_is_missing(stage: Stage) -> None:
    stage.owner_sends("unregister(bytes32)", stage.params.breakers[4].id)
    stage.owner_sends("revokeKeeper(address)", stage.params.keepers[1])
    stage.owner_sends("transferOwnership(address)", "0x" + 40 * "0")
    answer = stage.script("31337", "--rpc-url", stage.node.http_url, "--unlocked", "--dry-run")
    assert answer.returncode == 0, answer.stderr
    assert f"adding keeper {stage.params.keepers[1]}" in answer.stdout
    assert "registering leverage ETH-PERP" in answer.stdout
    assert "registering pause" not in answer.stdout
    assert "offering the ownership to" in answer.stdout


def test_deploy__when_the_council_owns_it_and_something_is_missing__leaves_it_to_the_council(stage: Stage) -> None:
    stage.accept()
    stage.owner_sends("unregister(bytes32)", stage.params.breakers[4].id)
    answer = stage.script("31337", "--rpc-url", stage.node.http_url, "--unlocked", "--dry-run")
    assert answer.returncode == 3
    assert "leverage ETH-PERP is missing, and registering it is the council's by now" in answer.stderr


def test_deploy__a_breaker_registered_in_another_way__is_refused(stage: Stage) -> None:
    pause = stage.params.breakers[0]
    stage.owner_sends("unregister(bytes32)", pause.id)
    stage.owner_sends(f"register(bytes32,{BREAKER_TYPE})", pause.id, words(pause, duration=7200))
    answer = stage.script("31337", "--rpc-url", stage.node.http_url, "--unlocked", "--dry-run")
    assert answer.returncode == 3
    assert "pause ETH-PERP is registered in another way than the file says" in answer.stderr


def test_deploy__signed_by_somebody_else__is_refused(stage: Stage) -> None:
    answer = stage.script(
        "31337", "--rpc-url", stage.node.http_url, "--dry-run", "--private-key", "0x" + 63 * "0" + "1"
    )
    assert answer.returncode == 2
    assert "would show the key to everybody" in answer.stderr
    assert "0001" not in answer.stderr + answer.stdout


def test_verify__council_accepted_and_rights_given__is_in_force(stage: Stage, verified: Verified) -> None:
    stage.accept()
    stage.grant()
    stage.take_from_the_keepers()
    assert verified("--fork").code == 0, verified.out
    assert "warn" not in verified.out
    assert verified.out.count("rehearsed") == 5
    assert verified.out.splitlines()[-1] == "recorded in record.json: all as in the file, and every breaker works"
    record = verified.record
    assert (record["council_accepted"], record["rights_given"], record["rehearsed"]) == (True, True, True)


def test_verify__keeper_with_a_role_of_its_own__is_warned_of(stage: Stage, verified: Verified) -> None:
    keeper, other = stage.params.keepers
    assert verified("--fork").code == 0, verified.out
    told = [line for line in verified.out.splitlines() if "no bound holds for that key" in line]
    assert len(told) == len(stage.params.breakers)
    assert all(keeper in line and other not in line for line in told)


def test_verify__rehearsal__leaves_the_chain_alone(stage: Stage, verified: Verified) -> None:
    before = stage.rpc("eth_getBlockByNumber", "latest", False)["hash"]
    assert verified("--fork").code == 0, verified.out
    assert stage.rpc("eth_getBlockByNumber", "latest", False)["hash"] == before


def test_record__of_a_deployment__is_what_the_chain_says(stage: Stage, verified: Verified) -> None:
    verified()
    record, chain = verified.record, stage.chain
    assert record["address"] == stage.address
    assert record["code_hash"] == "0x" + keccak256(chain.code(stage.address)).hex()
    assert chain.code(stage.address, record["deployed_block"])
    assert not chain.code(stage.address, record["deployed_block"] - 1)
    for breaker, entry in zip(stage.params.breakers, record["breakers"], strict=True):
        answer = chain.call(stage.address, calldata("breakerOf(bytes32)", breaker.id))
        assert entry["registration_hash"] == "0x" + keccak256(answer).hex()
        assert entry["id_bytes32"] == "0x" + breaker.id.hex()
    assert (record["council_accepted"], record["rehearsed"], record["rights_given"]) == (False, False, None)
    assert "http" not in verified.path.read_text(encoding="utf-8")


# ------------------------------------------------------------------------------------------------- what may be different


def test_verify__a_value_changed_after_the_deployment__is_told(stage: Stage, verified: Verified) -> None:
    pause = stage.params.breakers[0]
    stage.owner_sends("unregister(bytes32)", pause.id)
    stage.owner_sends(f"register(bytes32,{BREAKER_TYPE})", pause.id, words(pause, duration=7200, budget=6))
    assert verified().code == 1
    assert verified.failures == [
        "breaker pause ETH-PERP.duration_s: the chain says 7200, the file says 21600",
        "breaker pause ETH-PERP.budget: the chain says 6, the file says 2",
    ]
    assert not verified.path.exists()


def test_verify__settings_changed_after_the_deployment__are_told(stage: Stage, verified: Verified) -> None:
    nobody = "0x" + 40 * "0"
    stage.owner_sends("setGuardian(address)", nobody)
    stage.owner_sends("setSilenceLimit(uint32)", 3600)
    stage.owner_sends("freeze()")
    stage.owner_sends("disarm(bytes32)", stage.params.breakers[1].id)
    assert verified().code == 1
    assert verified.failures == [
        f"guardian: the chain says {nobody}, the file says {stage.params.guardian}",
        "silence limit: the chain says 1 h, the file says 7 d",
        "frozen: nothing can trip",
        "breaker pause BTC-PERP is disarmed",
    ]


def test_verify__a_breaker_that_is_not_in_the_file__is_told(stage: Stage, verified: Verified) -> None:
    stage.owner_sends(
        f"register(bytes32,{BREAKER_TYPE})", b"backdoor".ljust(32, b"\0"), stage.params.breakers[0].words()
    )
    assert verified().code == 1
    assert verified.failures == ["breaker backdoor is registered and not in the file"]


def test_verify__a_breaker_that_came_and_went__is_not_told(stage: Stage, verified: Verified) -> None:
    stage.owner_sends(f"register(bytes32,{BREAKER_TYPE})", b"gone".ljust(32, b"\0"), stage.params.breakers[0].words())
    stage.owner_sends("unregister(bytes32)", b"gone".ljust(32, b"\0"))
    assert verified().code == 0


def test_verify__a_breaker_that_is_missing__is_told(stage: Stage, verified: Verified) -> None:
    stage.owner_sends("unregister(bytes32)", stage.params.breakers[2].id)
    assert verified().code == 1
    assert verified.failures == ["breaker pause SOL-PERP is not registered"]


def test_verify__keepers_that_differ__are_told(stage: Stage, verified: Verified) -> None:
    stranger = stage.node.accounts[2].address
    stage.owner_sends("addKeeper(address)", stranger)
    stage.owner_sends("revokeKeeper(address)", stage.params.keepers[1])
    assert verified().code == 1
    assert verified.failures == [
        f"keeper {stage.params.keepers[1]} is not listed",
        f"keeper {stranger} is not in the file",
    ]


@pytest.mark.parametrize("past_s", [-1, 0])
def test_verify__keepers_at_the_end_of_their_silence__are_told_from_that_second_on(
    stage: Stage, verified: Verified, past_s: int
) -> None:
    silent_at = [
        stage.chain.ask(stage.address, "silentAt(address)", keeper, results=["uint256"])[0]
        for keeper in stage.params.keepers
    ]
    stage.rpc("evm_setNextBlockTimestamp", hex(silent_at[0] + past_s))
    stage.rpc("evm_mine")
    silent = [one for one, end in zip(stage.params.keepers, silent_at, strict=True) if end <= silent_at[0] + past_s]
    assert verified().code == (1 if silent else 0)
    assert verified.failures == [f"keeper {one} is silent and cannot trip" for one in silent]


def test_verify__other_code_at_the_address__is_told(stage: Stage, verified: Verified) -> None:
    changed = bytearray(stage.chain.code(stage.address))
    # a byte in the middle of the code, and no immutable: the places of those are known
    middle = next(
        at
        for at in range(len(changed) // 2, len(changed))
        if stage.contract.without_immutables(bytes(changed))[at] not in (0, 1)
    )
    changed[middle] ^= 1
    stage.rpc("anvil_setCode", stage.address, "0x" + changed.hex())
    verified()
    assert verified.code == 1
    assert any(one.startswith("code: the ") for one in verified.failures)


def test_verify__each_immutable_of_another_contract__is_told(stage: Stage, verified: Verified) -> None:
    """The code is the compiled one but for its immutables: keepers would sign for something else, or nobody could read what for."""
    code, contract = stage.chain.code(stage.address), stage.contract
    for start, length in contract.immutables:
        changed = bytearray(code)
        changed[start : start + length] = keccak256(code[start : start + length])[:length]
        assert contract.without_immutables(bytes(changed)) == contract.runtime
        stage.rpc("anvil_setCode", stage.address, "0x" + changed.hex())
        assert verified().code == 1
        assert [one.split(":")[0] for one in verified.failures] == ["signatures"]


def test_verify__something_else_at_the_address__is_told_and_not_a_crash(stage: Stage, verified: Verified) -> None:
    exchange = stage.params.breakers[0].target
    assert verified("--address", exchange).code == 1
    assert any("does not answer as a CircuitBreaker" in one for one in verified.failures)


def test_verify__ownership_offered_to_somebody_else__is_told(stage: Stage, verified: Verified) -> None:
    stranger = stage.node.accounts[2].address
    stage.owner_sends("transferOwnership(address)", stranger)
    assert verified().code == 1
    assert verified.failures[0].endswith(f"is offered to {stranger}, not to the council {stage.params.council}")


def test_verify__owned_by_somebody_else__is_told(stage: Stage, verified: Verified) -> None:
    stranger = stage.node.accounts[2].address
    stage.owner_sends("transferOwnership(address)", stranger)
    stage.send(stranger, stage.address, calldata("acceptOwnership()"))
    assert verified().code == 1
    assert verified.failures == [f"owner: {stranger}, neither the file's council nor its deployer"]


@pytest.mark.parametrize("count", [1, 99], ids=["the right to pause alone", "all rights"])
def test_verify__rights_given_before_the_council_accepted__is_told(
    stage: Stage, verified: Verified, count: int
) -> None:
    stage.grant(count)
    assert verified("--fork").code == 1
    assert [one.split(":")[0] for one in verified.failures] == [
        "the contract has rights already, and the council has not accepted it"
    ]


def test_verify__the_right_to_take_back_is_missing__is_told_before_somebody_needs_it(
    stage: Stage, verified: Verified
) -> None:
    stage.accept()
    stage.grant(1)
    assert verified("--fork").code == 0
    assert (
        "rehearsed pause ETH-PERP: works once the rights are given; now expire reverts: the protocol refused"
        in verified.out
    )
    assert verified.record["rights_given"] is False


def test_verify__a_breaker_that_does_not_work_with_its_rights__is_told(
    stage: Stage, verified: Verified, tmp_path: Path
) -> None:
    value = json.loads(FILE.read_text(encoding="utf-8"))
    del value["rights"][1]  # nobody would give it the right to take a pause back
    path = tmp_path / "31337.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    path.write_text(fill(path), encoding="utf-8")
    assert verified("--fork", file=path).code == 1
    assert [one.split(":")[0] for one in verified.failures] == [
        f"rehearsed pause {name}-PERP" for name in ("ETH", "BTC", "SOL")
    ]
    assert "expire reverts: the protocol refused: AccessControlUnauthorizedAccount" in verified.failures[0]


def test_verify__a_breaker_in_its_rest__is_rehearsed_after_it(stage: Stage, verified: Verified) -> None:
    stage.accept()
    stage.grant()
    pause, keeper = stage.params.breakers[0], stage.params.keepers[0]
    stage.send(keeper, stage.address, calldata("trip(bytes32,uint256[],bytes32)", pause.id, [], b"\1" * 32))
    assert verified("--fork").code == 1
    assert "warn  breaker pause ETH-PERP is in effect until" in verified.out
    stage.owner_sends("lift(bytes32,bool)", pause.id, True)
    assert verified("--fork").code == 0, verified.out


# ---------------------------------------------------------------------------------------------------- what goes wrong


def test_verify__no_contract__says_to_deploy_it(stage: Stage, verified: Verified) -> None:
    stage.rpc("anvil_setCode", stage.address, "0x")
    assert verified().code == 2
    assert f"there is no contract at {stage.address} on chain 31337" in verified.err


def test_verify__node_of_another_chain__is_refused(verified: Verified, tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    path.write_text(FILE.read_text(encoding="utf-8").replace('"chain_id": 31337', '"chain_id": 1'), encoding="utf-8")
    assert verified(file=path).code == 3
    assert "the node serves chain 31337, the file is for 1" in verified.err


def test_verify__no_node__says_so_without_its_address(verified: Verified) -> None:
    assert verified("--rpc-url", "http://127.0.0.1:1/secret-key").code == 3
    assert "does not answer" in verified.err
    assert "secret-key" not in verified.out + verified.err


def test_verify__no_node_to_fork__says_so_without_its_address(verified: Verified) -> None:
    assert verified("--fork", "http://127.0.0.1:1/secret-key").code in (2, 3)
    assert "secret-key" not in verified.out + verified.err


def test_deployed_block__of_a_contract__is_its_first_block(stage: Stage) -> None:
    newest = stage.chain.block()
    first = deployed_block(stage.chain, stage.address, newest)
    assert first is not None
    assert stage.chain.code(stage.address, first)
    assert not stage.chain.code(stage.address, first - 1)
    assert deployed_block(stage.chain, stage.address, first) == first


def test_help__is_taught(stage: Stage) -> None:
    answer = stage.script("--help")
    assert answer.returncode == 0
    assert "scripts/deploy_breaker 31337 --rpc-url" in answer.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["main"], "main is not a chain's id"),
        (["--dry-run"], "the chain's id comes first"),
        (["4242", "--rpc-url", "http://127.0.0.1:1"], "4242.json is not there"),
        (["31337", "--rpc-url"], "--rpc-url needs an address"),
        (["31337", "--resume"], "--resume: this script does that by itself"),
    ],
)
def test_script__used_in_a_wrong_way__says_what_is_wrong(stage: Stage, arguments: list[str], message: str) -> None:
    answer = stage.script(*arguments)
    assert answer.returncode == 2
    assert message in answer.stderr


# ------------------------------------------------------------------------------------------------ through a real Safe


def test_rehearsal__module_of_a_safe__works_once_the_module_is_enabled(
    stage: Stage, verified: Verified, tmp_path: Path
) -> None:
    node, params = stage.node, stage.params
    contracts = stage.runner.run(deploy_safe_contracts(node))
    safe = stage.runner.run(contracts.create(node.accounts[5:7], 2))
    exchange = params.breakers[0].target
    for right in params.rights:
        # the role is the Safe's, as it would be before there was a breaker
        stage.send(right.by, exchange, right.data(safe.address))

    value = json.loads(FILE.read_text(encoding="utf-8"))
    for breaker in value["breakers"]:
        breaker["safe"] = safe.address
    enable = {"by": safe.address, "target": safe.address, "function": "enableModule(address)", "arguments": ["breaker"]}
    value["rights"] = [enable]
    path = tmp_path / "31337.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    path.write_text(fill(path), encoding="utf-8")
    for breaker in load(path).breakers:
        stage.owner_sends("unregister(bytes32)", breaker.id)
        stage.owner_sends(f"register(bytes32,{BREAKER_TYPE})", breaker.id, breaker.words())
    stage.accept()

    assert verified("--fork", file=path).code == 0, verified.out
    assert verified.out.count("works once the rights are given") == 5
    assert f"right to be given by {safe.address}: call {safe.address} with 0x610b5925" in verified.out
    stage.runner.run(safe.enable_module(stage.address))
    assert verified("--fork", file=path).code == 0, verified.out
    assert verified.out.splitlines()[-1] == "recorded in record.json: all as in the file, and every breaker works"
