"""Tells systemd how the process is: up, reloading, alive. Without systemd nothing happens.

Alive means that the event loop turns: a keeper without a node is degraded and says so elsewhere, to start it again would not help. Whether blocks are
evaluated is for ``keeper watch``.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress

from keeper.config.service_manager import ServiceManager, service_manager

READY = "READY=1"
ALIVE = "WATCHDOG=1"
STOPPING = "STOPPING=1"


class TellingSystemd:
    """``manager`` is what systemd passed to this process."""

    def __init__(self, manager: ServiceManager | None = None) -> None:
        self._manager = manager if manager is not None else service_manager(os.getpid())

    def say(self, state: str) -> None:
        """One datagram, never waited for; what cannot be delivered is lost."""
        address = self._manager.socket
        if not address:
            return
        if address.startswith("@"):  # a socket without a file
            address = "\0" + address[1:]
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as out:
            out.setblocking(False)
            out.connect(address)
            out.send(state.encode())

    async def keep_saying(self) -> None:
        """That the loop turns, twice as often as is asked for, until cancelled."""
        if self._manager.watchdog_s is None:
            return
        while True:
            self.say(ALIVE)
            await asyncio.sleep(self._manager.watchdog_s / 2)
