"""What the Transaction Service answers, as values of the keeper: strict, so that nothing odd is taken for something else."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from keeper.domain.address import checksum_address, parse_address
from keeper.domain.errors import MalformedAnswer, UnitError
from keeper.domain.proposal import Confirmation, Delegate, Queued, ServedSafe
from keeper.domain.safe import ZERO_ADDRESS, Operation, SafeTransaction
from keeper.domain.safe_signatures import kind_of
from keeper.domain.text import printable, shown

MAX_CONFIRMATIONS: Final = 128
"""Of one proposal: more than any Safe has owners, of now and of before."""
MAX_OWNERS: Final = 500
MAX_ORIGIN: Final = 2_000
"""Characters of a proposer's note; the service takes 200."""

HASH: Final = re.compile(r"0x[0-9a-f]{64}")
_DECIMAL = re.compile(r"[0-9]{1,78}")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")


class TooLarge(MalformedAnswer):
    """An answer of more bytes than are read; fewer entries at once may fit."""


def decoded(content: bytes) -> object:
    """The JSON value of an answer. Raises MalformedAnswer."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise MalformedAnswer("the Safe service did not send JSON", remedy="look at `service` of the route") from None


def proposal(found: object, chain_id: int) -> Queued:
    """Raises MalformedAnswer, which names the field."""
    body = _object(found, "proposal")
    transaction = SafeTransaction(
        chain_id=chain_id,
        safe=_address(body, "safe"),
        nonce=_number(body, "nonce"),
        to=_address(body, "to"),
        data=_data(body, "data") or b"",
        value=_number(body, "value"),
        operation=_operation(body),
        safe_tx_gas=_number(body, "safeTxGas"),
        base_gas=_number(body, "baseGas"),
        gas_price=_number(body, "gasPrice"),
        gas_token=_optional(body, "gasToken", _address) or ZERO_ADDRESS,
        refund_receiver=_optional(body, "refundReceiver", _address) or ZERO_ADDRESS,
    )
    executed = _flag(body, "isExecuted")
    return Queued(
        transaction=transaction,
        claimed_hash=_hash(body, "safeTxHash"),
        confirmations=_confirmations(body.get("confirmations")),
        proposer=_optional(body, "proposer", _address),
        delegate=_optional(body, "proposedByDelegate", _address),
        origin=_origin(body.get("origin")),
        submitted_ms=_optional(body, "submissionDate", _time_ms),
        executed=executed,
        executed_tx=_optional(body, "transactionHash", _hash) if executed else None,
    )


def delegate(found: object) -> Delegate:
    """Raises MalformedAnswer, which names the field."""
    body = _object(found, "delegate")
    label = body.get("label")
    if not isinstance(label, str):
        raise _odd("label", label)
    return Delegate(
        delegate=_address(body, "delegate"),
        delegator=_address(body, "delegator"),
        label=printable(label, 50),
        safe=_optional(body, "safe", _address),
    )


def served_chain(found: object) -> int:
    """The number of the chain. Raises MalformedAnswer, which names the field."""
    return _number(_object(found, "description of a node"), "chainId")


def served_safe(found: object) -> ServedSafe:
    """Raises MalformedAnswer, which names the field."""
    body = _object(found, "Safe")
    owners = body.get("owners")
    if not isinstance(owners, list) or len(owners) > MAX_OWNERS:
        raise _odd("owners", owners)
    named = {f"owners[{at}]": owner for at, owner in enumerate(owners)}
    return ServedSafe(
        owners=tuple(_address(named, place) for place in named),
        threshold=_number(body, "threshold"),
        nonce=_number(body, "nonce"),
    )


def place_of(found: object, number: int) -> str:
    """How to name a proposal that cannot be read: its hash where it has one, else which one of the answer it is (from 1)."""
    claimed = found.get("safeTxHash") if isinstance(found, dict) else None
    return claimed if isinstance(claimed, str) and HASH.fullmatch(claimed) else f"entry {number} of the answer"


def entries(found: object) -> tuple[list[Any], bool]:
    """What is on a page, and whether there are more pages. Raises MalformedAnswer."""
    page = _object(found, "page")
    results, following = page.get("results"), page.get("next")
    if not isinstance(results, list):
        raise _odd("results", results)
    if following is not None and not isinstance(following, str):
        raise _odd("next", following)
    if following and not results:
        raise MalformedAnswer("the Safe service says that there is more, on a page that holds nothing")
    return results, bool(following)


def _confirmations(found: object) -> tuple[Confirmation, ...]:
    if found is None:
        return ()
    if not isinstance(found, list):
        raise _odd("confirmations", found)
    if len(found) > MAX_CONFIRMATIONS:
        raise MalformedAnswer(f"it has {len(found)} confirmations; more than {MAX_CONFIRMATIONS} are not read")
    return tuple(_within(f"confirmations[{at}]", _confirmation, one) for at, one in enumerate(found))


def _confirmation(found: object) -> Confirmation:
    body = _object(found, "confirmation")
    signature = _data(body, "signature") or b""
    try:
        kind_of(signature)
    except UnitError as error:
        raise MalformedAnswer(f"`signature`: {error.message}") from None
    return Confirmation(_address(body, "owner"), signature, _optional(body, "submissionDate", _time_ms))


def _within(place: str, parse: Callable[[object], T], found: object) -> T:
    try:
        return parse(found)
    except MalformedAnswer as error:
        raise MalformedAnswer(f"in {place}: {error.message}") from None


def _optional(body: Mapping[str, Any], name: str, parse: Callable[[Mapping[str, Any], str], T]) -> T | None:
    return None if body.get(name) is None else parse(body, name)


def _object(found: object, what: str) -> Mapping[str, Any]:
    if not isinstance(found, dict):
        raise MalformedAnswer(f"the Safe service sent {shown(found)}, which is no {what}")
    return found


def _address(body: Mapping[str, Any], name: str) -> str:
    try:
        return checksum_address(parse_address(body.get(name)))
    except UnitError:
        raise _odd(name, body.get(name)) from None


def _number(body: Mapping[str, Any], name: str) -> int:
    """A whole number of 256 bits; version 2 of the service writes some as text and some not."""
    found = body.get(name)
    if isinstance(found, str) and _DECIMAL.fullmatch(found):
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found < 1 << 256:
        raise _odd(name, body.get(name))
    return found


def _operation(body: Mapping[str, Any]) -> Operation:
    number = _number(body, "operation")
    if number not in (Operation.CALL, Operation.DELEGATECALL):
        raise _odd("operation", number)
    return Operation(number)


def _data(body: Mapping[str, Any], name: str) -> bytes | None:
    found = body.get(name)
    if found is None:
        return None
    try:
        data = bytes.fromhex(found[2:]) if isinstance(found, str) and found.startswith("0x") else None
    except ValueError:
        data = None
    if data is None or len(found) != 2 + 2 * len(data):  # it takes spaces between bytes
        raise _odd(name, found)
    return data


def _hash(body: Mapping[str, Any], name: str) -> str:
    found = body.get(name)
    if not isinstance(found, str) or not HASH.fullmatch(found):
        raise _odd(name, found)
    return found


def _flag(body: Mapping[str, Any], name: str) -> bool:
    found = body.get(name)
    if not isinstance(found, bool):
        raise _odd(name, found)
    return found


def _origin(found: object) -> str:
    """A note in JSON may come back as the object itself; no note comes back as an empty one."""
    if found in (None, {}, "{}"):
        return ""
    text = json.dumps(found) if isinstance(found, dict) else found
    if not isinstance(text, str) or len(text) > MAX_ORIGIN:
        raise _odd("origin", found)
    return text


def _time_ms(body: Mapping[str, Any], name: str) -> int:
    """Milliseconds since 1970, from ISO 8601 with its offset."""
    found = body.get(name)
    try:
        moment = datetime.fromisoformat(found) if isinstance(found, str) and found.isascii() else None
        if moment is not None and moment.tzinfo is not None and moment >= _EPOCH:
            return (moment - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        pass
    raise _odd(name, found)


def _odd(name: str, found: object) -> MalformedAnswer:
    return MalformedAnswer(f"`{name}` is {printable(shown(found), 80)}")
