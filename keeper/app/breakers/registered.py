"""Which breakers the configuration uses, and what their contracts answer at one block."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from keeper.config.model import BreakerRoute, RouteConfig
from keeper.domain.abi import encode_call
from keeper.domain.abi_codec import decode_values
from keeper.domain.action import Call, FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.breaker_registration import decode_registration
from keeper.domain.circuit_breaker import (
    BREAKER_OF,
    FROZEN,
    SILENT_AT,
    STATE_OF,
    BreakerState,
    BreakerStatus,
    BreakerTerms,
    breaker_name,
    decode_state,
    decode_terms,
    view_call,
)
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import CallResult
from keeper.execution.fitting import misfits
from keeper.execution.planner import ArmedAction
from keeper.ports.chain import ChainReader

SILENCE_LIMIT = "silenceLimit()(uint32)"


@dataclass(frozen=True, slots=True)
class Breaker:
    """One breaker; ``keys`` are the (market, action) that trip it, ``armed`` what these say it is."""

    contract: str
    id: str
    route: str
    keys: tuple[tuple[str, str], ...]
    armed: tuple[ArmedAction, ...] = ()

    @property
    def name(self) -> str:
        """For people."""
        return breaker_name(self.id)

    @property
    def place(self) -> tuple[str, str]:
        """(contract, id)."""
        return self.contract, self.id

    @property
    def markets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(market for market, _ in self.keys))


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract with the breakers that are used of it. ``route`` is the first that leads there.

    ``lanes`` names the keys that must be keepers there: those that its actions are sent from, and the first (empty) where several sign together.
    """

    address: str
    route: str
    heartbeat_ms: int
    breakers: tuple[Breaker, ...]
    lanes: tuple[str, ...] = ("",)

    def keys(self, senders: Mapping[str, str]) -> dict[str, str]:
        """The address of each of these keys by its lane. ``senders`` has those of all lanes."""
        return {lane: senders[lane] for lane in self.lanes if lane in senders}


@dataclass(frozen=True, slots=True)
class Answers:
    """What a contract said at one block. ``silent_at_s`` has the time for each key by its lane, and nothing where the keeper has none.

    ``misfits`` has the (market, action) whose breaker is another one than the action says, and what differs.
    """

    frozen: bool
    limit_s: int
    silent_at_s: Mapping[str, int]
    states: Mapping[str, BreakerState]
    terms: Mapping[str, BreakerTerms] = field(default_factory=dict)
    misfits: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was registered when the breaker had this nonce."""

    nonce: int
    terms: BreakerTerms
    misfits: Mapping[tuple[str, str], str]


def contracts_in(armed: Iterable[ArmedAction], routes: Iterable[RouteConfig]) -> tuple[Contract, ...]:
    """Every contract that an action goes through, in their order. Of several routes to one contract the shortest interval counts."""
    leading = {each.name: each for each in routes if isinstance(each, BreakerRoute)}
    using: dict[tuple[str, str], list[ArmedAction]] = {}
    led: dict[str, list[str]] = {}
    lanes: dict[str, list[str]] = {}
    for each in armed:
        trip = each.action.breaker
        if trip is not None:
            using.setdefault((trip.contract, trip.id), []).append(each)
            led.setdefault(trip.contract, []).append(each.action.route)
            sent_from = ["", each.action.lane] if leading[each.action.route].orders is not None else [each.action.lane]
            lanes.setdefault(trip.contract, []).extend(sent_from)
    return tuple(
        Contract(
            address,
            names[0],
            min(leading[name].heartbeat_ms for name in names),
            tuple(
                Breaker(*place, names[0], tuple(each.key for each in used), tuple(used))
                for place, used in using.items()
                if place[0] == address
            ),
            tuple(dict.fromkeys(lanes[address])),
        )
        for address, names in led.items()
    )


class Reader:
    """Asks all contracts at once.

    What a breaker is stays the same while it is registered: that is asked again only when its nonce says that something happened.
    """

    def __init__(self, chain: ChainReader, contracts: Sequence[Contract], senders: Mapping[str, str]) -> None:
        """``senders`` has the address of each key by its lane."""
        self._chain = chain
        self._contracts = contracts
        self._senders = senders
        self._known: dict[tuple[str, str], _Known] = {}
        self._calls: list[Call] = []
        for contract in contracts:
            self._calls += [encode_call(FunctionCall(contract.address, view)) for view in (FROZEN, SILENCE_LIMIT)]
            keys = contract.keys(senders).values()
            self._calls += [encode_call(FunctionCall(contract.address, SILENT_AT, (key,))) for key in keys]
            self._calls += [view_call(contract.address, STATE_OF, each.id) for each in contract.breakers]

    @property
    def misfits(self) -> dict[tuple[str, str], str]:
        """By (market, action): what differs, of every breaker that was another one when it was read last."""
        return {key: why for known in self._known.values() for key, why in known.misfits.items()}

    async def read(self, block: BlockStamp) -> list[Answers | MalformedAnswer]:
        """For each contract what it says, or why that is not what a CircuitBreaker says. Raises OutsideError."""
        results = iter(await self._chain.read(self._calls, block))
        found = [self._first(contract, results) for contract in self._contracts]
        unread = [
            (each, answers.states[each.id])
            for contract, answers in zip(self._contracts, found, strict=True)
            if isinstance(answers, Answers)
            for each in contract.breakers
            if self._is_news(each, answers.states[each.id])
        ]
        views = [view_call(each.contract, BREAKER_OF, each.id) for each, _ in unread]
        told = await self._chain.read(views, block) if views else ()
        wrong: dict[str, MalformedAnswer] = {}
        for (each, state), result in zip(unread, told, strict=True):
            try:
                self._known[each.place] = _registered(each, state, _data(result, BREAKER_OF))
            except MalformedAnswer as error:
                wrong[each.contract] = error
        return [self._whole(contract, answers, wrong) for contract, answers in zip(self._contracts, found, strict=True)]

    def _first(self, contract: Contract, results: Iterator[CallResult]) -> Answers | MalformedAnswer:
        """Takes the contract's answers from ``results``, all of them whatever they say."""
        keys = contract.keys(self._senders)
        views = [FROZEN, SILENCE_LIMIT, *(SILENT_AT for _ in keys), *(STATE_OF for _ in contract.breakers)]
        mine = list(islice(results, len(views)))
        try:
            said = [_data(result, view) for view, result in zip(views, mine, strict=True)]
            states = said[len(said) - len(contract.breakers) :]
            return Answers(
                frozen=bool(decode_values(("bool",), said[0])[0]),
                limit_s=_number(said[1]),
                silent_at_s={lane: _number(data) for lane, data in zip(keys, said[2:], strict=False)},
                states={each.id: decode_state(data) for each, data in zip(contract.breakers, states, strict=True)},
            )
        except MalformedAnswer as error:
            return error

    def _whole(
        self, contract: Contract, answers: Answers | MalformedAnswer, wrong: Mapping[str, MalformedAnswer]
    ) -> Answers | MalformedAnswer:
        if isinstance(answers, MalformedAnswer):
            return answers
        if contract.address in wrong:
            return wrong[contract.address]
        known = {each.id: self._known[each.place] for each in contract.breakers}
        terms = {identifier: each.terms for identifier, each in known.items()}
        other = {key: why for each in known.values() for key, why in each.misfits.items()}
        return replace(answers, terms=terms, misfits=other)

    def _is_news(self, breaker: Breaker, state: BreakerState) -> bool:
        known = self._known.get(breaker.place)
        if known is None or known.nonce != state.nonce:
            return True
        return bool(known.misfits) and state.status is BreakerStatus.UNKNOWN  # unregistering leaves the nonce


def _registered(breaker: Breaker, state: BreakerState, data: bytes) -> _Known:
    """Raises MalformedAnswer for what has no terms."""
    other = {}
    if state.status is not BreakerStatus.UNKNOWN:
        other = {each.key: why for each in breaker.armed if (why := _misfit(each, data))}
    return _Known(state.nonce, decode_terms(data), other)


def _misfit(armed: ArmedAction, data: bytes) -> str:
    """What differs; empty when nothing does."""
    try:
        return "; ".join(misfits(armed, decode_registration(data)))
    except MalformedAnswer as error:
        return f"its registration cannot be read: {error.message}"


def _data(result: CallResult, view: str) -> bytes:
    if not result.ok:
        raise MalformedAnswer(f"{view} reverted")
    return result.data


def _number(data: bytes) -> int:
    return int(decode_values(("uint256",), data)[0])
