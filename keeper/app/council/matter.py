"""Everything that a council member must know of one proposal, ready to be shown: by the command line, on the page, as JSON.

All texts are for people, without markup; foreign text in them (a proposer's note, an unknown contract's answer) is printable and short.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from keeper.domain.proposal import Level as Level  # told with the remarks
from keeper.domain.proposal import SafeState
from keeper.domain.safe import SafeTransaction


class Standing(StrEnum):
    WAITING = "waiting"
    """Signatures are missing."""
    READY = "ready"
    """Enough owners have signed, and its nonce is the Safe's next one."""
    BEHIND = "behind"
    """Enough owners have signed, and an earlier nonce must be executed or rejected first."""
    EXECUTED = "executed"
    """By the chain; a service's word does not make it so."""
    DEAD = "dead"
    """Its nonce is used, and not by it as far as the chain tells: it can never be executed."""


@dataclass(frozen=True, slots=True)
class Remark:
    level: Level
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """A view of the protocol before and after, both read from the chain (``after`` from the simulation); None where it could not be read.

    ``asked`` is the view as ``withdrawalLimit(bytes32)(uint256)``, ``recorded`` what the log says it was before the keeper acted (restore only).
    """

    contract: str
    asked: str
    args: tuple[str, ...]
    before: str | None
    after: str | None
    recorded: str | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One call in words. ``function`` is None where its selector is unknown; ``inner`` are the calls of a batch, or of a call of another Safe.

    ``contract_name`` is what the configuration knows the address as (``the breaker contract``, ``this Safe``), empty where it does not.
    """

    to: str
    contract_name: str
    value_wei: int
    delegatecall: bool
    function: str | None
    args: tuple[tuple[str, str], ...]
    """(type, value) of each argument."""
    data: str
    inner: tuple[Decoded, ...] = ()
    text: str = ""
    """One line: what it does, in plain words."""
    doubt: str = ""
    """What of its calldata cannot be read, or is not as an encoder writes it; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Signed:
    """``counts`` False: the Safe would not take it; ``why`` says so. ``name`` is the member's name in the configuration, else empty."""

    owner: str
    name: str
    counts: bool
    why: str = ""
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """One invariant on the state after. ``holds`` None: it could not be judged. ``before`` and ``after`` are what was found, in words with units."""

    name: str
    holds: bool | None
    before: str
    after: str
    text: str


@dataclass(frozen=True, slots=True)
class After:
    """The state after the whole transaction, simulated. ``goes_through`` None: it could not be simulated; ``text`` says what was found and how."""

    goes_through: bool | None
    text: str
    kept: tuple[Kept, ...] = ()
    block: int | None = None


@dataclass(frozen=True, slots=True)
class Point:
    at_ms: int
    value: str
    """Decimal text."""


@dataclass(frozen=True, slots=True)
class Chart:
    """The signal that tripped, over time, against its threshold (decimal text)."""

    title: str
    points: tuple[Point, ...]
    threshold: str | None


@dataclass(frozen=True, slots=True)
class Times:
    """The council's clock; milliseconds since 1970, None: not yet. ``moot_ms`` and ``moot_why``: when and why it became pointless."""

    proposed_ms: int | None = None
    paged_ms: int | None = None
    seen_ms: int | None = None
    first_signature_ms: int | None = None
    threshold_ms: int | None = None
    executed_ms: int | None = None
    moot_ms: int | None = None
    moot_why: str = ""


@dataclass(frozen=True, slots=True)
class Matter:
    """``pointless`` says in words when signing it becomes pointless. ``web_url`` leads to the Safe web app, empty where it has none for this chain.

    ``from_service`` False: it is known from the log or a file alone. ``ours``: this keeper proposed it, by its log.
    """

    transaction: SafeTransaction
    state: SafeState
    standing: Standing
    title: str
    why: tuple[str, ...]
    changes: tuple[Change, ...]
    decoded: Decoded
    after: After
    signed: tuple[Signed, ...]
    not_signed: tuple[Signed, ...]
    """Owners who have not; ``counts`` and ``why`` mean nothing there."""
    remarks: tuple[Remark, ...]
    pointless: str
    times: Times = field(default_factory=Times)
    chart: Chart | None = None
    market: str | None = None
    action: str | None = None
    incident: str | None = None
    evidence: str | None = None
    """The hash of the decision's record, as 0x and 64 digits."""
    proposer: str | None = None
    delegate: str | None = None
    origin: str = ""
    from_service: bool = True
    ours: bool = False
    web_url: str = ""
    former: frozenset[str] = frozenset()
    """Owners whose words lay there when it was proposed and have not been given again: for an earlier one that was the same transaction."""
    executed_tx: str | None = None
    """By the log or the Safe's own events."""
    failed: bool = False
    """It was executed, and the Safe's own call failed: its nonce is used, and nothing else happened."""
    unsure: bool = False
    """DEAD, and it may have been executed all the same: the chain cannot be read so far back. A remark says why."""

    @property
    def hash(self) -> str:
        """The safeTxHash, computed here."""
        return self.transaction.hash_text

    @property
    def over(self) -> bool:
        """Its nonce is used."""
        return self.standing in (Standing.EXECUTED, Standing.DEAD)

    @property
    def missing(self) -> int:
        """How many signatures are missing."""
        return max(0, self.state.threshold - sum(one.counts for one in self.signed))

    @property
    def alarms(self) -> tuple[Remark, ...]:
        return tuple(remark for remark in self.remarks if remark.level is Level.ALARM)
