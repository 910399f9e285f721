"""Everything that somebody with one keeper's key, and some money, can try: calls to the breaker contract and to the protocol behind it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from eth_keys.datatypes import PrivateKey

from keeper.devnet.accounts import Account
from keeper.devnet.guard import Bound, Guard, Limits, limit_breaker, pause_breaker
from keeper.devnet.world import MULTICALL3, Role
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.circuit_breaker import BreakerState, breaker_id
from keeper.domain.order import TripOrder
from tests.support.contract_calls import any_calldata
from tests.support.damage import lowest_allowed

UINT = (1 << 256) - 1
CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
EVIDENCE = b"\x66" * 32
UNKNOWN = b"\x01" * 32
TRIP = "trip(bytes32,uint256[],bytes32)"
MANY = "tripMany((bytes32,uint256[],bytes32)[])"
SIGNED = "tripSigned((bytes32,uint256[],bytes32),uint256,bytes[])"
NO_COUNCIL, NO_ROLE = "OwnableUnauthorizedAccount", "AccessControlUnauthorizedAccount"

_FORWARDER = bytes.fromhex("602036038060206000376000600082600060006000355af13d600060003e6025573d6000fd5b3d6000f3")
PUPPET_CODE = bytes.fromhex(f"60{len(_FORWARDER):02x}80600b6000396000f3") + _FORWARDER
"""Creation code of a contract that calls the address in its first word with the rest of its calldata, and answers as it is answered."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """``refusal``: the error that must be the answer where no breaker has tripped yet, and it is never to go through; ``any``: with whatever
    error; empty: it may go through, now or later.
    """

    sender: str
    to: str
    data: bytes
    refusal: str = ""
    ends: bool = False
    """An ``expire``: anyone may."""
    gas: int = 3_000_000
    wrapped: bool = False
    """Goes through as a whole, whatever becomes of its parts."""


@dataclass(frozen=True, slots=True)
class Aim:
    """One breaker, and what the thief has read of it."""

    id: bytes
    bound: Bound | None
    current: int
    state: BreakerState

    @property
    def worst(self) -> list[int]:
        """The values of the worst trip."""
        return [] if self.bound is None else [lowest_allowed(self.bound, self.current)]


class Thief:
    """``key`` is the stolen one; ``helper`` has money and nothing else; ``puppet`` is a contract that calls whatever it is told to."""

    def __init__(self, guard: Guard, limits: Limits, key: Account, helper: Account, puppet: str, rng: Random) -> None:
        self.guard, self.limits, self.key, self.helper, self.puppet = guard, limits, key, helper, puppet
        self.rng = rng
        self._signers = {one.address: PrivateKey(bytes.fromhex(one.private_key[2:])) for one in (key, helper)}
        self._rights = list(self._authority())
        self.found: list[bytes] = []
        """Signatures of honest keepers, from old transactions."""

    def reaching_too_far(self, aims: Sequence[Aim], now_s: int) -> list[Attempt]:
        """What must be refused whenever it is tried."""
        found = [*self._strangers(aims), *self._rights, *self._odd(aims)]
        for aim in aims:
            # a breaker that wants several signatures does not look at the values of a single keeper
            alone = self.limits.required == 1
            found += [one if alone else replace(one, refusal="any") for one in self._excess(aim)]
            found += self._forged(aim, now_s)
        return found

    def worst(self, aims: Sequence[Aim], now_s: int) -> list[Attempt]:
        """The most that is allowed, of everything, in several ways."""
        orders = [(aim.id, aim.worst, EVIDENCE) for aim in aims]
        bad = [(UNKNOWN, [], EVIDENCE), (aims[0].id, [1, 2], EVIDENCE), (aims[1].id, [0], EVIDENCE)]
        mixture = [*bad, *orders, *orders[::-1], *bad]
        found = [self._own(any_calldata(MANY, mixture))]
        for aim in aims:
            found.append(self._own(any_calldata(TRIP, aim.id, aim.worst, EVIDENCE)))
            found.append(self._own(self._signed(aim, aim.worst, now_s + 3_600)))
            # longer than need be, by itself valid
            found.append(self._own(any_calldata(TRIP, aim.id, aim.worst, EVIDENCE) + self.rng.randbytes(37)))
        return [*found, self._own(any_calldata("heartbeat()"))]

    def at_random(self, aims: Sequence[Aim], now_s: int, count: int) -> list[Attempt]:
        """Trips of any kind with any value, from within any bound or outside of it, with enough gas or with too little."""
        found = []
        for _ in range(count):
            aim = self.rng.choice(aims)
            values = self._values(aim)
            orders = [(one.id, self._values(one), EVIDENCE) for one in self.rng.choices(aims, k=self.rng.randint(1, 7))]
            datas = (
                any_calldata(TRIP, aim.id, values, self.rng.randbytes(32)),
                any_calldata(MANY, orders),
                self._signed(aim, values, now_s + self.rng.randint(-5, 3_700)),
                any_calldata("heartbeat()"),
            )
            found.append(self._own(self.rng.choice(datas)))
        # some run out of it, wherever that is
        return [replace(one, gas=self.rng.choice((one.gas, self.rng.randint(90_000, 400_000)))) for one in found]

    def endings(self, aims: Sequence[Aim]) -> list[Attempt]:
        """``expire`` of every breaker, by three callers, with enough gas or with too little."""
        datas = [any_calldata("expire(bytes32)", aim.id) for aim in aims]
        found = [replace(self._own(data), ends=True) for data in datas]
        found += [replace(one, sender=self.helper.address) for one in found]
        found += [replace(self._by_puppet(self.guard.address, data), ends=True) for data in datas]
        return [replace(one, gas=self.rng.choice((one.gas, self.rng.randint(40_000, 150_000)))) for one in found]

    def in_one_transaction(self, attempts: Sequence[Attempt]) -> Attempt:
        """The key's account is delegated to Multicall3 (EIP-7702): one transaction makes all these calls in its name, failures left behind."""
        calls = [(one.to, True, one.data) for one in attempts]
        data = any_calldata("aggregate3((address,bool,bytes)[])", calls)
        return Attempt(self.helper.address, self.key.address, data, gas=15_000_000, wrapped=True)

    # ------------------------------------------------------------ what is never allowed

    def _excess(self, aim: Aim) -> Iterator[Attempt]:
        yield self._own(any_calldata(TRIP, aim.id, [*aim.worst, 1], EVIDENCE), "WrongNumberOfValues")
        yield self._own(any_calldata(TRIP, aim.id, aim.worst, bytes(32)), "NoEvidence")
        order = (aim.id, aim.worst, EVIDENCE)
        yield self._own(
            any_calldata("tripFor(address,(bytes32,uint256[],bytes32))", self.key.address, order), "OnlySelf"
        )
        if aim.bound is None:
            return
        yield self._own(any_calldata(TRIP, aim.id, [], EVIDENCE), "WrongNumberOfValues")
        for value in (0, 1, aim.bound.minimum - 1, aim.bound.maximum + 1, UINT):
            yield self._own(any_calldata(TRIP, aim.id, [value], EVIDENCE), "OutOfBounds")
        yield self._own(any_calldata(TRIP, aim.id, [aim.bound.maximum], EVIDENCE), "NotTighter")
        if aim.current > aim.bound.minimum:
            too_far = "StepTooLarge" if aim.worst[0] > aim.bound.minimum else "OutOfBounds"
            yield self._own(any_calldata(TRIP, aim.id, [aim.worst[0] - 1], EVIDENCE), too_far)

    def _forged(self, aim: Aim, now_s: int) -> Iterator[Attempt]:
        order = (aim.id, aim.worst, EVIDENCE)
        soon = now_s + 600
        own, other = (self._signature(aim, aim.worst, soon, by=by.address) for by in (self.key, self.helper))
        malleated = own[:32] + (CURVE_ORDER - int.from_bytes(own[32:64], "big")).to_bytes(32, "big")
        malleated += bytes([55 - own[64]])
        lists: list[tuple[list[bytes], str]] = [
            ([own, own], "WrongNumberOfSignatures"),
            ([malleated], "ECDSAInvalidSignatureS"),
            ([own[:64]], "ECDSAInvalidSignatureLength"),
            ([own[:64] + b"\x05"], "ECDSAInvalidSignature"),
            ([bytes(65)], "ECDSAInvalidSignature"),
            ([other], "NotKeeper"),
            ([self._signature(aim, aim.worst, soon, nonce=aim.state.nonce + 7)], "NotKeeper"),
            ([self._signature(aim, aim.worst, soon, nonce=max(0, aim.state.nonce - 1))], "NotKeeper"),
            ([self._signature(aim, aim.worst, soon + 1)], "NotKeeper"),
        ]
        required = self.limits.required
        if required > 1:
            two = [own, other] if int(self.key.address, 16) < int(self.helper.address, 16) else [other, own]
            lists = [(signatures, "WrongNumberOfSignatures") for signatures, _ in lists if len(signatures) != required]
            lists += [
                ([own, own], "SignersNotAscending"),
                ([own, malleated], "ECDSAInvalidSignatureS"),
                (two, "NotKeeper"),
            ]
            lists += [(list(pair), "any") for old in self.found for pair in ((own, old), (old, own), (old, old))]
        for signatures, refusal in lists:
            yield self._own(any_calldata(SIGNED, order, soon, signatures), refusal)
        yield self._own(any_calldata(SIGNED, order, soon, []), "WrongNumberOfSignatures")
        yield self._own(self._signed(aim, aim.worst, now_s - 1), "DeadlineOutOfBounds")
        yield self._own(self._signed(aim, aim.worst, now_s + 90_000), "DeadlineOutOfBounds")

    def _authority(self) -> Iterator[Attempt]:
        guard, world = self.guard, self.guard.world
        market = world.markets[0]
        pause, me = guard.pauses[market], self.key.address
        council = (
            pause_breaker(world, market, Limits(budget=6, cooldown_s=60)).register(breaker_id("mine")),
            *(any_calldata(name, _raw(pause)) for name in ("unregister(bytes32)", "arm(bytes32)", "ratify(bytes32)")),
            any_calldata("lift(bytes32,bool)", _raw(pause), True),
            any_calldata("addKeeper(address)", self.helper.address),
            any_calldata("setGuardian(address)", me),
            any_calldata("setSilenceLimit(uint32)", 90 * 86_400),
            any_calldata("unfreeze()"),
            any_calldata("transferOwnership(address)", me),
            any_calldata("acceptOwnership()"),
            any_calldata("renounceOwnership()"),
        )
        guardian = (
            any_calldata("revokeKeeper(address)", world.reporter.address),
            any_calldata("disarm(bytes32)", _raw(pause)),
            any_calldata("freeze()"),
        )
        for data, refusal in [*((one, NO_COUNCIL) for one in council), *((one, "NotGuardian") for one in guardian)]:
            yield self._own(data, refusal)
            yield self._by_puppet(guard.address, data, refusal)
        for data, refusal in self._on_the_protocol():
            yield Attempt(me, world.exchange, data, refusal)
            yield self._by_puppet(world.exchange, data, refusal)
        yield Attempt(me, world.feeds[market], any_calldata("push(int256)", 1), "NotReporter")

    def _on_the_protocol(self) -> Iterator[tuple[bytes, str]]:
        world = self.guard.world
        for market in world.markets:
            key = _raw(world.market_id(market))
            yield any_calldata("pauseMarket(bytes32)", key), NO_ROLE
            yield any_calldata("unpauseMarket(bytes32)", key), NO_ROLE
            yield any_calldata("setWithdrawalLimit(bytes32,uint256)", key, UINT), NO_ROLE
            yield any_calldata("setMaxLeverage(bytes32,uint256)", key, 100), NO_ROLE
        for role in Role:
            yield any_calldata("grantRole(bytes32,address)", role.id, self.key.address), NO_ROLE
            yield any_calldata("revokeRole(bytes32,address)", role.id, self.guard.address), NO_ROLE
            yield (
                any_calldata("renounceRole(bytes32,address)", role.id, self.guard.address),
                "AccessControlBadConfirmation",
            )
        feed = next(iter(world.feeds.values()))
        yield any_calldata("addMarket(bytes32,address,uint256,uint256)", UNKNOWN, feed, UINT, 100), NO_ROLE

    def _strangers(self, aims: Sequence[Aim]) -> Iterator[Attempt]:
        for aim in aims:
            for data in (
                any_calldata(TRIP, aim.id, aim.worst, EVIDENCE),
                any_calldata(MANY, [(aim.id, aim.worst, EVIDENCE)]),
                any_calldata(SIGNED, (aim.id, aim.worst, EVIDENCE), 0, [bytes(65)]),
                any_calldata("heartbeat()"),
            ):
                yield Attempt(self.helper.address, self.guard.address, data, "NotKeeper")
                yield self._by_puppet(self.guard.address, data, "NotKeeper")
        yield self._own(any_calldata(TRIP, UNKNOWN, [], EVIDENCE), "UnknownBreaker")
        yield self._own(any_calldata(MANY, []), "NothingTripped")
        yield self._own(any_calldata(MANY, [(UNKNOWN, [], EVIDENCE)] * 3), "NothingTripped")

    def _odd(self, aims: Sequence[Aim]) -> Iterator[Attempt]:
        """Calldata that no compiler writes."""
        trip, many = any_calldata(TRIP, aims[0].id, [], EVIDENCE), any_calldata(MANY, [(aims[0].id, [], EVIDENCE)])
        for data in (
            b"",
            trip[:3],
            trip[:4],
            trip[:36],
            trip[:-1],
            trip[:36] + UINT.to_bytes(32, "big") + trip[68:],  # values far beyond the end
            trip[:36] + (1 << 64).to_bytes(32, "big") + trip[68:],
            trip[:36]
            + (4).to_bytes(32, "big")
            + trip[68:],  # values inside of the head: as many as the identifier says
            trip[:-32] + (1 << 64).to_bytes(32, "big"),
            many[:4] + UINT.to_bytes(32, "big") + many[36:],
            many[:68] + UINT.to_bytes(32, "big") + many[100:],
            any_calldata("lift(bytes32,bool)", aims[0].id, True)[:-1] + b"\x02",  # a bool that is none
            any_calldata("addKeeper(address)", self.key.address)[:-32] + b"\xff" * 32,
            self.rng.randbytes(4 + self.rng.randrange(0, 200)),
            any_calldata("execTransactionFromModule(address,uint256,bytes,uint8)", self.key.address, 0, b"", 1),
        ):
            yield self._own(data, "any")
        yield Attempt(self.key.address, self.guard.world.exchange, self.rng.randbytes(36), "any")

    # ------------------------------------------------------------------------- parts

    def _values(self, aim: Aim) -> list[int]:
        if aim.bound is None:
            return [] if self.rng.random() < 0.9 else [1]
        low, high = aim.worst[0], aim.current
        edges = (low, low - 1, low + 1, high, high - 1, aim.bound.minimum, aim.bound.maximum, 0, UINT)
        inside = self.rng.randint(min(low, high), max(low, high))
        return [self.rng.choice((*edges, inside, inside, inside, self.rng.randrange(1 << 256)))]

    def _signed(self, aim: Aim, values: list[int], deadline_s: int) -> bytes:
        signature = self._signature(aim, values, deadline_s)
        return any_calldata(SIGNED, (aim.id, values, EVIDENCE), deadline_s, [signature])

    def _signature(
        self, aim: Aim, values: list[int], deadline_s: int, *, nonce: int | None = None, by: str = ""
    ) -> bytes:
        nonce = aim.state.nonce if nonce is None else nonce
        chain = self.guard.world.node.chain_id
        order = TripOrder(chain, self.guard.address, "0x" + aim.id.hex(), tuple(values), EVIDENCE, nonce, deadline_s)
        signature = self._signers[by or self.key.address].sign_msg_hash(order.digest)
        return signature.to_bytes()[:-1] + bytes([27 + signature.v])

    def _own(self, data: bytes, refusal: str = "") -> Attempt:
        return Attempt(self.key.address, self.guard.address, data, refusal)

    def _by_puppet(self, to: str, data: bytes, refusal: str = "") -> Attempt:
        word = bytes.fromhex(to[2:]).rjust(32, b"\0")
        return Attempt(self.key.address, self.puppet, word + data, refusal)


def delegated(account: Account, chain_id: int, nonce: int) -> bytes:
    """A transaction of this account that delegates the account itself to Multicall3 (EIP-7702)."""
    from eth_account import Account as Signing

    # the account sends it itself: its nonce is used once by the transaction before the authorization is looked at
    authorization = {"chainId": chain_id, "address": MULTICALL3, "nonce": nonce + 1}
    signed = Signing.sign_authorization(authorization, account.private_key)
    fields = {
        "type": 4,
        "chainId": chain_id,
        "nonce": nonce,
        "to": account.address,
        "value": 0,
        "gas": 200_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 10**9,
        "data": "0x",
        "accessList": [],
        "authorizationList": [signed],
    }
    return bytes(Signing.sign_transaction(fields, account.private_key).raw_transaction)


def aims(guard: Guard, limits: Limits, current: Mapping[str, int], states: Mapping[str, BreakerState]) -> list[Aim]:
    """Every breaker of the guard: pauses, then limits; ``current`` by market, ``states`` by identifier."""
    found = [Aim(_raw(one), None, 0, states[one]) for one in guard.pauses.values()]
    for market, one in guard.limits.items():
        (bound,) = limit_breaker(guard.world, market, limits).bounds
        found.append(Aim(_raw(one), bound, current[market], states[one]))
    return found


def error_names(*abis: Sequence[Mapping[str, Any]]) -> dict[bytes, str]:
    """Names of custom errors by selector."""
    found = {}
    for abi in abis:
        for entry in abi:
            if entry["type"] == "error":
                types = ",".join(part["type"] for part in entry["inputs"])
                found[keccak256(f"{entry['name']}({types})".encode())[:4]] = entry["name"]
    return found


def _raw(identifier: str) -> bytes:
    return bytes.fromhex(identifier[2:])


def created(sender: str, nonce: int) -> str:
    """Where a contract stands that this account makes with this nonce."""
    import rlp

    return checksum_address(keccak256(rlp.encode([bytes.fromhex(sender[2:]), nonce]))[12:])
