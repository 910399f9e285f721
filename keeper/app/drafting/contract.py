"""One contract of the protocol: which functions its code has, whom it delegates to, and what its views answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keeper.adapters.chain.slots import SlotReader
from keeper.app.drafting.dispatcher import minimal_proxy, selectors
from keeper.domain.abi import decode_results, encode_call, parse_signature, to_text
from keeper.domain.action import FunctionCall
from keeper.domain.address import checksum_address, keccak256
from keeper.domain.address_list import decode_addresses
from keeper.domain.block import BlockStamp
from keeper.domain.errors import KeeperError, MalformedAnswer
from keeper.domain.evm import CallResult, Simulation

IMPLEMENTATION = int.from_bytes(keccak256(b"eip1967.proxy.implementation")) - 1
BEACON = int.from_bytes(keccak256(b"eip1967.proxy.beacon")) - 1
SAFE_SINGLETON = 0
"""Where the proxy of a Safe keeps its implementation."""
MOST_PROXIES = 3
NOTHING = "0x" + "0" * 40


@dataclass(frozen=True, slots=True)
class Contract:
    """``name`` is for people; ``selectors`` are those of its code and of all code that it delegates to; ``through`` are the addresses of that."""

    name: str
    address: str
    selectors: frozenset[bytes]
    through: tuple[str, ...] = ()

    def has(self, signature: str) -> bool:
        """Whether the function may be there."""
        return parse_signature(signature).selector in self.selectors


class Look:
    """Reads at one block. Every method raises OutsideError; what reverts or answers nonsense is None."""

    def __init__(self, node: SlotReader, head: BlockStamp) -> None:
        self._node = node
        self._head = head

    async def contract(self, name: str, address: str, abi: frozenset[bytes] = frozenset()) -> Contract:
        """Raises KeeperError where there is no code."""
        code = await self._node.code(address)
        if not code:
            raise KeeperError(
                f"there is no contract at {address} ({name})",
                remedy="look at the address, and whether the node is of the right chain",
            )
        found, through = set(selectors(code)) | abi, list[str]()
        place, behind = address, await self._behind(address, code)
        while behind and behind not in (place, *through) and len(through) < MOST_PROXIES:
            through.append(behind)
            code = await self._node.code(behind)
            found |= selectors(code)
            place, behind = behind, await self._behind(behind, code)
        return Contract(name, address, frozenset(found), tuple(through))

    async def text(self, address: str, signature: str, *args: str) -> str | None:
        """The last result that the signature names, as text."""
        return (await self.texts([(address, signature, args)]))[0]

    async def texts(self, asked: Sequence[tuple[str, str, tuple[str, ...]]]) -> list[str | None]:
        """The same for several: (address, signature, arguments)."""
        calls = [encode_call(FunctionCall(address, signature, args)) for address, signature, args in asked]
        results = await self._node.read(calls, self._head) if calls else ()
        return [_text(signature, result) for (_, signature, _), result in zip(asked, results, strict=True)]

    async def addresses(self, address: str, signature: str, most: int) -> tuple[str, ...]:
        """The first ones of a view that answers a list of addresses; ``signature`` is without results."""
        call = encode_call(FunctionCall(address, signature))
        (result,) = await self._node.read([call], self._head)
        try:
            return decode_addresses(result.data, most)[0] if result.ok else ()
        except MalformedAnswer:
            return ()

    async def simulate(self, call: FunctionCall, sender: str) -> Simulation:
        """What the call would do now."""
        return await self._node.simulate(encode_call(call), sender)

    async def _behind(self, address: str, code: bytes) -> str:
        """Where a proxy leads (ERC-1967, a beacon, ERC-1167, a Safe); empty for what is none."""
        minimal = minimal_proxy(code)
        if minimal is not None:
            return checksum_address(minimal)
        told = _address(await self._node.slot(address, IMPLEMENTATION))
        if told:
            return told
        beacon = _address(await self._node.slot(address, BEACON))
        if beacon:
            return await self.text(beacon, "implementation()(address)") or ""
        if len(code) < 300:  # the proxy of a Safe has hardly more than a delegatecall
            singleton = _address(await self._node.slot(address, SAFE_SINGLETON))
            if singleton and await self._node.code(singleton):
                return singleton
        return ""


def _address(word: bytes) -> str:
    return checksum_address(word[12:]) if any(word[12:]) and not any(word[:12]) else ""


def _text(signature: str, result: CallResult) -> str | None:
    view = parse_signature(signature)
    try:
        values = decode_results(view, result.data) if result.ok else ()
        return to_text(view.outputs[-1], values[-1]) if values else None
    except MalformedAnswer:
        return None
