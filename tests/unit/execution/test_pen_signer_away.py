"""A key that is kept elsewhere: who does not answer now is asked again, who refuses is not."""

from __future__ import annotations

import pytest

from keeper.domain.errors import KeeperError, SignerAway, SigningError, Unreachable
from keeper.domain.evm import SignedTransaction, UnsignedTransaction
from keeper.domain.outcome import OutcomeKind
from tests.support.execution_stage import Stage, StageSigner, pause

pytestmark = pytest.mark.unit


class Elsewhere(StageSigner):
    """Answers with ``trouble`` while there is some."""

    trouble: KeeperError | None = None

    async def sign(self, transaction: UnsignedTransaction) -> SignedTransaction:
        if self.trouble is not None:
            raise self.trouble
        return await super().sign(transaction)


async def test_signer_away__for_a_while__the_action_is_sent_when_it_is_back() -> None:
    stage = Stage()
    stage.signer = signer = Elsewhere(stage.events)
    signer.trouble = SignerAway("KMS does not answer", remedy="look there")
    executor = await stage.ready(pause(), measured=True)
    await stage.act(executor, pause())
    await stage.head(executor)
    assert (stage.route.sent, stage.outcomes) == ([], [])
    signer.trouble = None
    await stage.head(executor)
    await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.INCLUDED
    assert stage.calls == 1


async def test_signer_away__beyond_the_actions_time__ends_with_what_was_said() -> None:
    stage = Stage()
    stage.signer = signer = Elsewhere(stage.events)
    signer.trouble = SignerAway("KMS does not answer", remedy="look there")
    executor = await stage.ready(pause(), measured=True)
    await stage.act(executor, pause())
    stage.expire()
    for _ in range(2):
        await stage.head(executor)
    assert stage.outcome.kind is OutcomeKind.EXPIRED
    assert "KMS does not answer" in stage.outcome.message
    assert stage.route.sent == []


async def test_signer_refuses__the_action_has_failed_with_its_words_and_its_remedy() -> None:
    stage = Stage()
    stage.signer = signer = Elsewhere(stage.events)
    signer.trouble = SigningError("access to the key is denied", remedy="allow it")
    executor = await stage.ready(pause(), measured=True)
    await stage.act(executor, pause())
    assert stage.outcome.kind is OutcomeKind.FAILED
    assert "access to the key is denied" in stage.outcome.message
    assert stage.outcome.remedy == "allow it"
    assert stage.route.sent == []


def test_signer_away__is_a_signing_error__and_no_unreachable_node() -> None:
    assert issubclass(SignerAway, SigningError)
    assert not issubclass(SignerAway, Unreachable)
