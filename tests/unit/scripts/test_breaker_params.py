"""Reviewed files of breakers: what is allowed, where each mistake is told, and that calldata and readable form cannot differ."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keeper.domain.address import keccak256
from keeper.domain.breaker_registration import BREAKER_TYPE, Side
from keeper.domain.errors import ConfigurationError
from scripts import breaker_limits as limits
from scripts.breaker_file import fill, load, read
from scripts.breaker_model import Params
from scripts.breaker_params import main

pytestmark = pytest.mark.unit

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = ROOT / "scripts" / "deploy_params" / "31337.json"
EXCHANGE = "0xe7f1725E7734CE288F8367e1Bb143E90bb3F0512"
ETH = "0x4554482d50455250" + 48 * "0"

Edit = Callable[[dict[str, Any]], object]


def example() -> dict[str, Any]:
    value: dict[str, Any] = json.loads(EXAMPLE.read_text(encoding="utf-8"))
    return value


def edited(edit: Edit) -> bytes:
    value = example()
    edit(value)
    return json.dumps(value).encode()


def told(edit: Edit) -> list[str]:
    """The problems of the example after an edit, as ``path: message``."""
    with pytest.raises(ConfigurationError) as caught:
        read(edited(edit))
    return [f"{one.path}: {one.message}" for one in caught.value.problems]


def refilled(edit: Edit, tmp_path: Path) -> Params:
    """The example after an edit, with its calldata made anew."""
    path = tmp_path / "31337.json"
    path.write_bytes(edited(edit))
    path.write_text(fill(path), encoding="utf-8")
    return load(path)


def put(key: str, value: object) -> Edit:
    """Sets ``breakers.0.call.calldata`` and the like."""
    *above, last = [int(part) if part.isdecimal() else part for part in key.split(".")]

    def edit(whole: Any) -> None:
        for part in above:
            whole = whole[part]
        whole[last] = value

    return edit


def drop(key: str) -> Edit:
    *above, last = [int(part) if part.isdecimal() else part for part in key.split(".")]

    def edit(whole: Any) -> None:
        for part in above:
            whole = whole[part]
        del whole[last]

    return edit


def test_example__as_it_stands__is_good_and_what_fill_writes() -> None:
    params = load(EXAMPLE)
    assert [one.name for one in params.breakers][:2] == ["pause ETH-PERP", "pause BTC-PERP"]
    assert fill(EXAMPLE) == EXAMPLE.read_text(encoding="utf-8")


def test_example__pause__is_the_call_that_its_readable_form_says() -> None:
    pause = load(EXAMPLE).breakers[0]
    assert pause.call.data == keccak256(b"pauseMarket(bytes32)")[:4] + bytes.fromhex(ETH[2:])
    assert pause.call.text == "pauseMarket(ETH-PERP)"
    assert pause.id == b"pause ETH-PERP".ljust(32, b"\0")
    assert pause.probe is not None
    assert pause.probe.expected == (1).to_bytes(32, "big")


def test_example__limit__leaves_the_keepers_word_zero_in_both_calls() -> None:
    limit = load(EXAMPLE).breakers[3]
    assert limit.call.data[36:] == limit.undo.data[36:] == bytes(32)
    (bound,) = limit.bounds
    assert (bound.word, bound.side, bound.max_step_bps) == (1, Side.LOWER, 5000)


def test_rights__role__is_hashed_and_the_breakers_address_put_in() -> None:
    right = load(EXAMPLE).rights[0]
    here = "0x00000000000000000000000000000000DeaDBeef"
    wanted = (
        keccak256(b"grantRole(bytes32,address)")[:4] + keccak256(b"PAUSER_ROLE") + bytes(12) + bytes.fromhex(here[2:])
    )
    assert right.data(here) == wanted


def test_calldata__that_says_something_else__is_told_with_what_it_should_be() -> None:
    other = "0x" + keccak256(b"transferOwnership(address)")[:4].hex() + 64 * "0"
    with pytest.raises(ConfigurationError) as caught:
        read(edited(put("breakers.0.call.calldata", other)))
    (problem,) = caught.value.problems
    assert problem.path == "breakers[0].call.calldata"
    assert "0xb4a78088" + ETH[2:] in problem.hint


@pytest.mark.parametrize(
    ("edit", "problem"),
    [
        (put("breakers.0.target", EXCHANGE.lower()), "breakers[0].target: 0xe7f1725e7734ce288f8367e1bb143e90bb3f0512 has no"),
        (put("breakers.0.target", EXCHANGE.replace("e7", "E7")), "breakers[0].target: 0xE7f1725E7734CE288F8367e1Bb143E90bb3F0512 has a wrong"),
        (put("council", "0x" + 40 * "0"), "council: the zero address is nobody"),
        (put("chain", 1), "chain: this key is not known"),
        (put("breakers.0.durations", 1), "breakers[0].durations: this key is not known"),
        (put("breakers.0.probe.expect", "true"), "breakers[0].probe.expect: this key is not known"),
        (put("breakers.3.bounds.0.max_step", 1), "breakers[3].bounds[0].max_step: this key is not known"),
        (put("rights.0.value", "0"), "rights[0].value: this key is not known"),
        (drop("breakers.0.undo"), "breakers[0].undo: is missing"),
        (drop("breakers.0.call.calldata"), "breakers[0].call.calldata: is missing"),
        (drop("keepers"), "keepers: is missing"),
        (put("breakers.1.id", "pause ETH-PERP"), "breakers[1].id: 'pause ETH-PERP' is the id of another breaker too"),
        (put("breakers.0.id", 33 * "a"), "breakers[0].id: "),
        (put("breakers.0.id", "pause-Ä"), "breakers[0].id: "),
        (put("breakers.0.probe.word", 1), "breakers[0].probe.word: the function names 1 results"),
        (put("breakers.3.bounds.0.view.answer_word", 1), "breakers[3].bounds[0].view.answer_word: the function names 1"),
        (put("breakers.3.bounds.0.word", 2), "breakers[3].bounds[0].word: there is no argument 2 (counted from 0) of call"),
        (put("breakers.3.bounds.0.word", 0), "breakers[3].bounds[0].word: bytes32 is not an unsigned number, as argument 0 of call"),
        (put("breakers.3.bounds.0.minimum", 0), "breakers[3].bounds[0].minimum: 0 is out of bounds"),
        (put("breakers.3.bounds.0.minimum", 1000000000001), "breakers[3].bounds[0].minimum: 1000000000001 is above the maximum"),
        (put("breakers.3.bounds.0.side", "tighter"), "breakers[3].bounds[0].side: 'tighter' is not allowed"),
        (put("breakers.3.bounds.0.maximum", 2**53), "breakers[3].bounds[0].maximum: 9007199254740992 may lose digits"),
        (put("breakers.3.bounds.0.maximum", 1e12), "breakers[3].bounds[0].maximum: 1000000000000.0 is not a whole number"),
        (put("breakers.3.bounds.0.maximum", True), "breakers[3].bounds[0].maximum: True is not a whole number"),
        (put("breakers.3.call.arguments.1", "1"), "breakers[3].call.arguments[1]: '1' would be overwritten"),
        (put("breakers.0.call.arguments.0", "*"), 'breakers[0].call.arguments[0]: only an argument that has a bound is "*"'),
        (put("breakers.0.call.arguments", []), "breakers[0].call.arguments: pauseMarket(bytes32) takes 1 arguments, 0 are given"),
        (put("breakers.0.call.arguments.0", 7), "breakers[0].call.arguments[0]: 7 is not text"),
        (put("breakers.0.call.function", "pauseMarket"), "breakers[0].call.function: 'pauseMarket' is not a function signature"),
        (put("breakers.0.probe.expected", "yes"), "breakers[0].probe.expected: 'yes' is not a bool"),
        (put("breakers.0.required", 3), "breakers[0].required: 3 keepers must sign and there are 2"),
        (drop("breakers.0.probe"), "breakers[0].probe: nothing would show that a trip took effect"),
        (put("keepers", []), "keepers: without a keeper nothing can trip"),
        (put("breakers", []), "breakers: there is none"),
        (put("rights.0.arguments.1", EXCHANGE), 'rights[0].arguments: exactly one argument, an address, is "breaker"'),
        (put("rights.0.arguments.0", "breaker"), "rights[0].arguments[0]: "),
        (put("rights.0.arguments.0", "sha:PAUSER"), "rights[0].arguments[0]: 'sha:PAUSER' is not a bytes32"),
        (put("breakers.0.note", 1), "breakers[0].note: a note is text"),
        (put("breakers.0.call", "pause()"), "breakers[0].call: 'pause()' is not an object"),
        (put("schema", 2), "schema: 2 is out of bounds"),
    ],
)  # fmt: skip
def test_mistake__each__is_told_with_its_place(edit: Edit, problem: str) -> None:
    assert any(one.startswith(problem) for one in told(edit)), told(edit)


def test_keepers__one_twice__is_told() -> None:
    twice = [example()["keepers"][0]] * 2
    assert f"keepers[1]: {twice[0]} is listed twice" in told(put("keepers", twice))


def test_mistakes__several__are_told_at_once() -> None:
    def edit(whole: dict[str, Any]) -> None:
        whole["council"] = "me"
        whole["breakers"][0]["budget"] = 7
        whole["breakers"][3]["lock_s"] = -1

    assert [one.split(":")[0] for one in told(edit)] == ["council", "breakers[0].budget", "breakers[3].lock_s"]


@pytest.mark.parametrize(
    ("key", "allowed"),
    [
        ("silence_limit_s", limits.SILENCE_S),
        ("breakers.0.duration_s", limits.DURATION_S),
        ("breakers.0.cooldown_s", limits.COOLDOWN_S),
        ("breakers.0.window_s", limits.WINDOW_S),
        ("breakers.0.lock_s", limits.LOCK_S),
        ("breakers.0.budget", limits.BUDGET),
        ("breakers.3.bounds.0.max_step_bps", limits.STEP_BPS),
        ("breakers.3.bounds.0.minimum", (1, 10**12)),
    ],
)
def test_number__at_its_limits__is_taken_and_beyond_them_told(key: str, allowed: tuple[int, int]) -> None:
    least, greatest = allowed
    for good in (least, greatest):
        read(edited(put(key, good)))
    for bad in (least - 1, greatest + 1):
        place = re.sub(r"\.(\d+)", r"[\1]", key)
        assert [one.split(":")[0] for one in told(put(key, bad))] == [place]


def test_required__at_its_limit__is_taken_and_beyond_it_told(tmp_path: Path) -> None:
    keepers = [f"0x{number:040d}" for number in range(1, 9)]

    def edit(required: int) -> Edit:
        def both(whole: dict[str, Any]) -> None:
            whole["keepers"] = keepers
            whole["breakers"][0]["required"] = required

        return both

    assert read(edited(edit(7))).breakers[0].required == 7
    assert told(edit(8)) == ["breakers[0].required: 8 is out of bounds"]


def test_limits__in_the_contracts__are_the_same() -> None:
    """The numbers of the Solidity sources, evaluated: ``30 days`` and the like."""
    units = {"": 1, "minutes": 60, "hours": 3600, "days": 86400}
    text = "".join((ROOT / "contracts" / name).read_text() for name in ("lib/Registration.sol", "CircuitBreaker.sol"))
    found = {
        name: int(number.replace("_", "")) * units[unit]
        for name, number, unit in re.findall(r"constant (M[A-Z_]+) = ([\d_]+) ?(\w*);", text)
    }
    both = {
        "DURATION": limits.DURATION_S,
        "COOLDOWN": limits.COOLDOWN_S,
        "WINDOW": limits.WINDOW_S,
        "SILENCE": limits.SILENCE_S,
    }
    wanted = {f"MIN_{name}": value[0] for name, value in both.items()} | {
        f"MAX_{name}": value[1] for name, value in both.items()
    }
    wanted |= {"MAX_LOCK": limits.LOCK_S[1], "MAX_BUDGET": limits.BUDGET[1], "MAX_REQUIRED": limits.REQUIRED[1]}
    wanted |= {"MAX_STEP_BPS": limits.STEP_BPS[1], "MAX_BOUNDS": limits.MAX_BOUNDS, "MAX_WORDS": limits.MAX_WORDS}
    assert wanted.items() <= found.items()


def test_breaker_type__of_the_interface__is_the_same() -> None:
    text = (ROOT / "contracts" / "interfaces" / "ICircuitBreaker.sol").read_text()

    def members(name: str) -> list[str]:
        body = re.search(rf"struct {name} {{(.*?)}}", text, re.DOTALL)
        assert body is not None
        return re.findall(r"^\s+([A-Za-z0-9]+(?:\[\])?) \w+;", body.group(1), re.MULTILINE)

    def spelled(name: str) -> str:
        nested = {"Probe": "Probe", "Bound[]": "Bound"}
        parts = [
            one.replace(nested[one], spelled(nested[one])) if one in nested else one.replace("Side", "uint8")
            for one in members(name)
        ]
        return f"({','.join(parts)})"

    assert spelled("Breaker") == BREAKER_TYPE


def test_large_number__in_quotes__keeps_every_digit(tmp_path: Path) -> None:
    params = refilled(put("breakers.3.bounds.0.maximum", str(2**256 - 1)), tmp_path)
    assert params.breakers[3].bounds[0].maximum == 2**256 - 1


def test_large_number__beyond_its_type__is_told(tmp_path: Path) -> None:
    def edit(whole: dict[str, Any]) -> None:
        limit = whole["breakers"][3]
        for call in ("call", "undo"):
            limit[call]["function"] = "setWithdrawalLimit(bytes32,uint32)"
        limit["bounds"][0] |= {"minimum": 1, "maximum": 2**32}

    with pytest.raises(ConfigurationError) as caught:
        refilled(edit, tmp_path)
    assert {one.message for one in caught.value.problems} == {
        "the maximum does not fit in uint32, as argument 1 of call",
        "the maximum does not fit in uint32, as argument 1 of undo",
    }


def kept(whole: dict[str, Any]) -> None:
    """Aave-like: one call that overwrites two values, of which the first is kept."""
    limit = whole["breakers"][3]
    moved = limit["bounds"][0] | {"word": 2}
    still = {"word": 1, "side": "kept", "view": copy.deepcopy(moved["view"])}
    limit["bounds"] = [still, moved]
    for call in ("call", "undo"):
        limit[call] |= {"function": "setLimits(bytes32,uint256,uint256)", "arguments": ["text:ETH-PERP", "*", "*"]}


def test_bound__that_is_kept__needs_no_limits(tmp_path: Path) -> None:
    still, moved = refilled(kept, tmp_path).breakers[3].bounds
    assert (still.side, still.word, still.max_step_bps) == (Side.KEPT, 1, 0)
    assert moved.word == 2


def test_bounds__out_of_order__are_told(tmp_path: Path) -> None:
    def edit(whole: dict[str, Any]) -> None:
        kept(whole)
        whole["breakers"][3]["bounds"].reverse()

    with pytest.raises(ConfigurationError) as caught:
        refilled(edit, tmp_path)
    assert [one.path for one in caught.value.problems] == ["breakers[3].bounds[1].word"]


def second_limit(whole: dict[str, Any]) -> dict[str, Any]:
    """Adds a breaker over the same view as ``limit ETH-PERP``, and answers with it. Their calls differ: the view alone counts."""
    other: dict[str, Any] = copy.deepcopy(whole["breakers"][3]) | {"id": "limit too", "required": 2}
    for call in ("call", "undo"):
        other[call]["function"] = "lowerLimit(bytes32,uint256)"
    whole["breakers"].append(other)
    return other


SAME_VALUE = "breakers[3].bounds[0].view is the same view, word 0 of withdrawalLimit(ETH-PERP): a value is moved by one bound only"


def test_value__moved_by_two_breakers__is_told_at_the_second(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        refilled(second_limit, tmp_path)
    (problem,) = caught.value.problems
    assert (problem.path, problem.message) == ("breakers[5].bounds[0].view", SAME_VALUE)
    assert problem.hint == 'leave one of them out, or make it "kept"'


def test_value__moved_by_two_breakers__check_ends_with_two(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def edit(whole: dict[str, Any]) -> None:
        other = copy.deepcopy(whole["breakers"][3]) | {"id": "limit too"}
        whole["breakers"].append(other)

    path = tmp_path / "31337.json"
    path.write_bytes(edited(edit))
    assert main(["check", str(path)]) == 2
    assert f"31337.json: breakers[5].bounds[0].view: {SAME_VALUE} -> leave one" in capsys.readouterr().err


def test_value__moved_by_two_bounds_of_one_breaker__is_told(tmp_path: Path) -> None:
    def edit(whole: dict[str, Any]) -> None:
        kept(whole)
        still, moved = whole["breakers"][3]["bounds"]
        whole["breakers"][3]["bounds"][0] = moved | {"word": still["word"]}

    with pytest.raises(ConfigurationError) as caught:
        refilled(edit, tmp_path)
    assert [(one.path, one.message) for one in caught.value.problems] == [("breakers[3].bounds[1].view", SAME_VALUE)]


def test_value__kept_by_another_breaker__is_taken(tmp_path: Path) -> None:
    def edit(whole: dict[str, Any]) -> None:
        other = second_limit(whole)
        (bound,) = other["bounds"]
        other["bounds"] = [{"word": bound["word"], "side": "kept", "view": bound["view"]}]
        other["probe"] = copy.deepcopy(whole["breakers"][0]["probe"])

    assert len(refilled(edit, tmp_path).breakers) == 6


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("target", "0x9fE46736679d2D9a65F0992F2272dE9f3c7fa6e0"),
        ("arguments", ["text:BTC-PERP"]),
        ("function", "withdrawalLimitOf(bytes32)(uint256)"),
    ],
)
def test_value__of_another_view__is_taken(tmp_path: Path, key: str, value: object) -> None:
    def edit(whole: dict[str, Any]) -> None:
        second_limit(whole)["bounds"][0]["view"][key] = value

    assert len(refilled(edit, tmp_path).breakers) == 6


def test_value__of_another_word_of_the_same_view__is_taken(tmp_path: Path) -> None:
    def edit(whole: dict[str, Any]) -> None:
        for index, one in enumerate((whole["breakers"][3], second_limit(whole))):
            one["bounds"][0]["view"] |= {"function": "limits(bytes32)(uint256,uint256)", "answer_word": index}

    assert len(refilled(edit, tmp_path).breakers) == 6


def test_key__that_stands_twice__is_told() -> None:
    text = EXAMPLE.read_bytes().replace(b'"schema": 1,', b'"schema": 1, "schema": 1,')
    with pytest.raises(ConfigurationError, match="this key stands twice"):
        read(text)


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 100_000])
def test_text__that_is_not_json__is_told(text: bytes) -> None:
    with pytest.raises(ConfigurationError, match="not JSON"):
        read(text)


@pytest.mark.parametrize("text", [b"[]", b"null", b"7"])
def test_json__that_is_no_object__is_told(text: bytes) -> None:
    with pytest.raises(ConfigurationError, match="is not an object"):
        read(text)


def test_chain__that_the_files_name_does_not_say__is_told(tmp_path: Path) -> None:
    path = tmp_path / "1.json"
    path.write_bytes(EXAMPLE.read_bytes())
    with pytest.raises(ConfigurationError, match="31337 is not the chain that the file's name says: 1"):
        load(path)


def test_address__of_another_name_or_guardian__is_another_and_of_another_council_the_same(tmp_path: Path) -> None:
    code = b"\x60\x00"
    here = load(EXAMPLE).address(code)
    assert refilled(put("name", "demo2"), tmp_path).address(code) != here
    assert refilled(put("guardian", "0x" + 40 * "0"), tmp_path).address(code) != here
    assert refilled(put("council", example()["guardian"]), tmp_path).address(code) == here


def test_check__of_a_good_file__says_what_it_grants(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(EXAMPLE)]) == 0
    said = capsys.readouterr().out
    assert "pause ETH-PERP: pauseMarket(ETH-PERP) on 0xe7f1" in said
    assert "one keeper, 2 times in 7 d, 6 h each: at most 7 % of it; rest 1 h, lock after a lift 1 d" in said
    assert "2 keepers together" in said
    assert "lower than withdrawalLimit(ETH-PERP) by at most 50 % a trip, from 100000000000 to 1000000000000" in said


def test_check__of_a_bad_file__ends_with_two_and_every_problem(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "31337.json"
    path.write_bytes(edited(put("breakers.0.call.calldata", "0x")))
    assert main(["check", str(path)]) == 2
    assert (
        "31337.json: breakers[0].call.calldata: is not what the readable form says -> it says 0xb4a7"
        in capsys.readouterr().err
    )


def test_check__for_the_deployer__answers_with_the_address_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--deployer", str(EXAMPLE)]) == 0
    assert capsys.readouterr().out == example()["deployer"] + "\n"


def test_fill__after_an_edit__writes_the_calldata_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "31337.json"
    path.write_bytes(edited(put("breakers.0.call.arguments.0", "text:SOL-PERP")))
    assert main(["fill", str(path)]) == 0
    after = json.loads(path.read_text(encoding="utf-8"))
    wanted = example()
    wanted["breakers"][0]["call"]["arguments"][0] = "text:SOL-PERP"
    wanted["breakers"][0]["call"]["calldata"] = wanted["breakers"][2]["call"]["calldata"]
    assert after == wanted


def test_fill__of_a_file_with_another_mistake__leaves_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "31337.json"
    path.write_bytes(edited(put("breakers.0.budget", 7)))
    before = path.read_bytes()
    assert main(["fill", str(path)]) == 2
    assert path.read_bytes() == before
