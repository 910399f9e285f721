"""``keeper init``."""

from __future__ import annotations

from pathlib import Path

from keeper.app.cli.output import Output
from keeper.app.cli.typed import keeper_command, typed
from keeper.app.exit_codes import Exit
from keeper.domain.errors import KeeperError


def run(output: Output, directory: Path, preset: str) -> int:
    """Writes the two files; never over one that exists. Raises KeeperError."""
    from keeper.config.template import template

    yaml_text, env_text = template(preset)
    files = {directory / "keeper.yaml": yaml_text, directory / ".env": env_text}
    there = [path for path in files if path.exists()]
    if there:
        raise KeeperError(f"{there[0]} exists already", remedy="name another folder, or move the file away")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, text in files.items():
            path.touch(mode=0o600)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise KeeperError(
            f"cannot write {error.filename}: {error.strerror}", remedy="name a folder you may write"
        ) from None
    config = directory / "keeper.yaml"
    output.say(f"wrote {config} and {directory / '.env'}: shadow mode, nothing is ever sent")
    output.say(f"next: edit it, set the variables of .env, then: {keeper_command()} check {typed(config)}")
    output.document({"ok": True, "files": [str(path) for path in files]})
    return Exit.DONE
