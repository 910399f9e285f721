"""What is shown about the contracts beyond their tests: proofs, findings, coverage, gas. docs/contracts-proofs.md tells of each.

python -m scripts.prove               all of them
python -m scripts.prove symbolic      one or more of: symbolic, findings, coverage, gas
python -m scripts.prove write-gas     measure gas anew and write it down

Everything that is made lies in .prove/. Nothing here reaches the network.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts import prove_coverage, prove_findings

ROOT = Path(__file__).resolve().parent.parent
MADE = ROOT / ".prove"
TOOLS = MADE / "venv" / "bin"
FORGE = ROOT / "scripts" / "forge"
FINDINGS = ROOT / "tests" / "solidity" / "findings.toml"
UNCOVERED = ROOT / "tests" / "solidity" / "uncovered.toml"
GAS = ROOT / "tests" / "solidity" / "gas.json"
GAS_TESTS = "tests/solidity/Gas.t.sol"

COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class NotProven(Exception):
    """One part did not come out as it must; the lines say what and where."""


def environment(part: str, **more: str) -> dict[str, str]:
    """The caller's environment, forge's results going to ``part``'s own folder: slither runs `forge clean`, which must not
    reach the set-up's. HOME too: the tools would otherwise make folders of their own in the user's.
    """
    words = {name: value for name, value in os.environ.items() if not name.startswith(("FOUNDRY_", "FORGE_"))}  # noqa: TID251
    home = MADE / "home"
    home.mkdir(parents=True, exist_ok=True)
    words |= {
        "HOME": str(home),
        "PATH": os.pathsep.join([str(TOOLS), str(FORGE.parent), words.get("PATH", "")]),
        "VIRTUAL_ENV": str(TOOLS.parent),
        "FOUNDRY_OUT": f".prove/{part}/out",
        "FOUNDRY_CACHE_PATH": f".prove/{part}/cache",
        "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
        "NO_COLOR": "1",
    }
    return words | more


def run(part: str, *command: str | Path, **more: str) -> tuple[int, str]:
    """Exit code and everything said; the output is kept in .prove/<part>.log."""
    MADE.mkdir(exist_ok=True)
    done = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=environment(part, **more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (MADE / f"{part}.log").write_text(done.stdout)
    return done.returncode, done.stdout


def last_lines(output: str, count: int = 40) -> str:
    return "\n".join(COLOUR.sub("", output).rstrip().splitlines()[-count:])


# ---------------------------------------------------------------------------------------------------------- the parts


def symbolic() -> str:
    """halmos proves every `check_` function."""
    report = MADE / "halmos.json"
    report.unlink(missing_ok=True)
    # What a removed file left would be proved again.
    shutil.rmtree(MADE / "symbolic" / "out", ignore_errors=True)
    options = ["--forge-build-out", ".prove/symbolic/out", "--no-status", "--json-output"]
    code, output = run("symbolic", TOOLS / "halmos", *options, report, FOUNDRY_PROFILE="symbolic")
    if code != 0 or not report.is_file():
        raise NotProven(f"halmos ended with {code}\n{last_lines(output)}")
    proofs = judge_proofs(json.loads(report.read_text()))
    return f"{proofs} properties proved for every input"


def judge_proofs(report: dict[str, Any]) -> int:
    """How many properties are proved. Raises NotProven for those that failed, or hold only as far as loops were followed."""
    proofs = [(contract, each) for contract, tests in report["test_results"].items() for each in tests]
    wrong = []
    for contract, each in proofs:
        name = f"{contract.rpartition(':')[2]}.{each['name']}"
        if each["exitcode"] != 0:
            wrong.append(f"{name}: not proved")
        elif each["num_bounded_loops"]:
            wrong.append(f"{name}: a loop was not followed to its end: raise it with `@custom:halmos --loop N`")
        elif each["num_paths"] and each["num_paths"][1] == 0:
            wrong.append(f"{name}: no path reaches the end, so nothing was shown")
    if not proofs:
        wrong.append("there is nothing to prove")
    if wrong:
        raise NotProven("\n".join(wrong))
    return len(proofs)


def findings() -> str:
    """slither finds nothing that is not answered."""
    report = MADE / "slither.json"
    report.unlink(missing_ok=True)
    options = ["--foundry-out-directory", ".prove/findings/out", "--filter-paths", "node_modules|tests/", "--fail-none"]
    code, output = run("findings", TOOLS / "slither", ".", *options, "--json", report)
    if code != 0 or not report.is_file():
        raise NotProven(f"slither ended with {code}\n{last_lines(output)}")
    try:
        found = prove_findings.read_report(json.loads(report.read_text()))
        wrong = prove_findings.complaints(found, prove_findings.read_answers(FINDINGS.read_text("utf-8")))
    except (prove_findings.BadAnswers, prove_findings.SlitherFailed) as error:
        raise NotProven(str(error)) from None
    if wrong:
        raise NotProven("\n".join(wrong))
    return f"{len(found)} findings, each answered in {FINDINGS.relative_to(ROOT)}"


def coverage() -> str:
    """Every line and branch of the contracts runs in the forge tests."""
    report = MADE / "lcov.info"
    report.unlink(missing_ok=True)
    # Code that counts its lines is not optimised: what it costs says nothing, so the tests of gas stay out.
    gas = ("--no-match-path", "tests/solidity/{,breaker/}Gas.t.sol")
    code, output = run("coverage", FORGE, "coverage", "--report", "lcov", "--report-file", report, *gas)
    if code != 0 or not report.is_file():
        raise NotProven(f"forge coverage ended with {code}\n{last_lines(output)}")
    lcov, sources = report.read_text("utf-8"), prove_coverage.solidity(ROOT)
    try:
        answers = prove_coverage.read_answers(UNCOVERED.read_text("utf-8"))
    except prove_coverage.BadAnswers as error:
        raise NotProven(str(error)) from None
    wrong = prove_coverage.complaints(lcov, sources, answers)
    if wrong:
        raise NotProven("\n".join(wrong))
    lines, branches = prove_coverage.totals(lcov, sources)
    answered = answers.allowed.total()
    return f"{lines} lines and {branches} branches of contracts/ ran" + (
        f", but {answered} with a reason" * (answered > 0)
    )


def gas(write: bool = False) -> str:
    """What the calls cost is what was written down, to the unit."""
    measured = measure_gas()
    if write:
        GAS.write_text(json.dumps(measured, indent=2) + "\n", "utf-8")
        return f"{len(measured)} calls written to {GAS.relative_to(ROOT)}"
    wrong = compare_gas(measured, json.loads(GAS.read_text("utf-8")) if GAS.is_file() else {})
    if wrong:
        raise NotProven(
            "\n".join([*wrong, "`make gas` writes the new numbers; the difference is there to be reviewed"])
        )
    return f"{len(measured)} calls cost what was written down"


def measure_gas() -> dict[str, int]:
    """Gas of each call that Gas.t.sol names, in its own order of names."""
    folder = MADE / "gas" / "snapshots"
    shutil.rmtree(folder, ignore_errors=True)
    # forge's own check lets numbers pass that are missing on one side, so it only measures here; in the folder of the
    # tests, where everything is compiled already.
    switches = {
        "FOUNDRY_SNAPSHOTS": ".prove/gas/snapshots",
        "FOUNDRY_OUT": "out",
        "FOUNDRY_CACHE_PATH": "cache",
        "FORGE_SNAPSHOT_EMIT": "true",
        "FORGE_SNAPSHOT_CHECK": "false",
    }
    code, output = run("gas", FORGE, "test", "--match-path", GAS_TESTS, **switches)
    if code != 0:
        raise NotProven(f"forge ended with {code}\n{last_lines(output)}")
    measured = {
        f"{path.stem}: {name}": int(value)
        for path in sorted(folder.glob("*.json"))
        for name, value in json.loads(path.read_text("utf-8")).items()
    }
    if not measured:
        raise NotProven(f"{GAS_TESTS} measured nothing")
    return measured


def compare_gas(measured: dict[str, int], written: dict[str, int]) -> list[str]:
    """What differs, one line each."""
    wrong = []
    for name in sorted(measured.keys() | written.keys()):
        now, before = measured.get(name), written.get(name)
        if now is None:
            wrong.append(f"{name}: written down, and not measured any more")
        elif before is None:
            wrong.append(f"{name}: {now} gas, not written down")
        elif now != before:
            wrong.append(f"{name}: {now} gas, {now - before:+d}")
    return wrong


PARTS: dict[str, Callable[[], str]] = {
    "symbolic": symbolic,
    "findings": findings,
    "coverage": coverage,
    "gas": gas,
    "write-gas": lambda: gas(write=True),
}
ALL = ["symbolic", "findings", "coverage", "gas"]


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="make prove", description="Shows what holds about the contracts.")
    parser.add_argument("part", nargs="*", choices=[*PARTS, []], help="one or more of them; all when left out")
    failed = False
    for part in parser.parse_args(words).part or ALL:
        began = time.monotonic()
        try:
            verdict = PARTS[part]()
        except NotProven as error:
            failed = True
            verdict = f"NOT SHOWN\n{error}\n  the whole output is in .prove/{part.removeprefix('write-')}.log"
        print(f"  {part} ({time.monotonic() - began:.0f} s): {verdict}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
