"""A list of addresses as a view answers it: ``address[]``, the one list that the keeper reads. Trusts nothing, as ``abi_codec`` does."""

from __future__ import annotations

from keeper.domain.abi_codec import WORD, decode_values
from keeper.domain.errors import MalformedAnswer
from keeper.domain.text import shown


def decode_addresses(data: bytes, most: int) -> tuple[tuple[str, ...], int]:
    """The first ``most`` of the addresses (EIP-55), and how many there are. Raises MalformedAnswer for what no correct encoder writes."""
    if len(data) < 2 * WORD:
        raise MalformedAnswer(f"{len(data)} bytes where a list of addresses needs at least {2 * WORD}")
    offset, count = (int.from_bytes(data[at : at + WORD], "big") for at in (0, WORD))
    if offset != WORD or count > (len(data) - 2 * WORD) // WORD:
        raise MalformedAnswer(
            f"a list of {shown(count)} addresses at byte {shown(offset)} does not fit in {len(data)} bytes"
        )
    read = min(count, most)
    found = decode_values(("address",) * read, data[2 * WORD :])
    return tuple(str(one) for one in found), count
