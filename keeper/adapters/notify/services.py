"""What differs between the services of apprise, as far as a keeper must know it."""

from __future__ import annotations

import copy
import hashlib
from typing import Any, Final

from keeper.ports.notifier import Notice

VERBATIM: Final = frozenset(
    {"json", "jsons", "form", "forms", "xml", "xmls", "mqtt", "mqtts", "amqp", "amqps", "syslog"}
)
"""Read by programs: nothing in the words means anything there, and nothing is changed."""
KEYED: Final = frozenset({"pagerduty", "opsgenie"})
"""Alerts have keys: the same key is the same alert, and its end resolves it."""
PAGERDUTY_KEY_MAX = 255
MARGIN = 0.95
"""Of what a service takes; what it puts around title and body needs the rest."""
HTML_MARGIN = 0.5
"""The same where apprise counts signs of HTML, in which a space is six."""


def scheme_of(url: str) -> str:
    return url.partition("://")[0].lower()


def room_in(channel: Any) -> int:
    """So many signs may a message have."""
    return int(min(service.body_maxlen * (HTML_MARGIN if _html(service) else MARGIN) for service in channel))


def _html(service: Any) -> bool:
    formats = service.notify_format
    return str(formats[0] if isinstance(formats, tuple) else formats).lower().endswith("html")


def prepared(service: Any, url: str) -> Any:
    """Settings that the address does not have. An operator's own stay."""
    from apprise import NotifyType, OverflowMode

    scheme = scheme_of(url)
    if "overflow=" not in url:
        service.overflow_mode = (
            OverflowMode.TRUNCATE
        )  # the keeper makes it fit; a message in pieces would be several pages
    if scheme == "opsgenie" and service.action == "map" and service.mapping.get(NotifyType.INFO) == "note":
        service.mapping[NotifyType.INFO] = (
            "new"  # a note goes to an alert that exists: where there is none, nothing would be sent
        )
    return service


def for_notice(service: Any, scheme: str, notice: Notice) -> Any:
    """The service, for this one notice: with its key, where the operator set none."""
    if scheme == "pagerduty" and service.dedup is None:
        one = copy.copy(service)
        one.dedup = key_of(notice.key)
        if service.action == "trigger":
            one.action = "map"
        return one
    if scheme == "opsgenie" and not service.alias and not service.entity:
        service.store.get("")  # made now, so that the copies share it: it has what is needed to close an alert
        one = copy.copy(service)
        one.alias = key_of(notice.key)
        return one
    return service


def key_of(key: str) -> str:
    """The same for the same matter, and never too long."""
    if len(key) <= PAGERDUTY_KEY_MAX:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{key[: PAGERDUTY_KEY_MAX - 33]}:{digest}"
