"""What must be said loudly about a proposal: what takes the Safe over, and where a service's answer is not our own computation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Final

from keeper.app.council.decoding import CONTAINERS, argument_types
from keeper.app.council.matter import Decoded, Level, Remark, Signed
from keeper.app.council.meanings import APPROVALS, BREAKER_CALLS, COMMON_CALLS, PAYMENTS, REGISTER, UNLIMITED
from keeper.domain.address import keccak256
from keeper.domain.errors import UnitError
from keeper.domain.multisend import MULTI_SEND
from keeper.domain.proposal import Confirmation, Queued, SafeState
from keeper.domain.safe import VERSIONS, ZERO_ADDRESS, Operation, SafeTransaction
from keeper.domain.safe_calls import EXECUTE, SAFE_CALLS
from keeper.domain.safe_signatures import SignatureKind, kind_of, named_owner, recover_owner
from keeper.domain.text import shown

_MULTI_SEND: Final = keccak256(MULTI_SEND.encode("ascii"))[:4]
_LOUDEST: Final = (Level.ALARM, Level.WARNING, Level.NOTE)


def remarks(
    transaction: SafeTransaction,
    state: SafeState,
    decoded: Decoded,
    trusted_multisend: frozenset[str],
    *,
    known: Mapping[str, str] | None = None,
) -> tuple[Remark, ...]:
    """What the transaction itself gives reason to say, loudest first; none is said twice.

    ``trusted_multisend`` are contracts that make batches of plain calls only. ``known`` are names of addresses: value to others is a warning.
    """
    names = known or {}
    found = [*_of_safe(transaction, state, names), *_of_payment(transaction)]
    for call, path in _walk(decoded, ()):
        found += _of_call(call, path, transaction, trusted_multisend, names)
    return _sorted(found)


def differences(
    queued: Queued, state: SafeState, approved: frozenset[str] = frozenset(), names: Mapping[str, str] | None = None
) -> tuple[Remark, ...]:
    """Every way in which a service's answer is not what we compute or the chain says. ``approved`` as for ``check_confirmation``."""
    transaction = queued.transaction
    found = list(_elsewhere(transaction, state))
    if queued.claimed_hash.lower() != transaction.hash_text:
        found.append(
            _alarm(
                f"the service calls it {shown(queued.claimed_hash, 70)}, but its fields have the hash {transaction.hash_text}"
            )
        )
    if queued.executed and transaction.nonce >= state.nonce:
        found.append(
            _alarm(
                f"the service says it is executed, but the Safe's next nonce is {state.nonce} (block {state.block}) and this one has "
                f"{transaction.nonce}"
            )
        )
    owners = set()
    for confirmation in queued.confirmations:
        if confirmation.owner in owners:
            found.append(_alarm(f"the service lists {confirmation.owner} twice among those who signed"))
        owners.add(confirmation.owner)
        signed = check_confirmation(transaction, confirmation, state, approved, names)
        if not signed.counts:
            text = f"the service lists a signature of {_called(signed)} that does not count: {signed.why}"
            found.append(Remark(_level_of(transaction, confirmation, state), text))
    if queued.proposer is not None and queued.proposer not in state.owners:
        found.append(
            Remark(Level.WARNING, f"it was proposed in the name of {queued.proposer}, who is no owner of this Safe")
        )
    return _sorted(found)


def check_confirmation(
    transaction: SafeTransaction,
    confirmation: Confirmation,
    state: SafeState,
    approved: frozenset[str] = frozenset(),
    names: Mapping[str, str] | None = None,
) -> Signed:
    """Whether the Safe would take this signature for this very transaction, by our own hash.

    ``approved`` are owners whose word only the chain knows and confirms: a hash approved there, or a contract's signature
    (``keeper.domain.safe_signatures.ask_call``). ``names`` are members by address.
    """
    why = _why_not(transaction, confirmation, state, approved)
    return Signed(
        owner=confirmation.owner,
        name=(names or {}).get(confirmation.owner, ""),
        counts=not why,
        why=why,
        at_ms=confirmation.at_ms,
    )


def altered(ours: SafeTransaction, told: SafeTransaction) -> tuple[Remark, ...]:
    """Every field in which what a service tells differs from what our log says was proposed, with both values."""
    found = []
    for name in (one.name for one in fields(SafeTransaction) if one.compare):
        mine, theirs = _field(getattr(ours, name)), _field(getattr(told, name))
        if mine != theirs:
            found.append(_alarm(f"{_FIELDS.get(name, name)}: we proposed {mine}, the service tells {theirs}"))
    return tuple(found)


_FIELDS: Final = {
    "chain_id": "chain",
    "safe": "Safe",
    "safe_tx_gas": "safeTxGas",
    "base_gas": "baseGas",
    "gas_price": "gasPrice",
    "gas_token": "gasToken",
    "refund_receiver": "refundReceiver",
}


def _field(value: object) -> str:
    if isinstance(value, bytes):
        text = "0x" + value.hex()
        return text if len(text) <= 202 else f"{text[:66]}... ({len(value)} bytes, keccak 0x{keccak256(value).hex()})"
    if isinstance(value, Operation):
        return f"{int(value)} ({value.name.lower()})"
    return str(value)


def _why_not(
    transaction: SafeTransaction, confirmation: Confirmation, state: SafeState, approved: frozenset[str]
) -> str:
    """In words; empty where it counts."""
    if (transaction.chain_id, transaction.safe) != (state.chain_id, state.safe):
        return "the transaction is for another Safe"
    if confirmation.owner not in state.owners:
        return "this is no owner of the Safe"
    try:
        kind = kind_of(confirmation.signature)
        by_key = kind in (SignatureKind.EOA, SignatureKind.ETH_SIGN)
        signer = _signer(transaction, kind, confirmation.signature)
    except UnitError as error:
        return error.message
    if signer != confirmation.owner:
        return "it is not this owner's signature over this transaction"
    if not by_key and signer not in approved:
        how = (
            "has not approved it on chain"
            if kind is SignatureKind.APPROVED
            else "is a contract, and does not confirm it"
        )
        return f"the owner {how}"
    return ""


def _level_of(transaction: SafeTransaction, confirmation: Confirmation, state: SafeState) -> Level:
    """Of a word that does not count. What somebody did sign may have become worthless since, which nobody needs to fear."""
    try:
        kind = kind_of(confirmation.signature)
        signer = _signer(transaction, kind, confirmation.signature)
    except UnitError:
        return Level.ALARM
    if signer != confirmation.owner or (transaction.chain_id, transaction.safe) != (state.chain_id, state.safe):
        return Level.ALARM
    if signer not in state.owners:
        return Level.NOTE
    return Level.WARNING if kind is SignatureKind.CONTRACT else Level.ALARM


def _signer(transaction: SafeTransaction, kind: SignatureKind, signature: bytes) -> str:
    """Whose it is, or names. Raises UnitError."""
    by_key = kind in (SignatureKind.EOA, SignatureKind.ETH_SIGN)
    return recover_owner(transaction.hash, signature) if by_key else named_owner(signature)


def _of_safe(transaction: SafeTransaction, state: SafeState, names: Mapping[str, str]) -> Iterator[Remark]:
    yield from _elsewhere(transaction, state)
    if state.version not in VERSIONS:
        yield _alarm(
            f"the Safe is of version {shown(state.version)}; known are {', '.join(VERSIONS)}: what it would do is not sure"
        )
    for module in state.modules:
        if module not in names:
            yield Remark(Level.WARNING, f"the module {module} can do anything with this Safe without its owners")
    if state.guard != ZERO_ADDRESS:
        yield Remark(Level.NOTE, f"the guard {state.guard} may forbid the execution")


def _elsewhere(transaction: SafeTransaction, state: SafeState) -> Iterator[Remark]:
    if transaction.chain_id != state.chain_id:
        yield _alarm(f"it is for chain {transaction.chain_id}, not for {state.chain_id}")
    if transaction.safe != state.safe:
        yield _alarm(f"it is for the Safe {transaction.safe}, not for {state.safe}")


def _of_payment(transaction: SafeTransaction) -> Iterator[Remark]:
    if transaction.refunds:
        yield _alarm(
            f"whoever executes it is paid by the Safe (gasPrice {transaction.gas_price}, baseGas {transaction.base_gas}, "
            f"gasToken {transaction.gas_token}, refundReceiver {transaction.refund_receiver}): a way to empty it"
        )
    if transaction.safe_tx_gas:
        yield Remark(
            Level.WARNING, f"safeTxGas is {transaction.safe_tx_gas}: what it calls may fail and still use up the nonce"
        )


def _walk(call: Decoded, path: tuple[int, ...]) -> Iterator[tuple[Decoded, tuple[int, ...]]]:
    """Each call with its place: the second call of a batch is ``(2,)``."""
    yield call, path
    for number, inner in enumerate(call.inner, start=1):
        yield from _walk(inner, (*path, number))


def _of_call(
    call: Decoded,
    path: tuple[int, ...],
    transaction: SafeTransaction,
    trusted: frozenset[str],
    names: Mapping[str, str],
) -> Iterator[Remark]:
    at = f"call {'.'.join(map(str, path))}: " if path else ""
    selector = bytes.fromhex(call.data[2:10])
    if call.delegatecall and (path or call.to not in trusted or selector != _MULTI_SEND):
        yield _alarm(f"{at}runs the code at {call.to} as the Safe itself (delegatecall): it can do anything with it")
    if call.doubt:
        yield Remark(Level.ALARM if _unread(call) else Level.WARNING, f"{at}{call.doubt}")
    if call.data == "0x":
        pass
    elif call.to == transaction.safe:
        yield _of_itself(call, at, selector)
    elif call.function is None:
        yield Remark(Level.WARNING, f"{at}{call.text}")
    else:
        yield from _of_meaning(call, at, selector)
        if call.function == REGISTER and call.args and call.args[1][1].startswith(f"[{transaction.safe},"):
            yield _alarm(f"{at}lets keepers call the Safe itself, so that they can change its owners")
    if call.function == EXECUTE and call.args and any(_pays(call)):
        yield _alarm(f"{at}the Safe {call.to} pays whoever executes it: a way to empty it")
    yield from _of_money(call, at, transaction, names)


def _unread(call: Decoded) -> bool:
    """Whether nobody can say what it does: it is too large, no argument reads, or what it carries does not."""
    nothing = call.function is None or (not call.args and bool(argument_types(call.function)))
    return nothing or call.function in CONTAINERS


def _of_itself(call: Decoded, at: str, selector: bytes) -> Remark:
    """A Safe that calls itself changes itself."""
    meaning = SAFE_CALLS.get(selector)
    if meaning is None:
        return Remark(Level.WARNING, f"{at}calls the Safe itself with an unknown function")
    return Remark(meaning.level, f"{at}{call.text}")


def _of_meaning(call: Decoded, at: str, selector: bytes) -> Iterator[Remark]:
    for table in (SAFE_CALLS, BREAKER_CALLS, COMMON_CALLS):
        meaning = table.get(selector)
        if meaning is not None and meaning.signature == call.function:
            if meaning.level is not Level.NOTE:
                yield Remark(meaning.level, f"{at}{call.text}")
            break
    if call.function in APPROVALS and call.args and int(call.args[1][1]) >= UNLIMITED:
        yield _alarm(f"{at}lets {call.args[0][1]} take every token of {call.to}, without a limit")


def _pays(call: Decoded) -> Iterator[bool]:
    yield from (int(text) != 0 for _, text in call.args[5:7])
    yield from (text != ZERO_ADDRESS for _, text in call.args[7:9])


def _of_money(call: Decoded, at: str, transaction: SafeTransaction, names: Mapping[str, str]) -> Iterator[Remark]:
    """Value, or tokens, to whom nobody named."""

    def stranger(address: str) -> bool:
        return address not in names and address != transaction.safe

    if call.value_wei and stranger(call.to) and not call.delegatecall:
        yield Remark(
            Level.WARNING, f"{at}sends {call.value_wei} wei to {call.to}, whom the configuration does not name"
        )
    if call.function in PAYMENTS and call.args:
        receiver = [text for kind, text in call.args if kind == "address"][-1]
        if stranger(receiver):
            yield Remark(
                Level.WARNING, f"{at}sends tokens of {call.to} to {receiver}, whom the configuration does not name"
            )


def _called(signed: Signed) -> str:
    return f"{signed.name} ({signed.owner})" if signed.name else signed.owner


def _alarm(text: str) -> Remark:
    return Remark(Level.ALARM, text)


def _sorted(found: list[Remark]) -> tuple[Remark, ...]:
    return tuple(sorted(dict.fromkeys(found), key=lambda remark: _LOUDEST.index(remark.level)))
