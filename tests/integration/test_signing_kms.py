"""AWS KMS over HTTP: whatever it answers, there is a signature that holds, or an error that says what to do and shows no secret."""

from __future__ import annotations

import asyncio
import ssl
import sys
import threading
from collections.abc import Iterator

import pytest
from botocore.loaders import create_loader
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hexbytes import HexBytes

from keeper.adapters.signing import kms_wire
from keeper.adapters.signing.kms import KmsSigner, open_kms
from keeper.domain.errors import SignerAway, SigningError
from keeper.domain.evm import UnsignedTransaction
from tests.support.kms_endpoint import (
    ALIAS,
    ORDER,
    REGION,
    SECRET_ACCESS_KEY,
    Fault,
    KmsEndpoint,
    kms_endpoint,
    use_credentials,
)

pytestmark = pytest.mark.integration

KEY = "7c85211829498cd04a93dd1a2c6f1c7e5cf6c5c0c1e47e3a3bdaf9f0c2a6d2b1"
ADDRESS = Account.from_key(KEY).address
PATIENCE_S = 60.0
PAUSE = UnsignedTransaction(31337, 7, "0x5FbDB2315678afecb367f032d93F642f64180aa3", b"\x8d\x5b\xcb\x1e", 90_000, 9, 2)


@pytest.fixture(scope="module", autouse=True)
def _one_loader() -> Iterator[None]:
    """AWS' client reads its descriptions of services anew for each session: most of the time that these tests would take."""
    loader = create_loader()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.session.create_loader", lambda *_: loader)
        yield


@pytest.fixture
def kms(monkeypatch: pytest.MonkeyPatch) -> Iterator[KmsEndpoint]:
    use_credentials(monkeypatch)
    with kms_endpoint(int(KEY, 16)) as endpoint:
        yield endpoint


async def opened(kms: KmsEndpoint, *, key: str = ALIAS, expected: str = "", timeout_s: float = PATIENCE_S) -> KmsSigner:
    return await open_kms(key, REGION, endpoint=kms.url, expected_address=expected, timeout_s=timeout_s)


async def refusal(kms: KmsEndpoint, *, key: str = ALIAS, expected: str = "", timeout_s: float = PATIENCE_S) -> SigningError:  # fmt: skip
    """How opening fails: with a remedy, and without what KMS or its client said in their own words."""
    with pytest.raises(SigningError) as caught:
        await opened(kms, key=key, expected=expected, timeout_s=timeout_s)
    error = caught.value
    shown = f"{error} {error.remedy} {error!r} {error.__cause__!r}"
    assert SECRET_ACCESS_KEY not in shown
    assert "user/x" not in shown
    assert error.remedy
    return error


async def test_open__asks_for_the_key_and_one_trial__and_has_its_address(kms: KmsEndpoint) -> None:
    signer = await opened(kms, expected=ADDRESS.lower())
    assert signer.address == ADDRESS
    assert kms.asked == ["GetPublicKey", "Sign"]
    assert repr(signer) == f"KmsSigner({ADDRESS})"


async def test_sign__the_address_is_known__so_it_is_one_request(kms: KmsEndpoint) -> None:
    signer = await opened(kms)
    kms.asked.clear()
    signed = await signer.sign(PAUSE)
    assert Account.recover_transaction(signed.raw) == ADDRESS
    assert kms.asked == ["Sign"]


async def test_sign__kms_answers_with_the_upper_s__the_lower_one_is_sent(kms: KmsEndpoint) -> None:
    kms.high_s = True
    signer = await opened(kms)
    for _ in range(4):  # each has a random number of its own
        signed = await signer.sign(PAUSE)
        assert Account.recover_transaction(signed.raw) == ADDRESS
        assert TypedTransaction.from_bytes(HexBytes(signed.raw)).as_dict()["s"] <= ORDER // 2


async def test_open__the_key_of_another_address__names_both(kms: KmsEndpoint) -> None:
    other = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
    error = await refusal(kms, expected=other)
    assert ADDRESS in error.message
    assert other in error.message
    assert kms.asked == ["GetPublicKey"], "nothing is signed with a key that is the wrong one"


@pytest.mark.parametrize("operation", ["GetPublicKey", "Sign"])
@pytest.mark.parametrize(
    ("fault", "words", "remedy"),
    [
        (Fault.DENIED, "access to the key is denied", "allow kms:GetPublicKey and kms:Sign"),
        (Fault.DISABLED, "the key is disabled", "enable"),
        (Fault.INVALID_STATE, "present state", "deletion"),
        (Fault.EXPIRED, "credentials have expired", "renew"),
        (Fault.UNHEARD_OF, "SomethingNewException", "KMS API"),
        (Fault.NOT_JSON, "did not answer as KMS does", "endpoint"),
        (Fault.NOT_BASE64, "did not answer as KMS does", "endpoint"),
        (Fault.EMPTY, "did not answer as KMS does", "endpoint"),
        (Fault.DEEP, "nested without end", "endpoint"),
        (Fault.ENDLESS, "more than any answer has", "endpoint"),
    ],
)
async def test_open__kms_refuses_or_answers_nonsense__is_no_signer_and_not_asked_again(
    kms: KmsEndpoint, operation: str, fault: Fault, words: str, remedy: str
) -> None:
    kms.faults[operation] = fault
    error = await refusal(kms)
    assert words in error.message
    assert remedy in error.remedy
    assert not isinstance(error, SignerAway)


@pytest.mark.parametrize("fault", [Fault.BAD_DER, Fault.OTHER_DIGEST, Fault.OTHER_KEY])
async def test_open__a_signature_that_is_none_of_this_key_over_this_digest__is_seen_before_anything_runs(
    kms: KmsEndpoint, fault: Fault
) -> None:
    """``OTHER_DIGEST`` is what moto does: a stand-in that would make every transaction somebody else's."""
    kms.faults["Sign"] = fault
    error = await refusal(kms)
    assert "did not answer as KMS does: its signature is" in error.message


@pytest.mark.parametrize(
    ("fault", "words"), [(Fault.THROTTLED, "ThrottlingException"), (Fault.INTERNAL, "KMSInternal")]
)
async def test_open__kms_cannot_now__may_be_asked_again(kms: KmsEndpoint, fault: Fault, words: str) -> None:
    kms.faults["Sign"] = fault
    error = await refusal(kms)
    assert isinstance(error, SignerAway)
    assert words in error.message
    assert kms.asked == ["GetPublicKey", "Sign", "Sign"], "tried twice"


async def test_sign__throttled_once__is_tried_again(kms: KmsEndpoint) -> None:
    signer = await opened(kms)
    kms.faults["Sign"], kms.faults_left = Fault.THROTTLED, 1
    assert Account.recover_transaction((await signer.sign(PAUSE)).raw) == ADDRESS


async def test_sign__denied_after_it_was_allowed__is_said_then(kms: KmsEndpoint) -> None:
    signer = await opened(kms)
    kms.faults["Sign"] = Fault.DENIED
    with pytest.raises(SigningError, match="denied"):
        await signer.sign(PAUSE)


@pytest.mark.parametrize("operation", ["GetPublicKey", "Sign"])
async def test_open__kms_hangs__ends_after_its_time(kms: KmsEndpoint, operation: str) -> None:
    kms.faults[operation] = Fault.HANG
    error = await refusal(kms, timeout_s=0.2)
    assert isinstance(error, SignerAway)
    assert "does not answer" in error.message
    assert "timeout" in error.remedy


def kms_threads() -> list[threading.Thread]:
    return [one for one in threading.enumerate() if one.name == kms_wire.THREAD]


async def end(threads: list[threading.Thread]) -> None:
    for one in threads:
        await asyncio.to_thread(one.join, PATIENCE_S)
        assert not one.is_alive()


@pytest.mark.parametrize("fault", [Fault.DRIP, Fault.DRIP_HEAD])
async def test_sign__kms_drips__ends_after_its_time_and_holds_up_nobody(kms: KmsEndpoint, fault: Fault) -> None:
    signer = await opened(kms)
    hurried = KmsSigner(signer._client, signer._wire, ALIAS, 0.2, "`signer.key`")
    kms.faults["Sign"] = fault
    ended = await asyncio.gather(*(hurried.meet("") for _ in range(6)), return_exceptions=True)
    assert {type(one) for one in ended} == {SignerAway}
    kms.faults.clear()
    assert Account.recover_transaction((await signer.sign(PAUSE)).raw) == ADDRESS
    await end(kms_threads())  # by itself: the exchange that each waits for is over, while the endpoint drips on


async def test_wire__a_thread_is_stuck__the_process_can_end_and_others_go_on() -> None:
    release, began = threading.Event(), list[threading.Thread]()
    wire = kms_wire.Wire(ssl.create_default_context())

    def stick() -> None:
        began.append(threading.current_thread())
        release.wait()

    ended = await asyncio.gather(*(wire.run(stick, 0.05) for _ in range(kms_wire.MAX_AT_ONCE)), return_exceptions=True)
    assert {type(one) for one in ended} == {TimeoutError}
    with pytest.raises(kms_wire.TooMany):
        await wire.run(lambda: None, PATIENCE_S)
    release.set()
    await end(kms_threads())
    assert {one.daemon for one in began} == {True}
    assert await wire.run(lambda: "answer", PATIENCE_S) == "answer"


async def test_open__nobody_listens__is_away(kms: KmsEndpoint) -> None:
    with kms_endpoint(int(KEY, 16)) as gone:
        pass
    error = await refusal(gone)
    assert isinstance(error, SignerAway)
    assert str(gone.port) not in error.message


@pytest.mark.parametrize(("spec", "usage"), [("ECC_NIST_P384", "SIGN_VERIFY"), ("ECC_SECG_P256K1", "KEY_AGREEMENT")])
async def test_open__a_key_of_another_kind__says_how_to_make_one(kms: KmsEndpoint, spec: str, usage: str) -> None:
    kms.keyspec, kms.usage = spec, usage
    error = await refusal(kms)
    assert spec in error.message
    assert usage in error.message
    assert "--key-spec ECC_SECG_P256K1 --key-usage SIGN_VERIFY" in error.remedy


async def test_open__no_such_key__names_the_setting(kms: KmsEndpoint) -> None:
    error = await refusal(kms, key="alias/other")
    assert "no such key" in error.message
    assert "`signer.key`" in error.remedy


async def test_open__no_credentials__says_where_they_go(kms: KmsEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    error = await refusal(kms)
    assert "no credentials" in error.message
    assert "AWS_ACCESS_KEY_ID" in error.remedy
    assert kms.asked == []


async def test_open__an_endpoint_that_is_no_address__is_an_error_with_a_remedy(kms: KmsEndpoint) -> None:
    with pytest.raises(SigningError, match="cannot be used") as caught:
        await open_kms(ALIAS, REGION, endpoint="nowhere")
    assert "endpoint" in caught.value.remedy


async def test_open__boto3_is_not_installed__says_how_to_install_it(
    kms: KmsEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)  # import boto3 now raises ImportError
    error = await refusal(kms)
    assert "needs boto3" in error.message
    assert "keeper[kms]" in error.remedy


async def test_open__without_coincurve__is_refused(kms: KmsEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ECC_BACKEND_CLASS", "eth_keys.backends.NativeECCBackend")
    error = await refusal(kms)
    assert "coincurve" in error.remedy
    assert kms.asked == []
