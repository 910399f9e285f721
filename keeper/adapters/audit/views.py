"""Readable views over the records, the same in both databases: in PostgreSQL in the schema ``audit``, in SQLite beside the tables.

They hold nothing of their own: what they show is read from the records at the moment, so that they cannot say anything else.
"""

from __future__ import annotations

from typing import Final

from keeper.adapters.audit.view_shape import View
from keeper.adapters.audit.view_sql import Dialect, Postgres, Sqlite
from keeper.adapters.audit.views_of_actions import ACTIONS, EFFECTS, RESPONSE_TIMES
from keeper.adapters.audit.views_of_incidents import DECISIONS, INCIDENT_TIMELINE, INCIDENTS
from keeper.adapters.audit.views_of_log import CHECKPOINT_OVERVIEW, CONFIGURATIONS, EVIDENCE_OVERVIEW, GAPS
from keeper.adapters.audit.views_of_people import PEOPLE_ACTIONS, PROPOSALS

VIEWS: Final[tuple[View, ...]] = (
    INCIDENTS,
    DECISIONS,
    INCIDENT_TIMELINE,
    ACTIONS,
    EFFECTS,
    RESPONSE_TIMES,
    PROPOSALS,
    PEOPLE_ACTIONS,
    CONFIGURATIONS,
    GAPS,
    EVIDENCE_OVERVIEW,
    CHECKPOINT_OVERVIEW,
)
_DIALECTS: Final[dict[str, Dialect]] = {"sqlite": Sqlite(), "postgresql": Postgres()}


def views(dialect: str) -> dict[str, str]:
    """Name -> CREATE VIEW, for ``sqlite`` or ``postgresql``."""
    return {view.name: view.statement(_DIALECTS[dialect]) for view in VIEWS}


def comments() -> tuple[str, ...]:
    """What PostgreSQL is told of every view and column."""
    return tuple(comment for view in VIEWS for comment in view.comments())
