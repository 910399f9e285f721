"""Incidents told: the one place where API and pages meet what tells them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from keeper.app.api.answers import JSON_TYPE, json_bytes
from keeper.app.incidents.document import document
from keeper.app.incidents.gathering import gather_async
from keeper.app.incidents.markdown import markdown
from keeper.app.incidents.page import html
from keeper.app.incidents.report import report_of
from keeper.app.incidents.story import Story
from keeper.app.incidents.telling import last_of, tell
from keeper.ports.log_reader import LogReader

if TYPE_CHECKING:
    from keeper.ports.audit import AuditStore

MARKDOWN_TYPE: Final = "text/markdown; charset=utf-8"
HTML_TYPE: Final = "text/html; charset=utf-8"


async def story(reader: LogReader, incident: str) -> Story | None:
    """None when the log knows none of this name. Raises StoreUnavailable, StoreNotMigrated."""
    material = await gather_async(cast("AuditStore", reader), incident)  # of the store it asks pages only
    if material is None:
        return None
    covering = await reader.checkpoints(1, covering=last_of(material).seq)
    return tell(material, covering[0] if covering else None)


def report(story: Story, form: str, config: str) -> tuple[str, bytes]:
    """Its media type and its bytes; ``form`` is json, md or html."""
    match form:
        case "md":
            return MARKDOWN_TYPE, markdown(report_of(story, config)).encode("utf-8", "replace")
        case "html":
            return HTML_TYPE, html(report_of(story, config), story).encode("utf-8", "replace")
        case _:
            return JSON_TYPE, json_bytes(document(story))
