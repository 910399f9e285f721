"""``python -m tests.support.soak``; see ``make soak``."""

import sys

from tests.support.soak.command import main

if __name__ == "__main__":
    sys.exit(main())
