"""A service that holds the key and signs transactions by JSON-RPC: web3signer, or whatever speaks its ``eth_signTransaction``.

It is trusted with the key and with nothing else. What comes back is taken apart: every field must be as it was asked for, and the signature that of
the address which the configuration names. web3signer takes the chain from its own command line, so a wrong one there shows here, and is no loss.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from typing import Any, Final

from keeper.adapters.signing.curve import ORDER, recovered, require_fast_backend
from keeper.adapters.signing.envelope import NAMES, TYPE, Envelope
from keeper.adapters.signing.local import same_address
from keeper.domain.address import checksum_address
from keeper.domain.errors import SignerAway, SigningError
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.redact import redact_text, redact_url, secret_parts
from keeper.domain.text import printable

for _noisy in ("httpx", "httpcore"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)  # they log whole addresses

_MAX_BYTES: Final = 1_000_000
_PASSING: Final = frozenset({408, 425, 429})
_DENIED: Final = frozenset({401, 403})
_NO_SUCH_METHOD: Final = -32601


class RemoteSigner:
    """Implements ``keeper.ports.signer.Signer``, and no more: the service signs transactions only.

    Each request has a connection of its own: the last one may have been minutes ago, and a dead connection would cost the answer.
    """

    def __init__(self, url: str, address: str, *, token: str = "", timeout_s: float = 2.0) -> None:
        """``address`` is whose key it holds, in any case. ``token`` goes along as ``Authorization: Bearer``. Nothing is asked yet."""
        self._url = url
        self._address = checksum_address(bytes.fromhex(address.removeprefix("0x")))
        self._token = token
        self._timeout_s = timeout_s
        self._verify: ssl.SSLContext | bool = True

    @property
    def address(self) -> str:
        """The sender, EIP-55."""
        return self._address

    async def meet(self) -> None:
        """Whether it answers, and knows the address. Whether it also signs shows when it must: no transaction for a trial would bind nobody.

        Raises SigningError.
        """
        require_fast_backend()
        self._verify = await asyncio.to_thread(ssl.create_default_context)
        try:
            accounts = await self._ask("eth_accounts", [])
        except _NoSuchMethod:
            return  # a service that signs and lists nothing
        known = [one for one in accounts if isinstance(one, str)] if isinstance(accounts, list) else []
        if not any(same_address(one, self._address) for one in known):
            raise SigningError(
                f"the remote signer {self._shown} has no key of {self._address} ({len(known)} others)",
                remedy="load that key there, or correct `address` of the signer",
            )

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        """Asks for an EIP-1559 transaction, and checks what comes. Raises SigningError."""
        envelope = Envelope(transaction)
        asked = {
            "from": self._address,
            "to": transaction.to,
            "value": "0x0",
            "data": "0x" + transaction.data.hex(),
            "nonce": hex(transaction.nonce),
            "gas": hex(transaction.gas_limit),
            "maxFeePerGas": hex(transaction.max_fee_wei),
            "maxPriorityFeePerGas": hex(transaction.priority_fee_wei),
            "chainId": hex(transaction.chain_id),
        }
        try:
            answer = await self._ask("eth_signTransaction", [asked])
        except _NoSuchMethod as error:
            raise SigningError(error.message, remedy="name a service that has eth_signTransaction") from None
        return self._checked(envelope, answer)

    def _checked(self, envelope: Envelope, answer: Any) -> SignedTransaction:
        """Put together anew from what was asked for and the signature alone: nothing else of the answer is ever sent."""
        raw = answer.get("raw") if isinstance(answer, dict) else answer  # geth and clef answer with {raw, tx}
        fields = _fields_of(raw)
        if fields is None:
            raise self._wrong("answers with something that is no EIP-1559 transaction")
        for name, wanted, found in zip(NAMES, envelope.fields, fields, strict=False):
            if wanted != found:
                raise self._wrong(f"signed another {name} than it was asked to")
        v, r, s = (int.from_bytes(part, "big") for part in fields[len(NAMES) :])
        if v not in (0, 1) or not 0 < r < ORDER or not 0 < s <= ORDER // 2:
            raise self._wrong("answers with a signature that no chain takes")
        by = recovered(envelope.digest, v, r, s)
        if by != self._address:
            raise self._wrong(f"signed with the key of {by or 'nobody'}, not with that of {self._address}")
        return envelope.signed(v, r, s)

    def _wrong(self, what: str) -> SigningError:
        return SigningError(
            f"the remote signer {self._shown} {what}",
            remedy="look at its configuration (web3signer: --chain-id, the key files): nothing of this was sent",
        )

    async def _ask(self, method: str, params: list[Any]) -> Any:
        """The result. Raises SigningError, _NoSuchMethod."""
        import httpx  # late: only who has such a signer pays for it

        headers = {"Content-Type": "application/json"} | (
            {"Authorization": f"Bearer {self._token}"} if self._token else {}
        )
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        try:
            # httpx' own time-out is for each step
            async with (
                asyncio.timeout(self._timeout_s),
                httpx.AsyncClient(
                    timeout=self._timeout_s,
                    follow_redirects=False,
                    verify=self._verify,
                    trust_env=False,  # the token is for the service, not for a proxy on the way
                ) as client,
                client.stream("POST", self._url, content=body, headers=headers) as answer,
            ):
                content = b""
                async for chunk in answer.aiter_bytes():
                    content += chunk
                    if len(content) > _MAX_BYTES:
                        raise self._wrong("answers with more than any transaction has")
                status = answer.status_code
        except TimeoutError:
            raise self._away(f"no answer within {self._timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            raise self._away(type(error).__name__) from None
        return self._result(status, content)

    def _result(self, status: int, content: bytes) -> Any:
        try:
            document = json.loads(content)
        except (ValueError, RecursionError):
            document = None
        error = document.get("error") if isinstance(document, dict) else None
        if error is None and status == 200 and isinstance(document, dict) and "result" in document:
            return document["result"]
        said = self._said(error, content)
        if status in _PASSING or status >= 500:
            raise self._away(f"HTTP {status}{said}")
        if status in _DENIED:
            remedy = "look at the `token` of the signer, and at who may sign there (TLS, allow list)"
            raise SigningError(f"the remote signer {self._shown} answers HTTP {status}{said}", remedy=remedy)
        if isinstance(error, dict) and error.get("code") == _NO_SUCH_METHOD:
            raise _NoSuchMethod(f"the remote signer {self._shown} has no such method{said}")
        where = "refuses" if error is not None else f"answers HTTP {status} and no JSON-RPC"
        raise SigningError(
            f"the remote signer {self._shown} {where}{said}",
            remedy="look at its log, at the keys that it holds, and at the `url` of the signer",
        )

    def _said(self, error: Any, content: bytes) -> str:
        """Its own words, without what may be a secret of ours."""
        words = error.get("message") if isinstance(error, dict) else error
        text = str(words) if words is not None else content.decode("utf-8", "replace")
        text = printable(redact_text(text, self._token, *secret_parts(self._url)))
        return f": {text}" if text else ""

    def _away(self, why: str) -> SignerAway:
        return SignerAway(
            f"the remote signer {self._shown} does not answer ({why})",
            remedy="look at the `url` of the signer: is the service up, the network open, the certificate good?",
        )

    @property
    def _shown(self) -> str:
        return redact_url(self._url)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address})"

    def __reduce__(self) -> str:
        raise TypeError("a signer is not pickled")


class _NoSuchMethod(SigningError):
    """The service does not have this method."""


async def open_remote(url: str, address: str, *, token: str = "", timeout_s: float = 2.0) -> RemoteSigner:
    """The signer, after it was asked whether it has the key. Raises SigningError; SignerAway when it does not answer."""
    signer = RemoteSigner(url, address, token=token, timeout_s=timeout_s)
    await signer.meet()
    return signer


def _fields_of(raw: Any) -> list[Any] | None:
    """The fields of a signed EIP-1559 transaction, in their order; None: it is none."""
    import rlp
    from rlp.exceptions import RLPException

    if not isinstance(raw, str):
        return None
    try:
        encoded = bytes.fromhex(raw.removeprefix("0x"))
        if encoded[:1] != TYPE:
            return None
        fields = rlp.decode(encoded[1:])
    except (ValueError, RLPException, RecursionError):
        return None
    whole = isinstance(fields, list) and len(fields) == len(NAMES) + 3
    return fields if whole and all(isinstance(part, bytes) for part in fields[len(NAMES) :]) else None
