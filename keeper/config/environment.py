"""The one place that reads the environment: ``${NAME}`` in a text is the variable NAME, or the content of the file that NAME_FILE names."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PLACEHOLDER = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_FILE_SUFFIX = "_FILE"
_MAX_FILE_BYTES = 65_536
_PASSED_ON = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})
_PASSED_PREFIXES = ("PG", "LC_", "PYTHON")


class EnvironmentProblem(Exception):
    """A placeholder cannot be filled in. The message names variables, never their values."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class NotSet(EnvironmentProblem):
    """The variable is not there."""


@dataclass(frozen=True, slots=True)
class Environment:
    """``variables`` is what the process was given; a test passes its own. ``offline``: what is not set is not needed either."""

    variables: Mapping[str, str]
    offline: bool = False

    @classmethod
    def of(cls, environ: Mapping[str, str] | None, *, offline: bool = False) -> Environment:
        """The given variables, else a copy of those of the process."""
        return cls(dict(os.environ) if environ is None else environ, offline)  # noqa: TID251

    def fill(self, text: str) -> str:
        """The text with each ``${NAME}`` replaced once (values are not searched again). Raises EnvironmentProblem."""
        if "${" in PLACEHOLDER.sub("", text):
            raise EnvironmentProblem("a ${ has no end", "write ${NAME}")
        return PLACEHOLDER.sub(lambda match: self._value(match.group(1)), text)

    def _value(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise EnvironmentProblem("this is not the name of a variable", "write ${NAME}: letters, digits and _")
        if name.endswith(_FILE_SUFFIX):
            return self._file(name)
        direct, by_file = name in self.variables, name + _FILE_SUFFIX in self.variables
        if direct and by_file:
            raise EnvironmentProblem(f"both {name} and {name}_FILE are set", "unset one of them")
        if by_file:
            return self._file(name + _FILE_SUFFIX)
        if not direct:
            raise NotSet(
                f"the environment variable {name} is not set",
                f"set {name}, or {name}_FILE to the name of a file that holds it",
            )
        return self._usable(name, self.variables[name])

    def _file(self, name: str) -> str:
        if not self.variables.get(name):
            raise EnvironmentProblem(f"the environment variable {name} is not set", f"set {name} to the name of a file")
        try:
            with Path(self.variables[name]).open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
            text = content.decode("utf-8")
        except (OSError, ValueError):
            raise EnvironmentProblem(
                f"the file that {name} names cannot be read", f"let {name} name a readable UTF-8 text file"
            ) from None
        if len(content) > _MAX_FILE_BYTES:
            raise EnvironmentProblem(
                f"the file that {name} names is larger than {_MAX_FILE_BYTES} bytes", "name another"
            )
        return self._usable(name, text.removesuffix("\n").removesuffix("\r"))

    @staticmethod
    def _usable(name: str, value: str) -> str:
        if not value:
            raise EnvironmentProblem(f"the environment variable {name} is empty", f"give {name} a value")
        if any(ord(character) < 32 or 0xD800 <= ord(character) <= 0xDFFF for character in value):
            raise EnvironmentProblem(
                f"the value of {name} holds a control character", "one line of plain text is needed"
            )
        return value


def for_own_process() -> dict[str, str]:
    """What a process that the keeper starts needs of the environment. The keeper's secrets may be in the rest."""
    every = dict(os.environ)  # noqa: TID251
    return {name: value for name, value in every.items() if name in _PASSED_ON or name.startswith(_PASSED_PREFIXES)}
