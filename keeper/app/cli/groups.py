"""Command groups that take the configuration first: ``keeper audit CONFIG log``, and ``keeper audit log`` for ``./keeper.yaml``."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup

DEFAULT_CONFIG = "keeper.yaml"


class ConfigGroup(TyperGroup):
    """A group whose first word is a configuration, unless it is one of its commands or an option.

    The configuration ends up in ``ctx.meta["config"]``.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        rest = list(args)
        config = DEFAULT_CONFIG
        if rest and rest[0] not in self.commands and (rest[0] == "-" or not rest[0].startswith("-")):
            config = rest.pop(0)
        ctx.meta["config"] = config
        ctx.info_name = f"{ctx.info_name} [CONFIG]"  # usage lines and hints are made of it, those of its commands too
        return super().parse_args(ctx, rest)

    def format_usage(self, ctx: Any, formatter: Any) -> None:
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...")
