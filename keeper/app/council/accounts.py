"""Whose positions an invariant is about, as the chain says at a block."""

from __future__ import annotations

from keeper.domain.abi import decode_results, describe_revert, encode_call, parse_signature
from keeper.domain.action import Call, FunctionCall
from keeper.domain.address_list import decode_addresses
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer
from keeper.domain.invariant import INDEX, Accounts
from keeper.ports.chain import ChainReader


async def find_accounts(accounts: Accounts, chain: ChainReader, block: BlockStamp) -> tuple[tuple[str, ...], str]:
    """Each once, and in words why some are missing (empty: none is). Raises OutsideError when the node does not answer."""
    try:
        if accounts.listed is not None:
            (data,) = await _answers(chain, block, accounts.listed)
            found, count = decode_addresses(data, accounts.most)
        elif accounts.count is not None and accounts.at is not None:
            (data,) = await _answers(chain, block, accounts.count)
            count = int(decode_results(parse_signature(accounts.count.signature), data)[0])
            places = [_at(accounts.at, place) for place in range(min(count, accounts.most))]
            function = parse_signature(accounts.at.signature)
            answers = await _answers(chain, block, *places) if places else []
            found = tuple(str(decode_results(function, one)[0]) for one in answers)
        else:
            found, count = accounts.fixed, len(accounts.fixed)
    except MalformedAnswer as error:
        return (), f"the accounts cannot be read: {error.message}"
    missing = f"there are {count} accounts, and {accounts.most} are looked at" if count > len(found) else ""
    return tuple(dict.fromkeys(found)), missing


def _at(call: FunctionCall, place: int) -> FunctionCall:
    args = tuple(str(place) if arg == INDEX else arg for arg in call.args)
    return FunctionCall(call.target, call.signature, args)


async def _answers(chain: ChainReader, block: BlockStamp, *calls: FunctionCall) -> list[bytes]:
    """Raises MalformedAnswer where one reverts."""
    encoded: list[Call] = [encode_call(call) for call in calls]
    results = await chain.read(encoded, block)
    for call, result in zip(calls, results, strict=True):
        if not result.ok:
            raise MalformedAnswer(f"{call.signature} at {call.target} {describe_revert(result.data)}")
    return [result.data for result in results]
