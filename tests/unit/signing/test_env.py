"""The key in the environment: what is taken, and what is refused without being quoted."""

from __future__ import annotations

import pytest

from keeper.adapters.signing.env import open_env
from keeper.domain.errors import SigningError

pytestmark = pytest.mark.unit

KEY = "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
ADDRESS = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.mark.parametrize("key", [KEY, f"0x{KEY}", f" {KEY.upper()}\n"], ids=["bare", "0x", "blanks"])
async def test_open__a_key_in_any_usual_writing__is_taken(key: str) -> None:
    assert (await open_env(key, expected_address=ADDRESS.lower())).address == ADDRESS


@pytest.mark.parametrize(
    "key", ["", KEY[:-1], KEY + "0", f"{KEY} {KEY}", KEY.replace("5", "g")], ids=["empty", "short", "long", "two", "no hex"]
)  # fmt: skip
async def test_open__anything_else__is_refused_and_not_quoted(key: str) -> None:
    with pytest.raises(SigningError, match="is not a key") as caught:
        await open_env(key, setting="`lanes.fast.key`")
    shown = f"{caught.value} {caught.value.remedy} {caught.value!r}"
    assert KEY[:12] not in shown
    assert "`lanes.fast.key`" in shown
    assert caught.value.remedy


async def test_open__the_key_of_another_address__names_both() -> None:
    other = "0x" + "11" * 20
    with pytest.raises(SigningError, match="belongs to") as caught:
        await open_env(KEY, expected_address=other)
    assert ADDRESS in caught.value.message
    assert other in caught.value.message
    assert KEY not in f"{caught.value!r}"


async def test_open__zero__is_no_key() -> None:
    with pytest.raises(SigningError, match="not a private key"):
        await open_env("0" * 64)
