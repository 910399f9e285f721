"""The report of an incident, before it has a form: sections of sentences, tables and commands. Nothing in it is a secret of the keeper.

Cells are plain text; each form escapes them in its own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Final

from keeper import __version__
from keeper.adapters.audit.times import to_iso
from keeper.app.incidents.fields import is_number
from keeper.app.incidents.moments import numbers
from keeper.app.incidents.number_words import plain, short
from keeper.app.incidents.story import Action, CoursePoint, Decided, Instant, Moment, Story
from keeper.app.incidents.words import coin, figure_text, state_text, summary_of, time_text
from keeper.domain.text import printable

COURSE_SHOWN: Final = 40
"""Blocks around the trip in the table of evidence; the picture has all."""
CONFIG: Final = "keeper.yaml"
_CELL: Final = 300
_ROUTES: Final = 500


@dataclass(frozen=True, slots=True)
class Table:
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Command:
    """What it shows, and how it is typed; ``is_text``: it is no command but a text, of several lines, to be taken exactly as it stands."""

    shows: str
    line: str
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """``picture``: the course of the signal is drawn here, in a form that can."""

    name: str
    title: str
    lines: tuple[str, ...] = ()
    table: Table | None = None
    commands: tuple[Command, ...] = ()
    picture: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    title: str
    state: str
    subtitle: str
    summary: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    footer: str


def report_of(story: Story, config: str) -> Report:
    """``config`` is how the configuration is named in the commands; of a path only the file's name is told to others."""
    name = Path(config).name if config not in ("", "-") else CONFIG
    sections = (
        _figures(story),
        _timeline(story),
        _evidence(story),
        _decisions(story),
        _transactions(story),
        _effects(story),
        _people(story),
        _checks(story, name or CONFIG),
        _limits(story),
    )
    return Report(
        title=f"Incident {story.id}: {story.rule}" if story.rule else f"Incident {story.id}",
        state=_state(story),
        subtitle=f"market {story.market or 'not known'}; opened {time_text(story.opened)}",
        summary=summary_of(story),
        facts=_facts(story),
        sections=tuple(one for one in sections if one is not None),
        footer=(
            f"Made by keeper {__version__} from records {story.standing.first_seq} to {story.standing.last_seq} of its audit log, "
            "and the records of the start and the configuration that were in force."
        ),
    )


def _state(story: Story) -> str:
    """An open incident is told as of its newest record."""
    said = state_text(story.state)
    at = story.as_of
    return said if at is None or story.closed is not None else f"{said} as of record {at.seq}, {time_text(at)}"


def _facts(story: Story) -> tuple[tuple[str, str], ...]:
    standing = story.standing
    found = (
        ("Incident", story.id),
        ("Market", story.market or ""),
        ("State", _state(story)),
        ("Rule", story.rule),
        ("Rule in words", story.meant.words),
        ("Signal", story.signal),
        ("Severity", story.severity),
        ("Observed", _number(story.observed, share=story.meant.share)),
        ("Threshold", _number(story.threshold, share=story.meant.share)),
        ("Opened", _at(story.opened)),
        ("Closed", _at(story.closed)),
        ("Restored", _at(story.restored)),
        ("Chain", "" if standing.chain_id is None else str(standing.chain_id)),
        ("Keeper", ", ".join(part for part in (standing.keeper, standing.mode and f"in {standing.mode} mode") if part)),
        ("Keeper's key", standing.sender),
        ("Version then", standing.version),
        ("Configuration", standing.config_hash),
    )
    return tuple((name, value) for name, value in found if value)


def _number(recorded: str, *, share: bool) -> str:
    """With every digit; a share as people read it, and then so."""
    return f"{short(recorded, share=True)} ({plain(recorded)})" if share and is_number(recorded) else plain(recorded)


def _at(at: Instant | None) -> str:
    if at is None:
        return ""
    return f"{time_text(at)}, block {at.block}" if at.block is not None else time_text(at)


def _figures(story: Story) -> Section:
    rows = [(one.label, figure_text(one), one.span, one.note) for one in story.figures]
    if story.onset.blocks is not None:
        count = story.onset.blocks
        rows.insert(1, ("blocks to detect", str(count), "first block beyond the threshold to block of the trip", ""))
    return Section("figures", "Figures", table=Table(("Figure", "Value", "From what to what", "Remark"), tuple(rows)))


def _timeline(story: Story) -> Section:
    rows = tuple(_moment(one) for one in story.moments)
    line = (
        "Times are UTC, by the keeper's clock; those in whole seconds are the blocks' own. "
        "Numbers of records are those of the audit log."
    )
    return Section("timeline", "Timeline", (line,), Table(("Time", "Block", "What", "Record"), rows) if rows else None)


def _moment(moment: Moment) -> tuple[str, ...]:
    block = "" if moment.at.block is None else str(moment.at.block)
    return time_text(moment.at), block, moment.words, "" if moment.seq is None else str(moment.seq)


def _evidence(story: Story) -> Section:
    points, share = _near_trip(story), story.meant.share
    rows = tuple(
        (
            to_iso(one.at_ms),
            "" if one.block is None else str(one.block),
            *((short(one.value, share=True) if one.value else "",) if share else ()),
            plain(one.value) if one.value else "",
            plain(one.threshold) if one.threshold else "",
            one.state,
        )
        for one in points
    )
    lines = []
    if story.rule:
        exact = f"{plain(story.observed)} against {plain(story.threshold)}"
        lines.append(f"The trip: {numbers(story.judgement, share=share)} (every digit: {exact}).")
    if len(points) < len(story.course):
        lines.append(f"{len(points)} of {len(story.course)} blocks that were read, those nearest to the trip.")
    if not rows:
        lines.append("What was seen at the single blocks is not in the database any more.")
    name = story.signal or "Value"
    head = ("Time", "Block", *((name, "Every digit") if share else (name,)), "Threshold", "Rule's state")
    return Section(
        "evidence",
        "Evidence",
        tuple(lines),
        Table(head, rows) if rows else None,
        picture=len(story.course) > 1,
    )


def _near_trip(story: Story) -> tuple[CoursePoint, ...]:
    course = story.course
    if len(course) <= COURSE_SHOWN or story.opened is None:
        return course[:COURSE_SHOWN]
    at_ms = story.opened.at_ms
    place = min(range(len(course)), key=lambda index: abs(course[index].at_ms - at_ms))
    first = max(0, min(place - COURSE_SHOWN // 2, len(course) - COURSE_SHOWN))
    return course[first : first + COURSE_SHOWN]


def _decisions(story: Story) -> Section | None:
    rows = [row for one in story.decisions for row in _inputs(one)]
    if not rows:
        return None
    head = ("Block", "Decision", "Source", "Value", "Quality", "Value's time")
    line = (
        "What each decision was made of, as recorded; the command reproduce, below, makes each of them again from this."
    )
    return Section("inputs", "Inputs of the decisions", (line,), Table(head, tuple(rows)))


def _inputs(one: Decided) -> Iterable[tuple[str, ...]]:
    block = "" if one.at.block is None else str(one.at.block)
    said = f"{one.kind} {one.action} ({one.reason})"
    for seen in one.seen:
        value = "no value" if seen.value is None else f"{plain(seen.value)} {seen.unit}".strip()
        quality = f"{seen.quality}: {seen.reason}" if seen.reason else seen.quality
        yield block, said, seen.source, value, quality, "" if seen.at_ms is None else to_iso(seen.at_ms)
        block = said = ""


def _transactions(story: Story) -> Section | None:
    rows = []
    for action in story.actions:
        for sent in action.sent:
            status = {0: "reverted", 1: "succeeded"}.get(-1 if sent.status is None else sent.status, "")
            status = status or ("taken out of its block by a reorganisation" if sent.gone else "no receipt in the log")
            cost = sent.cost_wei
            rows.append(
                (
                    action.name,
                    sent.tx_hash,
                    "" if sent.nonce is None else str(sent.nonce),
                    _routes(sent.answers),
                    "" if sent.block is None else str(sent.block),
                    status,
                    "" if sent.gas_used is None else f"{sent.gas_used:,}",
                    "" if cost is None else coin(cost),
                )
            )
    for proposal in story.proposals:
        if proposal.executed_in:
            failed = "failed" if proposal.executed_ok is False else "executed by the owners"
            block = proposal.executed.block if proposal.executed else None
            rows.append(
                (proposal.title, proposal.executed_in, "", "", "" if block is None else str(block), failed, "", "")
            )
    if not rows:
        return None
    head = ("For", "Transaction", "Nonce", "Routes", "Block", "Status", "Gas", "Cost (chain's coin)")
    return Section("transactions", "Transactions", table=Table(head, tuple(rows)))


def _routes(answers: Sequence[str]) -> str:
    """What the routes said, once each, as much as fits a cell: whole answers, the first and the last ones."""
    told = list(dict.fromkeys(answers))
    left = 0
    while len(told) > 2 and len("; ".join(told)) > _ROUTES:
        del told[len(told) // 2]
        left += 1
    if left:
        told.insert((len(told) + 1) // 2, f"({left} more in the log)")
    return "; ".join(told)


def _effects(story: Story) -> Section | None:
    rows = []
    for action in story.actions:
        rows.append(_effect_row(action))
    if not rows:
        return None
    head = ("Action", "Outcome", "View", "Contract", "Before", "After", "Block")
    return Section("effects", "What changed", table=Table(head, tuple(rows)))


def _effect_row(action: Action) -> tuple[str, ...]:
    ending = "no outcome yet" if action.ending is None else f"{action.ending.kind} ({action.ending.reason})"
    effect = action.effect
    if effect is None:
        said = action.ending.message if action.ending is not None else ""
        return action.name, ending, said, action.to, action.effect_before, "", ""
    view = " ".join((effect.call, *effect.args))
    block = "" if effect.block is None else str(effect.block)
    return action.name, ending, view, effect.contract, effect.before, effect.after, block


def _people(story: Story) -> Section:
    rows = tuple((time_text(one.at), one.by, one.words, str(one.seq)) for one in story.deeds)
    if not rows:
        return Section("people", "What people did", ("The log has nothing that people did about this incident.",))
    return Section("people", "What people did", table=Table(("Time", "Who", "What", "Record"), rows))


def _checks(story: Story, config: str) -> Section:
    standing, file = story.standing, quote(printable(config, 200))
    incident = quote(printable(story.id, 200))
    signed = _signed_text(story)
    commands = [
        *((Command("What was signed, exactly (EIP-191, personal_sign):", signed, is_text=True),) if signed else ()),
        Command(
            "For others, who have no access to the log: who has writes it into a folder",
            f"keeper audit {file} export bundle",
        ),
        Command(
            "and anybody checks every record and checkpoint in it, with nothing but Python,", "python3 bundle/verify.py"
        ),
        Command("or with this program:", "keeper audit verify-export bundle"),
        Command("With the log itself, every record against the chain of hashes:", f"keeper audit {file} verify"),
        Command("Every transaction and effect against the chain:", f"keeper audit {file} verify --on-chain"),
        Command("The decisions, made again from the evidence:", f"keeper audit {file} reproduce {incident}"),
        Command("The records of this incident:", f"keeper audit {file} log --incident {incident}"),
    ]
    for action in story.actions:
        for sent in action.sent:
            if sent.status is not None:
                commands.append(
                    Command(f"The transaction of {_cell(action.name)}:", f"cast receipt {_word(sent.tx_hash)}")
                )
        effect = action.effect
        if effect is not None and effect.block is not None:
            words = [_word(effect.contract), _word(effect.call), *map(_word, effect.args)]
            line = f"cast call --block {effect.block} {' '.join(words)}"
            commands.append(Command(f"The effect of {_cell(action.name)}, then:", line))
    lines = [
        _looked_at(story),
        f"This story ends with record {standing.last_seq} of the log, whose hash is {standing.head}: "
        "every record before it is fixed by that hash.",
    ]
    if standing.config_hash:
        lines.append(f"It was decided with the configuration of hash {standing.config_hash}.")
    for action in story.actions:
        if action.evidence:
            lines.append(f"The breaker's contract keeps {action.evidence} as the evidence of {action.name}.")
    if standing.verified:
        lines.append(f"The keeper checked its log afterwards: {standing.verified} (record {standing.verified_seq}).")
    if standing.checkpoint is not None:
        one = standing.checkpoint
        seq = one.get("seq")
        whole = isinstance(seq, int) and seq >= standing.last_seq
        lines.append(
            f"Checkpoint {one.get('number')}, signed by {one.get('signer')} at {one.get('at')}, covers it{'' if whole else ' in part'}: "
            f"record {one.get('seq')} has the hash {one.get('head')}; signature {one.get('signature')}."
        )
    else:
        lines.append("No signed checkpoint that covers it was found in the database.")
    return Section("checks", "How to check this", tuple(line for line in lines if line), commands=tuple(commands))


def _looked_at(story: Story) -> str:
    """What was checked of the log before this was written."""
    one = story.checked
    if one is None:
        return "Nothing of the log was checked for this report itself: whoever needs to rely on it runs the commands below."
    if not one.ok:
        return f"The log is BROKEN at {one.place}: {one.problem}. What is told here may not be what was written."
    what = (
        "every hash, link, reference and signed checkpoint holds"
        if one.first == 1
        else "every hash and link holds; the records before them were not looked at"
    )
    return f"Before this was written, the log was checked from record {one.first} to record {one.last}: {what}."


def _signed_text(story: Story) -> str:
    """The exact text under a checkpoint's signature; empty where there is none that can be read."""
    if story.standing.checkpoint is None:
        return ""
    from keeper.domain.checkpoint import from_document, message

    try:
        return message(from_document(story.standing.checkpoint).checkpoint)
    except ValueError:
        return ""


def _limits(story: Story) -> Section | None:
    return Section("limits", "What this report does not know", story.gaps) if story.gaps else None


def _cell(text: str) -> str:
    return printable(text, _CELL)


def _word(text: str) -> str:
    """For a shell."""
    return quote(printable(text, _CELL))
