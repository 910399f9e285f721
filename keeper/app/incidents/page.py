"""The report as one HTML file: styles and picture are in it, nothing is loaded, and no script runs."""

from __future__ import annotations

from typing import Final

from keeper.app.incidents.report import Report
from keeper.app.incidents.story import Story
from keeper.app.pages.incident_sheet import incident_sheet
from keeper.app.pages.rendering import environment

TEMPLATE: Final = "incident_report.html"


def html(report: Report, story: Story) -> str:
    """The whole document; everything from the log is escaped."""
    drawn = incident_sheet(story).picture
    return environment().get_template(TEMPLATE).render(report=report, chart=drawn, state=story.state.value)
