"""``python -m keeper`` is ``keeper``."""

from keeper.app.cli import main

main()
