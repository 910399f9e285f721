"""Templates and the files beside them. Everything is escaped; nothing comes from outside of this package."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from keeper.adapters.safe.origin import note_text
from keeper.app.incidents.words import figure_text
from keeper.app.pages import amounts, sheet, wording
from keeper.app.pages.settings import PageSettings

TYPES: Final = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "status.css": "text/css; charset=utf-8",
    "status.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}


@lru_cache(maxsize=1)
def environment() -> Environment:
    env = Environment(
        loader=PackageLoader("keeper.app.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=wording.visible,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for name in ("iso", "utc_text", "exact_text", "lasting", "ago", "wei_text", "groups", "clipped", "standing_text"):
        env.filters[name] = getattr(wording, name)
    for name in ("grouped", "share"):
        env.filters[name] = getattr(amounts, name)
    env.filters["timed"] = _timed
    env.filters["note_text"] = note_text
    env.filters["proposal_path"] = sheet.proposal_path
    env.filters["figure_text"] = figure_text
    env.filters["incident_path"] = sheet.incident_path
    return env


def _timed(text: str, now_ms: int) -> Markup:
    """Times in a text that do not break over lines."""
    plain = escape(wording.visible(text))
    return Markup(amounts.timed(str(plain), now_ms, "<time>{}</time>"))  # noqa: S704 all but the times was escaped


def page(template: str, settings: PageSettings, **values: Any) -> str:
    """The HTML of one page."""
    return environment().get_template(template).render(now_ms=settings.clock.now_ms(), settings=settings, **values)


@lru_cache(maxsize=len(TYPES))
def static_file(name: str) -> bytes:
    """``name`` is a key of TYPES."""
    return (files("keeper.app.pages") / "static" / name).read_bytes()
