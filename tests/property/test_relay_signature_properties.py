"""Whatever is posted, an independent implementation finds our signature over exactly those bytes."""

from __future__ import annotations

import asyncio

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from keeper.adapters.routes.relay_answers import judged, presentable, proven, take_apart
from keeper.ports.route import SubmissionKind
from tests.support.scripted_relay import ScriptedRelay, identity

pytestmark = pytest.mark.property

RAWS = st.lists(st.binary(max_size=400).map(lambda data: "0x" + data.hex()), max_size=5)


@settings(max_examples=50, deadline=None)
@given(raws=RAWS, block=st.integers(0, 2**64), name=st.text(max_size=40))
def test_any_bundle__the_header_is_the_identitys_over_the_bytes_that_came(
    raws: list[str], block: int, name: str
) -> None:
    relay = ScriptedRelay()
    asyncio.run(relay.client().send_bundle(raws, block, name))
    (posted,) = relay.posted
    address, signature = posted.headers["x-flashbots-signature"].split(":")
    message = encode_defunct(text="0x" + keccak(posted.body).hex())
    assert Account.recover_message(message, signature=signature) == address == identity().address
    assert posted.params == {"txs": raws, "blockNumber": hex(block), "replacementUuid": name}
    changed = encode_defunct(text="0x" + keccak(posted.body + b" ").hex())
    assert Account.recover_message(changed, signature=signature) != address


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.floats(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "result", "error", "message", "code", "bundleHash"]), inner, max_size=4
        )
    ),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(status=st.integers(100, 599), document=JSON)
def test_any_answer__is_judged_and_only_a_clean_one_is_taken(status: int, document: object) -> None:
    import orjson

    try:
        body = orjson.dumps(document)
    except TypeError:  # an integer of more than 64 bits
        return
    heard = take_apart(status, body, 1)
    for kind, message in (judged("eth_sendBundle", heard), proven(heard)):
        assert isinstance(kind, SubmissionKind)
        assert message
    if judged("eth_sendBundle", heard)[0] is SubmissionKind.ACCEPTED:
        assert status == 200
        assert isinstance(document, dict)
        assert document.get("error") is None


@settings(max_examples=200, deadline=None)
@given(status=st.integers(100, 599), body=st.binary(max_size=300))
def test_any_bytes__are_an_answer(status: int, body: bytes) -> None:
    heard = take_apart(status, body, 1)
    kind, message = judged("eth_sendPrivateTransaction", heard, "0x" + "ab" * 32)
    assert kind is not SubmissionKind.NOT_SENT
    shown = presentable(message)
    assert len(shown) <= 240
    assert shown.isprintable()
