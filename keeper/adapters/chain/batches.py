"""JSON-RPC batches: several requests in one message, and the one answer to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from keeper.domain.errors import Refused
from keeper.domain.text import printable

Request = tuple[str, str]
"""Method, and its parameters as an encoded JSON list."""


class BatchRefused(Refused):
    """The node does not answer a batch as one; the requests have to be sent one by one."""


def encoded(number: int, method: str, params: str) -> str:
    """One request."""
    return f'{{"jsonrpc":"2.0","id":{number},"method":"{method}","params":{params}}}'


def encoded_batch(numbers: Sequence[int], requests: Sequence[Request]) -> str:
    """All requests in one message."""
    return "[" + ",".join(encoded(number, *request) for number, request in zip(numbers, requests, strict=True)) + "]"


def ordered(numbers: Sequence[int], answer: object) -> list[dict[str, Any]]:
    """The answers in the order of the requests: they may come in any. Raises BatchRefused when they are not all there."""
    if not isinstance(answer, list):
        error = answer.get("error") if isinstance(answer, dict) else None
        words = error.get("message") if isinstance(error, dict) else None
        raise BatchRefused(printable(words) if isinstance(words, str) else "the answer to a batch is not a list")
    by_number = {
        one["id"]: one
        for one in answer
        if isinstance(one, dict) and isinstance(one.get("id"), int) and not isinstance(one["id"], bool)
    }
    if any(number not in by_number for number in numbers):
        raise BatchRefused(f"{len(by_number)} of the {len(numbers)} requests of a batch were answered")
    return [by_number[number] for number in numbers]


def are_answers(message: list[Any]) -> bool:
    """Whether this is an answer to some batch, if perhaps one that nobody waits for any more."""
    return bool(message) and all(isinstance(one, dict) and isinstance(one.get("id"), int) for one in message)


class Batches:
    """The batches of one connection that wait for their answer."""

    def __init__(self) -> None:
        self._waiting: dict[int, asyncio.Future[object]] = {}

    def expect(self, numbers: Sequence[int]) -> asyncio.Future[object]:
        """The future of the answer to the batch with these ids."""
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.update(dict.fromkeys(numbers, future))
        return future

    def forget(self, numbers: Sequence[int]) -> None:
        """Nobody waits for it any more."""
        for number in numbers:
            self._waiting.pop(number, None)

    def settle(self, message: list[Any]) -> bool:
        """A list arrived: it answers the batch that holds any of its ids, else whichever waits, which then counts as refused.

        False when none waits: then it should not have come.
        """
        ids = [one.get("id") for one in message if isinstance(one, dict)]
        known = [self._waiting[each] for each in ids if isinstance(each, int) and each in self._waiting]
        return self._settle(known[:1] or list(self._waiting.values()), message)

    def settle_single(self, message: dict[str, Any]) -> bool:
        """Whether this single answer belongs to a batch: one of its ids, or an error for no request while a batch waits."""
        number = message.get("id")
        if isinstance(number, int) and number in self._waiting:
            futures = [self._waiting[number]]
        elif number is None and "error" in message:
            futures = list(self._waiting.values())
        else:
            return False
        return self._settle(futures, message)

    def fail(self, error: Callable[[], Exception]) -> None:
        """The connection ended; each batch gets an error of its own."""
        for future in set(self._waiting.values()):
            if not future.done():
                future.set_exception(error())

    @staticmethod
    def _settle(futures: list[asyncio.Future[object]], message: object) -> bool:
        for future in futures:
            if not future.done():
                future.set_result(message)
        return bool(futures)
