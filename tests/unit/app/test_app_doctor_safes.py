"""The doctor at a Safe and its service: each thing that does not fit is told with its remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from keeper.app.doctor import Check, Health, safe_service, safes
from keeper.app.readiness_keys import FEE_MARGIN, GAS_GUESS
from keeper.config.model import ProposeAs, SafeRoute
from keeper.config.secret import Secret
from keeper.domain.address import checksum_address
from keeper.domain.block import BlockStamp
from keeper.domain.errors import MalformedAnswer, OutsideError, Refused, Unreachable
from keeper.domain.multisend import MULTI_SEND_CALL_ONLY
from keeper.domain.proposal import Delegate, Queued, SafeState, ServedSafe
from keeper.domain.safe import ZERO_ADDRESS, SafeTransaction
from keeper.ports.council import QueuePage, Skipped
from tests.support.source_fakes import ManualClock

pytestmark = pytest.mark.unit

NOW_MS = 1_772_366_400_000
SAFE, KEY, ADA, BEN, CAROL = (checksum_address(bytes([number]) * 20) for number in (0x5A, 0x11, 0xA1, 0xA2, 0xA3))
HEAD = BlockStamp(7, "0x" + "07" * 32, "0x" + "06" * 32, 1_700_000_000, 90)
STATE = SafeState(1, SAFE, "1.4.1", (ADA, BEN), 2, 4, (), ZERO_ADDRESS, ZERO_ADDRESS, 7)
NEEDED = GAS_GUESS * (90 + 10) * FEE_MARGIN


class Node:
    code_there = b"\x60"
    balance = NEEDED

    async def code(self, _: str) -> bytes:
        return self.code_there

    async def account(self, _: str) -> tuple[int, int]:
        return 0, self.balance

    async def priority_fee_wei(self) -> int:
        return 10


class Service:
    """Everything fits, until a test changes it; an error among the answers is raised."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "chain_id": 1,
            "safe": ServedSafe((BEN, ADA), 2, 4),
            "delegates": [Delegate(KEY, ADA, "keeper", None)],
            "queue": QueuePage(()),
        }
        self.closed = False

    def _say(self, what: str) -> Any:
        answer = self.answers[what]
        if isinstance(answer, OutsideError):
            raise answer
        return answer

    async def chain_id(self) -> int:
        return int(self._say("chain_id"))

    async def safe(self, safe: str) -> Any:
        assert safe == SAFE
        return self._say("safe")

    async def delegates(self, safe: str, owners: Sequence[str]) -> Any:
        assert (safe, tuple(owners)) == (SAFE, STATE.owners)
        return self._say("delegates")

    async def queue(self, safe: str, since_nonce: int) -> Any:
        assert (safe, since_nonce) == (SAFE, STATE.nonce)
        return self._say("queue")

    async def close(self) -> None:
        self.closed = True


class Scene:
    """What the doctor looks at."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.node, self.service, self.state = Node(), Service(), STATE
        self.head: BlockStamp | str = HEAD
        self.trouble: OutsideError | None = None
        self.sender: str | None = KEY
        self.route = SafeRoute(
            name="council", address=SAFE, service=Secret("https://user:pass@safe.example"), service_shown="https://safe.example",
            api_key=Secret("a-secret"), propose_as=ProposeAs.DELEGATE, execute=False, files=str(tmp_path / "proposals"), remind_ms=1, escalate_ms=1,
            web="", members={ADA: "Ada", BEN: "Ben"}, multisend=MULTI_SEND_CALL_ONLY["1.4.1"],
        )  # fmt: skip
        monkeypatch.setattr(safes, "SafeReader", lambda *_: SimpleNamespace(state=self._state))
        monkeypatch.setattr(safe_service, "SystemClock", lambda: ManualClock(NOW_MS))
        monkeypatch.setattr(safe_service, "open_service", lambda route, *_: self.service if route.service else None)

    async def _state(self, block: BlockStamp) -> SafeState:
        assert block == HEAD
        if self.trouble is not None:
            raise self.trouble
        return self.state

    async def found(self) -> dict[str, Check]:
        """By the last word of their names; ``council`` is the Safe itself."""
        config: Any = SimpleNamespace(path="keeper.yaml", chain=SimpleNamespace(id=1), routes=(self.route,))
        node: Any = self.node
        checks = [check async for check in safes.examine_safes(config, node, self.head, self.sender)]
        for check in checks:
            assert check.remedy or check.health is Health.OK
            assert "pass@" not in repr(check)
            assert "a-secret" not in repr(check)
        assert self.service.closed or self.route.service is None
        return {check.name.split()[-1]: check for check in checks}

    async def only(self, name: str, health: Health) -> Check:
        """The one check that is not ok."""
        bad = {each: check for each, check in (await self.found()).items() if check.health is not Health.OK}
        assert list(bad) == [name], bad
        assert bad[name].health is health
        return bad[name]


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


def queued(nonce: int, *, ago_ms: int = 0, claimed: str = "") -> Queued:
    transaction = SafeTransaction(1, SAFE, nonce, ADA)
    return Queued(transaction, claimed or transaction.hash_text, submitted_ms=NOW_MS - ago_ms)


# -- the Safe on the chain ----------------------------------------------------------------------------------------------------


async def test_safe__everything_fits__is_ok(scene: Scene) -> None:
    scene.route = replace(scene.route, execute=True)
    found = await scene.found()
    assert {check.health for check in found.values()} == {Health.OK}
    assert list(found) == [
        "council", "members", "modules", "batches", "execution", "service", "key", "queue", "files",
    ]  # fmt: skip
    assert found["council"].message == f"{SAFE}, version 1.4.1, 2 of 2 owners sign (Ada, Ben), next nonce 4"
    assert "is a delegate of Ada" in found["key"].message


async def test_safe__no_head_no_safe_or_no_answer__fails_and_the_service_is_asked_all_the_same(scene: Scene) -> None:
    scene.head = "the primary endpoint is away"
    assert "not asked: the primary endpoint is away" in (await scene.only("council", Health.FAIL)).message
    scene.head = HEAD
    for trouble in (MalformedAnswer("no Safe"), Unreachable("no answer")):
        scene.trouble = trouble
        assert (await scene.only("council", Health.FAIL)).message == trouble.message
    assert "queue" not in await scene.found()


@pytest.mark.parametrize(("version", "good"), [("1.3.0", True), ("1.4.1+L2", True), ("1.1.1", False)])
async def test_safe__version__must_be_supported(scene: Scene, version: str, good: bool) -> None:
    scene.state = replace(STATE, version=version)
    found = (await scene.found())["council"]
    assert found.health is (Health.OK if good else Health.FAIL)
    assert good or "supported are 1.3.0 and 1.4.1" in found.remedy


async def test_members__strangers_and_owners_without_a_name__warn(scene: Scene) -> None:
    scene.route = replace(scene.route, members={ADA: "Ada", CAROL: "Carol"})
    message = (await scene.only("members", Health.WARN)).message
    assert message == f"no owner of this Safe: Carol ({CAROL}); owners without a name: {BEN}"


async def test_modules_and_guard__warn_with_what_they_can_do(scene: Scene) -> None:
    scene.state = replace(STATE, modules=(CAROL,))
    assert f"without its owners: {CAROL}" in (await scene.only("modules", Health.WARN)).message
    scene.state = replace(STATE, guard=CAROL)
    assert f"the guard {CAROL} can refuse" in (await scene.only("modules", Health.WARN)).message


async def test_batches__no_code_fails_and_an_unknown_library_warns(scene: Scene) -> None:
    scene.route = replace(scene.route, multisend=CAROL)
    assert "would run as the Safe" in (await scene.only("batches", Health.WARN)).message
    scene.node.code_there = b""
    assert "would do nothing" in (await scene.only("batches", Health.FAIL)).message


async def test_execution__needs_a_key_that_can_pay(scene: Scene) -> None:
    scene.node.balance = NEEDED - 1
    assert "execution" not in await scene.found(), "the owners execute"
    scene.route = replace(scene.route, execute=True)
    assert (await scene.only("execution", Health.FAIL)).remedy == f"send ETH to {KEY}"
    scene.sender = None
    found = await scene.found()
    assert (found["execution"].health, found["key"].health) == (Health.FAIL, Health.WARN)


async def test_files__a_folder_that_cannot_be_made__fails(scene: Scene, tmp_path: Path) -> None:
    assert "made when it is needed" in (await scene.found())["files"].message
    (tmp_path / "proposals").mkdir()
    assert (await scene.found())["files"].message == scene.route.files
    (tmp_path / "a-file").write_text("")
    scene.route = replace(scene.route, files=str(tmp_path / "a-file" / "proposals"))
    assert str(tmp_path / "a-file") in (await scene.only("files", Health.FAIL)).message


# -- its service --------------------------------------------------------------------------------------------------------------


async def test_service__none__files_only_and_the_key_of_an_owner_is_looked_at(scene: Scene) -> None:
    scene.route = replace(scene.route, service=None, service_shown="")
    assert "files only" in (await scene.only("service", Health.WARN)).message
    scene.route = replace(scene.route, propose_as=ProposeAs.OWNER)
    assert (await scene.found())["key"].health is Health.FAIL


@pytest.mark.parametrize(
    ("what", "answer", "message"),
    [
        ("chain_id", Unreachable("it does not answer"), "https://safe.example: it does not answer"),
        ("chain_id", 10, "serves chain 10, and the configuration says 1"),
        ("safe", None, "does not know the Safe"),
        ("safe", Refused("no", code=403), "https://safe.example: no"),
    ],
)
async def test_service__away_elsewhere_or_without_the_safe__fails(
    scene: Scene, what: str, answer: object, message: str
) -> None:
    scene.service.answers[what] = answer
    assert message in (await scene.only("service", Health.FAIL)).message
    assert "queue" not in await scene.found()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nonce": 3}, "its next nonce is 3 there and 4 on the chain"),
        ({"threshold": 1}, "1 owners must sign there and 2 on the chain"),
        ({"owners": (ADA,)}, f"the owners differ: {BEN}"),
    ],
)
async def test_service__says_otherwise_than_the_chain__warns(
    scene: Scene, change: dict[str, Any], message: str
) -> None:
    scene.service.answers["safe"] = replace(scene.service.answers["safe"], **change)
    assert message in (await scene.only("service", Health.WARN)).message


@pytest.mark.parametrize("told", [[], [Delegate(BEN, ADA, "", None)], [Delegate(KEY, CAROL, "", None)]])
async def test_key__no_delegate_of_an_owner__fails_with_the_command(scene: Scene, told: list[Delegate]) -> None:
    scene.service.answers["delegates"] = told
    remedy = (await scene.only("key", Health.FAIL)).remedy
    assert remedy == f"an owner runs: keeper council keeper.yaml delegate add {KEY}"


async def test_key__that_is_an_owners__is_right_only_where_it_is_meant(scene: Scene) -> None:
    scene.sender = ADA
    assert "which counts" in (await scene.only("key", Health.WARN)).message
    scene.route = replace(scene.route, propose_as=ProposeAs.OWNER)
    assert (await scene.found())["key"].health is Health.OK
    scene.sender = KEY
    assert "is no owner" in (await scene.only("key", Health.FAIL)).message


async def test_queue__in_order__is_ok(scene: Scene) -> None:
    scene.service.answers["queue"] = QueuePage((queued(4), queued(4), queued(5)))
    assert (await scene.found())["queue"].message == "3 wait, next nonce 4"


@pytest.mark.parametrize(("nonces", "gap", "behind"), [((5,), 4, 1), ((4, 6, 6, 9), 5, 3), ((4, 5, 5, 7), 6, 1)])
async def test_queue__gap__tells_what_cannot_be_executed(
    scene: Scene, nonces: tuple[int, ...], gap: int, behind: int
) -> None:
    scene.service.answers["queue"] = QueuePage(tuple(queued(nonce) for nonce in nonces))
    message = (await scene.only("queue", Health.WARN)).message
    assert message == f"nothing is proposed at nonce {gap}, and {behind} behind it cannot be executed before"


async def test_queue__old_one_in_front__warns_from_a_day_on(scene: Scene) -> None:
    scene.service.answers["queue"] = QueuePage((queued(4, ago_ms=safe_service.OLD_MS - 1), queued(5, ago_ms=10**10)))
    assert (await scene.found())["queue"].health is Health.OK
    old = queued(4, ago_ms=safe_service.OLD_MS)
    scene.service.answers["queue"] = QueuePage((old, queued(5)))
    check = await scene.only("queue", Health.WARN)
    assert "1 behind it" in check.message
    assert check.remedy.endswith(f"keeper council keeper.yaml reject {old.claimed_hash[:12]}")


async def test_queue__altered_unreadable_or_away__is_told(scene: Scene) -> None:
    scene.service.answers["queue"] = QueuePage((), (Skipped("entry 1 of the answer", "`to` is 7"),))
    assert "1 cannot be read: entry 1 of the answer" in (await scene.only("queue", Health.WARN)).message
    scene.service.answers["queue"] = Unreachable("it does not answer")
    await scene.only("queue", Health.FAIL)
    scene.service.answers["queue"] = QueuePage((queued(4, claimed="0x" + "00" * 32),))
    assert "sign nothing" in (await scene.only("queue", Health.FAIL)).remedy
