"""The report as one HTML file: styles and picture are in it, nothing is loaded, and no script runs."""

from __future__ import annotations

import re
from typing import Final

from markupsafe import Markup, escape

from keeper.app.incidents.report import Report
from keeper.app.incidents.story import Story
from keeper.app.pages.incident_sheet import incident_sheet
from keeper.app.pages.rendering import environment
from keeper.app.pages.wording import visible

TEMPLATE: Final = "incident_report.html"
_CODE: Final = re.compile(r"0x[0-9a-fA-F]{4,}")


def html(report: Report, story: Story) -> str:
    """The whole document; everything from the log is escaped."""
    drawn = incident_sheet(story).picture
    template = environment().get_template(TEMPLATE)
    return template.render(report=report, chart=drawn, state=story.state.value, marked=marked)


def marked(text: str) -> Markup:
    """Escaped; hashes, addresses and data as code, which a line may break anywhere."""
    parts, end = [], 0
    text = str(visible(text))
    for found in _CODE.finditer(text):
        parts += [escape(text[end : found.start()]), Markup("<code>{}</code>").format(found.group())]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])
