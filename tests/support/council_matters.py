"""Matters made by hand, and a council in memory that takes signatures: what the page is tested against."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from keeper.app.council.matter import (
    After,
    Change,
    Chart,
    Decoded,
    Kept,
    Level,
    Matter,
    Point,
    Remark,
    Signed,
    Standing,
    Times,
)
from keeper.domain.errors import UnitError
from keeper.domain.proposal import SafeState
from keeper.domain.record import Draft, Json, RecordKind
from keeper.domain.safe import ZERO_ADDRESS, SafeTransaction

NOW_MS = 1_763_700_600_000
CHAIN_ID = 31337
SAFE = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
POOL = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
BREAKER = "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"
MULTISEND = "0x9641d764fc13c8B624c04430C7356C1C7C8102e2"
OWNERS: tuple[LocalAccount, ...] = tuple(Account.from_key(bytes([7] * 31 + [number])) for number in (1, 2, 3))
STRANGER: LocalAccount = Account.from_key(bytes([9] * 32))
MEMBERS: dict[str, str] = {OWNERS[0].address: "Alice", OWNERS[1].address: "Bob"}
INCIDENT = "ETH-PERP@21044918"
RESTORE = bytes.fromhex("8d80ff0a") + bytes(range(200))


def state(**changed: Any) -> SafeState:
    start = SafeState(
        chain_id=CHAIN_ID,
        safe=SAFE,
        version="1.4.1",
        owners=tuple(owner.address for owner in OWNERS),
        threshold=2,
        nonce=4,
        modules=(BREAKER,),
        guard=ZERO_ADDRESS,
        fallback="0xfd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99",
        block=21_045_003,
    )
    return replace(start, **changed)


def batch() -> Decoded:
    """Two calls in a batch, one of them to a contract that nobody knows."""
    limit = Decoded(
        to=POOL,
        contract_name="the pool",
        value_wei=0,
        delegatecall=False,
        function="setWithdrawalLimit(bytes32,uint256)",
        args=(("bytes32", "0x4554482d50455250" + 48 * "0"), ("uint256", "5000000000000000000000")),
        data="0x" + 68 * "ab",
        text="Set the withdrawal limit of ETH-PERP to 5000 WETH",
    )
    unknown = Decoded(BREAKER, "", 10**17, False, None, (), "0xdeadbeef" + 64 * "1", (), "A call that is not known")
    return Decoded(
        to=MULTISEND,
        contract_name="MultiSendCallOnly",
        value_wei=0,
        delegatecall=True,
        function="multiSend(bytes)",
        args=(),
        data="0x" + RESTORE.hex(),
        inner=(limit, unknown),
        text="A batch of 2 calls",
    )


def chart() -> Chart:
    start_ms = NOW_MS - 900_000
    values = ["0.0012", "0.0015", "0.0011", "0.0019", "nan", "0.0043", "0.0127", "0.0291", "0.0313", "0.0288"]
    return Chart(
        "divergence of oracle and spot",
        tuple(Point(start_ms + 60_000 * at, value) for at, value in enumerate(values)),
        "0.02",
    )


def matter(nonce: int = 4, signers: int = 1, **changed: Any) -> Matter:
    """A restore that the keeper proposed; the first ``signers`` owners have signed."""
    transaction = changed.pop("transaction", SafeTransaction(CHAIN_ID, SAFE, nonce, MULTISEND, RESTORE))
    signed = tuple(_signed(owner.address, NOW_MS - 120_000) for owner in OWNERS[:signers])
    start = Matter(
        transaction=transaction,
        state=state(),
        standing=Standing.WAITING if signers < 2 else Standing.READY,
        title="Restore ETH-PERP after the incident of block 21044918",
        why=(
            "Rule oracle-divergence tripped on ETH-PERP: divergence 0.0313 against 0.02 for 3 blocks.",
            "The rule has been clear for 12 blocks: divergence is 0.0012 now.",
        ),
        changes=(
            Change(
                POOL,
                "withdrawalLimit(bytes32)(uint256)",
                ("ETH-PERP",),
                "500 WETH",
                "5000 WETH",
                "5000 WETH",
                "Withdrawal limit of ETH-PERP",
            ),
            Change(POOL, "paused(bytes32)(bool)", ("ETH-PERP",), "true", None, None, "Whether ETH-PERP is paused"),
        ),
        decoded=batch(),
        after=After(
            True,
            "Simulated on the node with eth_simulateV1: all 2 calls succeed.",
            (
                Kept("oracle-near-market", True, "0.1 %", "0.1 %", "The pool's price is within 1 % of the market."),
                Kept(
                    "no-mass-liquidation",
                    False,
                    "0",
                    "14 positions, 812000 USDC",
                    "At most 5 positions may become liquidatable.",
                ),
                Kept("caps-above-use", None, "", "", "The cap could not be read: the call reverted."),
            ),
            21_045_003,
        ),
        signed=signed,
        not_signed=tuple(_signed(owner.address, None) for owner in OWNERS[signers:]),
        remarks=(Remark(Level.NOTE, "It goes through MultiSendCallOnly, which can make calls only."),),
        pointless="when nonce 4 is used by another transaction, or when the limit expires at 2025-11-21 06:10:00 UTC",
        times=Times(NOW_MS - 540_000, NOW_MS - 530_000, NOW_MS - 300_000, NOW_MS - 120_000 if signers else None),
        chart=chart(),
        market="ETH-PERP",
        action="restore-limit",
        incident=INCIDENT,
        evidence="0x" + 32 * "c4",
        proposer=OWNERS[0].address,
        delegate=STRANGER.address,
        origin="keeper: restore ETH-PERP",
        ours=True,
        web_url=f"https://app.safe.global/transactions/tx?safe=eth:{SAFE}",
    )
    return replace(start, **changed)


def alarming(**changed: Any) -> Matter:
    """Somebody wants to take the Safe over."""
    remarks = (
        Remark(Level.ALARM, "It makes 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 an owner of this Safe."),
        Remark(Level.ALARM, "The service says another hash than the one computed here."),
        Remark(Level.WARNING, "The keeper's log does not know this proposal."),
    )
    return matter(title="Change the owners of this Safe", remarks=remarks, ours=False, **changed)


def _signed(owner: str, at_ms: int | None) -> Signed:
    return Signed(owner, MEMBERS.get(owner, ""), True, "", at_ms)


def story(*more: Draft) -> list[Draft]:
    """The incident as the log has it: it began, a pause was read back, a restore is proposed; then ``more``."""
    verdict: Json = {"rule": "oracle-divergence", "signal": "divergence", "value": "0.0313", "threshold": "0.02"}
    opened: dict[str, Json] = {"id": INCIDENT, "phase": "opened", "verdict": verdict}
    paused: dict[str, Json] = {"call": "paused(bytes32)(bool)", "before": "false", "after": "true", "block": 21_044_919}
    made: dict[str, Json] = {"step": "made", "safe_tx_hash": matter().hash, "title": "restore ETH-PERP"}
    return [
        about(RecordKind.INCIDENT, opened, NOW_MS - 900_000),
        about(RecordKind.EFFECT, paused, NOW_MS - 899_000),
        about(RecordKind.PROPOSAL, made, NOW_MS - 540_000),
        *more,
    ]


def about(kind: RecordKind, body: Mapping[str, Json], at_ms: int) -> Draft:
    """A record of the incident."""
    return Draft(kind, body, at_ms, "ETH-PERP", None, INCIDENT)


@dataclass
class FakeCouncil:
    """The view over ``matters``. ``confirm`` takes an owner's signature over the hash and says no to any other, as the council's side does."""

    matters: list[Matter] = field(default_factory=lambda: [matter()])
    past: list[Matter] = field(default_factory=list)
    log: list[Draft] = field(default_factory=story)
    error: Exception | None = None
    """Raised by whatever is asked, the log too."""
    seen_hashes: list[tuple[str, str]] = field(default_factory=list)
    confirmed: list[tuple[str, bytes, str]] = field(default_factory=list)

    async def state(self) -> SafeState:
        self.fail()
        return self.matters[0].state if self.matters else state()

    async def queue(self) -> Sequence[Matter]:
        self.fail()
        return self.matters

    async def history(self) -> Sequence[Matter]:
        return self.past

    async def matter(self, hash_or_prefix: str, /) -> Matter:
        self.fail()
        for known in (*self.matters, *self.past):
            if known.hash.startswith(hash_or_prefix):
                return known
        raise UnitError(f"{hash_or_prefix} is not known", remedy="keeper council queue shows what is open")

    async def confirm(self, matter: Matter, signature: bytes, /, *, via: str) -> Matter:
        signer = str(Account._recover_hash(matter.transaction.hash, signature=signature))
        if signer not in matter.state.owners:
            raise UnitError(f"the signature is of {signer}, who is not an owner of the Safe", remedy="sign as an owner")
        self.confirmed.append((matter.hash, signature, via))
        signed = (*matter.signed, _signed(signer, NOW_MS))
        missing = tuple(one for one in matter.not_signed if one.owner != signer)
        after = replace(matter, signed=signed, not_signed=missing)
        if not after.missing:
            after = replace(after, standing=Standing.READY, times=replace(after.times, threshold_ms=NOW_MS))
        self.matters = [after if known.hash == matter.hash else known for known in self.matters]
        return after

    async def seen(self, matter: Matter, /, *, via: str) -> None:
        self.seen_hashes.append((matter.hash, via))

    def fail(self) -> None:
        if self.error is not None:
            raise self.error
