"""Draws docs/demo.svg: the terminal of a real `keeper demo`, exactly as it came. Run: .venv/bin/python scripts/picture.py [SCENARIO]"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI

from keeper.app.cli import logs
from keeper.app.cli.output import Output
from keeper.app.demo import command

ROOT = Path(__file__).resolve().parents[1]
# rich's own template loads a web font; a picture in a repository stands on its own.
FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="The terminal of keeper demo">
  <style>
    .{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
      line-height: {line_height}px; }}
    {styles}
  </style>
  <defs>
    <clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
    {lines}
  </defs>
  {chrome}
  <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix" xml:space="preserve" style="white-space: pre">{matrix}</g>
  </g>
</svg>
"""


def main(scenario: str) -> int:
    """Plays the scenario and writes the picture; the exit code is the demo's."""
    sys.argv[0] = ".venv/bin/keeper"  # what the story tells its reader to type
    console = Console(file=io.StringIO(), record=True, width=80, force_terminal=True, highlight=False, soft_wrap=True)
    output = Output(_console=console)
    logs.set_up(logs.SILENT)
    with tempfile.TemporaryDirectory() as folder:
        code = asyncio.run(command.play_and_prove(output, scenario, 1, Path(folder), keep=False))
    svg = console.export_svg(title=f"keeper demo: {scenario}", theme=MONOKAI, code_format=FRAME, unique_id="keeper")
    (ROOT / "docs" / "demo.svg").write_text(svg.replace(folder, f".demo/{scenario}-1"), encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(*(sys.argv[1:] or ["divergence"])))
