"""What nodes say when they refuse a transaction."""

from __future__ import annotations

import pytest

from keeper.adapters.routes.words import WORDINGS, cap_wei, classify
from keeper.ports.route import SubmissionKind

pytestmark = pytest.mark.unit

KNOWN, LOW, CHEAP = SubmissionKind.KNOWN, SubmissionKind.NONCE_TOO_LOW, SubmissionKind.UNDERPRICED
POOR, REFUSED = SubmissionKind.INSUFFICIENT_FUNDS, SubmissionKind.REFUSED
NEVER, DEAR = SubmissionKind.INVALID, SubmissionKind.OVER_CAP


@pytest.mark.parametrize(
    ("node", "words", "kind"),
    [
        ("geth", "already known", KNOWN),
        ("geth", "nonce too low: next nonce 5, tx nonce 3", LOW),
        ("geth", "replacement transaction underpriced", CHEAP),
        ("geth", "transaction underpriced: tip needed 1, tip permitted 0", CHEAP),
        ("geth", "transaction gas price below minimum: gas tip cap 0, minimum needed 1", CHEAP),
        ("geth", "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 2", CHEAP),
        ("geth", "insufficient funds for gas * price + value: balance 0, tx cost 21000, overshot 21000", POOR),
        ("geth", "nonce too high: address 0x1, tx: 9 state: 5", REFUSED),
        ("geth", "intrinsic gas too low: gas 20000, minimum needed 21000", NEVER),
        ("geth", "transaction type not supported", NEVER),
        ("geth", "invalid chain id for signer: have 1 want 31337", NEVER),
        ("geth", "exceeds block gas limit", NEVER),
        ("nethermind", "AlreadyKnown", KNOWN),
        ("nethermind", "OldNonce, Current nonce: 5, nonce of rejected tx: 3", LOW),
        ("nethermind", "FeeTooLow, MaxFeePerGas too low. MaxFeePerGas: 1, BaseFee: 7", CHEAP),
        ("nethermind", "FeeTooLowToCompete", CHEAP),
        ("nethermind", "ReplacementNotAllowed", CHEAP),
        ("nethermind", "InsufficientFunds, Account balance: 0, cumulative cost: 21000", POOR),
        ("nethermind", "GasLimitExceeded", NEVER),
        ("erigon", "INTERNAL_ERROR: existing tx with same hash", KNOWN),
        ("erigon", "nonce too low", LOW),
        ("erigon", "not replaced: new tx has to bump feecap or tip", CHEAP),
        ("erigon", "fee too low", CHEAP),
        ("erigon", "insufficient funds", POOR),
        ("reth", "already known", KNOWN),
        ("reth", "nonce too low: next nonce 1, tx nonce 0", LOW),
        ("reth", "insufficient gas price to replace existing transaction", CHEAP),
        ("reth", "insufficient funds for gas * price + value: have 0 want 21000", POOR),
        ("anvil", "transaction already imported", KNOWN),
        ("anvil", "Insufficient funds for gas * price + value", POOR),
        ("anvil", "Failed to decode transaction", REFUSED),
        ("besu", "Known transaction", KNOWN),
        ("besu", "Nonce too low", LOW),
        ("besu", "Transaction nonce below sender nonce", LOW),
        ("besu", "TRANSACTION_REPLACEMENT_UNDERPRICED", CHEAP),
        ("besu", "Gas price below configured minimum gas price", CHEAP),
        ("besu", "Upfront cost exceeds account balance", POOR),
        ("geth", "invalid sender", NEVER),
        ("geth", "insufficient gas for floor data gas cost: gas 1, minimum needed 2", NEVER),
        ("geth", "transaction gas limit too high (cap: 16777216, tx: 16777217)", NEVER),
        ("besu", "INVALID_TRANSACTION_SIGNATURE", NEVER),
        ("besu", "WRONG_CHAIN_ID", NEVER),
        ("nethermind", "InvalidTxSignature", NEVER),
        ("geth", "tx fee (1.50 ether) exceeds the configured cap (1.00 ether)", DEAR),
        ("reth", "tx fee (1500000000000000000 wei) exceeds the configured cap (1000000000000000000 wei)", DEAR),
        ("besu", "TX_FEECAP_EXCEEDED", DEAR),
        ("geth", "txpool is full", REFUSED),
        ("geth", "account limit exceeded", REFUSED),
        ("geth", "in-flight transaction limit reached for delegated accounts", REFUSED),
        ("proxy", "invalid signature", REFUSED),
        ("any", "unknown transaction", REFUSED),
        ("any", "", REFUSED),
        ("any", "rate limit exceeded", REFUSED),
        ("any", "  ALREADY\n  KNOWN ", KNOWN),
    ],
)
def test_words__of_a_node__are_classified(node: str, words: str, kind: SubmissionKind) -> None:
    assert classify(words) is kind, node


def test_table__each_wording__leads_to_its_own_line() -> None:
    for kind, wordings in WORDINGS:
        for wording in wordings:
            assert classify(wording) is kind


def test_table__success_and_silence__are_not_in_it() -> None:
    assert {kind for kind, _ in WORDINGS} == {KNOWN, LOW, CHEAP, POOR, DEAR, NEVER}


@pytest.mark.parametrize(
    ("words", "wei"),
    [
        ("tx fee (1.50 ether) exceeds the configured cap (1.00 ether)", 10**18),
        ("TX fee (0.50 ether) exceeds the configured cap (0.25 ether)", 25 * 10**16),
        ("tx fee (9 wei) exceeds the configured cap (7 wei)", 7),
        ("tx fee (9 wei) exceeds the configured cap (7 apples)", None),
        ("tx fee exceeds the configured cap", None),
        ("configured cap (" + "9" * 5_000 + " ether)", None),
    ],
)
def test_cap__in_the_words_of_a_node__is_read(words: str, wei: int | None) -> None:
    assert cap_wei(words) == wei
