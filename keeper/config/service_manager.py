"""What a service manager (systemd) passes to a process that it starts, in its environment. Source: sd_notify(3), sd_watchdog_enabled(3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keeper.config.environment import Environment


@dataclass(frozen=True, slots=True)
class ServiceManager:
    """``socket`` is where to say how the process is (empty: nobody asks), ``watchdog_s`` how often at least (None: no watchdog)."""

    socket: str = ""
    watchdog_s: float | None = None


def service_manager(pid: int, environ: Mapping[str, str] | None = None) -> ServiceManager:
    """As it was passed to the process with this number."""
    variables = Environment.of(environ).variables
    limit_us, of = variables.get("WATCHDOG_USEC", ""), variables.get("WATCHDOG_PID", str(pid))
    watched = limit_us.isdecimal() and int(limit_us) > 0 and of == str(pid)
    return ServiceManager(variables.get("NOTIFY_SOCKET", ""), int(limit_us) / 1_000_000 if watched else None)
