"""Notices through apprise: chat, mail, pagers, webhooks, by one address each."""

from __future__ import annotations

import asyncio
import logging
import re
import warnings
from typing import Any

from keeper.adapters.notify.plain import cleaned, defused, fitted, one_line, written
from keeper.adapters.notify.services import KEYED, VERBATIM, for_notice, prepared, room_in, scheme_of
from keeper.domain.errors import ConfigurationError, Problem
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Delivery, Notice

TIMEOUT_S = 8.0

_KINDS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}
_HTTP_STATUS = re.compile(r"\berror=(\d{3})\b")
# A client error that another try may cure: time-out, too early, too many requests.
_PASSING = frozenset({408, 425, 429})


async def open_apprise(
    url: str, *, name: str = "apprise", place: str = "notify", timeout_s: float = TIMEOUT_S
) -> AppriseNotifier:
    """The notifier of one apprise address (``slack://..``, ``json://host/path``). The address is a secret as a whole.

    Nothing is sent. Raises ConfigurationError at ``place`` (the path in the configuration) when apprise has no service for
    the address or the address lacks a part.
    """
    channel = await asyncio.to_thread(_load, url)
    if channel is None:
        scheme = url.split("://", 1)[0] if re.match(r"[a-z0-9+.-]{1,20}://", url) else "no scheme"
        problem = Problem(
            path=place,
            line=None,
            found=f"{scheme}://***" if "://" in url else "***",
            message="apprise cannot use this address",
            hint="SERVICE://... with every part that the service needs; `.venv/bin/apprise --details` lists the services",
        )
        raise ConfigurationError((problem,))
    return AppriseNotifier(channel, name=name, timeout_s=timeout_s, scheme=scheme_of(url), limit=room_in(channel))


class AppriseNotifier:
    """Delivers in a thread, since apprise's services block. Made by ``open_apprise``.

    After a time-out the notice may have arrived all the same: a repeat can be a double.
    """

    def __init__(self, channel: Any, *, name: str, timeout_s: float, scheme: str = "json", limit: int = 32_768) -> None:
        """``limit``: how long a message may be."""
        self._channel = channel
        self._name = name
        self._timeout_s = timeout_s
        self._scheme = scheme
        self._limit = limit
        self._closed = False

    @property
    def keyed(self) -> bool:
        """Whether an alert has a key there, and its end resolves it."""
        return self._scheme in KEYED

    @property
    def name(self) -> str:
        """For records and metrics; never the address."""
        return self._name

    async def notify(self, notice: Notice) -> Delivery:
        """Delivers once. The message names a status or a time-out, and nothing that apprise itself wrote."""
        if self._closed:
            return Delivery(delivered=False, message="this notifier is closed")
        return await asyncio.to_thread(self._send, notice)

    async def close(self) -> None:
        """No later notice is sent. Safe to call twice."""
        self._closed = True

    def _send(self, notice: Notice) -> Delivery:
        from apprise import AppriseResultStatus

        with self._channel_for(notice).notify(
            body=self._body(notice),
            title=self._shown(one_line(notice.title)),
            notify_type="success" if notice.ends and self.keyed else _KINDS[notice.severity],
            body_format="text",
            timeout=self._timeout_s,
        ) as result:
            if result.status == AppriseResultStatus.SUCCESS:
                return Delivery(delivered=True)
            if result.status == AppriseResultStatus.TIMEOUT:
                return Delivery(delivered=False, recoverable=True, message=f"no answer in {self._timeout_s:g} s")
            return _refused(str(entry.message) for entry in result.logs())

    def _channel_for(self, notice: Notice) -> Any:
        """Where alerts have keys, a channel for this one."""
        if not self.keyed:
            return self._channel
        from apprise import Apprise

        (service,) = self._channel
        channel = Apprise(asset=service.asset)
        channel.add(for_notice(service, self._scheme, notice))
        return channel

    def _body(self, notice: Notice) -> str:
        """With links, in the length that the service takes; a service without titles gets the title in the same length."""
        body = self._shown(cleaned(notice.body))
        links = [one_line(link, 1_000) for link in notice.links]
        return fitted(body, links, max(200, self._limit - written(one_line(notice.title))))

    def _shown(self, text: str) -> str:
        return text if self._scheme in VERBATIM else defused(text)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r})"


def _refused(lines: Any) -> Delivery:
    """The library's lines may hold parts of the address, so only the status is taken out of them."""
    for line in lines:
        if match := _HTTP_STATUS.search(line):
            status = int(match.group(1))
            final = 400 <= status < 500 and status not in _PASSING
            return Delivery(delivered=False, recoverable=not final, message=f"the receiver answered HTTP {status}")
    return Delivery(
        delivered=False, recoverable=True, message="the receiver could not be reached, or gave no usable answer"
    )


def _load(url: str) -> Any:
    """None when apprise cannot use the address. The first call imports all of apprise's services: about 0.3 s."""
    # A service of apprise imports a module that Python 3.11 and 3.12 call deprecated.
    warnings.filterwarnings("ignore", message="'imghdr' is deprecated", category=DeprecationWarning)
    from apprise import Apprise, AppriseAsset

    # apprise's own log lines name hosts, which are tokens for some services, and at debug level whole addresses.
    logging.getLogger("apprise").propagate = False
    # A redirected POST becomes a GET, whose 200 would count as a delivery.
    asset = AppriseAsset(app_id="keeper", app_desc="circuit-breaker keeper", async_mode=False, http_redirects=False)
    service = Apprise.instantiate(url, asset=asset)
    if service is None:
        return None
    channel = Apprise(asset=asset)
    channel.add(prepared(service, url))
    return channel
