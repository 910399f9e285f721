"""Checks a reviewed file of breakers, or fills in the calldata from its readable form. Asks no node.

Run: .venv/bin/python -m scripts.breaker_params check scripts/deploy_params/31337.json
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from keeper.domain.breaker_registration import Side
from keeper.domain.errors import ConfigurationError, SetupError
from scripts.breaker_artifact import compiled
from scripts.breaker_file import fill, load
from scripts.breaker_limits import duration
from scripts.breaker_model import ZERO, Bound, Breaker, Params
from scripts.breaker_record import FOLDER, known

OK, BAD = 0, 2
LOCAL_CHAIN = 31337


def summary(params: Params) -> list[str]:
    """What a reviewer should nod to: one line for each thing that the file grants."""
    lines = [
        f"{params.name} on chain {params.chain_id}, sha256 {params.sha256}",
        f"  council {params.council}, guardian {'nobody' if params.guardian == ZERO else params.guardian}",
        f"  keepers {', '.join(params.keepers)}; silent after {duration(params.silence_limit_s)}",
    ]
    for one in params.breakers:
        lines += [f"  {one.name}: {one.call.text} on {one.target}" + _through(one), f"    {_worst(one)}"]
        lines += [f"    {_chosen(bound, number)}" for number, bound in enumerate(one.bounds)]
        lines.append(f"    taken back by {one.undo.text}")
    lines += [f"  right to be given by {right.by}: {right.text} on {right.target}" for right in params.rights]
    return lines


def problems(error: ConfigurationError) -> list[str]:
    """Each problem on a line of its own, with what to do."""
    return [f"{one.path}: {one.message}" + (f" -> {one.hint}" if one.hint else "") for one in error.problems]


def _through(one: Breaker) -> str:
    return "" if one.safe == ZERO else f", as a module of the Safe {one.safe}"


def _worst(one: Breaker) -> str:
    """What whoever has the keys can do at worst, as the contract's own text says it."""
    longest = min(one.budget * one.duration_s, one.window_s)
    who = "one keeper" if one.required == 1 else f"{one.required} keepers together"
    share = f"{100 * longest / one.window_s:.0f} % of it"
    return (
        f"{who}, {one.budget} times in {duration(one.window_s)}, {duration(one.duration_s)} each: at most {share}; "
        f"rest {duration(one.cooldown_s)}, lock after a lift {duration(one.lock_s)}"
    )


def _chosen(bound: Bound, number: int) -> str:
    if bound.side is Side.KEPT:
        return f"argument {bound.word}: written back as it is"
    return (
        f"argument {bound.word} (bound {number}): {bound.side.name.lower()} than {bound.view.text} by at most "
        f"{bound.max_step_bps / 100:g} % a trip, from {bound.minimum} to {bound.maximum}"
    )


def check(path: Path, out: Path | None, deployer: bool) -> int:
    """Says what the file grants. With ``deployer`` that goes to the error output, and the deployer's address alone to the output.

    Raises ConfigurationError with everything that is wrong.
    """
    params = load(path)
    said = sys.stderr if deployer else sys.stdout
    print("\n".join(summary(params)), file=said)
    try:
        address = params.address(compiled(out).creation)
    except SetupError as error:
        print(f"  its address is not known yet: {error.message}", file=said)
    else:
        print(f"  its address, by this file and the contract as compiled: {address}", file=said)
        recorded = known(FOLDER / f"{params.chain_id}.json")
        if recorded and recorded[0] != address:
            print(f"  another one is recorded: {recorded[0]}; what changes there is the council's to do", file=said)
            if deployer and params.chain_id != LOCAL_CHAIN:
                print("nothing was deployed: to deploy a second contract, move the record away", file=sys.stderr)
                return BAD
    if deployer:
        print(params.deployer)
    return OK


def write(path: Path) -> int:
    """Fills the calldata in."""
    text = fill(path)
    changed = text.encode("utf-8") != path.read_bytes()
    if changed:
        path.write_text(text, encoding="utf-8")
    print(f"{path}: {'the calldata was written; review it' if changed else 'nothing to change'}")
    return OK


def main(arguments: list[str] | None = None) -> int:
    """0 the file is good, 2 it is not."""
    parser = argparse.ArgumentParser(
        prog="scripts.breaker_params",
        description="Checks a reviewed file of breakers. What each field means: scripts/deploy_params/README.md.",
    )
    commands = parser.add_subparsers(dest="command", required=True)
    text = "hold every value against the contract's limits, and every calldata against its readable form"
    checking = commands.add_parser("check", help=text, description=text)
    checking.add_argument("file", type=Path)
    checking.add_argument("--out", type=Path, help="forge's folder of compiled contracts (default: out)")
    checking.add_argument("--deployer", action="store_true", help="answer with the deployer alone, for scripts")
    text = "write every calldata from its readable form; everything else stays as it is"
    commands.add_parser("fill", help=text, description=text).add_argument("file", type=Path)
    options = parser.parse_args(arguments)
    try:
        return check(options.file, options.out, options.deployer) if options.command == "check" else write(options.file)
    except ConfigurationError as error:
        print("\n".join(f"{options.file}: {line}" for line in problems(error)), file=sys.stderr)
    except SetupError as error:
        print(f"{error.message}; {error.remedy}", file=sys.stderr)
    return BAD


if __name__ == "__main__":
    sys.exit(main())
