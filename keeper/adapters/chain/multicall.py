"""Many calls in one ``eth_call`` through Multicall3's ``aggregate3``, by words.

Encoded once for each list of calls; decoded by slicing words, every offset and length checked.
"""

from __future__ import annotations

from collections.abc import Sequence

from keeper.domain.action import Call
from keeper.domain.errors import MalformedAnswer
from keeper.domain.evm import CallResult

MULTICALL3 = "0xcA11bde05977b3631167028862bE2a173976CA11"
"""The same address on nearly every chain (https://www.multicall3.com)."""

AGGREGATE3 = bytes.fromhex("82ad56cb")
"""``aggregate3((address,bool,bytes)[])``"""

WORD = 32
_SUCCEEDED = (1).to_bytes(WORD, "big") + (2 * WORD).to_bytes(WORD, "big")
"""What stands before the size of the data: success, and where the size is."""


def encode_aggregate3(calls: Sequence[Call]) -> bytes:
    """The calldata; each call may fail without failing the others."""
    heads, tails = bytearray(), bytearray()
    for call in calls:
        heads += _word(WORD * len(calls) + len(tails))
        size = len(call.data)
        tails += bytes.fromhex(call.to[2:]).rjust(WORD, b"\0") + _word(1) + _word(3 * WORD) + _word(size)
        tails += call.data + b"\0" * (-size % WORD)
    return AGGREGATE3 + _word(WORD) + _word(len(calls)) + bytes(heads + tails)


def decode_aggregate3(answer: bytes, count: int) -> list[CallResult]:
    """The ``count`` results of ``(bool success, bytes returnData)[]``.

    Raises MalformedAnswer for anything that is not exactly that many.
    """
    start = _offset(answer, 0, 0)
    found = _read(answer, start)
    if found != count:
        raise MalformedAnswer(f"Multicall3 answered {min(found, 2**64)} results for {count} calls")
    base = start + WORD
    if count * WORD > len(answer) - base:
        raise MalformedAnswer(f"Multicall3's answer of {len(answer)} bytes ends too early")
    number = int.from_bytes
    results = []
    for head in range(base, base + count * WORD, WORD):
        # Multicall3 writes success, 0x40, size and data one after the other; whatever is not written so is read word by word
        place = base + number(answer[head : head + WORD], "big")
        begin = place + 3 * WORD
        if answer.startswith(_SUCCEEDED, place) and begin <= len(answer):
            end = begin + number(answer[begin - WORD : begin], "big")
            if end <= len(answer):
                results.append(CallResult(True, answer[begin:end]))
                continue
        results.append(_result_by_words(answer, base, len(results)))
    return results


class Aggregate3Answers:
    """The answers to one list of calls, block after block: what is byte for byte as in the last one is not decoded again."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._bodies = 2 * WORD + count * WORD
        self._last = b""
        self._results: list[CallResult] = []
        self._spans: list[tuple[int, int]] = []

    def decode(self, answer: bytes) -> list[CallResult]:
        """As ``decode_aggregate3``. Raises MalformedAnswer."""
        last = self._last
        if len(answer) != len(last) or answer[: self._bodies] != last[: self._bodies]:
            results = decode_aggregate3(answer, self._count)
            if not answer.startswith(_word(WORD)):  # right, but not as Multicall3 writes it
                return results
            spans = [_span(answer, index, result) for index, result in enumerate(results)]
        else:  # every result begins where it did
            results, spans = self._results.copy(), self._spans.copy()
            for index, (begin, end) in enumerate(self._spans):
                if begin == end or answer[begin:end] != last[begin:end]:
                    results[index] = _result_by_words(answer, 2 * WORD, index)
                    spans[index] = _span(answer, index, results[index])
        self._last, self._results, self._spans = answer, results, spans
        return results


def _span(answer: bytes, index: int, result: CallResult) -> tuple[int, int]:
    """From where to where the bytes are that this result was made of; nowhere when it is not written as Multicall3 writes a success."""
    place = _offset(answer, (2 + index) * WORD, 2 * WORD)
    return (place, place + 3 * WORD + len(result.data)) if answer.startswith(_SUCCEEDED, place) else (0, 0)


def _result_by_words(answer: bytes, base: int, index: int) -> CallResult:
    place = _offset(answer, base + index * WORD, base)
    ok = _read(answer, place)
    if ok > 1:
        raise MalformedAnswer(f"result {index} of Multicall3 is neither success nor failure")
    data_place = _offset(answer, place + WORD, place)
    size = _read(answer, data_place)
    begin = data_place + WORD
    if size > len(answer) - begin:
        raise MalformedAnswer(f"result {index} of Multicall3 does not fit in its answer")
    return CallResult(ok == 1, answer[begin : begin + size])


def _word(number: int) -> bytes:
    return number.to_bytes(WORD, "big")


def _read(answer: bytes, place: int) -> int:
    if not 0 <= place <= len(answer) - WORD:
        raise MalformedAnswer(f"Multicall3's answer of {len(answer)} bytes ends too early")
    return int.from_bytes(answer[place : place + WORD], "big")


def _offset(answer: bytes, place: int, base: int) -> int:
    """The place that the word at ``place`` points to, counted from ``base``."""
    distance = _read(answer, place)
    if distance > len(answer):
        raise MalformedAnswer("Multicall3's answer points outside of itself")
    return base + distance
