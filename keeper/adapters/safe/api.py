"""The HTTP side of the Transaction Service: safe-eth-py's client with limits, and with errors that say whose fault it is.

Imported late: safe-eth-py costs a second and a half.
"""

from __future__ import annotations

import http.client
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlencode

import requests
from safe_eth.safe.api import TransactionServiceApi
from safe_eth.util.http import build_full_url
from urllib3.exceptions import HTTPError

from keeper.adapters.safe.answers import TooLarge, decoded
from keeper.adapters.safe.refusals import refusal
from keeper.domain.errors import MalformedAnswer, Unreachable
from keeper.domain.redact import secret_parts
from keeper.domain.safe import SafeTransaction
from keeper.ports.clock import Clock

CONNECT_S: Final = 5.0
SILENCE_S: Final = 10.0
"""How long the service may say nothing while an answer is awaited."""
MAX_ANSWER: Final = 8 << 20
"""Bytes; a page of 200 proposals with much calldata has a few MiB. What is larger is asked for in smaller pages."""
_PIECE: Final = 1 << 16

# it writes whole addresses, which may hold keys, at DEBUG and WARNING
logging.getLogger("urllib3").setLevel(logging.ERROR)


@dataclass(frozen=True, slots=True)
class _Network:
    """Stands for safe-eth-py's list of networks, so that a chain that is not on it serves as well."""

    name: str
    value: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What the client of safe-eth-py asks of an answer; there are none but good ones, see ``ServiceApi``."""

    content: bytes
    ok: bool = True

    def json(self) -> Any:
        """Raises MalformedAnswer."""
        return decoded(self.content)


class ServiceApi(TransactionServiceApi):
    """Blocks. Every request raises Unreachable, Busy, Refused or MalformedAnswer, none of which holds the address or the key.

    No proxy and no password is taken from the environment, redirects are not followed, no cookie is kept.
    """

    def __init__(self, url: str, chain_id: int, api_key: str, clock: Clock, answer_s: float) -> None:
        network: Any = _Network(f"chain {chain_id}", chain_id)
        super().__init__(network, base_url=url, api_key=api_key or None)
        self._clock = clock
        self._answer_s = answer_s
        self._secrets = (api_key, *secret_parts(url))
        self.http_session.trust_env = False
        self.http_session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # compressed answers are not asked for: a small one can unpack to gigabytes
        self.http_session.headers.update({"accept-encoding": "identity", "user-agent": "keeper"})

    def page(self, path: str, query: Mapping[str, object]) -> object:
        """One page as it comes; the client's own methods drop whether there is another one."""
        return decoded(self.content(path, query))

    def content(self, path: str, query: Mapping[str, object], within_s: float | None = None) -> bytes:
        """The same before it is read. Raises TooLarge for one that is not read."""
        return self._send("GET", f"{path}?{urlencode(query)}" if query else path, None, within_s).content

    def propose(self, transaction: SafeTransaction, sender: str, signature: bytes, origin: str) -> None:
        """As the client's ``post_transaction``, which writes an origin of its own."""
        body = {
            "to": transaction.to,
            "value": transaction.value,
            "data": "0x" + transaction.data.hex() if transaction.data else None,
            "operation": int(transaction.operation),
            "gasToken": transaction.gas_token,
            "safeTxGas": transaction.safe_tx_gas,
            "baseGas": transaction.base_gas,
            "gasPrice": transaction.gas_price,
            "refundReceiver": transaction.refund_receiver,
            "nonce": transaction.nonce,
            "contractTransactionHash": transaction.hash_text,
            "sender": sender,
            "signature": "0x" + signature.hex(),
            "origin": origin or None,  # the service takes no empty text
        }
        self._post_request(f"/api/v2/safes/{transaction.safe}/multisig-transactions/", body)

    def close(self) -> None:
        self.http_session.close()

    # -- what the client's methods stand on -------------------------------------------------------------------------------------

    def _get_request(self, url: str) -> Any:
        return self._send("GET", url, None)

    def _post_request(self, url: str, payload: dict[str, Any]) -> Any:
        return self._send("POST", url, payload)

    def _delete_request(self, url: str, payload: dict[str, Any]) -> Any:
        return self._send("DELETE", url, payload)

    def _send(self, method: str, url: str, payload: dict[str, Any] | None, within_s: float | None = None) -> Answer:
        started_ms = self._clock.monotonic_ms()
        answer_s = self._answer_s if within_s is None else min(self._answer_s, within_s)
        try:
            with self.http_session.request(
                method,
                build_full_url(self.base_url, url),
                json=payload,
                headers=self._get_request_headers(include_json_body=payload is not None),
                timeout=(min(CONNECT_S, answer_s), min(SILENCE_S, answer_s)),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = self._content(response, started_ms, answer_s)
        except (requests.RequestException, HTTPError, http.client.HTTPException, OSError, UnicodeError) as error:
            raise Unreachable(
                f"the Safe service does not answer ({_cause(error)})",
                remedy="is the service up, and is `service` of the route its address?",
            ) from None
        if 200 <= response.status_code < 300:
            return Answer(content)
        waits = response.headers.get("retry-after")
        raise refusal(response.status_code, content, waits, self._clock.now_ms(), self._secrets)

    def _content(self, response: requests.Response, started_ms: float, answer_s: float) -> bytes:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise MalformedAnswer("the Safe service sent a compressed answer that was not asked for")
        content = bytearray()
        while piece := response.raw.read1(_PIECE):
            content += piece
            if len(content) > MAX_ANSWER:
                raise TooLarge(f"the Safe service sent more than {MAX_ANSWER} bytes")
            if self._clock.monotonic_ms() - started_ms > answer_s * 1000:
                raise Unreachable(f"the Safe service has not sent the whole answer within {answer_s:.3g} s")
        return bytes(content)


def _cause(error: BaseException) -> str:
    """The cause in words that hold no address."""
    if isinstance(error, requests.Timeout):
        return "nothing was heard in time"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not good"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return type(error).__name__
