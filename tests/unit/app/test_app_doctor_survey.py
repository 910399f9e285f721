"""Who lags and who claims more than there is, judged by what each endpoint said and when it was asked."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app.doctor.survey import Seat, survey
from keeper.config.model import ChainConfig, Endpoint, EndpointRole
from keeper.config.secret import Secret
from keeper.domain.block import BlockStamp
from keeper.domain.errors import Unreachable

pytestmark = pytest.mark.unit

LIMIT = 3


class Answers:
    """Each question for the newest block has its number; None: no answer."""

    def __init__(self, *numbers: int | None) -> None:
        self._numbers = list(numbers)

    async def chain_id(self) -> int:
        return 1

    async def head(self) -> BlockStamp:
        number = self._numbers.pop(0)
        if number is None:
            raise Unreachable("no answer within 5 s")
        return BlockStamp(number, "0x" + "07" * 32, "0x" + "06" * 32, 1_700_000_000)


async def messages(*heads: tuple[int | None, ...]) -> list[str]:
    roles = [EndpointRole.PRIMARY] + [EndpointRole.VERIFY] * (len(heads) - 1)
    endpoints = tuple(Endpoint(Secret("ws://127.0.0.1:1"), "ws://127.0.0.1:1", role) for role in roles)
    nodes: list[Any] = [Answers(*each) for each in heads]
    seats = [Seat(endpoint, 1, node) for endpoint, node in zip(endpoints, nodes, strict=True)]
    chain: Any = SimpleNamespace(id=1, lag_blocks=LIMIT, quorum={}, endpoints=endpoints)
    asked: ChainConfig = chain
    return [check.message for check in [check async for check in survey(asked, seats)]]


async def test_survey__blocks_came_while_a_silent_endpoint_was_waited_for__nobody_claims_too_much() -> None:
    told = await messages((10, 15, 15), (10, 15, 15), (10, 15, 15), (None,))
    assert not any("ahead" in message or "behind" in message for message in told)


@pytest.mark.parametrize(("claimed", "ahead"), [(10 + LIMIT - 1, False), (10 + LIMIT, True)])
async def test_survey__one_claims_blocks_that_the_others_still_do_not_have__is_named(claimed: int, ahead: bool) -> None:
    told = await messages((10, 10, 10), (claimed, claimed, claimed), (10, 10, 10))
    assert [f"{LIMIT} ahead of every other endpoint" in message for message in told] == [False, ahead, False]


async def test_survey__others_go_silent_when_asked_once_more__nobody_is_accused() -> None:
    told = await messages((10, 10, None), (10, 20, 20), (10, 10, None))
    assert not any("ahead" in message for message in told)
