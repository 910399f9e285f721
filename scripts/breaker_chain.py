"""A node, asked about one CircuitBreaker: raw calls, so that what is compared is what the chain says, byte by byte."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import requests
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_typing import URI
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception, Web3RPCError
from web3.types import RPCEndpoint

from keeper.domain.abi import describe_revert
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.errors import MalformedAnswer, Refused, Unreachable

LOG_RANGE = 5_000
"""Blocks asked for at once: what hosted nodes allow."""
TIMEOUT_S = 30

# What protocols answer through CallFailed most often; not in the breaker's own ABI.
_COMMON_ERRORS = {
    "AccessControlUnauthorizedAccount": ("address", "bytes32"),
    "OwnableUnauthorizedAccount": ("address",),
    "EnforcedPause": (),
    "ExpectedPause": (),
}


class Reverted(Refused):
    """The call would revert, or has; the message is the reason in words."""


class Chain:
    """One node. Every method raises Unreachable when it does not answer, and Refused when it says no. Nothing repeats its address."""

    def __init__(self, url: str, errors: dict[bytes, tuple[str, tuple[str, ...]]]) -> None:
        session = requests.Session()
        session.trust_env = False
        self._provider = HTTPProvider(
            URI(url), request_kwargs={"timeout": TIMEOUT_S}, session=session, exception_retry_configuration=None
        )
        self.errors = errors
        self._web3 = Web3(self._provider)

    def rpc(self, method: str, *params: Any) -> Any:
        """The result of one request; Reverted when what it asked for reverts."""
        try:
            answer = self._provider.make_request(RPCEndpoint(method), list(params))
        except (requests.RequestException, ValueError) as error:
            raise Unreachable(f"the node does not answer {method}: {type(error).__name__}") from None
        except (Web3RPCError, Web3Exception) as error:
            raise Refused(f"{method}: {error}") from None
        if "error" not in answer:
            return answer.get("result")
        said: Any = answer["error"]
        said = said if isinstance(said, dict) else {"message": str(said)}
        data = said.get("data")
        if isinstance(data, str) and data.startswith("0x"):
            raise Reverted(self.reason(bytes.fromhex(data[2:])))
        if "revert" in str(said.get("message", "")):
            raise Reverted(str(said["message"]))
        raise Refused(f"{method}: {said.get('message', 'refused')}")

    def chain_id(self) -> int:
        return _number(self.rpc("eth_chainId"))

    def block(self) -> int:
        return _number(self.rpc("eth_blockNumber"))

    def time_s(self) -> int:
        """The newest block's time."""
        return _number(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"])

    def code(self, address: str, block: int | None = None) -> bytes:
        """The runtime code at an address."""
        return _bytes(self.rpc("eth_getCode", address, _at(block)))

    def call(self, to: str, data: bytes, *, sender: str | None = None, block: int | None = None) -> bytes:
        """What the call answers. Raises Reverted."""
        fields = {"to": to, "data": "0x" + data.hex()} | ({"from": sender} if sender else {})
        return _bytes(self.rpc("eth_call", fields, _at(block)))

    def ask(
        self, to: str, signature: str, *args: Any, results: Sequence[str], block: int | None = None
    ) -> tuple[Any, ...]:
        """A view, by its signature. Raises Reverted, or MalformedAnswer when the answer is not of these types."""
        answer = self.call(to, calldata(signature, *args), block=block)
        try:
            return tuple(decode(list(results), answer))
        except (DecodingError, OverflowError):
            raise MalformedAnswer(f"{signature} of {to} does not answer with ({', '.join(results)})") from None

    def logs(self, address: str, events: Sequence[str], first: int, last: int) -> list[dict[str, Any]]:
        """The events of a contract in these blocks, in order."""
        topics = ["0x" + keccak256(event.encode("ascii")).hex() for event in events]
        found: list[dict[str, Any]] = []
        for start in range(first, last + 1, LOG_RANGE):
            end = min(start + LOG_RANGE - 1, last)
            found += self.rpc(
                "eth_getLogs", {"address": address, "topics": [topics], "fromBlock": hex(start), "toBlock": hex(end)}
            )
        return found

    def reason(self, data: bytes, depth: int = 0) -> str:
        """Revert data in words; what stands inside of CallFailed too."""
        name, types = self.errors.get(data[:4], ("", ()))
        if not name:
            return describe_revert(data)
        try:
            values = list(decode(list(types), data[4:]))
        except (DecodingError, OverflowError):
            return describe_revert(data)
        if name == "CallFailed" and depth == 0:
            return f"the protocol refused: {self.reason(values[1], 1)}"
        return f"{name}({', '.join(_readable(kind, value) for kind, value in zip(types, values, strict=True))})"


def calldata(signature: str, *args: Any) -> bytes:
    """Calldata of any function, lists and tuples too."""
    types = _split(signature[signature.index("(") + 1 : -1])
    return keccak256(signature.encode("ascii"))[:4] + encode(types, list(args))


def errors_of(abi: Sequence[dict[str, Any]]) -> dict[bytes, tuple[str, tuple[str, ...]]]:
    """Custom errors by their selector: the contract's, and those that protocols use most."""
    own = {entry["name"]: tuple(one["type"] for one in entry["inputs"]) for entry in abi if entry["type"] == "error"}
    both = _COMMON_ERRORS | own
    return {keccak256(f"{name}({','.join(types)})".encode("ascii"))[:4]: (name, types) for name, types in both.items()}


def _split(types: str) -> list[str]:
    """``a,(b,c)[],d`` at the commas outside of parentheses."""
    parts, depth, part = [], 0, ""
    for sign in types:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += sign
    return [*parts, part] if part else parts


def _readable(kind: str, value: Any) -> str:
    if kind == "address":
        return checksum_address(bytes.fromhex(value[2:]))
    if not isinstance(value, bytes):
        return str(value)
    text = value.rstrip(b"\0")
    return (
        text.decode("ascii") if text and text.isascii() and text.decode("ascii").isprintable() else "0x" + value.hex()
    )


def _at(block: int | None) -> str:
    return "latest" if block is None else hex(block)


def _number(value: object) -> int:
    if isinstance(value, str) and value.startswith("0x"):
        return int(value, 16)
    raise MalformedAnswer(f"the node answered {value!r:.60} where a number was asked for")


def _bytes(value: object) -> bytes:
    try:
        return bytes.fromhex(str(value).removeprefix("0x"))
    except ValueError:
        raise MalformedAnswer(f"the node answered {value!r:.60} where bytes were asked for") from None
