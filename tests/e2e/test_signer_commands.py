"""Keys that are kept elsewhere, as a user meets them: ``keeper run`` and ``keeper doctor`` say what is wrong with one before anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.forked_keeper import ForkedRunning, forked_keeper
from tests.support.keeper_process import Done
from tests.support.keeper_stage import Setup, Stage, staged
from tests.support.kms_endpoint import ALIAS, ENVIRONMENT, REGION, Fault, KmsEndpoint, kms_endpoint
from tests.support.remote_signer import remote_endpoint

pytestmark = pytest.mark.e2e

OTHER = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"
TOKEN = "remoteSignerToken51c7"
REMOTE_ENVIRONMENT = {"KEEPER_SIGNER_TOKEN": TOKEN, "NO_PROXY": "*"}
TIMEOUT = "30s"
"""As long as may be: on a busy machine nothing here is to fail by time."""


def use_kms(stage: Stage, kms: KmsEndpoint, *, address: str = "") -> None:
    more = f', address: "{address}"' if address else ""
    stage.write(
        Setup(signer=f'{{kind: kms, key: {ALIAS}, region: {REGION}, endpoint: "{kms.url}", timeout: {TIMEOUT}{more}}}')
    )


def use_remote(stage: Stage, url: str, address: str) -> None:
    token = '"${KEEPER_SIGNER_TOKEN}"'
    stage.write(
        Setup(signer=f'{{kind: remote, url: "{url}", address: "{address}", token: {token}, timeout: {TIMEOUT}}}')
    )


def key_of(stage: Stage) -> str:
    return stage.world.keeper.private_key.removeprefix("0x")


def told(done: Done, code: int, *words: str) -> None:
    """Ended at once with this code, these words and a remedy."""
    assert done.code == code, done.err
    for word in words:
        assert word in done.err
    assert "->" in done.err
    assert "Traceback" not in done.err


def signer_check(stage: Stage, env: dict[str, str]) -> dict[str, str]:
    done = forked_keeper("--json", "doctor", stage.config, env=env)
    (check,) = (each for each in json.loads(done.out)["checks"] if each["name"] == "signer")
    assert done.code == 1 or check["state"] == "ok"
    return check  # type: ignore[no-any-return]


async def test_kms__works__doctor_says_so_and_a_pause_is_signed_by_it(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with kms_endpoint(int(key_of(stage), 16)) as kms:
            use_kms(stage, kms, address=stage.world.keeper.address)
            check = signer_check(stage, ENVIRONMENT)
            assert check["state"] == "ok"
            assert check["message"].startswith(stage.world.keeper.address)
            async with ForkedRunning(["run", stage.config], tmp_path, env=ENVIRONMENT) as run:
                await run.watching()
                await stage.shock()
                await stage.mine_until(lambda: bool(stage.outcomes()), ended=run.ended)
                assert await run.end() == 0, run.err
        assert stage.outcomes()[0][0] == "included"
        await stage.assert_paused_once()
        stage.assert_log_holds()


async def test_key__denied_or_that_of_another_address__neither_runs_nor_is_well(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        other = f"the key belongs to {stage.world.keeper.address}, not to {OTHER}"
        with kms_endpoint(int(key_of(stage), 16)) as kms:
            kms.faults["Sign"] = Fault.DENIED
            use_kms(stage, kms)
            told(forked_keeper("run", stage.config, env=ENVIRONMENT), 2, "access to the key is denied", "kms:Sign")
            check = signer_check(stage, ENVIRONMENT)
            assert (check["state"], "kms:Sign" in check["remedy"]) == ("fail", True)
            use_kms(stage, kms, address=OTHER)
            told(forked_keeper("run", stage.config, env=ENVIRONMENT), 2, other)
        stage.write(Setup(signer=f'{{kind: env, key: "${{KEEPER_KEY}}", address: "{OTHER}"}}'))
        env = {"KEEPER_KEY": f"0x{key_of(stage)}"}
        told(forked_keeper("run", stage.config, env=env), 2, other)
        check = signer_check(stage, env)
        assert (check["state"], check["message"]) == ("fail", other)
        assert stage.records() == [], "nothing ran"


async def test_remote__works_and_then_is_away__a_pause_is_signed_by_it_and_later_exit_3(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage:
        with remote_endpoint(key_of(stage)) as remote:
            use_remote(stage, remote.url, stage.world.keeper.address)
            assert signer_check(stage, REMOTE_ENVIRONMENT)["state"] == "ok"
            async with ForkedRunning(["run", stage.config], tmp_path, env=REMOTE_ENVIRONMENT) as run:
                await run.watching()
                await stage.shock()
                await stage.mine_until(lambda: bool(stage.outcomes()), ended=run.ended)
                assert await run.end() == 0, run.err
        assert stage.outcomes()[0][0] == "included"
        await stage.assert_paused_once()
        told(forked_keeper("run", stage.config, env=REMOTE_ENVIRONMENT), 3, "the remote signer", "does not answer")
        check = signer_check(stage, REMOTE_ENVIRONMENT)
        assert (check["state"], "`url`" in check["remedy"]) == ("fail", True)
