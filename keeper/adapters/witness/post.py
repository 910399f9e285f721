"""An address that each checkpoint is posted to: a webhook, or another keeper's ``/api/v1/witness``. An answer of 2xx means that it is kept.

How far it came is in a small file of this machine, so that what was missed is sent after a restart too.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

from keeper.adapters.whole_file import write_whole
from keeper.domain.checkpoint import SignedCheckpoint, to_document
from keeper.domain.errors import Busy, Refused, Unreachable
from keeper.domain.redact import redact_text, redact_url, secret_parts
from keeper.domain.text import printable

TIMEOUT_S: Final = 10.0
_PASSING: Final = frozenset({408, 425, 429})
_NO_TOKEN: Final = frozenset({401, 403})
_SHOWN_BYTES: Final = 500


class PostWitness:
    """Implements ``keeper.ports.witness.Witness``. Connects when it is first asked to keep something."""

    def __init__(self, url: str, token: str, cursor: Path, *, timeout_s: float = TIMEOUT_S) -> None:
        """``token`` may be empty; ``cursor`` is the file that remembers how far this address came."""
        self._url = url
        self._token = token
        self._cursor = cursor
        self._timeout_s = timeout_s
        self._client: Any = None

    @property
    def name(self) -> str:
        return redact_url(self._url)

    async def last(self, genesis: str) -> int:
        return await asyncio.to_thread(self._remembered, genesis)

    async def keep(self, signed: SignedCheckpoint) -> None:
        import httpx  # late: only who has such a witness pays for it

        if self._client is None:
            headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
            self._client = httpx.AsyncClient(timeout=self._timeout_s, follow_redirects=False, headers=headers)
        try:
            async with asyncio.timeout(self._timeout_s):  # httpx' own is for each step
                answer = await self._client.post(self._url, json=to_document(signed))
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as error:
            raise Unreachable(
                f"{self.name} does not answer ({type(error).__name__})",
                remedy="look at the `url` of the witness: is the service up, the network open?",
            ) from None
        if not 200 <= answer.status_code < 300:
            raise self._refusal(answer.status_code, answer.content[:_SHOWN_BYTES].decode("utf-8", "replace"))
        one = signed.checkpoint
        await asyncio.to_thread(self._remember, one.genesis, one.number)

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    def _refusal(self, status: int, body: str) -> Busy | Refused:
        said = printable(redact_text(body, self._token, *secret_parts(self._url)))
        message = f"{self.name} answers HTTP {status}" + (f": {said}" if said else "")
        if status in _PASSING or status >= 500:
            return Busy(message, remedy="it is asked again; look at that service if this lasts")
        remedy = "look at what it says; what it has not kept is sent again"
        if status in _NO_TOKEN:
            remedy = "look at the `token` of the witness, and at who may send there"
        elif status < 400:
            remedy = "it points elsewhere: write that address as the `url` of the witness"
        return Refused(message, code=status, remedy=remedy)

    def _remembered(self, genesis: str) -> int:
        """A file that is gone or is none is no harm: what was kept there already is sent once more."""
        try:
            kept = json.loads(self._cursor.read_text("ascii"))
            number = kept["number"] if kept["genesis"] == genesis else 0
        except (OSError, ValueError, LookupError, TypeError, RecursionError):
            return 0
        return number if type(number) is int and number > 0 else 0

    def _remember(self, genesis: str, number: int) -> None:
        try:
            write_whole(self._cursor, json.dumps({"genesis": genesis, "number": number}))
        except OSError as error:
            raise Unreachable(
                f"{self.name} kept checkpoint {number}, and that cannot be written to {self._cursor} ({error.strerror})",
                remedy="make its folder writable for the keeper",
            ) from None
