"""Reading the files that keys are kept in."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from shlex import quote

from keeper.domain.errors import SigningError

_MAX_BYTES = 64 * 1024
_OTHERS = 0o077
PATH_SETTING = "`signer.path`"


def read_key_material(path: Path, *, what: str, private: bool, setting: str = PATH_SETTING) -> str:
    """The text of a key's file. ``what`` names it in messages; ``private`` refuses a file that others may read.
    ``setting`` is where the path was written, for the remedy.

    The path is named only once a file was found there: somebody who put the key itself in the place of the path must not
    find it in a log. Raises SigningError with the remedy.
    """
    try:
        with open(path, "rb", opener=_at_once) as file:
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise SigningError(f"{path} is not a file, so no {what}", remedy=f"name the file in {setting}")
            if private and mode & _OTHERS:
                raise SigningError(
                    f"the {what} {path} may be read or changed by others (mode {mode & 0o777:04o})",
                    remedy=f"chmod 600 {quote(str(path))}",
                )
            content = file.read(_MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte in it
        raise _unreadable(path, what, setting, error) from None
    if len(content) > _MAX_BYTES:
        raise SigningError(f"the {what} {path} is larger than {_MAX_BYTES} bytes", remedy=f"name a {what} in {setting}")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SigningError(f"the {what} {path} is not text", remedy=f"name a {what} in {setting}") from None


def _at_once(path: str, flags: int) -> int:
    """Without waiting for who writes to a pipe: that may be nobody."""
    return os.open(path, flags | os.O_NONBLOCK)


def _unreadable(path: Path, what: str, setting: str, error: Exception) -> SigningError:
    if isinstance(error, PermissionError):
        return SigningError(
            f"the {what} may not be read by this user",
            remedy=f"let the keeper's user own it, and: chmod 600 {quote(str(path))}",
        )
    if isinstance(error, IsADirectoryError):
        return SigningError(f"{path} is a folder, not a {what}", remedy=f"name the file in {setting}")
    reason = "is not there" if isinstance(error, FileNotFoundError) else f"cannot be read ({type(error).__name__})"
    return SigningError(f"the {what} {reason}", remedy=f"correct {setting}: the path of a file, never the key itself")
