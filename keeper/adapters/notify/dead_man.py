"""A service that calls people when it is not asked any more: asked with a plain GET, as all of them take it."""

from __future__ import annotations

import asyncio
import logging

from keeper.domain.errors import Refused, Unreachable

TIMEOUT_S = 10.0
"""For all of it: a service that sends a byte now and then would hold up the heartbeats for ever."""
REMEDY = "is `jobs.heartbeat.url` right, and is the service up? It calls people when it is not asked"

for _noisy in ("httpx", "httpcore"):
    logging.getLogger(_noisy).setLevel(logging.WARNING)  # they log whole addresses


async def ask(url: str) -> None:
    """Raises Unreachable, or Refused for any answer but 2xx. The address, which is a secret, is in no message; what is answered is not read."""
    import httpx  # late: only who has such a service pays for it

    try:
        async with (
            asyncio.timeout(TIMEOUT_S),
            httpx.AsyncClient(timeout=TIMEOUT_S, follow_redirects=False, trust_env=False) as client,
            client.stream("GET", url) as answer,
        ):
            pass
    except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
        raise Unreachable(f"the dead man's service: {type(error).__name__}", remedy=REMEDY) from None
    if not answer.is_success:
        raise Refused(f"the dead man's service answers {answer.status_code}", remedy=REMEDY)
