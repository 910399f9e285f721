"""``keeper incidents``: what happened, by the log. Needs the database only: no node, no key, no other part of the configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.adapters.audit.times import to_iso
from keeper.app.cli.log_times import time_ms
from keeper.app.cli.nothing_yet import log_exists, say_so
from keeper.app.cli.output import Output, counted
from keeper.app.cli.typed import keeper_command
from keeper.app.exit_codes import Exit
from keeper.app.incidents.checking import Checked, check
from keeper.app.incidents.document import action, document, judgement, when
from keeper.app.incidents.listing import Asked, Line, Meant, list_incidents, meant
from keeper.app.incidents.moments import numbers
from keeper.app.incidents.story import Moment, State, Story
from keeper.app.incidents.telling import Covering, read_story
from keeper.app.incidents.words import actions_text, figure_text, lasting, state_text, summary_of, time_text
from keeper.domain.errors import KeeperError
from keeper.domain.text import printable

if TYPE_CHECKING:
    from keeper.app.incidents.gathering import Page
    from keeper.domain.checkpoint import SignedCheckpoint

MARKDOWN, HTML, JSON = "md", "html", "json"
_PAGE = 500
CHECK = "run: keeper audit CONFIG verify"
_FIRST, _LAST = 40, 15
"""Moments of a long story that ``show`` has; the report has all."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line, unchecked."""

    market: str | None
    since: str | None
    only_open: bool
    limit: int
    cursor: int | None


def show_list(output: Output, config: str, wanted: Wanted) -> int:
    """Raises ConfigurationError, StoreUnavailable, StoreNotMigrated, and KeeperError for a time that cannot be read."""
    since_ms = time_ms(wanted.since)
    page = _page(config)
    if page is None:
        return say_so(output, config)
    asked = Asked(wanted.market, since_ms, wanted.only_open, wanted.limit, wanted.cursor or 0)
    found = list_incidents(page, asked)
    output.document({"incidents": [_line_document(one) for one in found.lines], "next_cursor": found.cursor})
    if not found.lines:
        narrowed = wanted.market or wanted.since or wanted.only_open or wanted.cursor
        output.say("no incident fits" if narrowed else "no incident, as far as the log goes")
        return Exit.DONE
    width = max(len(_id(one.id)) for one in found.lines)
    for one in found.lines:
        output.say(_line_text(one, width), "red" if one.state is State.OPEN else None)
    if found.cursor is not None:
        output.say(f"({counted(len(found.lines), 'incident')} shown; the next with --cursor {found.cursor})", "dim")
    return Exit.DONE


def show(output: Output, config: str, name: str) -> int:
    """One incident on a screen; FOUND, and a line that says so first, when the log it is told from does not hold.

    Raises as ``show_list``, and KeeperError where no or more than one incident is meant.
    """
    page = _page(config)
    if page is None:
        return say_so(output, config)
    url = _url(config)
    # who reads on a screen is not told of checkpoints, and does not wait for what reads them
    story = _story(page, name, url, partial(_checkpoint, url) if output.as_json else None)
    output.document(document(story))
    if not output.as_json:
        _say(output, story, config)
    return Exit.DONE if story.checked is None or story.checked.ok else Exit.FOUND


def report(output: Output, config: str, name: str, form: str, file: Path | None) -> int:
    """The report, on standard output or in a new file; FOUND, and none, when the log does not hold.

    Raises as ``show``, and KeeperError for a file that cannot be written.
    """
    if output.as_json and file is None and form != JSON:
        raise KeeperError(
            f"--json and --format {form} are two forms of one output", remedy="leave one out, or add --output FILE"
        )
    page = _page(config)
    if page is None:
        return say_so(output, config)
    url = _url(config)
    story = _story(page, name, url, partial(_checkpoint, url))
    if story.checked is not None and not story.checked.ok:
        output.failed(f"{_broken(story.checked)}; no report is made of such a log", CHECK)
        return Exit.FOUND
    content = _content(story, config, form)
    if file is None:
        sys.stdout.write(content)
        sys.stdout.flush()
        output.answered = True
        return Exit.DONE
    _write(file, content)
    output.say(f"wrote the report of {_id(story.id)} to {file}")
    output.document({"ok": True, "file": str(file), "incident": story.id, "format": form})
    return Exit.DONE


def _content(story: Story, config: str, form: str) -> str:
    if form == JSON:
        return json.dumps(document(story), indent=2, ensure_ascii=False) + "\n"
    from keeper.app.incidents.report import report_of

    made = report_of(story, config)
    if form == HTML:
        from keeper.app.incidents.page import html

        return html(made, story)
    from keeper.app.incidents.markdown import markdown

    return markdown(made)


def _write(file: Path, content: str) -> None:
    try:
        with file.open("x", encoding="utf-8", newline="\n") as target:  # never over what is there
            target.write(content)
    except FileExistsError:
        raise KeeperError(f"{file} exists already", remedy="name another file, or move this one away") from None
    except OSError as error:
        raise KeeperError(f"cannot write {file}: {error.strerror}", remedy="name a file that you may write") from None


def _url(config: str) -> str:
    from keeper.config import audit_url

    return audit_url(config)


def _page(config: str) -> Page | None:
    """What answers questions about the log; None before the first run."""
    from keeper.adapters.audit.reading import page_sync

    url = _url(config)
    return partial(page_sync, url) if log_exists(url) else None


def _broken(checked: Checked) -> str:
    return f"the log is BROKEN at {checked.place}: {printable(checked.problem, 300)}"


def _story(page: Page, name: str, url: str, covering: Covering | None = None) -> Story:
    found = meant(page, name)
    story = read_story(page, found.id, covering, partial(check, url)) if found.id is not None else None
    if story is None:
        raise KeeperError(_none(name, found), remedy=_choose(found.near))
    return story


def _none(name: str, found: Meant) -> str:
    shown = printable(name, 80)
    return f"more than one incident begins with {shown!r}" if found.several else f"there is no incident {shown!r}"


def _choose(near: Sequence[str]) -> str:
    return f"one of: {', '.join(_id(one) for one in near)}" if near else "the log has no incident at all"


def _checkpoint(url: str, seq: int) -> SignedCheckpoint | None:
    """The first one at or after a record."""
    import asyncio

    from keeper.adapters.audit.checkpoints import SqlCheckpointBook

    async def find() -> SignedCheckpoint | None:
        book = SqlCheckpointBook(url)
        try:
            number = 0
            while some := await book.after(number, _PAGE):
                for one in some:
                    if one.checkpoint.seq >= seq:
                        return one
                number = some[-1].checkpoint.number
            return None
        finally:
            await book.close()

    return asyncio.run(find())


def _id(incident: str) -> str:
    return printable(incident, 80)


def _line_text(one: Line, width: int) -> str:
    lasted = one.lasted_ms
    length = "still open" if lasted is None else f"lasted {lasting(lasted)}" if lasted >= 0 else "ended before it began"
    rule = numbers(one.judgement) if one.judgement.rule else "no rule is recorded"
    return (
        f"{_id(one.id):<{width}}  {to_iso(one.opened.at_ms)[:19]}Z  {state_text(one.state):<8}  {printable(rule)}; "
        f"{length}; {printable(actions_text(one.actions))}"
    )


def _line_document(one: Line) -> dict[str, object]:
    return {
        "id": one.id,
        "market": one.market,
        "state": one.state.value,
        **judgement(one.judgement),
        "opened": when(one.opened),
        "closed": when(one.closed),
        "restored": when(one.restored),
        "lasted_ms": one.lasted_ms,
        "actions": [
            {
                key: value
                for key, value in action(each).items()
                if key in ("id", "action", "kind", "way", "outcome", "cost_wei")
            }
            for each in one.actions
        ],
        "record": one.seq,
    }


def _say_moments(output: Output, moments: Sequence[Moment]) -> None:
    for moment in moments:
        block = "" if moment.at.block is None else str(moment.at.block)
        record = "" if moment.seq is None else f"#{moment.seq}"
        output.say(f"{time_text(moment.at):<24}  {block:>9}  {record:>7}  {moment.words}")


def _say(output: Output, story: Story, config: str) -> None:
    if story.checked is not None and not story.checked.ok:
        output.say(f"{_broken(story.checked)}", "bold red")
        output.say("what follows may not be what was written", "bold red")
        output.say(f"  -> {CHECK}")
    output.say(f"{_id(story.id)}  {printable(story.title)}  {state_text(story.state)}", "bold")
    for line in summary_of(story):
        output.say(printable(line, 500))
    output.say()
    label = max(len(one.label) for one in story.figures)
    value = max(len(figure_text(one)) for one in story.figures)
    for one in story.figures:
        output.say(f"  {one.label:<{label}}  {figure_text(one):<{value}}  {printable(one.note)}".rstrip())
    output.say()
    _say_moments(output, story.moments[:_FIRST])
    left_out = len(story.moments) - _FIRST - _LAST
    if left_out > 0:
        output.say(f"... {counted(left_out, 'moment')} left out; the report has all ...", "dim")
    _say_moments(output, story.moments[_FIRST:][-_LAST:])
    for gap in story.gaps:
        output.say(f"not known: {printable(gap, 300)}", "yellow")
    output.say()
    typed = f"{keeper_command()} incidents {config} report {_id(story.id)} --format html --output incident.html"
    output.say(f"for others: {typed}", "dim")
