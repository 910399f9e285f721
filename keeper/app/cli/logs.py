"""Log lines go to standard error: for people on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import logging
import sys

from keeper.app.cli.output import coloured

SILENT = -2


def set_up(verbosity: int) -> None:
    """``verbosity`` SILENT: nothing; -1: errors only; 0: what happens; 1: each tick; 2: libraries too."""
    import structlog

    level = {SILENT: logging.CRITICAL, -1: logging.ERROR, 0: logging.INFO}.get(verbosity, logging.DEBUG)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=coloured(sys.stderr))
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.ReturnLoggerFactory()
        if verbosity == SILENT
        else structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    # Libraries log addresses that may hold keys: below the most verbose level only their errors are shown.
    logging.basicConfig(stream=sys.stderr, level=logging.INFO if verbosity >= 2 else logging.CRITICAL)
