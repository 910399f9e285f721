"""``python -m tests.support.replicas``; see ``make chaos-replicas``."""

import sys

from tests.support.replicas.command import main

if __name__ == "__main__":
    sys.exit(main())
