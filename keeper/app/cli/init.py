"""``keeper init``: the files, from a preset or from what is read of contracts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from keeper.app.cli.asking import at_terminal
from keeper.app.cli.output import Document, Output
from keeper.app.cli.typed import keeper_command, typed
from keeper.app.exit_codes import Exit
from keeper.domain.errors import KeeperError

_REPLACE = re.compile(r"^ .*#.*\breplace\b")
"""What the comment behind a line says of its value; a line that is all comment speaks of the file."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was typed; empty for what was not. ``chain_id`` 0: any. ``ask``: whether questions may be asked."""

    directory: Path
    preset: str = ""
    rpc: str = ""
    contracts: tuple[str, ...] = ()
    keeper: str = ""
    abi: Path | None = None
    market: str = ""
    chain_id: int = 0
    ask: bool = True

    @property
    def reads(self) -> bool:
        """Whether a chain is asked: not for a preset."""
        return bool(self.contracts or self.rpc or self.keeper or self.abi or self.market or self.chain_id)


def run(output: Output, wanted: Wanted) -> int:
    """Writes the two files; never over one that exists. Raises KeeperError."""
    from keeper.config.template import template

    if wanted.preset and wanted.reads:
        raise KeeperError(
            "a preset is written as it is, and reads no contract",
            remedy="leave out --preset, or all flags but --preset",
        )
    _refuse_existing(wanted.directory)
    asking = wanted.ask and not output.as_json and at_terminal()
    if not wanted.preset and (wanted.reads or asking):
        from keeper.app.cli.init_reading import asked, drafted

        wanted = asked(wanted) if asking else wanted
        if wanted.reads:
            return drafted(output, wanted)
    yaml_text, env_text = template(wanted.preset or "safe")
    write(output, wanted.directory, yaml_text, env_text, {})
    return Exit.DONE


def write(output: Output, directory: Path, yaml_text: str, env_text: str, more: Mapping[str, object]) -> None:
    """Both files, and the answer. Raises KeeperError."""
    _refuse_existing(directory)
    files = {directory / "keeper.yaml": yaml_text, directory / ".env": env_text}
    made: list[Path] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.touch(mode=0o600, exist_ok=False)
            made.append(path)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        for path in made:  # never one without the other
            path.unlink(missing_ok=True)
        raise KeeperError(
            f"cannot write {error.filename or directory}: {error.strerror}", remedy="name a folder you may write"
        ) from None
    config = directory / "keeper.yaml"
    output.say(f"wrote {config} and {directory / '.env'}: shadow mode, nothing is ever sent")
    marked = [number for number, line in enumerate(yaml_text.splitlines(), start=1) if _REPLACE.search(line)]
    if marked:
        output.say(f"to replace, as marked there: line{'s' if len(marked) > 1 else ''} {', '.join(map(str, marked))}")
    output.say(f"next: edit it, set the variables of .env, then: {keeper_command()} check {typed(config)}")
    document: Document = {"ok": True, "files": [str(path) for path in files], "replace": list(marked), **more}
    output.document(document)


def _refuse_existing(directory: Path) -> None:
    there = [path for path in (directory / "keeper.yaml", directory / ".env") if path.exists()]
    if there:
        raise KeeperError(f"{there[0]} exists already", remedy="name another folder, or move the file away")
