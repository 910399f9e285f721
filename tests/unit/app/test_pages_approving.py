"""A signature that comes through the page: what is taken, what is refused, and in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from eth_account.signers.local import LocalAccount

from keeper.app.council.matter import Matter, Standing
from keeper.app.pages.server import READ_ONLY_REMEDY
from keeper.domain.errors import Refused, Unreachable
from tests.support.council_matters import OWNERS, STRANGER, FakeCouncil, alarming, matter
from tests.support.council_page import Page

pytestmark = pytest.mark.unit


def signature(account: LocalAccount, one: Matter) -> bytes:
    return bytes(account.sign_typed_data(full_message=one.transaction.typed_data()).signature)


async def post(view: FakeCouncil, body: Any, one: Matter | None = None, *, approve: bool = True) -> httpx.Response:
    asked = (one or view.matters[0]).hash
    return await Page(view, approve=approve).post(f"/proposals/{asked}/confirmations", body)


async def test_confirmation__of_an_owner__is_handed_on_and_told_in_plain_words() -> None:
    view = FakeCouncil()
    one = view.matters[0]
    raw = signature(OWNERS[1], one)
    answer = await post(view, {"owner": OWNERS[1].address, "signature": "0x" + raw.hex()})
    assert answer.status_code == 200
    assert answer.json() == {
        "ok": True,
        "message": f"The signature of Bob ({OWNERS[1].address}) is in. 2 of 2 signatures; it can be executed now.",
        "owners": [OWNERS[1].address],
        "signed": 2,
        "missing": 0,
    }
    assert view.confirmed == [(one.hash, raw, "page")]


async def test_confirmation__that_is_not_the_last__says_how_many_are_needed() -> None:
    view = FakeCouncil([matter(signers=0)])
    raw = signature(OWNERS[2], view.matters[0])
    answer = await post(view, {"owner": OWNERS[2].address.lower(), "signature": "0x" + raw.hex().upper()})
    assert (
        answer.json()["message"] == f"The signature of {OWNERS[2].address} is in. 1 of 2 signatures; 1 more is needed."
    )


async def test_confirmation__pasted_without_an_owner__is_taken() -> None:
    view = FakeCouncil()
    answer = await post(view, {"signature": "0x" + signature(OWNERS[1], view.matters[0]).hex()})
    assert answer.json()["owners"] == [OWNERS[1].address]


async def test_confirmation__whose_wallet_writes_the_parity_alone__is_made_whole() -> None:
    view = FakeCouncil()
    raw = signature(OWNERS[1], view.matters[0])
    answer = await post(view, {"signature": "0x" + (raw[:-1] + bytes([raw[-1] - 27])).hex()})
    assert answer.status_code == 200
    assert view.confirmed[0][1] == raw


async def test_confirmation__of_a_hash_approved_on_chain__is_left_as_it_is() -> None:
    class Taking(FakeCouncil):
        async def confirm(self, matter: Matter, signature: bytes, /, *, via: str) -> Matter:
            self.confirmed.append((matter.hash, signature, via))
            return matter

    view = Taking()
    raw = bytes(12) + bytes.fromhex(OWNERS[1].address[2:]) + bytes(32) + b"\x01"
    answer = await post(view, {"signature": "0x" + raw.hex()})
    assert view.confirmed[0][1] == raw
    assert answer.json()["message"] == "The signature is in. 1 of 2 signatures; 1 more is needed."


async def test_confirmation__read_only__is_403_with_the_remedy() -> None:
    view = FakeCouncil()
    body = {"owner": OWNERS[1].address, "signature": "0x" + signature(OWNERS[1], view.matters[0]).hex()}
    answer = await post(view, body, approve=False)
    assert answer.status_code == 403
    assert answer.json()["remedy"] == READ_ONLY_REMEDY
    assert "http: approve: true" in READ_ONLY_REMEDY
    assert view.confirmed == []


@pytest.mark.parametrize(
    ("one", "words"),
    [
        (alarming(), "There are alarms"),
        (matter(standing=Standing.EXECUTED), "It is over"),
        (matter(standing=Standing.DEAD), "It is over"),
        (matter(signers=2), "Enough owners have signed"),
    ],
)
async def test_confirmation__of_what_is_not_to_be_signed__is_refused(one: Matter, words: str) -> None:
    view = FakeCouncil([one])
    answer = await post(view, {"owner": OWNERS[2].address, "signature": "0x" + signature(OWNERS[2], one).hex()})
    assert answer.status_code == 409
    assert words in answer.json()["message"]
    assert view.confirmed == []


@pytest.mark.parametrize(
    ("account", "words"),
    [(STRANGER, "This account is not an owner"), (OWNERS[0], "has signed already")],
)
async def test_confirmation__of_the_wrong_account__is_refused(account: LocalAccount, words: str) -> None:
    view = FakeCouncil()
    raw = signature(account, view.matters[0])
    answer = await post(view, {"owner": account.address, "signature": "0x" + raw.hex()})
    assert answer.status_code == 409
    assert words in answer.json()["message"]


async def test_confirmation__over_something_else__is_refused_by_the_councils_side() -> None:
    view = FakeCouncil([matter(), matter(nonce=5)])
    raw = signature(OWNERS[1], view.matters[1])
    answer = await post(view, {"owner": OWNERS[1].address, "signature": "0x" + raw.hex()})
    assert answer.status_code == 409
    assert "who is not an owner of the Safe" in answer.json()["message"]
    assert answer.json()["remedy"] == "sign as an owner"


@pytest.mark.parametrize("error", [Unreachable("the service does not answer"), Refused("it says no")])
async def test_confirmation__that_cannot_be_handed_on__says_why(error: Exception) -> None:
    class Failing(FakeCouncil):
        async def confirm(self, matter: Matter, signature: bytes, /, *, via: str) -> Matter:
            raise error

    view = Failing()
    answer = await post(view, {"signature": "0x" + signature(OWNERS[1], view.matters[0]).hex()})
    assert (answer.status_code, answer.json()["message"]) == (503, str(error))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"signature": None},
        {"signature": 7},
        {"signature": ""},
        {"signature": "0x"},
        {"signature": "0x" + 64 * "ab"},
        {"signature": "0x" + 65 * "ab" + "a"},
        {"signature": 65 * "ab"},
        {"signature": "0x" + 65 * "zz"},
        {"signature": "0x" + 65 * "ab" + "\n"},
        {"signature": "0x" + 2049 * "ab"},
    ],
)
async def test_confirmation__that_is_no_signature__is_400(body: dict[str, Any]) -> None:
    view = FakeCouncil()
    assert (await post(view, body)).status_code == 400
    assert view.confirmed == []


@pytest.mark.parametrize("owner", [7, None, [], "0x12", "<script>"])
async def test_confirmation__of_no_account__is_refused(owner: object) -> None:
    view = FakeCouncil()
    answer = await post(view, {"owner": owner, "signature": "0x" + 65 * "ab"})
    assert answer.status_code == 409
    assert "<script>" not in answer.text


async def test_confirmation__when_another_proposal_comes_than_asked_for__is_refused() -> None:
    class Lying(FakeCouncil):
        async def matter(self, hash_or_prefix: str, /) -> Matter:
            return self.matters[0]

    view = Lying()
    other = matter(nonce=9)
    answer = await post(view, {"signature": "0x" + signature(OWNERS[1], other).hex()}, other)
    assert answer.status_code == 409
    assert "another hash" in answer.json()["message"]
    assert view.confirmed == []


async def test_confirmation__of_a_signature_that_does_not_count_yet__may_be_repeated() -> None:
    one = matter()
    view = FakeCouncil([replace(one, signed=(replace(one.signed[0], counts=False),))])
    answer = await post(view, {"owner": OWNERS[0].address, "signature": "0x" + signature(OWNERS[0], one).hex()})
    assert answer.status_code == 200
