"""What API and pages look at in a request before its own parts."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Final
from urllib.parse import parse_qsl

from pydantic import BeforeValidator

from keeper.domain.text import printable

CALLER: Final = "keeper.caller"
"""In the scope of a request that was let in: who asks."""
REPEATED: Final = frozenset({"kind"})
"""The only parameters that may be given more than once."""
_WHOLE: Final = re.compile(r"-?(0|[1-9][0-9]{0,38})", re.ASCII)
_NAME_MAX: Final = 40


def said_twice(query: bytes) -> str | None:
    """The parameter that is given more than once, fit to be shown; which of its values was meant, nobody knows."""
    given = Counter(name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True))
    twice = next((name for name, count in given.items() if count > 1 and name not in REPEATED), None)
    return None if twice is None else printable(twice, _NAME_MAX)


def _whole(value: Any) -> Any:
    """Raises ValueError for what Python takes for a number (1_0, +1) and nobody else."""
    if isinstance(value, str) and not _WHOLE.fullmatch(value):
        raise ValueError("write a whole number in plain digits")
    return value


PLAIN: Final = BeforeValidator(_whole)
"""Behind the bounds of a number, which the description then keeps."""
