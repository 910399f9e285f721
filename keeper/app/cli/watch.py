"""``keeper watch``: the dead man's switch, a small process of its own."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from keeper.app import event_loop
from keeper.app.cli import logs
from keeper.app.cli.output import Output
from keeper.app.exit_codes import Exit

if TYPE_CHECKING:
    from keeper.app.watcher.findings import Finding
    from keeper.config.model import Config


def run(output: Output, config: str, *, once: bool) -> int:
    """Until SIGTERM (exit code 0) or Ctrl-C (130); with ``once`` one look: FOUND when something is wrong. Raises ConfigurationError."""
    logs.set_up(output.verbosity)
    loaded = read(config)
    if not once:
        return event_loop.run(_watch(loaded))
    found = asyncio.run(_once(loaded))
    output.document(
        {
            "ok": not found,
            "findings": [
                {"matter": each.matter.value, "severity": each.severity.value, "title": each.title, "body": each.body}
                for each in found
            ],
        }
    )
    for each in found:
        output.say(f"{each.title}\n  {each.body}", "bold red")
    if not found:
        output.say("the keeper evaluates blocks", "bold green")
    return Exit.FOUND if found else Exit.DONE


def read(path: str) -> Config:
    """The configuration, without the secrets of whoever signs: they need not be set here. Raises ConfigurationError."""
    from keeper.config import load

    loaded = load(path, offline=True)
    watch = loaded.watch
    assert watch is not None, "the loader fills it in"
    urls = [endpoint.url for endpoint in (*loaded.chain.primaries, *loaded.chain.verifiers)]
    urls += [loaded.audit.url, *(each.url for each in watch.notify or loaded.notify if hasattr(each, "url"))]
    if all(url.reveal() for url in urls):
        return loaded
    return load(path)  # says what is not set, by its name


async def _watch(config: Config) -> int:
    from keeper.app.watcher.watching import Watcher

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    ended_by: list[signal.Signals] = []

    def end(name: signal.Signals) -> None:
        ended_by.append(name)
        stop.set()

    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, end, name)
    await Watcher(config).run(stop)
    return Exit.INTERRUPTED if signal.SIGINT in ended_by else Exit.DONE


async def _once(config: Config) -> list[Finding]:
    from keeper.app.watcher.watching import Watcher

    return await Watcher(config).once()
