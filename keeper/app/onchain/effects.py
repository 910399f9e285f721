"""Every effect that was read back, read again at its block."""

from __future__ import annotations

from keeper.app.onchain.findings import Report, Subject, Unchecked
from keeper.app.onchain.nodes import Nodes
from keeper.app.onchain.telling import Told, number, text
from keeper.app.onchain.transactions import FORGED
from keeper.domain.abi import Function, decode_results, encode_call, parse_signature, to_text
from keeper.domain.action import FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, UnitError
from keeper.domain.evm import CallResult
from keeper.domain.record import Record


async def check_effects(nodes: Nodes, told: Told, report: Report) -> None:
    """The effects of an intent. A node that has let go of the state of their block leaves them unchecked."""
    for effect in told.effects:
        await _check(nodes, told, effect, report)


async def _check(nodes: Nodes, told: Told, effect: Record, report: Report) -> None:
    body = effect.body
    block_hash = _block_hash(told, number(body, "block"))
    if not block_hash:
        message = f"the effect was read at block {text(body, 'block')}, and no receipt of the intent is of that block"
        if not told.reorganised:
            report.hold(Subject.EFFECT, effect.seq, [(message, FORGED)])
        return
    args = body.get("args")
    view = FunctionCall(
        text(body, "contract"), text(body, "call"), tuple(map(str, args)) if isinstance(args, list) else ()
    )
    try:
        call, function = encode_call(view), parse_signature(view.signature)
    except UnitError as error:
        report.hold(Subject.EFFECT, effect.seq, [(f"the view of this effect is none: {error.message}", FORGED)])
        return
    block = BlockStamp(number(body, "block") or 0, block_hash, "", 0)
    try:
        said = await nodes.ask(lambda node: node.read([call], block))
    except OutsideError as error:
        why = f"{view.signature} at block {block.number}: {error.message}"
        report.unchecked.append(Unchecked(Subject.EFFECT, effect.seq, why))
        return
    wrong = []
    for name, (result,) in said:
        shown = _shown(function, result)
        if shown != text(body, "after"):
            what = f"{view.signature} on {view.target} at block {block.number}"
            wrong.append((f"{what}: the log says {text(body, 'after')}, {name} says {shown}", FORGED))
    report.hold(Subject.EFFECT, effect.seq, wrong)


def _shown(function: Function, result: CallResult) -> str:
    """What the view answered, as the log writes it."""
    if not result.ok:
        return "that it reverts"
    try:
        return to_text(function.outputs[0], decode_results(function, result.data)[0])
    except (MalformedAnswer, IndexError) as error:
        return f"no such value ({error})"


def _block_hash(told: Told, block: int | None) -> str:
    for record in (*told.receipts.values(), *(each.executed for each in told.carried)):
        if record is not None and block is not None and number(record.body, "block") == block:
            return text(record.body, "block_hash")
    return ""
