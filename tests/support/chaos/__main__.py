"""``python -m tests.support.chaos --runs 500``: see ``make chaos``."""

if __name__ == "__main__":  # each process that is forked from here reads this file again
    from tests.support.chaos.command import main

    raise SystemExit(main())
