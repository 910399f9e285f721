"""How the page is to behave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from keeper.ports.clock import Clock

if TYPE_CHECKING:
    from fastapi import FastAPI

    from keeper.app.api.access import Access

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_ANYWHERE = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - names of addresses, nothing listens here


@dataclass(frozen=True, slots=True)
class PageSettings:
    """``approve``: whether signatures are taken. ``url`` is where people reach the page, ``listen_host`` where it listens.

    ``config`` is the configuration's path, for the commands that the page shows; ``members`` the owners' names by EIP-55 address.
    """

    clock: Clock
    approve: bool = False
    url: str = ""
    listen_host: str = "127.0.0.1"
    config: str = "keeper.yaml"
    members: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    council: bool = True
    log: bool = True
    """Which pages there are for whoever reaches them, for links to them."""
    status: bool = False
    login: bool = False
    """Whether the pages of the log ask for a token."""

    @property
    def netloc(self) -> str:
        """Host and port of ``url`` as a browser writes them; empty without one."""
        return urlsplit(self.url).netloc.lower()

    @property
    def hosts(self) -> frozenset[str]:
        """The host names under which the page answers: any other name in a request is somebody's trick (DNS rebinding)."""
        named = {urlsplit(self.url).hostname or "", self.listen_host.strip("[]").lower()}
        return _LOOPBACK | (named - _ANYWHERE)


Mount = Callable[["FastAPI", PageSettings, "Access"], None]
"""Puts pages of its own into the application of a running keeper; who may see them is for ``Access`` to say."""
