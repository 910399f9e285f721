"""A key that AWS KMS holds and nobody else ever has: it is asked for a signature over each digest.

KMS signs with ``ECDSA_SHA_256`` over a digest that it is handed (``MessageType=DIGEST``: it does not look at what made it), and answers as DER.
Chains want r, the lower s, and the parity, which DER does not hold: that is found by trial against the key (docs of the AWS KMS API, ``Sign``).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from keeper.adapters.signing.curve import address_of_spki, from_der, lower, parity, require_fast_backend
from keeper.adapters.signing.envelope import Envelope
from keeper.adapters.signing.kms_errors import away, not_installed, signing_error
from keeper.adapters.signing.kms_wire import TooLong, TooMany, Wire
from keeper.adapters.signing.local import require_address
from keeper.domain.checkpoint import text_digest
from keeper.domain.council_words import Delegation, Withdrawal
from keeper.domain.errors import SigningError
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.order import TripOrder
from keeper.domain.safe import SafeTransaction

KEY_SPEC: Final = "ECC_SECG_P256K1"
KEY_USAGE: Final = "SIGN_VERIFY"
ALGORITHM: Final = "ECDSA_SHA_256"
TRIAL: Final = "keeper: may this key sign?"
"""What is signed at the start to see that signing works. As EIP-191 has it, so it is no transaction and no order."""

_TRIES: Final = 2


class KmsSigner:
    """Implements ``keeper.ports.signer``: Signer, OrderSigner, SafeSigner. Every signature is one request, so it takes some milliseconds.

    Each request has a thread and a connection of its own: one that hangs holds up nobody else's, and nothing outlasts its time.
    """

    def __init__(self, client: Any, wire: Wire, key: str, timeout_s: float, setting: str) -> None:
        """Nothing is asked yet: ``open_kms`` makes one that works. ``setting`` is where the key was written, for remedies."""
        self._client = client
        self._wire = wire
        self._key = key
        self._timeout_s = timeout_s
        self._setting = setting
        self._address = ""

    @property
    def address(self) -> str:
        """The sender, EIP-55: that of the public key which KMS gave at the start."""
        return self._address

    async def meet(self, expected_address: str) -> None:
        """Asks for the public key, and for a first signature. Raises SigningError: what a later one would raise too."""
        answer = await self._ask(partial(self._client.get_public_key, KeyId=self._key))
        spec, usage = answer.get("KeySpec"), answer.get("KeyUsage")
        if not isinstance(spec, str) or not isinstance(usage, str):
            raise self._malformed("it does not say what kind of key this is")
        if spec != KEY_SPEC or usage != KEY_USAGE or ALGORITHM not in answer.get("SigningAlgorithms", ()):
            raise SigningError(
                f"the KMS key is of {spec[:40]} for {usage[:40]}, and cannot sign for this chain",
                remedy=f"make one with --key-spec {KEY_SPEC} --key-usage {KEY_USAGE}, and name it in {self._setting}",
            )
        try:
            self._address = address_of_spki(answer["PublicKey"])
        except (KeyError, TypeError, ValueError):
            raise self._malformed("its public key is none of secp256k1") from None
        require_address(expected_address, self._address)
        await self._sign(text_digest(TRIAL))

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Signs an EIP-1559 transaction. KMS draws a new random number each time: the same one gives other bytes, and another hash.

        Raises SigningError.
        """
        envelope = Envelope(transaction)
        return envelope.signed(*await self._sign(envelope.digest))

    async def sign_order(self, order: TripOrder) -> bytes:
        """Signs an order of several keepers: 65 bytes r, s and v of 27 or 28. Raises SigningError."""
        return _joined(*await self._sign(order.digest))

    async def sign_safe(self, words: SafeTransaction | Delegation | Withdrawal) -> bytes:
        """Signs a Safe's transaction, or words to its service: 65 bytes r, s and v of 27 or 28. Raises SigningError."""
        return _joined(*await self._sign(words.hash))

    async def _sign(self, digest: bytes) -> tuple[int, int, int]:
        """Parity, r and the lower s."""
        ask = partial(
            self._client.sign, KeyId=self._key, Message=digest, MessageType="DIGEST", SigningAlgorithm=ALGORITHM
        )
        answer = await self._ask(ask)
        try:
            r, s = from_der(answer["Signature"])
        except (KeyError, TypeError, ValueError, IndexError):
            raise self._malformed("its signature is none") from None
        s = lower(s)
        v = parity(digest, r, s, self._address)
        if v is None:
            raise self._malformed("its signature is not one of this key over what was to be signed")
        return v, r, s

    async def _ask(self, ask: Callable[[], Any]) -> dict[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = await self._wire.run(ask, self._timeout_s)
        except TimeoutError:
            raise away(f"no answer within {self._timeout_s:g} s") from None
        except TooMany:
            raise away("earlier requests are stuck, where credentials are fetched") from None
        except TooLong:
            raise self._malformed("it sends more than any answer has") from None
        except RecursionError:
            raise self._malformed("its answer is nested without end") from None
        # Beside its own errors, botocore lets through what its parsers and the sockets raise.
        except (BotoCoreError, ClientError, ValueError, TypeError, LookupError, AttributeError, OSError) as error:
            raise signing_error(error, self._setting) from None
        if not isinstance(answer, dict):
            raise self._malformed("its answer is none")
        return answer

    def _malformed(self, what: str) -> SigningError:
        return SigningError(
            f"KMS did not answer as KMS does: {what}",
            remedy=f"look at what answers there: `endpoint` beside {self._setting} must be AWS, or behave exactly as it does",
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address})"

    def __reduce__(self) -> str:
        raise TypeError("a signer is not pickled")


async def open_kms(
    key: str,
    region: str,
    *,
    endpoint: str = "",
    expected_address: str = "",
    timeout_s: float = 2.0,
    setting: str = "`signer.key`",
) -> KmsSigner:
    """The signer of this key, after it has signed once for a trial. ``endpoint`` empty: the region's own.

    Credentials are those that AWS' own tools find.

    Raises SigningError: boto3 is missing, KMS refuses, the key is of another kind or another address; SignerAway when KMS does not answer.
    """
    require_fast_backend()
    client, wire = await asyncio.to_thread(_client, region, endpoint, timeout_s, setting)
    signer = KmsSigner(client, wire, key, timeout_s, setting)
    await signer.meet(expected_address)
    return signer


def _client(region: str, endpoint: str, timeout_s: float, setting: str) -> tuple[Any, Wire]:
    """Connects to nothing yet."""
    try:
        import boto3
        import botocore.session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError:
        raise not_installed() from None
    import certifi

    settings = Config(
        connect_timeout=timeout_s,
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": _TRIES},
    )
    try:
        core = botocore.session.get_session()
        client = boto3.session.Session(region_name=region, botocore_session=core).client(
            "kms", endpoint_url=endpoint or None, config=settings
        )
        # As botocore itself does it: AWS_CA_BUNDLE or the setting ca_bundle, else the authorities of certifi.
        wire = Wire(ssl.create_default_context(cafile=core.get_config_variable("ca_bundle") or certifi.where()))
    except (BotoCoreError, ValueError, OSError) as error:
        raise signing_error(error, setting) from None
    client.meta.events.register("before-send.kms", wire.carry)
    return client, wire


def _joined(v: int, r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big") + bytes([27 + v])
