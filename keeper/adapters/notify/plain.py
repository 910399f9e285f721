"""The words of a notice, made harmless for where they are shown: others' words may be in them (a revert, an answer, a proposal)."""

from __future__ import annotations

import re
import unicodedata
from itertools import accumulate
from typing import Final

TITLE_MAX = 200
LINE_MAX = 600
LEFT_OUT = "[cut]"
BREAK: Final = "\u200b"
"""Takes the meaning from a sign and is not seen."""

_WIDE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Controls, signs that turn the direction of reading or are not seen, halves of signs, separators of lines."""
_MENTION = re.compile(r"@(?=\S)")
_TAG = re.compile(r"<(?=[!@#/:a-zA-Z])")
_LINK = re.compile(r"\](?=[(\[])")
_ADDRESS = re.compile(r":(?=//)")
_MAILTO = re.compile(r"(?i)\b(mailto|tel|javascript|data):")
_SPOILER = re.compile(r"\|(?=\|)")
_TICK = re.compile(r"`")
_LINE_START = re.compile(r"(?m)^(?=(?:#{1,6}|>{1,3}|-#)(?:\s|$))")


def cleaned(text: str) -> str:
    """Without controls and what is not seen, line ends kept; each line cut to ``LINE_MAX``."""
    kept = "".join(
        each if each == "\n" or unicodedata.category(each) not in _WIDE else " " if each in "\t\r\u2028\u2029" else ""
        for each in text.replace("\r\n", "\n")
    )
    return "\n".join(
        line if len(line) <= LINE_MAX else f"{line[: LINE_MAX - 6]} {LEFT_OUT}" for line in kept.split("\n")
    )


def one_line(text: str, limit: int = TITLE_MAX) -> str:
    """A title."""
    line = " ".join(cleaned(text.replace("\n", " ")).split())
    return line if len(line) <= limit else f"{line[: limit - 6]} {LEFT_OUT}"


def defused(text: str) -> str:
    """Nobody is called, nothing can be clicked on, and nothing is hidden, in services that make something of such signs."""
    text = _MENTION.sub(f"@{BREAK}", text)
    text = _TAG.sub(f"<{BREAK}", text)
    text = _LINK.sub(f"]{BREAK}", text)
    text = _ADDRESS.sub(f":{BREAK}", text)
    text = _MAILTO.sub(lambda match: f"{match.group(1)}{BREAK}:", text)
    text = _SPOILER.sub(f"|{BREAK}", text)
    text = _LINE_START.sub(BREAK, text)
    return _TICK.sub("'", text)


def fitted(body: str, links: list[str], limit: int) -> str:
    """The body with its links below, at most ``limit`` signs long as a service writes it: of the body the end goes first, the links stay."""
    below = "\n".join(links)
    while below and written(below) > limit // 2:
        links = links[:-1]
        below = "\n".join(links)
    room = limit - written(below) - written("\n")
    if written(body) > room:
        room -= written(f" {LEFT_OUT}")
        taken = accumulate(_cost(each) for each in body)
        body = f"{body[: sum(1 for cost in taken if cost <= room)].rstrip()} {LEFT_OUT}"
    return "\n".join(part for part in (body, below) if part)


def written(text: str) -> int:
    """How long it may become where signs are written as several: ``&lt;``, ``<br/>``, a backslash before them."""
    return sum(map(_cost, text))


def _cost(sign: str) -> int:
    return 6 if sign in "<>&\n\"'" else 1 if sign.isalnum() or sign in " \u200b" else 2
