"""A council's matter on a terminal: alarms first, then what changes and why, what comes after it, who signs, and what to compare and type."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from keeper.adapters.safe.origin import note_text
from keeper.app.cli.output import Output, counted
from keeper.app.cli.typed import folded, keeper_command
from keeper.app.council.matter import Change, Decoded, Level, Matter, Signed, Standing, Times
from keeper.app.pages.amounts import grouped, share, timed, with_share
from keeper.app.pages.wording import ago, groups, standing_text, utc_text, wei_text
from keeper.domain.safe import SafeTransaction

WIDTH: Final = 96
SHORT: Final = 10
"""Digits of a hash in commands that are printed to be typed."""
CALLDATA_SHOWN: Final = 200
STANDING_STYLES: Final = {
    Standing.WAITING: "bold yellow",
    Standing.READY: "bold green",
    Standing.BEHIND: "yellow",
    Standing.DEAD: "dim",
}
KEPT: Final = {True: "holds", False: "BROKEN", None: "unknown"}


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    style: str | None = None


def say(output: Output, lines: Iterator[Line]) -> None:
    for line in lines:
        output.say(line.text, line.style)


def short(safe_tx_hash: str) -> str:
    """Enough of a hash to name it in a command."""
    return safe_tx_hash[: 2 + SHORT]


def row(matter: Matter, now_ms: int) -> Iterator[Line]:
    """Two or three lines of the queue."""
    proposed = f", proposed {ago(matter.times.proposed_ms, now_ms)}" if matter.times.proposed_ms is not None else ""
    yield Line(f"nonce {matter.transaction.nonce}  {short(matter.hash)}  {matter.title}", "bold")
    yield Line(f"    {standing_text(matter)}{proposed}", STANDING_STYLES.get(matter.standing))
    for alarm in matter.alarms:
        yield from wrapped("    ALARM  ", alarm.text, "bold red")


def shown(matter: Matter, now_ms: int, config: str) -> Iterator[Line]:
    """The whole matter, and what can be done about it; ``config`` as it must be typed in those commands."""
    yield from about(matter, now_ms)
    yield from _next(matter, config)


def about(matter: Matter, now_ms: int) -> Iterator[Line]:
    """The whole matter."""
    yield from alarms(matter)
    yield Line(matter.title, "bold")
    yield Line(f"  {standing_text(matter)}", "bold red" if matter.failed else STANDING_STYLES.get(matter.standing))
    if matter.executed_tx is not None:
        yield Line(f"  executed in {matter.executed_tx}")
    state = matter.state
    yield Line(f"  nonce {matter.transaction.nonce}, the Safe's next one is {state.nonce} (block {state.block})")
    yield Line(f"  Safe {state.safe}, version {state.version}, {state.threshold} of {len(state.owners)} owners sign")
    if matter.pointless and not matter.over:
        yield from wrapped("  Becomes pointless: ", timed(matter.pointless, now_ms))
    yield from changes(matter)
    yield from _section("Why", (line for why in matter.why for line in wrapped("  - ", why)))
    yield from _section("What is called", _call(matter.decoded, "  ", ""))
    if not matter.over:
        yield from after(matter)
    yield from _section("Who signed" if matter.over else "Who signs", _people(matter))
    yield from _section("When", _clock(matter.times, now_ms))
    yield from _section("Remarks", _remarks(matter))
    yield from hashes(matter.transaction, to_sign=not matter.over)


def alarms(matter: Matter) -> Iterator[Line]:
    """Loud, and before everything else."""
    for alarm in matter.alarms:
        yield from wrapped("!! ALARM  ", alarm.text, "bold red")
    if matter.alarms:
        yield Line("!! Do not sign before you know why.", "bold red")
        yield Line("")


def hashes(transaction: SafeTransaction, *, to_sign: bool = True) -> Iterator[Line]:
    """In groups, as wallets show them."""
    title = "Compare on your hardware wallet" if to_sign else "Hashes"
    yield Line("")
    yield Line(f"{title} (computed here, never taken from a service)", "bold")
    named = (
        ("domain hash", transaction.domain_hash),
        ("message hash", transaction.message_hash),
        ("safeTxHash", transaction.hash),
    )
    for name, digest in named:
        digits = groups("0x" + digest.hex())
        yield Line(f"  {name:<13} 0x {' '.join(digits[:8])}")
        yield Line(f"  {'':<13}    {' '.join(digits[8:])}")


def _section(title: str, lines: Iterator[Line]) -> Iterator[Line]:
    """Nothing where there is nothing to say."""
    found = list(lines)
    if found:
        yield Line("")
        yield Line(title, "bold")
        yield from found


def changes(matter: Matter) -> Iterator[Line]:
    """Each value as it is and as it would be."""
    if not matter.over:
        yield from _section("What changes", (line for each in matter.changes for line in _change(each)))
        return
    happened = matter.standing is Standing.EXECUTED and not matter.failed
    title = "What it was to change" if happened else "What it would have changed"
    lines = (f"{named(each, matter.market)}: {_read(each.before)} -> {_read(each.after)}" for each in matter.changes)
    yield from _section(title, (line for text in lines for line in wrapped("  ", text)))


def named(change: Change, market: str | None = None) -> str:
    """What changes, without its values."""
    name, colon, _ = change.text.partition(": ")
    if name and (colon or "->" not in name):
        return name
    return f"{change.asked.partition('(')[0]} of {market}" if market else f"{change.asked} at {change.contract}"


def _change(change: Change) -> Iterator[Line]:
    what = (
        with_share(change.text, change.before, change.after) if change.text else f"{change.asked} at {change.contract}"
    )
    yield from wrapped("  ", what, "bold")
    odd = change.recorded is not None and change.after is not None and change.recorded != change.after
    if odd or "->" not in change.text:
        part = share(change.before, change.after)
        values = f"{_read(change.before)} -> {_read(change.after)}{f' ({part})' if part else ''}"
        if change.recorded is not None:
            values += f"  (by the log {change.recorded} before the incident)"
        yield from wrapped("      ", grouped(values), "bold red" if odd else "bold")


def _read(value: str | None) -> str:
    return "(not readable)" if value is None else value


def _call(call: Decoded, indent: str, number: str) -> Iterator[Line]:
    yield from wrapped(f"{indent}{number}", grouped(call.text) or call.function or "a call that nobody here can read")
    inside = indent + " " * len(number) + "  "
    name = f" ({call.contract_name})" if call.contract_name else ""
    yield Line(f"{inside}to {call.to}{name}" + (", BY DELEGATECALL" if call.delegatecall else ""))
    if call.value_wei:
        yield Line(f"{inside}sends {wei_text(call.value_wei)}", "bold yellow")
    if call.inner:
        for place, inner in enumerate(call.inner, 1):
            yield from _call(inner, inside, f"{place}. ")
        return
    if call.function is not None:
        yield Line(f"{inside}{call.function}")
        for kind, value in call.args:
            yield from wrapped(f"{inside}  {kind} ", value)
    elif call.data not in ("", "0x"):
        more = f"... ({counted((len(call.data) - 2) // 2, 'byte')})" if len(call.data) > CALLDATA_SHOWN else ""
        yield from wrapped(f"{inside}calldata ", call.data[:CALLDATA_SHOWN] + more)


def after(matter: Matter) -> Iterator[Line]:
    """What the simulation says, and which invariants hold then."""
    said = matter.after
    at = f" (simulated at block {said.block})" if said.block is not None else ""
    style = {True: "green", False: "bold red", None: "bold yellow"}[said.goes_through]
    word = {True: "It goes through", False: "IT WOULD FAIL", None: "It could not be simulated"}[said.goes_through]
    yield Line("")
    yield Line(f"What comes after it{at}", "bold")
    yield from wrapped("  ", f"{word}: {said.text}" if said.text else word, style)
    for kept in said.kept:
        values = grouped(f"{kept.before} -> {kept.after}. ") if kept.before or kept.after else ""
        loud = {True: None, False: "bold red", None: "yellow"}[kept.holds]
        yield from wrapped(f"  {KEPT[kept.holds]:<8} ", f"{kept.name}: {values}{kept.text}".rstrip(), loud)


def _people(matter: Matter) -> Iterator[Line]:
    for one in matter.signed:
        when = f"  {utc_text(one.at_ms)}" if one.at_ms is not None else ""
        if one.counts:
            yield Line(f"  signed   {_person(one)}{when}", "green")
        else:
            yield from wrapped(f"  IGNORED  {_person(one)}: ", one.why or "the Safe would not take it", "bold yellow")
    for one in matter.not_signed:
        yield Line(f"  {'not     ' if matter.over else 'not yet '} {_person(one)}")
    if matter.proposer is not None:
        yield Line(f"  proposed for {matter.proposer}", "dim")
        if matter.delegate is not None:
            yield Line(f"    by its delegate {matter.delegate}", "dim")
    if matter.origin:
        yield from wrapped("  the proposer's note: ", note_text(matter.origin), "dim")


def _person(one: Signed) -> str:
    return f"{one.name} {one.owner}" if one.name else one.owner


def _clock(times: Times, now_ms: int) -> Iterator[Line]:
    named = (
        ("proposed", times.proposed_ms),
        ("people told", times.paged_ms),
        ("first looked at", times.seen_ms),
        ("first signature", times.first_signature_ms),
        ("enough signatures", times.threshold_ms),
        ("executed", times.executed_ms),
        ("pointless", times.moot_ms),
    )
    for name, at_ms in named:
        if at_ms is not None:
            yield Line(f"  {name:<18} {utc_text(at_ms)}  ({ago(at_ms, now_ms)})")
    if times.moot_why:
        yield from wrapped("  ", times.moot_why, "yellow")


def _remarks(matter: Matter) -> Iterator[Line]:
    styles = {Level.WARNING: "bold yellow", Level.NOTE: None}
    for remark in matter.remarks:
        if remark.level is not Level.ALARM:
            yield from wrapped(f"  {remark.level.value:<8} ", remark.text, styles[remark.level])
    if not matter.from_service:
        yield from wrapped("  note     ", "it is not in the service's queue: known from the log or a file alone")


def _next(matter: Matter, config: str) -> Iterator[Line]:
    """What can be done about it now."""
    if matter.over:
        return
    yield Line("")
    yield Line("Next", "bold")
    key = "--keystore FILE --password-file FILE"
    if matter.alarms:
        yield Line("  find out who proposed it, and why; what must not be executed is rejected:")
    elif matter.standing is Standing.READY:
        yield from _typed("execute it, with any key that can pay for it:", config, "execute", matter, key)
    elif matter.standing is Standing.BEHIND:
        yield Line(f"  nonce {matter.state.nonce} must be executed or rejected first; what is there:")
        yield Line(f"    {keeper_command()} council {config} queue")
    else:
        yield from _typed("sign it here, with an owner's key:", config, "confirm", matter, key)
        yield from _typed("or see what to sign elsewhere:", config, "confirm", matter)
    yield from _typed("use its nonce up without doing anything else:", config, "reject", matter, key)
    if matter.web_url:
        yield Line(f"  {matter.web_url}")


def _typed(what: str, config: str, verb: str, matter: Matter, *more: str) -> Iterator[Line]:
    yield Line(f"  {what}")
    for text in folded(keeper_command(), "council", config, verb, short(matter.hash), *more).splitlines():
        yield Line(f"    {text}")


def wrapped(lead: str, text: str, style: str | None = None) -> Iterator[Line]:
    """``text`` behind ``lead``, on lines of WIDTH columns that begin below it; a word that is longer is broken only where it must be."""
    hang = " " * min(len(lead), 16)
    for line in textwrap.wrap(text, WIDTH, initial_indent=lead, subsequent_indent=hang, break_on_hyphens=False) or [
        lead
    ]:
        yield Line(line.rstrip(), style)


def missing_text(matter: Matter, names: Sequence[Signed]) -> str:
    """Whose signatures would do."""
    return f"{counted(matter.missing, 'signature')} missing, of: {', '.join(map(_person, names))}"
