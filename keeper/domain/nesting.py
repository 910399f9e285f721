"""How deep foreign JSON goes, looked at before it is parsed.

Python's parser goes down one C call for each level and trusts the recursion limit to stop it. py_ecc, which eth-account imports, raises that
limit to 100,000, so that a few hundred kB of ``[`` would end the process instead of raising RecursionError.
"""

from __future__ import annotations

import re

MAX_DEPTH = 200
"""Far more than any answer that is read here."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\Z)|[\[{]|[\]}]', re.DOTALL)


def too_deep(text: str, limit: int = MAX_DEPTH) -> bool:
    """Whether lists and objects stand in one another more than ``limit`` levels deep; brackets within strings do not count.

    Linear in the length, and next to free for texts with few brackets.
    """
    if text.count("[") + text.count("{") <= limit:
        return False
    depth = 0
    for token in _TOKEN.finditer(text):
        mark = text[token.start()]
        if mark in "[{":
            depth += 1
            if depth > limit:
                return True
        elif mark in "]}":
            depth -= 1
    return False
