"""Reads a deployed CircuitBreaker back from the chain and holds it against its reviewed file.

Run: .venv/bin/python -m scripts.verify_breaker 31337 --rpc-url http://127.0.0.1:8545 --fork
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from keeper.domain.errors import ConfigurationError, KeeperError, OutsideError, SetupError, WrongChain
from scripts.breaker_artifact import Compiled, compiled
from scripts.breaker_chain import Chain, errors_of
from scripts.breaker_file import load
from scripts.breaker_model import Params
from scripts.breaker_params import problems
from scripts.breaker_readback import Finding, Mark, Place, compare, deployed_block
from scripts.breaker_record import FOLDER, known, record_of, write
from scripts.breaker_rehearsal import Rehearsed, forked, rehearse

GOOD, DIFFERENT, USAGE, OUTSIDE = 0, 1, 2, 3
PARAMS = Path(__file__).resolve().parent / "deploy_params"
_EPILOG = """
The address is the one of scripts/deployments/<chain>.json, and before that is written the one that follows from the file
and the compiled contract. --fork starts a local fork and lets a keeper trip each breaker there, waits until the trip has
expired, and looks whether everything is as before; where rights are missing it tries again with those of the file.

exit code: 0 all as in the file (read the warnings: they say when it is not in force yet), 1 something differs,
2 usage or a bad file, 3 the node could not be asked
"""


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    """The command line. ETH_RPC_URL stands in for --rpc-url, which other users of the machine can see."""
    parser = argparse.ArgumentParser(
        prog="scripts.verify_breaker",
        description=(__doc__ or "").splitlines()[0],
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("chain", help="the chain's id: scripts/deploy_params/<chain>.json is the file; or a path")
    parser.add_argument("--rpc-url", default=os.environ.get("ETH_RPC_URL", ""), help="the node (or ETH_RPC_URL)")  # noqa: TID251
    parser.add_argument(
        "--fork",
        nargs="?",
        const="auto",
        metavar="URL",
        help="rehearse each breaker on a fork, of URL or of the same node",
    )
    parser.add_argument("--address", help="the contract, when it is neither recorded nor where the file says")
    parser.add_argument("--from-block", type=int, help="the block that deployed it, when the node cannot tell")
    parser.add_argument("--out", type=Path, help="forge's folder of compiled contracts (default: out)")
    parser.add_argument(
        "--record", type=Path, help="where to write what was read (default: scripts/deployments/<chain>.json)"
    )
    options = parser.parse_args(arguments)
    if not options.rpc_url:
        parser.error("name the node: --rpc-url, or ETH_RPC_URL")
    return options


def verify(options: argparse.Namespace) -> int:
    """Everything, said line by line; the record is written when nothing failed. Raises KeeperError."""
    path = PARAMS / f"{options.chain}.json" if options.chain.isdecimal() else Path(options.chain)
    params, contract = load(path), compiled(options.out)
    record = options.record or FOLDER / f"{params.chain_id}.json"
    place = find(options, params, contract, record)
    print(f"{params.name}: {place.address} on chain {params.chain_id}, block {place.block}")
    findings = compare(place, params, contract)
    show(findings)
    rehearsed = None
    if options.fork:
        rehearsed = rehearsal(options, place, params)
        show(list(rehearsed.findings))
        findings += rehearsed.findings
    if failed := [one for one in findings if one.mark is Mark.FAIL]:
        print(f"{len(failed)} of {len(findings)} things are not as in the file; nothing was recorded")
        return DIFFERENT
    write(record, record_of(place, params, rehearsed))
    print(f"recorded in {record.name}: {verdict(findings, rehearsed)}")
    return GOOD


def find(options: argparse.Namespace, params: Params, contract: Compiled, record: Path) -> Place:
    """The contract and the block that deployed it. Raises WrongChain, or SetupError when there is none."""
    chain = Chain(options.rpc_url, errors_of(contract.abi))
    if (served := chain.chain_id()) != params.chain_id:
        raise WrongChain(f"the node serves chain {served}, the file is for {params.chain_id}")
    newest = chain.block()
    recorded = known(record)
    computed = params.address(contract.creation)
    address = options.address or which(chain, recorded[0] if recorded else computed, computed)
    if not chain.code(address, newest):
        raise SetupError(
            f"there is no contract at {address} on chain {served}", remedy="deploy it: scripts/deploy_breaker"
        )
    # the chain is asked before the record is believed: a block too late would hide what was registered before it
    first = options.from_block or deployed_block(chain, address, newest)
    if first is None and recorded and recorded[0] == address:
        first = recorded[1]
    if first is None:
        raise SetupError(
            "the node does not keep states old enough to tell when the contract was deployed",
            remedy="give its block with --from-block (an explorer shows it), or ask an archive node",
        )
    return Place(chain, address, first, newest)


def which(chain: Chain, recorded: str, computed: str) -> str:
    """The one of these two that is there. Raises SetupError when both are, as after a change of the file's name or guardian."""
    there = [one for one in dict.fromkeys((recorded, computed)) if chain.code(one)]
    if len(there) > 1:
        raise SetupError(
            f"there are two contracts: {recorded} as recorded, {computed} by the file", remedy="choose with --address"
        )
    return there[0] if there else computed


def rehearsal(options: argparse.Namespace, place: Place, params: Params) -> Rehearsed:
    """The happy paths on a fork."""
    url = options.rpc_url if options.fork == "auto" else options.fork
    with forked(url, place, params.chain_id) as fork:
        return rehearse(fork, params)


def show(findings: list[Finding]) -> None:
    """One line for each, and what to do."""
    for one in findings:
        print(f"{one.mark.value:<4}  {one.message}" + (f"\n      -> {one.remedy}" if one.remedy else ""))


def verdict(findings: list[Finding], rehearsed: Rehearsed | None) -> str:
    """The last line."""
    if any("NOT IN FORCE" in one.remedy for one in findings):
        return "all as in the file, and NOT IN FORCE yet: see the warnings"
    return "all as in the file" + (", and every breaker works" if rehearsed else "; --fork would show that it works")


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    try:
        return verify(options_of(arguments))
    except ConfigurationError as error:
        print("\n".join(problems(error)), file=sys.stderr)
        return USAGE
    except KeeperError as error:
        print(error.message + (f"\n  -> {error.remedy}" if error.remedy else ""), file=sys.stderr)
        return OUTSIDE if isinstance(error, OutsideError) else USAGE


if __name__ == "__main__":
    sys.exit(main())
