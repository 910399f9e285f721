"""What the service says no with, and reading the fields of a request: codes and words as the real one's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keeper.domain.address import checksum_address
from keeper.domain.safe import ZERO_ADDRESS

UINT256_MAX = (1 << 256) - 1
SIGNATURE_BYTES = 65


class Answer(Exception):
    """An answer that is not the usual one: HTTP ``status`` and a JSON ``body`` (None: empty)."""

    def __init__(self, status: int, body: Any = None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.body = body


class Fields:
    """The fields of a request's document. Everything that is wrong is gathered; ``check`` tells it all at once."""

    def __init__(self, document: Any) -> None:
        self._document: Mapping[str, Any] = document if isinstance(document, dict) else {}
        self._problems: dict[str, list[str]] = {}
        if not isinstance(document, dict):
            self._problems["nonFieldErrors"] = ["Invalid data. Expected a dictionary."]

    def check(self, status: int) -> None:
        """Raises Answer with this status when a field was wrong."""
        if self._problems:
            raise Answer(status, self._problems)

    def address(self, name: str) -> str:
        return self.optional_address(name, required=True) or ZERO_ADDRESS

    def optional_address(self, name: str, *, required: bool = False) -> str | None:
        value = self._get(name, required=required)
        if value is None:
            return None
        if not is_checksummed(value):
            self._wrong(name, f"Address {value} is not checksumed")
            return None
        return str(value)

    def number(self, name: str, greatest: int = UINT256_MAX) -> int:
        """Taken as a number or as decimal text."""
        value = self._get(name, required=True)
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= greatest:
            self._wrong(name, "A valid integer is required.")
            return 0
        return value

    def text(self, name: str, longest: int, *, required: bool = True) -> str | None:
        value = self._get(name, required=required)
        if value is None:
            return None
        if not isinstance(value, str):
            self._wrong(name, "Not a valid string.")
        elif len(value) > longest:
            self._wrong(name, f"Ensure this field has no more than {longest} characters.")
        return str(value)

    def data(self, name: str, *, required: bool = False, least: int = 0) -> bytes:
        """0x-prefixed hex, of at least so many bytes."""
        value = self._get(name, required=required)
        if value is None:
            return b""
        found = _hex(value)
        if found is None:
            self._wrong(name, f"{value!r:.40} is not a valid hexadecimal")
            return b""
        if len(found) < least:
            self._wrong(name, f"Ensure this field has at least {least} hexadecimal chars (not counting 0x).")
        return found

    def _get(self, name: str, *, required: bool) -> Any:
        if required and name not in self._document:
            self._wrong(name, "This field is required.")
        elif required and self._document[name] is None:
            self._wrong(name, "This field may not be null.")
        return self._document.get(name)

    def _wrong(self, name: str, why: str) -> None:
        self._problems.setdefault(name, []).append(why)


def is_checksummed(value: object) -> bool:
    """EIP-55, nothing else: no lower case, no ``eth:`` in front."""
    raw = _hex(value)
    return raw is not None and len(raw) == 20 and checksum_address(raw) == value


def address_of_path(text: str) -> str:
    """Raises Answer 422."""
    if not is_checksummed(text):
        raise Answer(422, {"code": 1, "message": "Checksum address validation failed", "arguments": [text]})
    return text


def hash_of_path(text: str) -> str:
    """As lower case. Raises Answer 404."""
    raw = _hex(text)
    if raw is None or len(raw) != 32:
        raise Answer(404, {"detail": "No MultisigTransaction matches the given query."})
    return "0x" + raw.hex()


def _hex(value: object) -> bytes | None:
    if not isinstance(value, str) or not value.startswith("0x"):
        return None
    try:
        return bytes.fromhex(value[2:])
    except ValueError:
        return None
