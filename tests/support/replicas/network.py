"""The ways between a keeper and what it needs: through proxies, or through a network of the keeper's own, where root may make one."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from tests.support.keeper_process import KEEPER
from tests.support.replicas.scenario import Way
from tests.support.tcp_proxy import TcpProxy, Upstream

_numbers = itertools.count(1)


class Link(Protocol):
    """One way; the keeper connects to ``host`` and ``port``."""

    @property
    def host(self) -> str: ...
    @property
    def port(self) -> int: ...
    async def cut(self, way: Way) -> None: ...
    async def lose(self) -> None: ...
    async def heal(self) -> None: ...


@dataclass(frozen=True)
class Net:
    """``program`` starts a keeper in it; empty: as any process of this machine."""

    node: Link
    database: Link
    program: tuple[str, ...] = ()


class ProxyLink:
    """A proxy that swallows: what is sent meanwhile comes later, and no new connection is refused."""

    host = "127.0.0.1"

    def __init__(self, proxy: TcpProxy) -> None:
        self._proxy = proxy

    @property
    def port(self) -> int:
        return self._proxy.port

    async def cut(self, way: Way) -> None:
        self._proxy.cut(up=way is Way.OUT, down=way is Way.IN)

    async def lose(self) -> None:
        await self._proxy.lose()

    async def heal(self) -> None:
        await self._proxy.heal()


class WireLink:
    """A pair of devices between the machine and a namespace, whose packets go nowhere while it is cut: the kernel's own TCP on both sides.

    At the machine's end a proxy that is never cut leads on, because node and database listen on loopback alone.
    """

    def __init__(self, proxy: TcpProxy, namespace: str, outside: str, inside: str, host: str) -> None:
        self._proxy = proxy
        self._namespace = namespace
        self._outside = outside
        self._inside = inside
        self.host = host

    @property
    def port(self) -> int:
        return self._proxy.port

    async def cut(self, way: Way) -> None:
        if way is not Way.OUT:
            await _run("tc", "qdisc", "replace", "dev", self._outside, "root", "blackhole")
        if way is not Way.IN:
            await _run("tc", "-n", self._namespace, "qdisc", "replace", "dev", self._inside, "root", "blackhole")

    async def lose(self) -> None:
        await self._proxy.lose()

    async def heal(self) -> None:
        await self._proxy.heal()
        await _run("tc", "qdisc", "del", "dev", self._outside, "root", fails=True)
        await _run("tc", "-n", self._namespace, "qdisc", "del", "dev", self._inside, "root", fails=True)


@asynccontextmanager
async def proxied(node: Upstream, database: Upstream) -> AsyncIterator[Net]:
    """Anybody may."""
    async with TcpProxy(node) as one, TcpProxy(database) as two:
        yield Net(ProxyLink(one), ProxyLink(two))


@asynccontextmanager
async def namespaced(node: Upstream, database: Upstream) -> AsyncIterator[Net]:
    """A network namespace with a wire to each of both. Raises OSError where ``why_not`` says something."""
    number = next(_numbers)
    name = f"keeper-{os.getpid()}-{number}"
    await _run("ip", "netns", "add", name)
    try:
        await _run("ip", "-n", name, "link", "set", "lo", "up")
        async with AsyncExitStack() as stack:
            links = []
            for index, upstream in enumerate((node, database)):
                outside, inside = f"kp{os.getpid() % 100_000}-{number}{'nd'[index]}", f"up{index}"
                net = f"10.{200 + os.getpid() % 50}.{number % 256}.{4 * index}"
                host, other = (f"{net.rsplit('.', 1)[0]}.{4 * index + last}" for last in (1, 2))
                await _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside, "netns", name)
                await _run("ip", "addr", "add", f"{host}/30", "dev", outside)
                await _run("ip", "link", "set", outside, "up")
                await _run("ip", "-n", name, "addr", "add", f"{other}/30", "dev", inside)
                await _run("ip", "-n", name, "link", "set", inside, "up")
                proxy = await stack.enter_async_context(TcpProxy(upstream, host=host))
                links.append(WireLink(proxy, name, outside, inside, host))
            yield Net(links[0], links[1], ("ip", "netns", "exec", name, str(KEEPER)))
    finally:
        await _run("ip", "netns", "del", name)  # its devices go with it, and so do their other ends


async def why_not() -> str:
    """Why there can be no namespaces here; empty where there can."""
    missing = [name for name in ("ip", "tc") if shutil.which(name) is None]
    if missing:
        return f"{' and '.join(missing)} missing"
    try:
        async with namespaced(("127.0.0.1", 1), ("127.0.0.1", 1)) as net:
            await net.node.cut(Way.BOTH)
            await net.node.heal()
    except OSError as error:
        return str(error)
    return ""


async def _run(*command: str, fails: bool = False) -> None:
    """Raises OSError with what it said, unless it may fail."""
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    _, said = await process.communicate()
    if process.returncode and not fails:
        raise OSError(f"{' '.join(command)}: {said.decode(errors='replace').strip()}")


NETWORKS = {"proxies": proxied, "namespaces": namespaced}
