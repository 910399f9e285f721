"""The report as Markdown (CommonMark with GitHub's tables). Whatever stands in a record stays text: no markup, HTML, link or new row comes of it."""

from __future__ import annotations

import re
from typing import Final

from keeper.app.incidents.report import Report, Section, Table
from keeper.domain.text import printable

_CELL: Final = 600
_CODE: Final = re.compile(r"0x[0-9a-fA-F]{4,}")
"""Hashes, addresses and data, which are shown as code."""
_SPECIAL: Final = re.compile(r"([\\`*_\[\]|~$])")
_ENTITIES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MENTION: Final = re.compile(r"(?<![A-Za-z0-9])@|@(?![A-Za-z0-9]+(?![\w.-]))")
"""An @ that GitHub might make a person or an address for mail of; that in ``ETH-PERP@14`` is none."""
_LINK: Final = re.compile(r"(?i)(https?|ftp|www|mailto|xmpp)(?=[:.])")
"""What GitHub would make a link of by itself."""
_FIRST: Final = re.compile(r"^(\d*)((?<=\d)[.)](?=\s|$)|^[#+=:-])")
"""What at the beginning of a line would make a list, a heading or a row of it."""


def markdown(report: Report) -> str:
    """The whole document."""
    parts = [f"# {text(report.title)}", text(f"{report.state}; {report.subtitle}")]
    parts.append("## Summary")
    parts.append("\n".join(f"- {text(line)}" for line in report.summary))
    parts.append(_table(Table(("Fact", "Value"), report.facts)))
    for section in report.sections:
        parts += _section(section)
    parts.append(text(report.footer))
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(section: Section) -> list[str]:
    parts = [f"## {text(section.title)}"]
    parts += [text(line) for line in section.lines]
    if section.table is not None:
        parts.append(_table(section.table))
    for command in section.commands:
        parts.append(text(command.shows))
        # it begins with a word of ours in every line: no fence ends in it
        parts.append(
            f"```text\n{_exact(command.line)}\n```"
            if command.is_text
            else f"```sh\n{printable(command.line, 2_000)}\n```"
        )
    return parts


def _exact(lines: str) -> str:
    """With every space; only what does not print at all is taken out, which is in no text that was signed."""
    return "\n".join("".join(char for char in line if char.isprintable()) for line in lines.split("\n"))


def _table(table: Table) -> str:
    head = f"| {' | '.join(text(one) for one in table.head)} |"
    rule = f"| {' | '.join('---' for _ in table.head)} |"
    rows = [f"| {' | '.join(text(cell, first=False) for cell in row)} |" for row in table.rows]
    return "\n".join((head, rule, *rows))


def text(value: str, *, first: bool = True) -> str:
    """One line in which nothing but hashes is marked up; ``first``: it begins a line."""
    clean = printable(value, _CELL)
    parts = []
    end = 0
    for found in _CODE.finditer(clean):
        parts += [_plain(clean[end : found.start()], first=first and end == 0), f"`{found.group()}`"]
        end = found.end()
    return "".join((*parts, _plain(clean[end:], first=first and end == 0)))


def _plain(words: str, *, first: bool) -> str:
    escaped = _SPECIAL.sub(r"\\\1", "".join(_ENTITIES.get(char, char) for char in _MENTION.sub("\0", words)))
    escaped = escaped.replace("\0", "&#64;")
    escaped = _LINK.sub(lambda found: f"{found.group(1)[0]}&#8203;{found.group(1)[1:]}", escaped)
    return _FIRST.sub(r"\1\\\2", escaped) if first else escaped
