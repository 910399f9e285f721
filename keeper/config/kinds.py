"""The kinds of single values: how each is written, checked and described."""

from __future__ import annotations

import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

from keeper.config.problems import nearest
from keeper.config.secret import Secret, looks_like_key
from keeper.config.shape import NAME, NAME_HINT, Bad, Given, Kind
from keeper.domain.address import checksum_address
from keeper.domain.errors import UnitError
from keeper.domain.units import Span, Unit, parse_duration_ms, parse_ratio, parse_span, parse_window

E = TypeVar("E", bound=StrEnum)

MAX_DURATION_MS = 366 * 86_400_000
"""One year: longer is a mistake in the unit."""
MAX_BLOCKS = 1_000_000
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_WHOLE = re.compile(r"-?[0-9]+")
_DECIMAL = re.compile(r"-?[0-9]{1,30}(?:\.[0-9]{1,18})?")
_ETHER = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,18})?")
WEI_PER_ETHER = 10**18
MAX_ETHER = 1_000_000
_DOTTED = re.compile(r"[^.\s]{1,100}(?:\.[^.\s]{1,100}){0,15}")
HEX_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
WINDOW_HINT = "write a time, a number of blocks or of samples: 1h, 30 blocks, 20 samples"
DURATION_HINT = "write it with its unit: 90s, 5m, 1h"
_DURATION_PATTERN = r"^\s*\d{1,9}(\.\d{1,3})?\s*(ms|s|m|h|d)\s*$"


def choice(words: type[E], blank: E, without: frozenset[E] = frozenset()) -> Kind[E]:
    """One word of an enumeration, but for those ``without``."""
    allowed = [word.value for word in words if word not in without]

    def parse(given: Given) -> E:
        if given.text not in allowed:
            raise Bad("not one of the words allowed here", nearest(given.text, allowed))
        return words(given.text)

    return Kind(parse, blank, {"enum": list(allowed)})


def whole(minimum: int, maximum: int, *, env: bool = False) -> Kind[int]:
    """A whole number, both bounds allowed."""

    def parse(given: Given) -> int:
        hint = f"a whole number from {minimum} to {maximum}, without quotes"
        if not _WHOLE.fullmatch(given.text) or (
            isinstance(given.value, str) and not given.from_env and len(given.text) < 16
        ):
            raise Bad("not a whole number", hint)
        if len(given.text) > 20:
            raise Bad("the number is too large", hint)
        number = int(given.text)
        if not minimum <= number <= maximum:
            raise Bad("the number is too small" if number < minimum else "the number is too large", hint)
        return number

    return Kind(parse, minimum, {"type": "integer", "minimum": minimum, "maximum": maximum}, env)


def duration(minimum_ms: int, what: str = "") -> Kind[int]:
    """A time in whole milliseconds, at least ``minimum_ms``."""

    def parse(given: Given) -> int:
        if given.text.lstrip().startswith("-"):
            raise Bad("a duration cannot be negative", DURATION_HINT)
        try:
            ms = parse_duration_ms(given.text)
        except UnitError as error:
            blocks = "block" in given.text
            raise Bad("this counts blocks; a time is needed" if blocks else "not a duration", error.remedy) from None
        if ms > MAX_DURATION_MS:
            raise Bad("the duration is too large", "366d at most")
        if ms < minimum_ms:
            raise Bad("the duration is too short", what or f"at least {Span(ms=minimum_ms)}")
        return ms

    return Kind(parse, max(minimum_ms, 1), {"type": "string", "pattern": _DURATION_PATTERN})


def _span(given: Given) -> Span:
    if given.text.lstrip().startswith("-"):
        raise Bad("a persistence cannot be negative", "write a time or blocks: 30s, 2 blocks")
    try:
        span = parse_span(given.text)
    except UnitError as error:
        raise Bad("not a duration", error.remedy) from None
    if not (span.ms or span.blocks):
        raise Bad("a persistence of nothing", "leave `for` out to act at once, or write for example: 2 blocks")
    if (span.ms or 0) > MAX_DURATION_MS or (span.blocks or 0) > MAX_BLOCKS:
        raise Bad("the persistence is too large", f"366d or {MAX_BLOCKS} blocks at most")
    return span


def _window(given: Given) -> Span:
    if given.text.lstrip().startswith("-"):
        raise Bad("a window cannot be negative", WINDOW_HINT)
    try:
        span = parse_window(given.text)
    except UnitError:
        raise Bad("neither a time nor a number of blocks or samples", WINDOW_HINT) from None
    if not (span.ms or span.blocks or span.samples):
        raise Bad("a window of nothing", WINDOW_HINT)
    if (span.ms or 0) > MAX_DURATION_MS or (span.blocks or span.samples or 0) > MAX_BLOCKS:
        raise Bad("the window is too large", f"366d, or {MAX_BLOCKS} blocks or samples at most")
    return span


def _share(given: Given) -> Decimal:
    try:
        return parse_ratio(given.text)
    except UnitError:
        if re.fullmatch(r"\s*-?\d{13,}(\.\d*)?\s*(%|bps)\s*", given.text):
            raise Bad("the number is too large", "12 digits at most") from None
        if re.fullmatch(r"\s*[-+]?[\d.].*(%|bps)\s*", given.text, re.DOTALL):
            hint = "12 digits at most, 18 after the point, no exponent: 2% or 0.5bps"
            raise Bad("too large, or not a plain decimal number before its unit", hint) from None
        raise Bad("not a share: its unit is missing or wrong", "write it with its unit: 2% or 50bps") from None


def _number(given: Given) -> Decimal:
    if _DECIMAL.fullmatch(given.text):
        return Decimal(given.text)
    if re.fullmatch(r"-?\d+(\.\d*)?", given.text):
        raise Bad("the number is too large", "30 digits at most, 18 after the point")
    raise Bad("not a plain number", "write for example: 1500 or 0.25, without a unit")


def _ether(given: Given) -> int:
    if not _ETHER.fullmatch(given.text):
        raise Bad("not an amount of ETH", "a plain decimal number, 18 digits at most after the point: 0.5")
    whole_eth, _, part = given.text.partition(".")
    wei = int(whole_eth) * WEI_PER_ETHER + int(part.ljust(18, "0"))
    if not 0 < wei <= MAX_ETHER * WEI_PER_ETHER:
        raise Bad(
            "the amount is too small" if wei == 0 else "the amount is too large", f"more than 0, {MAX_ETHER} at most"
        )
    return wei


def _text(given: Given) -> str:
    if not isinstance(given.value, str):
        raise Bad("a text is needed here", "put it in quotes")
    if not given.text.strip() or not given.text.isprintable():
        raise Bad("not one line of text", "write something, without control characters")
    return given.text


def _name(given: Given) -> str:
    text = _text(given)
    if not NAME.fullmatch(text):
        raise Bad("this is not a name", NAME_HINT)
    return text


def _reference(given: Given) -> str:
    if not given.text.strip():
        raise Bad("there is no name", "write the name of the one that is meant")
    return given.text


def check_address(text: str, *, show: bool) -> str:
    """The text if it is an address with the right checksum (EIP-55). ``show`` allows the hint to hold it. Raises Bad."""
    if not _ADDRESS.fullmatch(text):
        raise Bad("not an address", "0x and 40 hex digits, with the checksum of EIP-55")
    right = checksum_address(bytes.fromhex(text[2:]))
    if text == right:
        return text
    plain = text[2:] in (text[2:].lower(), text[2:].upper())
    message = (
        "the address has no checksum" if plain else "the checksum of the address is wrong: a digit may be mistyped"
    )
    hint = "compare each digit with its origin" + (f"; if all are right, write {right}" if show else "")
    raise Bad(message, hint)


def _contract(given: Given) -> str:
    text = check_address(given.text, show=not given.from_env)
    if int(text, 16) == 0:
        raise Bad("the zero address holds no contract", "write the address of the contract")
    return text


def split_url(text: str, schemes: tuple[str, ...]) -> SplitResult:
    """The parts of a URL with one of these schemes and a host. Raises Bad."""
    hint = "for example " + schemes[0] + "://host/path"
    if not text.isprintable() or " " in text:
        raise Bad("not a URL: it holds a space or a control character", hint)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Bad("not a URL", hint) from None
    if parts.scheme not in schemes:
        raise Bad(
            "not a URL that can be used here", "it starts with " + " or ".join(f"{scheme}://" for scheme in schemes)
        )
    if not host:
        raise Bad("the URL names no host", hint)
    if "#" in text:
        raise Bad("the URL has a fragment (#...), which is never sent", "leave it out; a key in it belongs elsewhere")
    return parts


def _http_url(given: Given) -> Secret:
    split_url(given.text, ("http", "https"))
    return Secret(given.text)


def file_in(folder: Path, text: str) -> str:
    """The path made absolute: relative to the folder, ``~`` the home of the user. Raises Bad."""
    try:
        return str(folder / Path(text).expanduser())
    except RuntimeError:
        raise Bad("the home folder that ~ stands for is not known", "write the path out") from None


def _file(given: Given) -> str:
    text = _text(given)
    if HEX_KEY.fullmatch(text.strip()) or (looks_like_key(text) and "/" not in text):
        raise Bad(
            "this looks like a key, not like the path of a file", "put the key into a file that only you may read"
        )
    return file_in(given.folder, text)


def _password(given: Given) -> Secret:
    if not given.from_env:
        raise Bad(
            "a password does not belong in the file",
            'write "${KEEPER_KEYSTORE_PASSWORD}" and set it in the environment',
        )
    return Secret(given.text)


def from_environment(what: str, variable: str) -> Kind[Secret]:
    """A token or a key to a service (``what``, with its article), which comes from the environment alone, such as from this variable."""

    def parse(given: Given) -> Secret:
        if not given.from_env:
            raise Bad(f"{what} does not belong in the file", f'write "${{{variable}}}" and set it in the environment')
        if not given.text.isascii() or not given.text.isprintable() or not given.text.strip():
            raise Bad(f"not {what}", "plain ASCII on one line")
        return Secret(given.text)

    return Kind(parse, Secret(""), {"type": "string", "pattern": r"\$\{.+\}"}, env=True)


def _header(given: Given) -> Secret:
    if not given.text.isascii() or not given.text.isprintable():
        raise Bad("not the value of a header", "plain ASCII on one line")
    return Secret(given.text)


def _apprise(given: Given) -> Secret:
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*://.", given.text) or not given.text.isprintable():
        raise Bad(
            "not an Apprise address",
            "for example json://host/path or tgram://token/chat; see the Apprise documentation",
        )
    return Secret(given.text)


def _dotted(given: Given) -> str:
    if not _DOTTED.fullmatch(given.text):
        raise Bad("not a path into a JSON answer", "keys and positions with dots between: lastPrice or data.0.price")
    return given.text


SPAN = Kind(_span, Span(blocks=1), {"type": "string", "pattern": _DURATION_PATTERN.replace("|d)", "|d|blocks?)")})
WINDOW = Kind(
    _window, Span(samples=1), {"type": "string", "pattern": _DURATION_PATTERN.replace("|d)", "|d|blocks?|samples?)")}
)
SHARE = Kind(_share, Decimal(0), {"type": "string", "pattern": r"^\s*-?\d{1,12}(\.\d{1,18})?\s*(%|bps)\s*$"})
NUMBER = Kind(_number, Decimal(0), {"type": ["number", "string"]})
ETHER = Kind(_ether, 0, {"type": ["number", "string"]})
"""An amount of ETH, exact, in wei."""
NAME_TEXT = Kind(_name, "", {"type": "string", "pattern": f"^{NAME.pattern}$"})
REFERENCE = Kind(_reference, "", {"type": "string", "pattern": f"^{NAME.pattern}$"})
"""The name of something else in the file: whoever reads it says whether it is there."""
RAW = Kind(lambda given: given.text, "", {"type": ["string", "integer", "boolean"]})
CONTRACT = Kind(_contract, "", {"type": "string", "pattern": r"^(0x[0-9a-fA-F]{40}|.*\$\{.+\}.*)$"}, env=True)
HTTP_URL = Kind(_http_url, Secret(""), {"type": "string", "minLength": 1}, env=True)
FILE_PATH = Kind(_file, "", {"type": "string", "minLength": 1}, env=True)
PASSWORD = Kind(_password, Secret(""), {"type": "string", "pattern": r"\$\{.+\}"}, env=True)
HEADER = Kind(_header, Secret(""), {"type": ["string", "integer", "boolean"]}, env=True)
APPRISE_URL = Kind(_apprise, Secret(""), {"type": "string", "minLength": 1}, env=True)
JSON_PATH = Kind(_dotted, "", {"type": ["string", "integer"], "minLength": 1})
UNIT: Kind[Unit] = choice(Unit, Unit.PRICE)


def threshold(unit: Unit) -> Kind[Decimal]:
    """How a threshold on a signal of this unit is written; a duration is held in seconds, a share as 0.02."""
    if unit in (Unit.RATIO, Unit.VOLATILITY):
        return SHARE
    if unit is not Unit.SECONDS:
        return NUMBER
    in_ms = duration(0)
    return Kind(lambda given: Decimal(in_ms.parse(given)) / 1000, Decimal(0), in_ms.schema)
