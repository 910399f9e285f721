"""The chain section: roles, plain HTTP, quorum, backfill and lag, and both sides of each boundary."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keeper.config.chain import DEFAULT_QUORUM
from keeper.config.schema import json_schema
from keeper.domain.testimony import Otherwise, QuorumPolicy
from keeper.domain.verdict import Severity

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Edit, Load

pytestmark = pytest.mark.unit

END = "  confirmations: 1\n"
VERIFY = '    - {url: "ws://127.0.0.1:8546", role: verify}\n'
VERIFY_TOO = '    - {url: "https://node.example/rpc", role: verify}\n'


def chain(*lines: str) -> Edit:
    """More lines at the end of the endpoints, or of the section."""
    return END, "".join(lines) + END


def test_load__no_verify_endpoint__asks_nobody(load_good: Load) -> None:
    config = load_good()
    assert config.chain.quorum == {}
    assert (config.chain.backfill, config.chain.lag_blocks, config.chain.rehearse) == (64, 3, 8)


def test_load__verify_endpoint_and_nothing_else__is_two_that_agree_or_hold_for_every_severity(load_good: Load) -> None:
    config = load_good(chain(VERIFY))
    assert config.chain.quorum == dict.fromkeys(Severity, DEFAULT_QUORUM)
    assert QuorumPolicy(2, 500, Otherwise.HOLD) == DEFAULT_QUORUM


def test_load__quorum_written_out__replaces_the_default_of_that_severity_only(load_good: Load) -> None:
    written = "  quorum: {critical: {agree: 3, deadline: 250ms, otherwise: act}, info: {agree: 1}}\n"
    quorum = load_good(chain(VERIFY, VERIFY_TOO, written)).chain.quorum
    assert quorum[Severity.CRITICAL] == QuorumPolicy(3, 250, Otherwise.ACT)
    assert quorum[Severity.INFO] == QuorumPolicy(1, 500, Otherwise.HOLD)
    assert quorum[Severity.WARNING] == DEFAULT_QUORUM


def test_load__roles__in_the_order_of_the_file(load_good: Load) -> None:
    more = '    - {url: "http://127.0.0.1:8547", role: primary}\n    - {url: "https://send.example", role: broadcast}\n'
    config = load_good(chain(VERIFY, more))
    assert [one.url.reveal() for one in config.chain.primaries] == ["ws://127.0.0.1:8545", "http://127.0.0.1:8547"]
    assert config.chain.primary == config.chain.primaries[0]
    assert [one.url.reveal() for one in config.chain.verifiers] == ["ws://127.0.0.1:8546"]
    assert [one.url.reveal() for one in config.chain.broadcasters][-1] == "https://send.example"


def test_load__backfill_and_lag__as_written(load_good: Load) -> None:
    config = load_good(chain("  backfill: 0\n  lag: 1 block\n"))
    assert (config.chain.backfill, config.chain.lag_blocks) == (0, 1)


@pytest.mark.parametrize(
    "line",
    [
        "  backfill: 1024\n",
        "  rehearse: 0\n",
        "  rehearse: 50\n",
        "  lag: 1000 blocks\n",
        "  quorum: {critical: {deadline: 10ms}}\n",
        "  quorum: {critical: {deadline: 30s}}\n",
    ],
)
def test_load__at_the_boundary__is_taken(line: str, load_good: Load) -> None:
    load_good(chain(VERIFY, line))


def test_load__agree_as_many_as_there_are__is_taken(load_good: Load) -> None:
    config = load_good(chain(VERIFY, VERIFY_TOO, "  quorum: {critical: {agree: 3}}\n"))
    assert config.chain.quorum[Severity.CRITICAL].agree == 3


REFUSED: dict[str, tuple[Edit, str, str]] = {
    "more than there are": (
        chain(VERIFY, "  quorum: {critical: {agree: 3}}\n"),
        "chain.quorum.critical.agree",
        "3 endpoints cannot agree: there are 2",
    ),
    "quorum without anybody to ask": (
        chain("  quorum: {critical: {agree: 2}}\n"),
        "chain.quorum.critical.agree",
        "there is no verify endpoint",
    ),
    "default of two without anybody to ask": (
        chain("  quorum: {critical: {deadline: 1s}}\n"),
        "chain.quorum.critical.agree",
        "there is no verify endpoint",
    ),
    "nobody agrees": (chain(VERIFY, "  quorum: {info: {agree: 0}}\n"), "chain.quorum.info.agree", "too small"),
    "deadline too short": (
        chain(VERIFY, "  quorum: {info: {deadline: 9ms}}\n"),
        "chain.quorum.info.deadline",
        "too short",
    ),
    "deadline too long": (
        chain(VERIFY, "  quorum: {info: {deadline: 30001ms}}\n"),
        "chain.quorum.info.deadline",
        "an action cannot wait so long",
    ),
    "deadline in blocks": (
        chain(VERIFY, "  quorum: {info: {deadline: 1 block}}\n"),
        "chain.quorum.info.deadline",
        "a time is needed",
    ),
    "otherwise nothing": (
        chain(VERIFY, "  quorum: {info: {otherwise: wait}}\n"),
        "chain.quorum.info.otherwise",
        "not one of the words",
    ),
    "unknown severity": (chain(VERIFY, "  quorum: {fatal: {agree: 2}}\n"), "chain.quorum.fatal", "unknown key"),
    "backfill below 0": (chain("  backfill: -1\n"), "chain.backfill", "too small"),
    "backfill of 1025": (chain("  backfill: 1025\n"), "chain.backfill", "too large"),
    "rehearse below 0": (chain("  rehearse: -1\n"), "chain.rehearse", "too small"),
    "rehearse of 51": (chain("  rehearse: 51\n"), "chain.rehearse", "too large"),
    "lag of nothing": (chain("  lag: 0 blocks\n"), "chain.lag", "too small"),
    "lag of 1001": (chain("  lag: 1001 blocks\n"), "chain.lag", "too large"),
    "lag as a time": (chain("  lag: 30s\n"), "chain.lag", "this is a time"),
    "lag without a unit": (chain("  lag: 3\n"), "chain.lag", "not a number of blocks"),
    "node twice": (
        chain('    - {url: "ws://127.0.0.1:8545", role: verify}\n'),
        "chain.endpoints[2].url",
        "this node is there twice",
    ),
    **{
        f"node twice, as {again}": (
            chain(f'    - {{url: "{again}", role: verify}}\n'),
            "chain.endpoints[2].url",
            "this node is there twice",
        )
        for again in (
            "http://127.0.0.1:8545",
            "ws://127.0.0.1:8545/",
            "WS://127.0.0.1:8545",
            "ws://localhost:8545",
            "ws://LOCALHOST.:8545",
            "ws://127.1:8545",
            "ws://user:word@127.0.0.1:8545",
            "ws://127.0.0.1:8545?key=1",
            "ws://127.0.0.1:08545",
        )
    },
    "primary twice": (
        chain('    - {url: "ws://127.0.0.1:8545", role: primary}\n'),
        "chain.endpoints[2].url",
        "this node is there twice",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_check__one_mistake__one_problem_at_its_place(case: str, broken: Break) -> None:
    edit, path, message = REFUSED[case]
    (problem,) = broken(edit)
    assert problem.path == path
    assert message in problem.message


def test_check__broadcast_through_a_primary__is_allowed(load_good: Load) -> None:
    load_good(chain('    - {url: "ws://127.0.0.1:8545", role: broadcast}\n'))


def test_check__broken_endpoint__does_not_make_the_quorum_wrong_too(broken: Break) -> None:
    problems = broken(chain('    - {url: "gopher://x", role: verify}\n', "  quorum: {critical: {agree: 3}}\n"))
    assert [problem.path for problem in problems] == ["chain.endpoints[2].url"]


def test_schema__chain__has_the_policies_with_their_defaults() -> None:
    properties = json_schema()["properties"]
    assert isinstance(properties, dict)
    section = properties["chain"]["properties"]  # type: ignore[index, call-overload]
    critical = section["quorum"]["properties"]["critical"]["properties"]  # type: ignore[index, call-overload]
    assert critical["agree"]["default"] == 2  # type: ignore[index, call-overload]
    assert critical["deadline"]["default"] == "500ms"  # type: ignore[index, call-overload]
    assert section["lag"]["default"] == "3 blocks"  # type: ignore[index, call-overload]
