"""What the configuration knows of addresses, functions and markets, for reading calldata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from keeper.config.model import BreakerRoute, Config, SafeRoute
from keeper.domain.abi import canonical_text, parse_signature
from keeper.domain.action import Action, FunctionCall
from keeper.domain.errors import UnitError
from keeper.domain.multisend import TRUSTED_MULTI_SEND


@dataclass(frozen=True, slots=True)
class Known:
    """Addresses are EIP-55.

    ``names`` are words for addresses, ``functions`` the signatures that actions use, by target. ``markets`` says which market an argument stands
    for, by the function's signature, the argument's place from 0 and its text. ``breakers`` are contracts CircuitBreaker, ``multisend`` those
    that batches may go through.
    """

    safe: str
    names: Mapping[str, str] = field(default_factory=dict)
    functions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    markets: Mapping[tuple[str, int, str], str] = field(default_factory=dict)
    breakers: frozenset[str] = frozenset()
    multisend: frozenset[str] = frozenset()


def known_from(config: Config, route: SafeRoute) -> Known:
    """What is known where the Safe of this route is asked to do something."""
    breakers = frozenset(other.address for other in config.routes if isinstance(other, BreakerRoute))
    multisend = TRUSTED_MULTI_SEND | {route.multisend}
    functions: dict[str, list[str]] = {}
    for _, call in _calls(config.actions):
        known = functions.setdefault(call.target, [])
        signature = parse_signature(call.signature).signature
        if signature not in known:
            known.append(signature)
    return Known(
        safe=route.address,
        names=_names(config.actions, route, breakers),
        functions={target: tuple(signatures) for target, signatures in functions.items()},
        markets=_markets(config.actions),
        breakers=breakers,
        multisend=multisend,
    )


def _calls(actions: Iterable[Action]) -> Iterator[tuple[Action, FunctionCall]]:
    """Those that act: views are called by nobody's Safe."""
    for action in actions:
        yield action, action.call
        if action.undo is not None:
            yield action, action.undo


def _names(actions: Iterable[Action], route: SafeRoute, breakers: frozenset[str]) -> dict[str, str]:
    """What is sure beats what is guessed: the Safe itself, then the rest of the route, then targets."""
    markets: dict[str, set[str]] = {}
    for action, call in _calls(actions):
        markets.setdefault(call.target, set()).add(action.market)
    guessed = {
        target: f"the contract of {next(iter(of))}" if len(of) == 1 and len(markets) > 1 else "the protocol's contract"
        for target, of in markets.items()
    }
    taken = Counter(guessed.values())
    names = {target: name if taken[name] == 1 else f"{name} {target}" for target, name in guessed.items()}
    names |= dict.fromkeys(breakers, "the breaker contract")
    names |= dict.fromkeys(TRUSTED_MULTI_SEND | {route.multisend}, "MultiSend (calls only)")
    names |= route.members
    names[route.address] = "this Safe"
    return names


def _markets(actions: Iterable[Action]) -> dict[tuple[str, int, str], str]:
    """An argument stands for a market when the view that shows the action's effect is asked with the same: views are asked with identifiers."""
    found: dict[tuple[str, int, str], set[str]] = {}
    for action, call in _calls(actions):
        identifiers = set(_texts(action.effect.read))
        signature = parse_signature(call.signature).signature
        for place, text in enumerate(_texts(call)):
            if text and text in identifiers:
                found.setdefault((signature, place, text), set()).add(action.market)
    return {at: next(iter(of)) for at, of in found.items() if len(of) == 1}


def _texts(call: FunctionCall) -> tuple[str, ...]:
    """The arguments in their one form; empty for what is filled in later."""
    return tuple(
        _text(kind, text) for kind, text in zip(parse_signature(call.signature).inputs, call.args, strict=False)
    )


def _text(kind: str, text: str) -> str:
    try:
        return canonical_text(kind, text)
    except UnitError:
        return ""
