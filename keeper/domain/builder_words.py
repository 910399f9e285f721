"""What many were asked and said, in one line: who took it, who refused and why. A reason that several gave stands there once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from keeper.domain.text import printable

TAKEN: Final = ("accepted", "known")
SILENT: Final = "unreachable"
_REASON: Final = 100
_BEFORE = re.compile(r"(?:block \d+: )?(?:HTTP \d{3}: )?(?=\S)")
"""What differs between answers that say the same."""


def in_one_line(answers: Iterable[tuple[str, str, str]]) -> str:
    """Such as ``taken by a; refused by b, c (not accepted at this time)``, of (who, answer, message). Each is named once.

    Who took it at all has taken it; of several refusals of one, the first is told, but what it refused before what it did not answer.
    """
    said: dict[str, tuple[str, str]] = {}
    for who, answer, message in answers:
        verb = "taken by" if answer in TAKEN else "no answer from" if answer == SILENT else "refused by"
        reason = "" if verb == "taken by" else printable(_BEFORE.sub("", message, count=1), _REASON)
        if who not in said or _rank(verb) < _rank(said[who][0]):
            said[who] = verb, reason
    together: dict[tuple[str, str], list[str]] = {}
    for who, key in said.items():
        together.setdefault(key, []).append(who)
    ordered = sorted(together.items(), key=lambda each: _rank(each[0][0]))
    return "; ".join(
        f"{verb} {', '.join(names)}" + (f" ({reason})" if reason else "") for (verb, reason), names in ordered
    )


def _rank(verb: str) -> int:
    return ("taken by", "refused by", "no answer from").index(verb)
