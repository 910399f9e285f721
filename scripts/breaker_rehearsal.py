"""The happy path of every breaker on a fork: trip, effect, expiry, taken back. The real chain is only read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from eth_account import Account

from keeper.devnet.anvil import Anvil
from keeper.domain.address import checksum_address
from keeper.domain.breaker_registration import Side
from keeper.domain.errors import MalformedAnswer, Refused, SetupError
from scripts.breaker_chain import Chain, Reverted, calldata
from scripts.breaker_limits import duration
from scripts.breaker_model import Bound, Breaker, Params, Right
from scripts.breaker_readback import READY, TRIPPED, Finding, Mark, Place

GAS = 5_000_000
WEALTH_WEI = 10**20
EVIDENCE = b"rehearsal on a fork".ljust(32, b"\0")
ANYONE = "0x00000000000000000000000000000000Ca11ab1e"
ORDER_LIFE_S = 600
_EXPIRE = "expire"
"""How the reason begins when the trip itself went through."""


class NotSo(Exception):
    """A step of the happy path went otherwise."""


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """``as_is``: every breaker works by the rights that are there. ``works``: it does at least with the rights of the file."""

    findings: tuple[Finding, ...]
    as_is: bool
    works: bool


@contextmanager
def forked(url: str, place: Place, chain_id: int) -> Iterator[Place]:
    """A fork of the chain behind ``url`` at the place's block, gone at the end. Raises SetupError that does not repeat the address."""
    fork = Anvil(
        chain_id=chain_id,
        no_mining=True,  # blocks come when told, at the times told
        extra=["--fork-url", url, "--fork-block-number", str(place.last_block), "--auto-impersonate"],
        start_timeout_s=60,
    )
    with asyncio.Runner() as runner:
        try:
            runner.run(fork.start())
            chain = Chain(fork.http_url, place.chain.errors)
            yield Place(chain, place.address, place.deployed_block, None)
        except SetupError as error:
            raise SetupError(error.message.replace(url, "the node"), remedy=error.remedy) from None
        finally:
            runner.run(fork.stop())


def rehearse(fork: Place, params: Params) -> Rehearsed:
    """Each breaker by itself, from the state of the chain; where that fails, once more with the file's rights given."""
    findings: list[Finding] = []
    as_is, works, entitled = True, True, False
    for breaker in params.breakers:
        before = _tried(fork, params, breaker, rights=False)
        after = before if before is None or not params.rights else _tried(fork, params, breaker, rights=True)
        as_is, works = as_is and before is None, works and after is None
        entitled = entitled or before is None or before.startswith(_EXPIRE)
        findings.append(_finding(breaker, before, after))
        findings += _unbounded(fork, params, breaker)
    if not as_is and works:
        findings += [_missing(right, fork.address) for right in params.rights]
    if entitled and fork.one_address("owner()") == params.deployer != params.council:
        findings.append(
            Finding(
                Mark.FAIL,
                "the contract has rights already, and the council has not accepted it: its deployer could register anything",
                "take the rights back until the council has called acceptOwnership()",
            )
        )
    return Rehearsed(tuple(findings), as_is, works)


def _finding(breaker: Breaker, before: str | None, after: str | None) -> Finding:
    if before is None:
        return Finding(
            Mark.OK, f"rehearsed {breaker.name}: tripped, in effect, taken back after {duration(breaker.duration_s)}"
        )
    if after is None:
        message = f"rehearsed {breaker.name}: works once the rights are given; now {before}"
        return Finding(Mark.WARN, message, "NOT IN FORCE: give the rights below, after the council has accepted")
    return Finding(Mark.FAIL, f"rehearsed {breaker.name}: {after}", "correct the breaker, or the file's rights")


def _unbounded(fork: Place, params: Params, breaker: Breaker) -> list[Finding]:
    """Keepers whose keys can make the breaker's call without the breaker, as far as a call of now shows it."""
    data = bytearray(breaker.call.data)
    try:
        for bound, current in zip(breaker.bounds, _values(fork, breaker), strict=True):
            value = current if bound.side is Side.KEPT else tightened(bound, current)
            data[4 + 32 * bound.word : 36 + 32 * bound.word] = value.to_bytes(32, "big")
    except NotSo:
        return []
    found = []
    for keeper in params.keepers:
        try:
            fork.chain.call(breaker.target, bytes(data), sender=keeper)
        except Refused:
            continue
        message = f"keeper {keeper} can make the call of {breaker.name} itself: no bound holds for that key"
        found.append(Finding(Mark.WARN, message, f"take its own rights in {breaker.target} away"))
    return found


def _missing(right: Right, breaker: str) -> Finding:
    message = f"right to be given by {right.by}: call {right.target} with 0x{right.data(breaker).hex()}"
    return Finding(Mark.WARN, message, f"{right.text}, with breaker = {breaker}")


def _tried(fork: Place, params: Params, breaker: Breaker, *, rights: bool) -> str | None:
    """Why the happy path fails; None when it does not. The fork is as before afterwards."""
    snapshot = fork.chain.rpc("evm_snapshot")
    try:
        for right in params.rights if rights else ():
            _carry_out(fork.chain, right.by, right.target, right.data(fork.address), right.text)
        _happy_path(fork, params, breaker)
    except NotSo as error:
        return str(error)
    except Refused as error:
        return error.message
    finally:
        fork.chain.rpc("evm_revert", snapshot)
    return None


def _happy_path(fork: Place, params: Params, breaker: Breaker) -> None:
    _wait_until_possible(fork, breaker)
    before = _values(fork, breaker)
    wanted = [tightened(bound, value) for bound, value in zip(breaker.bounds, before, strict=True)]
    _trip(fork, params, breaker, wanted)
    expires_at = fork.state(breaker.id)[3]
    _expect(fork.state(breaker.id)[1] == TRIPPED, "the trip left no state")
    _expect(_probed(fork, breaker) in (True, None), "the effect is not there after the trip")
    kept = [bound.side is Side.KEPT for bound in breaker.bounds]
    applied = [old if keep else new for keep, old, new in zip(kept, before, wanted, strict=True)]
    _expect(_values(fork, breaker) == applied, f"the values after the trip are {_values(fork, breaker)}, not {applied}")

    expire = calldata("expire(bytes32)", breaker.id)
    fork.chain.rpc("evm_setNextBlockTimestamp", expires_at - 1)
    _expect(not _sent(fork.chain, ANYONE, fork.address, expire), "somebody could end the trip a second too early")
    fork.chain.rpc("evm_setNextBlockTimestamp", expires_at)
    _carry_out(fork.chain, ANYONE, fork.address, expire, _EXPIRE)
    _expect(fork.state(breaker.id)[1] == READY, "the trip has not ended")
    _expect(_probed(fork, breaker) in (False, None), "the effect is there still after the end")
    _expect(_values(fork, breaker) == before, f"the values after the end are {_values(fork, breaker)}, not {before}")


def _wait_until_possible(fork: Place, breaker: Breaker) -> None:
    """Lets the fork's time pass until rest, lock and budget allow a trip."""
    recent, status, _, _, ready_at, locked_until, _ = fork.state(breaker.id)
    if status != READY:
        raise NotSo("it is in effect right now, or not registered: rehearse it when its trip has ended")
    oldest = (recent >> (40 * (breaker.budget - 1))) & (2**40 - 1)
    earliest = max(ready_at, locked_until, oldest + breaker.window_s if oldest else 0)
    if earliest > fork.chain.time_s():
        fork.chain.rpc("evm_setNextBlockTimestamp", earliest)
        fork.chain.rpc("evm_mine")


def _trip(fork: Place, params: Params, breaker: Breaker, values: list[int]) -> None:
    """By one of the file's keepers, or by the signatures of keepers made up for the fork: nobody's key is needed here."""
    owner = fork.one_address("owner()")
    if breaker.required == 1:
        keeper = params.keepers[0]
        _keep_alive(fork, owner, keeper)
        data = calldata("trip(bytes32,uint256[],bytes32)", breaker.id, values, EVIDENCE)
        _carry_out(fork.chain, keeper, fork.address, data, "trip")
        return
    signers = sorted((Account.create() for _ in range(breaker.required)), key=lambda one: int(one.address, 16))
    for signer in signers:
        _keep_alive(fork, owner, signer.address)
    order, deadline = (breaker.id, values, EVIDENCE), fork.chain.time_s() + ORDER_LIFE_S
    (digest,) = fork.ask("orderDigest((bytes32,uint256[],bytes32),uint256)", order, deadline, results=["bytes32"])
    signatures = [bytes(one.unsafe_sign_hash(digest).signature) for one in signers]
    data = calldata("tripSigned((bytes32,uint256[],bytes32),uint256,bytes[])", order, deadline, signatures)
    _carry_out(fork.chain, checksum_address(bytes.fromhex(signers[0].address[2:])), fork.address, data, "tripSigned")


def _keep_alive(fork: Place, owner: str, keeper: str) -> None:
    """Adds a keeper that is none, or is silent by the fork's time."""
    (silent_at,) = fork.ask("silentAt(address)", keeper, results=["uint256"])
    if silent_at <= fork.chain.time_s() + 1:
        _carry_out(fork.chain, owner, fork.address, calldata("addKeeper(address)", keeper), "addKeeper")


def tightened(bound: Bound, current: int) -> int:
    """The largest step that the bound allows."""
    step = current * bound.max_step_bps // 10_000
    if bound.side is Side.KEPT:
        return 0
    if bound.side is Side.LOWER:
        value = min(max(bound.minimum, current - step), bound.maximum)
        room = value < current
    else:
        value = max(min(bound.maximum, current + step), bound.minimum)
        room = value > current
    if not room:
        raise NotSo(f"no step is possible from the present value {current}: {bound.minimum} to {bound.maximum}")
    return value


def _values(fork: Place, breaker: Breaker) -> list[int]:
    """The present values of the bounds."""
    return [
        int.from_bytes(_word(fork.chain, one.target, one.view.data, one.answer_word), "big") for one in breaker.bounds
    ]


def _probed(fork: Place, breaker: Breaker) -> bool | None:
    """Whether the probe answers as after a trip; None without a probe."""
    probe = breaker.probe
    return None if probe is None else _word(fork.chain, probe.target, probe.view.data, probe.word) == probe.expected


def _word(chain: Chain, target: str, data: bytes, word: int) -> bytes:
    answer = chain.call(target, data)
    return answer[32 * word : 32 * word + 32]


def _carry_out(chain: Chain, sender: str, to: str, data: bytes, name: str) -> None:
    """Sends it, and raises NotSo with the reason in words when it reverts."""
    if _sent(chain, sender, to, data):
        return
    try:
        chain.call(to, data, sender=sender)
    except Reverted as error:
        raise NotSo(f"{name} reverts: {error.message}") from None
    raise NotSo(f"{name} reverts")


def _sent(chain: Chain, sender: str, to: str, data: bytes) -> bool:
    """Sends a transaction in the name of anybody; whether it succeeded."""
    chain.rpc("anvil_setBalance", sender, hex(WEALTH_WEI))
    fields = {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(GAS)}
    sent = chain.rpc("eth_sendTransaction", fields)
    chain.rpc("evm_mine")
    receipt: dict[str, Any] | None = chain.rpc("eth_getTransactionReceipt", sent)
    if receipt is None:
        raise MalformedAnswer("the fork did not mine a transaction")
    return int(receipt["status"], 16) == 1


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise NotSo(otherwise)
