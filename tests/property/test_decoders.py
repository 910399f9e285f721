"""Whatever bytes and texts come from outside: a typed value, a typed quality or a typed error, and never a wrong number."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from decimal import Decimal

import httpx
import pytest
from eth_abi.abi import decode as reference_decode
from eth_abi.abi import encode as reference_encode
from hypothesis import example, given, settings
from hypothesis import strategies as st

from keeper.adapters.chain import answers, hexes, logs
from keeper.adapters.chain.fees import next_base_fee_wei
from keeper.adapters.chain.multicall import Aggregate3Answers, decode_aggregate3, encode_aggregate3
from keeper.adapters.prices.chainlink import ChainlinkSource
from keeper.adapters.prices.contract_call import ContractCallSource
from keeper.adapters.prices.http import HttpSource
from keeper.adapters.prices.json_value import NotAValue, number_at, parse_json
from keeper.adapters.prices.scale import scaled
from keeper.adapters.retry_after import MAX_WAIT_MS, wait_ms
from keeper.adapters.routes.words import classify
from keeper.domain.abi import canonical_text, describe_revert, encode_arg, to_text
from keeper.domain.abi_codec import canonical_type, decode_values, encode_values, integer_range
from keeper.domain.action import AbiValue, Call, FunctionCall
from keeper.domain.address import checksum_address
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, UnitError
from keeper.domain.evm import CallResult
from keeper.domain.nesting import too_deep
from keeper.domain.observation import Observation, Quality
from keeper.domain.redact import redact_url, secret_parts
from keeper.domain.units import Unit
from keeper.ports.prices import ChainSource
from tests.support.source_fakes import BLOCK, RECEIVED_MS, ManualClock

pytestmark = pytest.mark.property

TARGET = "0xcA11bde05977b3631167028862bE2a173976CA11"
WITHOUT_VALUE = (Quality.MISSING, Quality.MALFORMED)

integer_types = st.builds(lambda sign, size: f"{sign}int{8 * size}", st.sampled_from(["", "u"]), st.integers(1, 32))
bytes_types = st.integers(1, 32).map(lambda size: f"bytes{size}")
types = st.one_of(integer_types, bytes_types, st.sampled_from(["bool", "address", "bytes", "string"]))
addresses = st.binary(min_size=20, max_size=20).map(checksum_address)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)

# Words that are near the edges, and whole answers made of them: random bytes alone would never get past the first check.
words = st.one_of(
    st.integers(0, 8).map(lambda number: number * 32),
    st.sampled_from([0, 1, 2, 2**31, 2**64, 2**160, 2**255, 2**256 - 1, 2**256 - 32]),
    st.integers(0, 2**256 - 1),
).map(lambda number: number.to_bytes(32, "big"))
hostile = st.one_of(
    st.binary(max_size=200),
    st.lists(words, max_size=12).map(b"".join),
    st.builds(bytes.__add__, st.lists(words, max_size=6).map(b"".join), st.binary(max_size=31)),
)


def values(type_name: str) -> st.SearchStrategy[AbiValue]:
    if type_name == "bool":
        return st.booleans()
    if type_name == "address":
        return addresses
    if type_name == "string":
        return texts
    if type_name == "bytes":
        return st.binary(max_size=100)
    bounds = integer_range(type_name)
    if bounds is not None:
        return st.one_of(st.integers(*bounds), st.sampled_from(bounds))
    size = int(type_name[5:])
    return st.binary(min_size=size, max_size=size)


typed_values = st.lists(types, max_size=6).flatmap(
    lambda names: st.tuples(st.just(tuple(names)), st.tuples(*(values(name) for name in names)))
)


def lowered(value: object) -> object:
    return value.lower() if isinstance(value, str) and len(value) == 42 and value[:2] == "0x" else value


@given(typed_values)
def test_abi__our_encoding__is_eth_abis_and_both_ways_round(
    typed: tuple[tuple[str, ...], tuple[AbiValue, ...]],
) -> None:
    names, given_values = typed
    raw = encode_values(names, given_values)
    assert raw == reference_encode(list(names), list(given_values))
    assert decode_values(names, raw) == given_values


@given(st.lists(types, max_size=4), hostile)
def test_abi__hostile_bytes__are_malformed_or_what_eth_abi_reads(names: list[str], raw: bytes) -> None:
    try:
        ours = decode_values(names, raw)
    except MalformedAnswer:
        return
    theirs = reference_decode(names, raw, strict=False)
    assert [lowered(value) for value in ours] == [lowered(value) for value in theirs]


@given(types.flatmap(lambda name: st.tuples(st.just(name), values(name))))
def test_abi__value_as_text__is_read_back_as_the_same(typed: tuple[str, AbiValue]) -> None:
    name, value = typed
    text = to_text(name, value)
    assert encode_arg(name, text) == value
    assert canonical_text(name, text) == text


@given(types, st.text(max_size=80))
def test_abi__any_text_as_an_argument__is_a_value_of_the_type_or_refused(name: str, text: str) -> None:
    try:
        value = encode_arg(name, text)
    except UnitError:
        return
    assert canonical_text(name, to_text(name, value)) == to_text(name, value)


@given(st.text(max_size=20))
@example("uint256")
@example("uint٨")
def test_abi__any_text_as_a_type__is_canonical_or_refused(text: str) -> None:
    try:
        name = canonical_type(text)
    except UnitError:
        return
    assert canonical_type(name) == name
    assert name.isascii()


@given(hostile)
def test_revert__any_data__is_printable_words(raw: bytes) -> None:
    assert describe_revert(raw).isprintable()


@given(st.lists(st.tuples(addresses, st.binary(max_size=80)), max_size=8))
def test_multicall__calls__are_encoded_as_eth_abi_does(pairs: list[tuple[str, bytes]]) -> None:
    expected = reference_encode(["(address,bool,bytes)[]"], [[(to, True, data) for to, data in pairs]])
    assert encode_aggregate3([Call(to, data) for to, data in pairs])[4:] == expected


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=80)), max_size=8))
def test_multicall__results__are_decoded_as_eth_abi_encodes(pairs: list[tuple[bool, bytes]]) -> None:
    raw = reference_encode(["(bool,bytes)[]"], [pairs])
    assert decode_aggregate3(raw, len(pairs)) == [CallResult(ok, data) for ok, data in pairs]


@given(st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), min_size=1, max_size=4), st.data())
def test_multicall__one_word_changed__is_malformed_or_within_the_answer(
    pairs: list[tuple[bool, bytes]], data: st.DataObject
) -> None:
    raw = bytearray(reference_encode(["(bool,bytes)[]"], [pairs]))
    place = data.draw(st.integers(0, len(raw) // 32 - 1)) * 32
    raw[place : place + 32] = data.draw(words)
    try:
        results = decode_aggregate3(bytes(raw), len(pairs))
    except MalformedAnswer:
        return
    assert len(results) == len(pairs)
    assert all(result.data in bytes(raw) for result in results)


def word_by_word(raw: bytes, count: int) -> list[CallResult] | None:
    """aggregate3's answer as the specification says, without any short cut; None where it is not one."""

    def word(place: int) -> int:
        if place + 32 > len(raw):
            raise ValueError
        return int.from_bytes(raw[place : place + 32], "big")

    try:
        base = word(0) + 32
        found = []
        if word(base - 32) != count:
            return None
        for index in range(count):
            place = base + word(base + 32 * index)
            begin = place + word(place + 32) + 32
            size = word(begin - 32)
            if word(place) > 1 or begin + size > len(raw):
                return None
            found.append(CallResult(word(place) == 1, raw[begin : begin + size]))
    except ValueError:
        return None
    return found


@given(
    st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=4),
    st.lists(st.tuples(st.integers(0, 30), words), max_size=2),
    st.integers(0, 40),
)
def test_multicall__any_answer__is_read_as_word_by_word(
    pairs: list[tuple[bool, bytes]], changes: list[tuple[int, bytes]], cut: int
) -> None:
    raw = reference_encode(["(bool,bytes)[]"], [pairs])
    for place, word in changes:
        raw = raw[: place * 32] + word + raw[place * 32 + 32 :] if place * 32 < len(raw) else raw
    raw = raw[: len(raw) - cut]
    try:
        ours = decode_aggregate3(raw, len(pairs))
    except MalformedAnswer:
        ours = None
    assert ours == word_by_word(raw, len(pairs))


def read_or_none(decode: Callable[[bytes], list[CallResult]], raw: bytes) -> list[CallResult] | None:
    try:
        return decode(raw)
    except MalformedAnswer:
        return None


@given(
    st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), min_size=1, max_size=4),
    st.lists(st.tuples(st.integers(0, 30), words), min_size=1, max_size=4),
)
def test_multicall__answers_that_differ_in_a_word__each_is_read_as_alone(
    pairs: list[tuple[bool, bytes]], changes: list[tuple[int, bytes]]
) -> None:
    raw = reference_encode(["(bool,bytes)[]"], [pairs])
    answers = Aggregate3Answers(len(pairs))
    for place, word in [(99, b""), *changes, (99, b"")]:  # first and last as it is
        changed = raw[: place * 32] + word + raw[place * 32 + 32 :] if place * 32 < len(raw) else raw
        alone = read_or_none(lambda one: decode_aggregate3(one, len(pairs)), changed)
        assert read_or_none(answers.decode, changed) == alone


@given(st.lists(st.lists(st.tuples(st.booleans(), st.binary(max_size=3)), min_size=3, max_size=3), max_size=4))
def test_multicall__answers_of_one_layout__each_is_read_as_alone(blocks: list[list[tuple[bool, bytes]]]) -> None:
    answers = Aggregate3Answers(3)
    for pairs in blocks:
        raw = reference_encode(["(bool,bytes)[]"], [pairs])
        assert answers.decode(raw) == [CallResult(ok, data) for ok, data in pairs]


@given(hostile, st.integers(0, 5))
def test_multicall__hostile_bytes__are_malformed_or_that_many_results(raw: bytes, count: int) -> None:
    with contextlib.suppress(MalformedAnswer):
        assert len(decode_aggregate3(raw, count)) == count


any_json = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=20),
        st.sampled_from(["0x", "0x0", "0x1f", "0x" + "11" * 32]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["number", "hash", "reward", "code", "message", "data", "p"]), inner, max_size=5
        ),
    ),
    max_leaves=12,
)


@given(any_json)
def test_answers__any_json__is_a_value_or_malformed(answer: object) -> None:
    for parse in (hexes.quantity, hexes.data, hexes.hash32, answers.block_stamp, answers.rewards_wei, answers.refusal):
        with contextlib.suppress(MalformedAnswer):
            parse(answer)
    with contextlib.suppress(MalformedAnswer):
        answers.receipt(answer, "0x" + "11" * 32)


log_fields = ["address", "topics", "data", "blockNumber", "blockHash", "transactionHash", "logIndex", "removed"]
near_logs = st.lists(
    st.fixed_dictionaries(
        dict.fromkeys(log_fields, st.one_of(any_json, st.sampled_from([[], "0x" + "11" * 20, "0x" + "22" * 32, False])))
    ),
    max_size=3,
)


@given(st.one_of(any_json, near_logs))
def test_logs__any_json__are_logs_that_were_asked_for_or_malformed(answer: object) -> None:
    address = checksum_address(b"\x11" * 20)
    with contextlib.suppress(MalformedAnswer):
        found = logs.found(answer, address, (), 0, 31)
        assert all(log.address == address and log.block_number <= 31 for log in found)
    receipt = {"status": "0x1", "blockNumber": "0x1", "gasUsed": "0x1", "effectiveGasPrice": "0x1", "logs": answer}
    hashes = {"transactionHash": "0x" + "22" * 32, "blockHash": "0x" + "22" * 32}
    for said in (answer, receipt | hashes):
        with contextlib.suppress(MalformedAnswer):
            logs.in_receipt(said, "0x" + "22" * 32)


@given(st.integers(0, 10**15), st.integers(0, 60_000_000), st.integers(2, 60_000_000))
def test_base_fee__any_block__changes_by_an_eighth_at_most_and_towards_the_right_side(
    base: int, used: int, limit: int
) -> None:
    used = min(used, limit)
    following = next_base_fee_wei(base, used, limit)
    assert following >= 0
    assert following >= base - base // 8 - 1
    assert used > limit // 2 * 2 or following <= base + max(base // 8, 1)
    assert (following > base) == (used > limit // 2)
    assert following <= base or used > limit // 2


SOURCES: list[ChainSource] = [
    ChainlinkSource("s", TARGET),
    ContractCallSource("s", FunctionCall(TARGET, "f()(uint8,int256,bool)"), Unit.PRICE, result=1, decimals=18),
    ContractCallSource("s", FunctionCall(TARGET, "f()(bool)"), Unit.FLAG),
    ContractCallSource("s", FunctionCall(TARGET, "f()(string,uint256)"), Unit.AMOUNT, result=1),
]


def check(seen: Observation) -> None:
    assert (seen.value is None) == (seen.quality in WITHOUT_VALUE)
    assert bool(seen.reason) == (seen.quality is not Quality.OK)
    assert seen.value is None or seen.value.is_finite()
    assert seen.reason.isprintable()
    assert seen.value is None or seen.unit is not Unit.PRICE or seen.value > 0


@given(st.lists(st.builds(CallResult, st.booleans(), hostile), max_size=3), st.integers(0, 2**40))
def test_sources__hostile_answers__are_an_observation(results: list[CallResult], timestamp_s: int) -> None:
    block = BlockStamp(1, BLOCK.hash, BLOCK.parent_hash, timestamp_s)
    for source in SOURCES:
        check(source.decode(results, block, RECEIVED_MS))


@given(st.integers(1, 2**255 - 1), st.integers(0, 77), st.integers(0, 2**80 - 1), st.integers(0, 2**80 - 1))
def test_chainlink__any_good_round__is_answer_over_ten_to_the_decimals(
    answer: int, decimals: int, round_id: int, answered_in: int
) -> None:
    kinds = ["uint80", "int256", "uint256", "uint256", "uint80"]
    raw = reference_encode(kinds, [round_id, answer, 5, 5, answered_in])
    seen = SOURCES[0].decode(
        [CallResult(True, raw), CallResult(True, decimals.to_bytes(32, "big"))], BLOCK, RECEIVED_MS
    )
    check(seen)
    assert seen.value is not None
    numerator, denominator = seen.value.as_integer_ratio()
    assert numerator * 10**decimals == answer * denominator
    assert (seen.quality is Quality.STALE) == (answered_in < round_id)


@given(st.integers(-(2**256), 2**256), st.integers(0, 77))
def test_scaled__any_number__keeps_every_digit(number: int, decimals: int) -> None:
    numerator, denominator = scaled(number, decimals).as_integer_ratio()
    assert numerator * 10**decimals == number * denominator


bodies = st.one_of(
    st.binary(max_size=200),
    any_json.map(lambda document: json.dumps({"p": document}).encode()),
    st.text('0123456789.eE+-_ ٣NaInfity"[]{}:,p', max_size=60).map(lambda text: f'{{"p": {text}}}'.encode()),
    st.integers(0, 400).map(lambda depth: b'{"p": ' + b"[" * depth),
)


@given(bodies)
def test_json__any_body__is_a_number_of_sane_size_or_no_value(body: bytes) -> None:
    try:
        value = number_at(parse_json(body), "p")
    except NotAValue:
        return
    assert value.is_finite()
    assert value == 0 or Decimal("1e-61") < value < Decimal("1e61")


@given(st.decimals(min_value=Decimal("1e-30"), max_value=Decimal("1e30"), allow_nan=False), st.booleans())
def test_json__any_price__is_read_to_the_last_digit(price: Decimal, quoted: bool) -> None:
    text = f"{price:f}"
    if len(text.partition(".")[2]) > 40 or len(text.partition(".")[0]) > 40:
        return
    body = json.dumps({"p": text}) if quoted else f'{{"p": {text}}}'
    assert str(number_at(parse_json(body.encode()), "p")) == str(Decimal(text))


@settings(max_examples=60)
@given(bodies, st.integers(100, 599), st.text(st.characters(max_codepoint=127, exclude_categories=["Cc"]), max_size=30))
def test_http_source__any_answer__is_an_observation(body: bytes, status: int, retry_after: str) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(status, headers={"retry-after": retry_after}, stream=httpx.ByteStream(body))

    async def poll() -> Observation:
        transport = httpx.MockTransport(answer)
        source = HttpSource("s", "https://x.example", clock=ManualClock(), value_path="p", transport=transport)
        seen = await source.poll()
        await source.close()
        return seen

    check(asyncio.run(poll()))


@given(
    st.one_of(
        st.none(), st.text(max_size=40), st.datetimes().map(lambda moment: moment.strftime("%a, %d %b %Y %H:%M:%S GMT"))
    )
)
def test_retry_after__any_header__is_between_zero_and_an_hour(header: str | None) -> None:
    assert 0 <= wait_ms(header, RECEIVED_MS) <= MAX_WAIT_MS


@given(st.text(max_size=200))
def test_words__any_refusal__is_classified(text: str) -> None:
    classify(text)


@given(st.text(max_size=100))
def test_redact__any_text__never_raises(text: str) -> None:
    redact_url(text)
    secret_parts(text)


@given(
    st.from_regex(r"[a-z0-9]{16,40}", fullmatch=True),
    st.sampled_from(
        [
            "wss://h.example/v3/{}",
            "https://u:{}@h.example/",
            "https://h.example/?k={}",
            "https://{}@h.example",
            "https://h.example/a/{}/b",
        ]
    ),
)
def test_redact__key_anywhere_in_an_address__is_hidden(key: str, form: str) -> None:
    assert key not in redact_url(form.format(key))
    assert key in secret_parts(form.format(key))


@given(st.text('[]{}"\\a', max_size=60), st.integers(0, 5))
def test_nesting__any_text_that_is_json__agrees_with_the_parser(text: str, limit: int) -> None:
    def depth(document: object) -> int:
        inner = (
            document if isinstance(document, list) else list(document.values()) if isinstance(document, dict) else None
        )
        return 0 if inner is None else 1 + max(map(depth, inner), default=0)

    try:
        document = json.loads(text)
    except ValueError:
        too_deep(text, limit)
        return
    assert too_deep(text, limit) == (depth(document) > limit)
