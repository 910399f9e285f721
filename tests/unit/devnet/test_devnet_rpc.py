"""What the local node's HTTP answers mean."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from keeper.devnet.anvil import Anvil, Mining, quantity
from keeper.devnet.rpc import parse_answer
from keeper.devnet.transactions import calldata
from keeper.domain.errors import MalformedAnswer, Refused, SetupError, UnitError, Unreachable

pytestmark = pytest.mark.unit


def answer(**fields: object) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": 1, **fields}).encode()


@pytest.mark.parametrize("result", ["0x1", None, False, {"number": "0x2"}])
def test_parse_answer__a_result__is_returned_as_it_is(result: object) -> None:
    assert parse_answer("eth_x", 200, answer(result=result)) == result


def test_parse_answer__an_error__is_refused_with_code_and_data() -> None:
    error = {"code": 3, "message": "execution reverted", "data": "0x1234"}
    with pytest.raises(Refused, match="eth_call: execution reverted") as caught:
        parse_answer("eth_call", 200, answer(error=error))
    assert (caught.value.code, caught.value.data) == (3, "0x1234")


@pytest.mark.parametrize("error", [{}, {"code": "x", "data": 7}])
def test_parse_answer__an_error_without_proper_fields__is_refused_still(error: dict[str, object]) -> None:
    with pytest.raises(Refused) as caught:
        parse_answer("eth_call", 200, answer(error=error))
    assert (caught.value.code, caught.value.data) == (0, "")


def test_parse_answer__http_error__is_refused_with_its_status() -> None:
    with pytest.raises(Refused) as caught:
        parse_answer("eth_x", 413, b"too large")
    assert (caught.value.code, caught.value.data) == (413, "too large")


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"7", b'{"id": 1}', b'{"error": null}', b"\xff"])
def test_parse_answer__not_json_rpc__is_malformed(content: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        parse_answer("eth_x", 200, content)


@pytest.mark.parametrize(("text", "number"), [("0x0", 0), ("0x1f", 31), ("0xFF", 255)])
def test_quantity__hexadecimal__is_a_number(text: str, number: int) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("value", [None, 7, "", "0x", "7", "0xg", "0x1 ", "-0x1"])
def test_quantity__anything_else__is_malformed(value: object) -> None:
    with pytest.raises(MalformedAnswer):
        quantity(value)


@pytest.mark.parametrize(
    ("node", "mining"),
    [
        (Anvil(), Mining.AUTO),
        (Anvil(block_time_s=0.5), Mining.INTERVAL),
        (Anvil(no_mining=True), Mining.MANUAL),
    ],
)
def test_anvil__options__say_how_it_mines(node: Anvil, mining: Mining) -> None:
    assert node.mining is mining


def test_anvil__blocks_by_the_clock_and_on_demand__exclude_each_other() -> None:
    with pytest.raises(ValueError, match="exclude"):
        Anvil(block_time_s=1, no_mining=True)


async def test_anvil__never_started__is_unreachable_and_stops_quietly() -> None:
    node = Anvil()
    with pytest.raises(Unreachable, match="not running"):
        await node.rpc("eth_chainId")
    with pytest.raises(Unreachable, match="not running"):
        node.kill()
    assert not node.alive
    assert node.log_tail() == ""
    await node.stop()


async def test_anvil__socket_path_too_long__is_refused_before_anything_starts() -> None:
    node = Anvil(ipc_path=Path("/tmp") / ("x" * 100))
    with pytest.raises(SetupError, match="too long for a socket"):
        await node.start()
    assert not node.alive


def test_calldata__bytes_and_hex__are_the_same() -> None:
    assert calldata("f(bytes32,uint256,bool)", b"\1" * 32, 7, True) == calldata(
        "f(bytes32,uint256,bool)", "0x" + "01" * 32, "7", "true"
    )


@pytest.mark.parametrize("args", [(), (1, 2)])
def test_calldata__wrong_number_of_arguments__raises(args: tuple[int, ...]) -> None:
    with pytest.raises(UnitError, match="takes 1 arguments"):
        calldata("f(uint256)", *args)


def test_calldata__argument_of_another_type__raises() -> None:
    with pytest.raises(UnitError):
        calldata("f(uint256)", True)
