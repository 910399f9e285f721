"""Do the endpoints say the same? The hash of one block that all of them have, and everything the keeper reads, at that block.

With three or more, whoever is outvoted by more than half is named. With two, or where there is no majority, nobody can tell who is right.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Hashable, Iterator, Mapping, Sequence
from statistics import median_low

from keeper.app.doctor.check import Check, Health
from keeper.app.doctor.subjects import Answers, Subject, raw, read_all
from keeper.app.doctor.survey import Seat
from keeper.app.remedies import of_node
from keeper.config.model import EndpointRole
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError
from keeper.domain.evm import CallResult

NEAR_BLOCKS = 100
"""Nodes keep the state of little more blocks than these: one that is further behind is not compared."""
FORK_S = 2.0
"""Short forks resolve in that time: two different blocks are looked at again after it."""
TOLD = 10
"""So many reads that differ are told one by one."""


async def compare(seats: Sequence[Seat], subjects: Sequence[Subject]) -> AsyncIterator[Check]:
    """``seats`` are those that answered; nothing is said where there is nobody to compare with."""
    heads = _heads(seats)
    near = _near(heads)
    if len(near) < 2:
        if len(heads) > 1:
            apart = f"not compared: they are more than {NEAR_BLOCKS} blocks apart"
            yield Check("endpoints agree", Health.WARN, apart, "mend the one that lags first")
        return
    number = min(height for _, height in near)
    readers = [seat for seat, _ in near]
    blocks, silent = await _blocks(readers, number)
    if _differ(blocks):
        await asyncio.sleep(FORK_S)
        blocks, silent = await _blocks(readers, number)
    wrong = [_refuses(seat, f"what block {number} is", silent[seat.short]) for seat in readers if seat.short in silent]
    if _differ(blocks):
        told = {short: block.hash for short, block in blocks.items()}
        wrong.append(_disagreement(f"block {number}", f"at height {number}", "its hash is", told, readers))
    pinned = _pinned(blocks)
    asked = [seat for seat in readers if pinned and seat.short in blocks and blocks[seat.short].hash == pinned.hash]
    if pinned is not None:
        wrong += await _compare_reads(asked, pinned, subjects)
    for check in wrong:
        yield check
    if not wrong:
        message = f"{len(asked)} endpoints say the same of block {number}: its hash, and all {len(subjects)} reads"
        yield Check("endpoints agree", Health.OK, message)


async def _compare_reads(seats: Sequence[Seat], block: BlockStamp, subjects: Sequence[Subject]) -> list[Check]:
    said = await asyncio.gather(*(read_all(seat.node, block, subjects) for seat in seats))
    answers = {seat.short: each for seat, each in zip(seats, said, strict=True)}
    found = [check for seat in seats if (check := _refused_reads(seat, answers[seat.short])) is not None]
    differing = list(_differing(subjects, answers, block, seats))
    found += differing[:TOLD]
    if len(differing) > TOLD:
        rest = f"{len(differing) - TOLD} more reads differ at block {block.number}"
        found.append(Check("endpoints disagree on more", Health.FAIL, rest, differing[0].remedy))
    return found


def _heads(seats: Sequence[Seat]) -> list[tuple[Seat, int]]:
    """The endpoints that are asked for reads, with their newest blocks."""
    return [(seat, seat.head.number) for seat in seats if seat.reads and seat.head is not None and not seat.away]


def _near(heads: Sequence[tuple[Seat, int]]) -> list[tuple[Seat, int]]:
    """Those that are not far behind: behind the middle one, or of two behind the other."""
    heights = [height for _, height in heads]
    usual = median_low(heights) if len(heights) > 2 else max(heights, default=0)
    return [(seat, height) for seat, height in heads if usual - height <= NEAR_BLOCKS]


def outvoted(told: Mapping[str, Hashable]) -> tuple[str, ...]:
    """Who says something else than more than half of all; empty when nobody can tell."""
    if not told:
        return ()
    usual, count = Counter(told.values()).most_common(1)[0]
    return tuple(name for name, one in told.items() if one != usual) if 2 * count > len(told) else ()


async def _blocks(seats: Sequence[Seat], number: int) -> tuple[dict[str, BlockStamp], dict[str, OutsideError]]:
    """The block at this number by endpoint, and the errors of those that do not give it."""

    async def ask(seat: Seat) -> BlockStamp | OutsideError:
        try:
            found = await seat.node.blocks(number, number)
        except OutsideError as error:
            return error
        if not found or found[0].number != number:
            return MalformedAnswer(f"it has newer blocks, and does not have block {number}")
        return found[0]

    answers = dict(
        zip((seat.short for seat in seats), await asyncio.gather(*(ask(seat) for seat in seats)), strict=True)
    )
    blocks = {short: one for short, one in answers.items() if isinstance(one, BlockStamp)}
    return blocks, {short: one for short, one in answers.items() if isinstance(one, OutsideError)}


def _differ(blocks: Mapping[str, BlockStamp]) -> bool:
    return len({block.hash for block in blocks.values()}) > 1


def _pinned(blocks: Mapping[str, BlockStamp]) -> BlockStamp | None:
    """The block that most have; None where there is none, or as many have another."""
    counted = Counter(block.hash for block in blocks.values()).most_common(2)
    if not counted or (len(counted) > 1 and counted[0][1] == counted[1][1]):
        return None
    return next(block for block in blocks.values() if block.hash == counted[0][0])


def _refuses(seat: Seat, what: str, error: OutsideError) -> Check:
    return Check(f"reads of {seat.name}", Health.FAIL, f"no answer to {what}: {error.message}", of_node(error))


def _refused_reads(seat: Seat, said: Answers) -> Check | None:
    """What the endpoint gave no answer to, in one line."""
    errors = {name: one for name, one in said.items() if isinstance(one, OutsideError)}
    if not errors:
        return None
    error = next(iter(errors.values()))
    named = "any read" if len(errors) == len(said) else ", ".join(errors)
    return _refuses(seat, named, error)


def _differing(
    subjects: Sequence[Subject], answers: Mapping[str, Answers], block: BlockStamp, seats: Sequence[Seat]
) -> Iterator[Check]:
    for subject in subjects:
        said: dict[str, tuple[CallResult, ...]] = {}
        for short, each in answers.items():
            results = each[subject.name]
            if not isinstance(results, OutsideError):
                said[short] = tuple(results)
        if len(set(said.values())) < 2:
            continue
        place = next(at for at in range(len(subject.calls)) if len({results[at] for results in said.values()}) > 1)
        told = {short: subject.words(results, block) for short, results in said.items()}
        if len(set(told.values())) < len(set(said.values())):  # the words do not show the difference
            told = {short: raw(results[place]) for short, results in said.items()}
        if any(results[place].data == b"" and results[place].ok for results in said.values()):
            told = {short: f"{words} [{raw(said[short][place])}]" for short, words in told.items()}
        where = f"at block {block.number}, contract {subject.calls[place].to}"
        yield _disagreement(subject.name, where, "it says", told, seats, votes=said)


def _disagreement(
    about: str,
    where: str,
    says: str,
    told: Mapping[str, str],
    seats: Sequence[Seat],
    *,
    votes: Mapping[str, Hashable] | None = None,
) -> Check:
    """``told`` is what each says in words, ``votes`` what is counted (the words, when left out)."""
    names = {seat.short: seat.name for seat in seats}
    odd = outvoted(votes or told)
    name = f"endpoints disagree on {about}"
    if not odd:
        each = "; ".join(f"{names[short]} says {words}" for short, words in told.items())
        remedy = (
            "nobody can tell from this who is right: compare with a block explorer, take the wrong one out, "
            "and add an endpoint of another operator (role: verify), so that the odd one shows"
        )
        return Check(name, Health.FAIL, f"{where}: {each}", remedy)
    usual = next(words for short, words in told.items() if short not in odd)
    alone = "; ".join(f"{names[short]} is alone: {says} {told[short]}" for short in odd)
    message = f"{where}: {alone}; the {len(told) - len(odd)} others say {usual}"
    return Check(name, Health.FAIL, message, _take_out(odd, seats))


def _take_out(odd: Sequence[str], seats: Sequence[Seat]) -> str:
    remedy = f"take {' and '.join(odd)} out, or have it mended: its database is broken, or it lies"
    primaries = [seat.short for seat in seats if seat.endpoint.role is EndpointRole.PRIMARY]
    if primaries and primaries[0] in odd:
        remedy += "; heads and reads come from it, so put another primary first"
    return remedy
