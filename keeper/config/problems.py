"""Collecting everything that is wrong with a configuration, without ever holding a secret."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from keeper.config.secret import HIDDEN, looks_like_key, redact_all, redact_for_record
from keeper.domain.errors import ConfigurationError, Problem

FILE = "(file)"
"""The path of a problem that concerns the file as a whole."""

MARKETS_NAMED = 5
_LONGEST_SHOWN = 70
_CREDENTIALS = re.compile(
    r"^(?:signer|lanes|routes\..+\.(?:identity|api_key)|audit\.checkpoints\.(?:identity|witnesses\[\d+\]\.token))(?:[.\[]|$)"
    r"|^routes\..+\.builders(?:\.[^.]+)?(?:\.header)?$"
    r"|^(?:notify\[\d+\]\.url|sources\..*\.headers\.)"
)
"""Where a key or a credential belongs, or is put by mistake: at a section's own place too."""
_LIKELY = {
    "kind": re.compile(r"(?:key|store|file|env|kms|aws|remote|signer|web3|clef|vault|local|mnemonic|hex|plain|[ _-])+", re.I),
    "address": re.compile(r"0x[0-9a-fA-F]{0,44}"),
    "region": re.compile(r"[a-z]{2}(?:-(?:gov|iso[a-z]?|central|(?:north|south)?(?:east|west)?))*(?:-[0-9]{1,2}[a-z]?)?", re.I),
    "timeout": re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,9})?\s*[A-Za-z]{0,7}"),
    "on_mainnet": re.compile(r"true|false|yes|no|on|off|yes-i-know[a-z-]{0,50}", re.I),
    "header": re.compile(r"(?:x-)?(?:[a-z]{1,12}-)*signature", re.I),
}  # fmt: skip
"""What people write at these places of a section about keys, right or nearly right: it may be shown, and nothing else there."""
_ADDRESS_OF_SERVICE = re.compile(r"(?:\.(?:url|status|endpoint|service)|\.endpoints\[\d+\])$")


class Report:
    """The problems found so far. ``len`` counts them, so that a reader can tell whether its part was clean."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, str], Problem] = {}
        self._markets: dict[tuple[str, str], list[str]] = {}

    def __len__(self) -> int:
        return len(self._problems)

    def add(self, path: str, line: int | None, found: str, message: str, hint: str = "") -> None:
        """Notes a problem. ``found`` is text of the file, never of the environment; the same complaint at the same place counts once."""
        problem = Problem(path, line, shown_at(path, found), message, hint)
        self._problems.setdefault((path, message), problem)

    def add_in(self, market: str, path: str, line: int | None, found: str, message: str, hint: str = "") -> None:
        """The same about what is wrong in a market: told once, with all the markets where it is so."""
        self.add(path, line, found, message, hint)
        self._markets.setdefault((path, message), []).append(market)

    def add_key(self, path: str, line: int | None, key: str, message: str, hint: str = "") -> None:
        """The same about a key itself, which is shown even where values are not."""
        self._problems.setdefault((path, message), Problem(path, line, visible_key(key), message, hint))

    def take(self, other: Report, section: str) -> None:
        """Takes over what the other report says about this section."""
        for key, problem in other._problems.items():
            if problem.path.partition(".")[0] == section:
                self._problems.setdefault(key, problem)

    def raise_any(self) -> None:
        """Raises ConfigurationError with all problems in the order of the file."""
        if self._problems:
            told = (self._with_markets(key, problem) for key, problem in self._problems.items())
            raise ConfigurationError(tuple(sorted(told, key=lambda one: (one.line or 0, one.path))))

    def _with_markets(self, key: tuple[str, str], problem: Problem) -> Problem:
        markets = self._markets.get(key)
        if not markets:
            return problem
        named = ", ".join(markets[:MARKETS_NAMED])
        more = f" and {len(markets) - MARKETS_NAMED} more" if len(markets) > MARKETS_NAMED else ""
        return replace(problem, message=f"in market{'' if len(markets) == 1 else 's'} {named}{more}: {problem.message}")


def fail(path: str, line: int | None, found: str, message: str, hint: str = "") -> ConfigurationError:
    """A ConfigurationError with one problem, for what makes it pointless to go on."""
    return ConfigurationError((Problem(path, line, shown_at(path, found), message, hint),))


def shown(text: str) -> str:
    """The text on one line, cut to a readable length, control characters visible."""
    text = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else text
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 3] + "..."


def join(path: str, key: str) -> str:
    """The path of a key below a path; both may be empty."""
    return f"{path}.{key}" if path and key else path or key


def visible_key(key: str) -> str:
    """A key as it may be shown; what looks like a private key is not, wherever it was pasted."""
    return HIDDEN if looks_like_key(key) else shown(key) or '""'


def shown_at(path: str, text: str) -> str:
    """The text of this place on one short line, without what may be a credential."""
    return shown(without_credentials(path, text))


def without_credentials(path: str, text: str) -> str:
    """The text of this place without what may be a credential; ``${NAME}`` stays."""
    if _CREDENTIALS.match(path):
        likely = _LIKELY.get(path.rpartition(".")[2])
        return text if likely and likely.fullmatch(text) else redact_all(text)
    if "://" in text:
        text = redact_for_record(text)
    elif _ADDRESS_OF_SERVICE.search(path):  # the scheme was forgotten, the key in the path was not
        text = redact_for_record("x://" + text).removeprefix("x://")
    return HIDDEN if looks_like_key(text) else text


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known word, or all of them."""
    words = sorted(known)
    import difflib  # only for who erred

    close = difflib.get_close_matches(name[:100].lower(), {word.lower() for word in words}, n=1, cutoff=0.6)
    if close:
        return "did you mean " + next(word for word in words if word.lower() == close[0]) + "?"
    return ("one of: " + ", ".join(words)) if words else "there is none yet"
