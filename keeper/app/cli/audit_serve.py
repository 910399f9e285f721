"""``keeper audit serve`` and ``token``: the log over HTTP for auditors. Needs the database only: no node, no key, no running keeper."""

from __future__ import annotations

import asyncio
import shlex
from typing import TYPE_CHECKING

from keeper.app.cli.nothing_yet import log_exists, say_so
from keeper.app.cli.output import Output
from keeper.app.exit_codes import Exit
from keeper.domain.errors import UnitError

if TYPE_CHECKING:
    from keeper.config.model import HttpConfig


def serve(output: Output, config: str, listen: str) -> int:
    """INTERRUPTED after Ctrl-C, DONE after SIGTERM, FOUND when there is no log yet. Raises ConfigurationError, UnitError, OutsideError."""
    from keeper.config import audit_url
    from keeper.config.http import http_settings, listen_address
    from keeper.config.shape import Bad

    try:
        host, port = listen_address(listen)
    except Bad as error:
        raise UnitError(f"--listen: {error.message}", remedy=error.hint) from None
    url, http = audit_url(config), http_settings(config)
    if not log_exists(url):
        return say_so(output, config)
    return asyncio.run(_serve(output, config, url, host, port, http))


def token(output: Output, name: str) -> int:
    """Prints a new random token, which is kept nowhere, and the line for the configuration. Raises UnitError."""
    from keeper.app.api.access import new_token, token_hash
    from keeper.config.shape import NAME, NAME_HINT

    if not NAME.fullmatch(name):
        raise UnitError("this is no name for a token", remedy=NAME_HINT)
    made = new_token()
    digest = token_hash(made)
    output.say(f"the token, for {name} alone; it is shown this once and kept nowhere:")
    output.say(f"  {made}")
    output.say("for the configuration:")
    output.say(f'  http: {{tokens: {{{name}: "{digest}"}}}}')
    output.document({"ok": True, "name": name, "token": made, "hash": digest})
    return Exit.DONE


async def _serve(output: Output, config: str, url: str, host: str, port: int, http: HttpConfig | None) -> int:
    from keeper.adapters.clock import SystemClock
    from keeper.app.api.access import AccessSettings
    from keeper.app.api.desk import open_desk
    from keeper.app.cli.serving import until_ended
    from keeper.app.pages.server import build_app
    from keeper.app.pages.settings import PageSettings
    from keeper.domain.record import RecordQuery

    clock, shown = SystemClock(), shlex.quote(config)
    tokens, rate = (http.tokens, http.rate) if http is not None else ({}, 120)
    url_of_pages = http.url if http is not None else ""
    settings = PageSettings(clock=clock, url=url_of_pages, listen_host=host, config=shown)

    def started(address: str) -> None:
        output.say(f"the log: {address}/audit, for programs: {address}/api/v1/openapi.json  (Ctrl-C ends it)")
        output.document({"ok": True, "url": f"{address}/", "api": f"{address}/api/v1", "tokens": len(tokens)})

    async with open_desk(url, AccessSettings(host, tokens, rate, url_of_pages), clock, shown) as desk:
        await desk.reader.page(RecordQuery(limit=1))  # a database that cannot be read is told here and not to a browser
        return await until_ended(build_app(None, settings, desk), host, port, started)
