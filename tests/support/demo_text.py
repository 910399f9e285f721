"""What a demo has printed."""

from __future__ import annotations

import re
import shlex


def commands(text: str) -> list[str]:
    """The numbered commands at the end, as they are printed."""
    found = re.findall(r"^  \d\. .*\n((?:    .*\n)+)", text, re.MULTILINE)
    assert found, text
    return [str(command) for command in found]


def too_wide(text: str) -> list[str]:
    """Lines beyond 80 columns; a path or an address alone may be longer."""
    return [line for line in text.splitlines() if len(line) > 80 and len(shlex.split(line.rstrip("\\"))) > 1]
