"""AWS KMS as far as a signer sees it, over real HTTP on loopback: ``GetPublicKey`` and ``Sign`` in the protocol AWS JSON 1.1.

It signs exactly the digest that it is handed, as KMS does with ``MessageType=DIGEST``; moto hashes it once more. Requests must be signed (SigV4 is
looked for, not recomputed). What goes wrong on demand stands in ``Fault``.
"""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
REGION = "eu-west-1"
ALIAS = "alias/keeper"
SECRET_ACCESS_KEY = "awsSecretKey7d1f0b62e5"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/nonexistent/config",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent/credentials",
    "NO_PROXY": "*",
}
"""What a process needs that asks it: credentials, and no other place to look for any."""


class Fault(Enum):
    """The code of an error (value: code and HTTP status), or another way to go wrong."""

    DENIED = ("AccessDeniedException", 400)
    DISABLED = ("DisabledException", 400)
    INVALID_STATE = ("KMSInvalidStateException", 400)
    THROTTLED = ("ThrottlingException", 400)
    INTERNAL = ("KMSInternalException", 500)
    EXPIRED = ("ExpiredTokenException", 400)
    UNHEARD_OF = ("SomethingNewException", 400)
    HANG = ("hang", 0)
    DRIP = ("drip", 0)
    """An answer that goes on and on, a byte at a time: each piece comes in time, and the end never does."""
    DRIP_HEAD = ("drip head", 0)
    """The same before the status line is whole."""
    ENDLESS = ("endless", 0)
    """Hundreds of megabytes, as fast as they are taken."""
    DEEP = ("deep", 200)
    NOT_JSON = ("not json", 200)
    NOT_BASE64 = ("not base64", 200)
    EMPTY = ("empty", 200)
    BAD_DER = ("bad der", 200)
    OTHER_DIGEST = ("other digest", 200)
    """As moto does it: the digest is hashed once more."""
    OTHER_KEY = ("other key", 200)


@dataclass
class KmsEndpoint:
    """``secret`` is the key as a number. ``faults`` are by operation; ``high_s`` answers with the upper s always; ``asked`` counts operations.

    ``keyspec`` and ``usage`` are what it says of the key. Setting ``release`` ends what hangs.
    """

    secret: int
    port: int = 0
    faults: dict[str, Fault] = field(default_factory=dict)
    faults_left: int = -1
    high_s: bool = False
    keyspec: str = "ECC_SECG_P256K1"
    usage: str = "SIGN_VERIFY"
    asked: list[str] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wrong(self, operation: str) -> Fault | None:
        """What goes wrong with this request; ``faults_left`` of them do, all of them below zero."""
        fault = self.faults.get(operation)
        if fault is None or self.faults_left == 0:
            return None
        self.faults_left -= 1
        return fault

    def public_key(self) -> bytes:
        curve = ec.SECP384R1() if self.keyspec == "ECC_NIST_P384" else ec.SECP256K1()
        key = ec.derive_private_key(self.secret, curve).public_key()
        return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def signature(self, digest: bytes, fault: Fault | None) -> bytes:
        if fault is Fault.BAD_DER:
            return b"\x30\x06\x02\x01\x01\x02\x01"
        key = ec.derive_private_key(self.secret + (fault is Fault.OTHER_KEY), ec.SECP256K1())
        exact: Any = hashes.SHA256() if fault is Fault.OTHER_DIGEST else Prehashed(hashes.SHA256())
        r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(exact)))
        if self.high_s and s <= ORDER // 2:
            s = ORDER - s
        return encode_dss_signature(r, s)


@contextmanager
def kms_endpoint(secret: int) -> Iterator[KmsEndpoint]:
    """Starts it, and ends it with every request that still hangs."""
    kms = KmsEndpoint(secret)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            operation = self.headers["X-Amz-Target"].removeprefix("TrentService.")
            kms.asked.append(operation)
            assert self.headers["Content-Type"] == "application/x-amz-json-1.1"
            fault = kms.wrong(operation)
            if fault is Fault.HANG:
                kms.release.wait(timeout=60)
                return
            if fault in (Fault.DRIP, Fault.DRIP_HEAD, Fault.ENDLESS):
                with suppress(OSError):  # the other side went away, as it should
                    self._go_on(fault)
                self.close_connection = True
                return
            self._answer(*_answer(kms, operation, asked, self.headers["Authorization"] or "", fault))

        def _go_on(self, fault: Fault) -> None:
            if fault is not Fault.DRIP_HEAD:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 600000000\r\n\r\n")
            piece = b" " * 1_000_000 if fault is Fault.ENDLESS else b" "
            for _ in range(600):
                self.wfile.write(piece)
                if fault is not Fault.ENDLESS and kms.release.wait(timeout=0.02):
                    return

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kms.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield kms
    finally:
        kms.release.set()
        server.shutdown()
        thread.join()
        server.server_close()


def _answer(
    kms: KmsEndpoint, operation: str, asked: dict[str, Any], authorization: str, fault: Fault | None
) -> tuple[int, bytes]:
    if not authorization.startswith("AWS4-HMAC-SHA256 Credential=") or f"/{REGION}/kms/" not in authorization:
        return _error("MissingAuthenticationTokenException", 400)
    if asked.get("KeyId") != ALIAS:
        return _error("NotFoundException", 400)
    if fault is not None and fault.value[0].endswith("Exception"):
        return _error(*fault.value)
    if fault is Fault.NOT_JSON:
        return 200, b"<html>a gateway</html>"
    if fault is Fault.DEEP:
        return 200, b"[" * 90_000
    if fault is Fault.EMPTY:
        return 200, b"{}"
    named = {"KeyId": f"arn:aws:kms:{REGION}:111122223333:key/1234"}
    if operation == "GetPublicKey":
        key = "%%%" if fault is Fault.NOT_BASE64 else base64.b64encode(kms.public_key()).decode()
        signs = {"KeySpec": kms.keyspec, "KeyUsage": kms.usage, "SigningAlgorithms": ["ECDSA_SHA_256"]}
        return 200, json.dumps({**named, **signs, "PublicKey": key}).encode()
    digest = base64.b64decode(asked["Message"])
    if asked.get("MessageType") != "DIGEST" or len(digest) != 32 or asked.get("SigningAlgorithm") != "ECDSA_SHA_256":
        return _error("ValidationException", 400)
    signature = "%%%" if fault is Fault.NOT_BASE64 else base64.b64encode(kms.signature(digest, fault)).decode()
    return 200, json.dumps({**named, "Signature": signature, "SigningAlgorithm": "ECDSA_SHA_256"}).encode()


def _error(code: str, status: int) -> tuple[int, bytes]:
    said = f"User: arn:aws:iam::111122223333:user/x is not heard; secret {SECRET_ACCESS_KEY}"  # must never be passed on
    return status, json.dumps({"__type": code, "message": said}).encode()


def use_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a signer in this process."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
