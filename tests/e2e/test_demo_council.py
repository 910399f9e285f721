"""``keeper demo --scenario council --keep`` as a newcomer runs it: its text, its page and its commands."""

from __future__ import annotations

import re
import shlex
import signal
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from tests.support.demo_text import commands, too_wide
from tests.support.forked_keeper import forked_keeper
from tests.support.keeper_process import Running

pytestmark = pytest.mark.e2e

TOLD = (
    "council    Safe 1.4.1 at 0x",
    "Ada has made the keeper a delegate",
    "TRIPPED",
    "read back",
    "`keeper restore CONFIG ETH-PERP@",
    "true now -> false",
    "by the keeper, in the name of Ada",
    "rule oracle-divergence of ETH-PERP tripped",
    "eth_simulateV1",
    "0 of 2",
    "message hash  0x",
    "ALARM     to: we proposed 0x",
    "no signature is taken",
    "by Ada: 1 of 2",
    "by Ben: 2 of 2, enough",
    "by Cleo, who pays the gas",
    "read back paused(bytes32)(bool) is false",
    "ExecutionSuccess",
    "Proven",
    "in a browser",
)


async def test_demo__council_kept__tells_the_story_and_its_page_and_commands_work(tmp_path: Path) -> None:
    async with Running(["demo", "--scenario", "council", "--keep"], tmp_path, cwd=tmp_path) as run:
        await run.says(r"verify[\s\\]+--on-chain")
        said = [run.out.index(word) for word in TOLD]
        assert said == sorted(said)
        assert too_wide(run.out) == []
        show, page, queue, delegates, status, on_chain = commands(run.out)
        assert fetched(status.strip()).status_code == 200
        safe_tx_hash = re.findall(r"/proposals/(0x[0-9a-f]{64})", page)[0]
        answer = fetched(page.strip())
        assert answer.status_code == 200
        assert "Put back what the keeper changed" in answer.text
        incident = fetched(urljoin(page.strip(), re.findall(r'href="(/incidents/[^"]+)"', answer.text)[-1]))
        assert "Block by block" in incident.text
        assert f'href="/proposals/{safe_tx_hash}"' in incident.text
        for command, words in (
            (show, "Executed"),
            (queue, "nothing waits for the owners"),
            (delegates, "for Ada"),
            (on_chain, "1 execution, 1 nonce as the log tells"),
        ):
            assert words in typed_in(command, tmp_path), command
        assert safe_tx_hash.startswith(shlex.split(show.replace("\\\n", ""))[-1])
        assert await run.end(signal.SIGINT) == 130
        assert run.err == ""
        with pytest.raises(httpx.ConnectError):
            fetched(page.strip())


def fetched(url: str) -> httpx.Response:
    """The page as it is now."""
    with httpx.Client(trust_env=False) as client:
        return client.get(url)


def typed_in(command: str, here: Path) -> str:
    """What the printed command says, run in that folder; it must not fail."""
    _, *words = shlex.split(command.replace("\\\n", ""))
    done = forked_keeper(*words, cwd=here)
    assert done.code == 0, f"{command}\n{done.out}{done.err}"
    return done.out
