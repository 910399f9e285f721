"""What a request's argument may hold. Fields that nobody knows are passed over, as builders do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from keeper.devnet.relay.refusing import INVALID_PARAMS, Refusal

HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}")
HINTS: Final = frozenset(
    {
        "calldata",
        "contract_address",
        "default_logs",
        "full",
        "function_selector",
        "hash",
        "logs",
        "special_logs",
        "tx_hash",
    }
)
"""What searchers may be told of a private transaction, in the words of MEV-Share and Flashbots Protect."""
_QUANTITY: Final = re.compile(r"0x(0|[1-9a-fA-F][0-9a-fA-F]*)")


class Fields:
    """The fields of a method's one argument. Every method raises Refusal for what is not of its kind."""

    def __init__(self, asked: Any) -> None:
        if not isinstance(asked, dict):
            raise Refusal(INVALID_PARAMS, "the argument is not an object")
        self.value: Mapping[str, Any] = asked

    def text(self, name: str) -> str:
        value = self.value.get(name)
        if not isinstance(value, str):
            raise Refusal(INVALID_PARAMS, f"{name} is not a text")
        return value

    def texts(self, name: str, *, required: bool = True) -> list[str]:
        value = self.value.get(name)
        if value is None and not required:
            return []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise Refusal(INVALID_PARAMS, f"{name} is not a list of texts")
        return list(value)

    def number(self, name: str, *, required: bool) -> int | None:
        """0x-prefixed hex without leading zeros."""
        value = self.value.get(name)
        if value is None and not required:
            return None
        if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
            raise Refusal(INVALID_PARAMS, f"{name} is not a hex quantity")
        return int(value, 16)

    def times(self) -> tuple[int | None, int | None]:
        """``minTimestamp`` and ``maxTimestamp``, seconds since 1970 UTC. None or 0: no such limit."""
        earliest, latest = self._seconds("minTimestamp"), self._seconds("maxTimestamp")
        if latest and earliest is not None and earliest > latest:
            raise Refusal(INVALID_PARAMS, "minTimestamp is later than maxTimestamp")
        return earliest, latest

    def hashes(self, name: str) -> frozenset[str]:
        """In lower case; none where the field is not there."""
        texts = self.texts(name, required=False)
        if not all(map(HASH.fullmatch, texts)):
            raise Refusal(INVALID_PARAMS, f"{name} holds what is not a hash")
        return frozenset(text.lower() for text in texts)

    def check_preferences(self) -> None:
        """What a private transaction may ask for: ``fast``, and ``privacy`` with its ``hints`` and ``builders``."""
        preferences = self._below("preferences")
        fast = preferences.value.get("fast")
        if fast is not None and not isinstance(fast, bool):
            raise Refusal(INVALID_PARAMS, "fast is neither true nor false")
        privacy = preferences._below("privacy")
        privacy.texts("builders", required=False)
        unknown = set(privacy.texts("hints", required=False)) - HINTS
        if unknown:
            raise Refusal(INVALID_PARAMS, f"invalid hint intent: {min(unknown)}")

    def _below(self, name: str) -> Fields:
        """Of an object that need not be there."""
        value = self.value.get(name)
        if value is not None and not isinstance(value, dict):
            raise Refusal(INVALID_PARAMS, f"{name} is not an object")
        return Fields(value or {})

    def _seconds(self, name: str) -> int | None:
        value = self.value.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
            raise Refusal(INVALID_PARAMS, f"{name} is not a number of seconds")
        return value

    def uuid(self) -> str:
        """Of ``replacementUuid``, in lower case; empty where there is none."""
        value = self.value.get("replacementUuid")
        if value is None:
            return ""
        try:
            found = UUID(value)
        except (ValueError, AttributeError, TypeError):
            raise Refusal(INVALID_PARAMS, "replacementUuid is not a UUID") from None
        if found.version != 4 or str(found) != str(value).lower():
            raise Refusal(INVALID_PARAMS, "replacementUuid is not a UUIDv4")
        return str(found)
