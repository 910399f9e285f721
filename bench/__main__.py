"""``python -m bench [NAME...] [--json] [--trials N] [--rows N]``: exit code 0 when everything was measured, whatever the figures; else 1 or 2."""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Sequence
from typing import Any

from bench.contestant import Broken
from bench.options import Options
from bench.registry import BENCHES
from keeper.app.compiled import forget_outdated
from keeper.domain.errors import KeeperError


def main(argv: Sequence[str]) -> int:
    """Runs what is asked for, in the order of the registry's list when nothing is."""
    asked = _parse(argv)
    forget_outdated()
    options = Options(asked.trials, _say, asked.rows)
    documents: list[dict[str, Any]] = []
    failed = False
    for name in asked.names or BENCHES:
        _say(f"{name}: {BENCHES[name].about}")
        try:
            results = BENCHES[name].load()(options)
        except (Broken, KeeperError) as error:
            print(f"{name} could not be measured: {error}", file=sys.stderr)
            failed = True
            continue
        except Exception:  # noqa: BLE001 - one benchmark that breaks must not lose the figures of the others
            traceback.print_exc()
            print(f"{name} could not be measured: see above", file=sys.stderr)
            failed = True
            continue
        for result in results:
            _say(result.line())
            documents.append(result.document())
        _say("")
    if asked.json:
        _say(json.dumps(documents))
    return 1 if failed else 0


def _parse(argv: Sequence[str]) -> argparse.Namespace:
    listing = "\n".join(f"  {name:<20} {entry.about}" for name, entry in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measures the keeper against named peers in the same run. Read ratios, not milliseconds.",
        epilog=f"benchmarks:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="which ones; all when left out")
    parser.add_argument("--json", action="store_true", help="print one JSON list as the last line")
    parser.add_argument(
        "--trials", type=_positive, help="so many trials each instead of the usual number, for a quick look"
    )
    parser.add_argument("--rows", type=_positive, help="records of the large log of audit-query-grows, from 100,000 on")
    asked = parser.parse_args(argv)
    for name in asked.names:
        if name not in BENCHES:
            parser.error(f"there is no benchmark {name!r}; there are: {', '.join(BENCHES)}")
    return asked


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
