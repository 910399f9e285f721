"""Why a request is not answered as asked, in words for whoever asked."""

from __future__ import annotations

from keeper.domain.errors import AuditError, KeeperError, OutsideError, UnitError


class PageProblem(Exception):
    """``status`` is the HTTP status, ``message`` a whole sentence, ``remedy`` what to do about it, ``retry_s`` when to ask again (0: not said)."""

    def __init__(self, status: int, message: str, remedy: str = "", *, retry_s: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.remedy = remedy
        self.retry_s = retry_s


def problem_of(error: KeeperError, refused: int = 404) -> PageProblem:
    """An error of the keeper as an HTTP status; ``refused`` stands for what the council's side will not do."""
    status = refused if isinstance(error, UnitError) else 503 if isinstance(error, OutsideError | AuditError) else 500
    return PageProblem(status, error.message, error.remedy)
