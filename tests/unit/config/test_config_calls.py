"""Signatures, arguments and variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.config import templates
from keeper.config.calls import ACTING, MAX_ARGS, VIEW, literal
from keeper.config.shape import Bad, Given

pytestmark = pytest.mark.unit


def given(text: str) -> Given:
    return Given(text, text, from_env=False, folder=Path("/"))


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("stop()", "stop()"),
        ("f(bytes32, uint)", "f(bytes32,uint256)"),
        ("$f_1(address)", "$f_1(address)"),
        (f"f({','.join(['bool'] * MAX_ARGS)})", f"f({','.join(['bool'] * MAX_ARGS)})"),
    ],
)
def test_acting__a_call__in_its_one_form(written: str, text: str) -> None:
    assert ACTING.parse(given(written)).text == text


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("stop", "pauseMarket(bytes32)"),
        ("stop(", "pauseMarket(bytes32)"),
        ("stop()(bool)", "write stop()"),
        ("f(uint7)", "uint8 to uint256"),
        ("f(uint256[])", "plain values"),
        ("f((bool))", "plain values"),
        ("", "pauseMarket(bytes32)"),
        ("f(" + "bool," * 200 + "bool)", "pauseMarket(bytes32)"),
        (f"f({','.join(['bool'] * (MAX_ARGS + 1))})", "hardly meant"),
    ],
)
def test_acting__what_is_no_call__has_a_hint(written: str, hint: str) -> None:
    with pytest.raises(Bad) as caught:
        ACTING.parse(given(written))
    assert hint in caught.value.hint


def test_view__with_its_results__in_its_one_form() -> None:
    view = VIEW.parse(given("paused( bytes32 ) ( bool )"))
    assert (view.text, view.function.inputs, view.function.outputs) == (
        "paused(bytes32)(bool)",
        ("bytes32",),
        ("bool",),
    )


@pytest.mark.parametrize("written", ["paused(bytes32)", "paused(bytes32)()"])
def test_view__without_results__asks_for_them(written: str) -> None:
    with pytest.raises(Bad, match="names its results"):
        VIEW.parse(given(written))


@pytest.mark.parametrize(
    ("type_name", "written", "text"),
    [
        ("uint8", "255", "255"),
        ("uint8", "0xff", "255"),
        ("int8", "-128", "-128"),
        ("bool", "true", "true"),
        ("bytes2", "0xABcd", "0xabcd"),
        ("bytes", "0x", "0x"),
        ("string", "any text", "any text"),
        ("address", "0x000000000000000000000000000000000000dEaD", "0x000000000000000000000000000000000000dEaD"),
    ],
)
def test_literal__a_value__in_its_one_form(type_name: str, written: str, text: str) -> None:
    assert literal(type_name, written) == text


@pytest.mark.parametrize(
    ("type_name", "written"),
    [
        ("uint8", "256"),
        ("uint8", "-1"),
        ("int8", "-129"),
        ("int8", "128"),
        ("uint256", str(2**256)),
        ("uint256", "1.5"),
        ("uint256", "1e18"),
        ("uint256", ""),
        ("bool", "True"),
        ("bool", "1"),
        ("bytes2", "0xab"),
        ("bytes2", "0xabcdef"),
        ("bytes", "0xa"),
        ("address", "0x000000000000000000000000000000000000dead"),
        ("address", "dead"),
    ],
)
def test_literal__no_value_of_the_type__is_refused(type_name: str, written: str) -> None:
    with pytest.raises(Bad):
        literal(type_name, written)


def test_literal__a_word_for_bytes__is_offered_as_text() -> None:
    with pytest.raises(Bad) as caught:
        literal("bytes8", "ETH-PERP")
    assert caught.value.hint.endswith("ETH-PERP is 0x4554482d50455250")
    with pytest.raises(Bad) as caught:
        literal("bytes7", "ETH-PERP")
    assert "0x4554" not in caught.value.hint


@pytest.mark.parametrize(
    ("text", "filled"), [("", ""), ("plain", "plain"), ("{a}", "1"), ("x{a}{b.c}", "x12"), ("{a}{a}", "11")]
)
def test_fill__variables__are_put_in(text: str, filled: str) -> None:
    assert templates.fill(text, {"a": "1", "b.c": "2"}) == filled


@pytest.mark.parametrize("text", ["{", "}", "{}", "{a", "a}", "{{a}}", "{a b}", "{-a}"])
def test_fill__brace_that_is_no_variable__is_refused(text: str) -> None:
    with pytest.raises(Bad, match="brace"):
        templates.fill(text, {"a": "1"})


def test_fill__result__at_the_limit_and_above() -> None:
    half = "x" * (templates.MAX_LENGTH // 2)
    assert len(templates.fill("{a}{a}", {"a": half})) == templates.MAX_LENGTH
    with pytest.raises(Bad, match="longer than"):
        templates.fill("{a}{a}y", {"a": half})


def test_resolve__variables_in_variables__any_order() -> None:
    raw = {"c": "{b}!", "a": "1", "b": "{a}2"}
    done: dict[str, str] = {}
    for name in raw:
        templates.resolve(name, raw, done)
    assert done == {"a": "1", "b": "12", "c": "12!"}


@pytest.mark.parametrize(
    ("raw", "names"),
    [
        ({"a": "{a}"}, ("a", "a")),
        ({"a": "{b}", "b": "{a}"}, ("a", "b", "a")),
        ({"a": "{b}", "b": "{c}", "c": "{b}"}, ("b", "c", "b")),
    ],
)
def test_resolve__circle__names_the_way_round(raw: dict[str, str], names: tuple[str, ...]) -> None:
    with pytest.raises(templates.Cycle) as caught:
        templates.resolve("a", raw, {})
    assert caught.value.names == names


def test_resolve__nested__at_the_limit_and_above() -> None:
    def chain(length: int) -> dict[str, str]:
        return {f"v{index}": f"{{v{index + 1}}}" for index in range(length - 1)} | {f"v{length - 1}": "end"}

    assert templates.resolve("v0", chain(templates.MAX_NESTING), {}) == "end"
    with pytest.raises(Bad, match="deep"):
        templates.resolve("v0", chain(templates.MAX_NESTING + 1), {})


def test_resolve__doubling__ends_at_the_limit() -> None:
    raw = {f"v{index}": f"{{v{index + 1}}}" * 2 for index in range(30)} | {"v30": "ha"}
    with pytest.raises(Bad, match="longer than"):
        templates.resolve("v0", raw, {})
