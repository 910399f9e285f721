"""Vaults: the rate to the last digit, and growth that is too fast."""

from __future__ import annotations

from decimal import Decimal

import pytest

from keeper.adapters.prices.erc4626 import ANCHORS, DAY_S, SHARES_EXPONENT, Erc4626Source
from keeper.domain.abi import encode_call
from keeper.domain.action import FunctionCall
from keeper.domain.block import BlockStamp
from keeper.domain.errors import UnitError
from keeper.domain.evm import CallResult
from keeper.domain.observation import Observation, Quality
from keeper.domain.units import Unit
from tests.support.source_fakes import BLOCK, RECEIVED_MS, T, returned

pytestmark = pytest.mark.unit

VAULT = "0xcA11bde05977b3631167028862bE2a173976CA11"
ASSET = "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"
ONE = 10**SHARES_EXPONENT
REVERT = CallResult(False, b"")


def answers(assets: int = ONE, share_decimals: int = 18, asset_decimals: int = 18) -> list[CallResult]:
    return [
        returned(["uint256"], assets),
        returned(["uint8"], share_decimals),
        returned(["address"], ASSET),
        returned(["uint8"], asset_decimals),
    ]


def observe(*results: CallResult) -> Observation:
    return Erc4626Source("rate", VAULT, ASSET).decode(results, BLOCK, RECEIVED_MS)


class Growing:
    """A vault with a cap, seen again and again."""

    def __init__(self, cap: str = "0.01") -> None:
        self.source = Erc4626Source("rate", VAULT, ASSET, max_growth_per_day=Decimal(cap))

    def see(self, rate: str, after_s: int) -> Quality:
        """The quality of this rate so many seconds after ``T``."""
        block = BlockStamp(after_s, BLOCK.hash, BLOCK.parent_hash, T + after_s)
        seen = self.source.decode(answers(int(Decimal(rate) * ONE)), block, RECEIVED_MS)
        assert seen.value == Decimal(rate)
        assert bool(seen.reason) is (seen.quality is Quality.CLAMPED)
        return seen.quality


def test_rate__good_answers__are_the_price_at_the_block() -> None:
    seen = observe(*answers(105 * ONE // 100))
    assert seen == Observation("rate", Decimal("1.05"), Unit.PRICE, RECEIVED_MS, None, BLOCK)


def test_rate__its_calls__ask_vault_and_asset() -> None:
    source = Erc4626Source("x", VAULT, ASSET)
    assert list(source.calls()) == [
        encode_call(FunctionCall(VAULT, "convertToAssets(uint256)(uint256)", (str(10**24),))),
        encode_call(FunctionCall(VAULT, "decimals()(uint8)")),
        encode_call(FunctionCall(VAULT, "asset()(address)")),
        encode_call(FunctionCall(ASSET, "decimals()(uint8)")),
    ]
    assert source.calls() is source.calls()


@pytest.mark.parametrize(
    ("assets", "share_decimals", "asset_decimals", "rate"),
    [
        (1_034_567_890_123, 18, 6, "1.034567890123"),  # 10**6 shares
        (1_034_567_890_123_456_789_012_345, 6, 6, "1.034567890123456789012345"),
        (1_034_567_890_123_456_789, 24, 18, "1.034567890123456789"),  # one share
        (3, 36, 0, "3000000000000"),
        (1, 0, 36, "1E-60"),
        (2**256 - 1, 24, 0, str(2**256 - 1)),
    ],
)
def test_rate__decimals_of_share_and_asset__scale_exactly(
    assets: int, share_decimals: int, asset_decimals: int, rate: str
) -> None:
    assert observe(*answers(assets, share_decimals, asset_decimals)).value == Decimal(rate)


@pytest.mark.parametrize(
    ("place", "bad", "quality", "says"),
    [
        (0, returned(["uint256"], 0), Quality.MALFORMED, "a rate of 0"),
        (0, REVERT, Quality.MISSING, "convertToAssets(uint256) reverted"),
        (0, CallResult(True, b""), Quality.MISSING, "is there a contract"),
        (0, CallResult(True, bytes(31)), Quality.MALFORMED, "31 bytes"),
        (1, returned(["uint8"], 37), Quality.MALFORMED, "37 decimals of the share"),
        (1, returned(["uint256"], 256), Quality.MALFORMED, "uint8"),
        (2, returned(["address"], VAULT), Quality.MALFORMED, "not the one configured"),
        (2, returned(["uint256"], 2**160), Quality.MALFORMED, "not an address"),
        (3, returned(["uint8"], 37), Quality.MALFORMED, "37 of the asset"),
        (3, REVERT, Quality.MISSING, "decimals() reverted"),
    ],
)
def test_rate__bad_answers__are_qualities_with_a_reason(
    place: int, bad: CallResult, quality: Quality, says: str
) -> None:
    good = answers()
    seen = observe(*good[:place], bad, *good[place + 1 :])
    assert (seen.quality, seen.value) == (quality, None)
    assert says in seen.reason


def test_rate__another_number_of_answers__is_malformed() -> None:
    assert "3 answers to 4 calls" in observe(*answers()[:3]).reason


def test_rate__without_a_cap__may_jump() -> None:
    source = Erc4626Source("rate", VAULT, ASSET)
    qualities = [source.decode(answers(ONE * n), BLOCK, RECEIVED_MS).quality for n in (1, 100, 10**6)]
    assert set(qualities) == {Quality.OK}


def test_growth__first_rate__is_always_good() -> None:
    assert Growing().see("123456", 0) is Quality.OK


@pytest.mark.parametrize(
    ("rate", "after_s", "quality"),
    [
        ("1.01", 0, Quality.OK),
        ("1.010000000001", 0, Quality.CLAMPED),
        ("1.01", DAY_S - 1, Quality.OK),
        ("1.010000000001", DAY_S - 1, Quality.CLAMPED),
        ("1.02", DAY_S, Quality.OK),
        ("1.020000000001", DAY_S, Quality.CLAMPED),
        ("1.1", 9 * DAY_S, Quality.OK),
        ("1.100000000001", 9 * DAY_S, Quality.CLAMPED),
    ],
)
def test_growth__at_the_cap__is_good_and_above_is_clamped(rate: str, after_s: int, quality: Quality) -> None:
    vault = Growing()
    assert vault.see("1", 0) is Quality.OK
    assert vault.see(rate, after_s) is quality


def test_growth__step_of_a_daily_harvest__is_good_at_once() -> None:
    vault = Growing()
    assert [vault.see(rate, s) for rate, s in [("1", 0), ("1", 12), ("1.0003", 24)]] == [Quality.OK] * 3


def test_growth__in_small_steps__is_measured_from_the_anchor_and_not_from_step_to_step() -> None:
    vault = Growing()
    rates = [Decimal(1) + Decimal("0.004") * n for n in range(5)]
    seen = [vault.see(str(rate), 12 * n) for n, rate in enumerate(rates)]
    assert seen == [Quality.OK, Quality.OK, Quality.OK, Quality.CLAMPED, Quality.CLAMPED]


def test_growth__clamped_rate__is_no_anchor_and_stays_clamped_until_enough_days_have_passed() -> None:
    vault = Growing()
    assert vault.see("1", 0) is Quality.OK
    seen = [vault.see("1.035", after_s) for after_s in (12, DAY_S, 3 * DAY_S - 1, 3 * DAY_S)]
    assert seen == [Quality.CLAMPED, Quality.CLAMPED, Quality.CLAMPED, Quality.OK]
    assert vault.see("1.035", 3 * DAY_S + 12) is Quality.OK


def test_growth__after_a_jump_back__all_is_good_again() -> None:
    vault = Growing()
    seen = [vault.see(rate, s) for rate, s in [("1", 0), ("2", 12), ("1.001", 24)]]
    assert seen == [Quality.OK, Quality.CLAMPED, Quality.OK]


def test_growth__after_a_day__is_measured_from_the_new_anchor() -> None:
    vault = Growing()
    assert [vault.see("1", 0), vault.see("1.009", DAY_S)] == [Quality.OK, Quality.OK]
    assert vault.see("1.019", DAY_S + 12) is Quality.OK
    assert vault.see("1.0192", DAY_S + 24) is Quality.CLAMPED


def test_growth__lower_rate__is_the_new_anchor() -> None:
    vault = Growing()
    assert [vault.see("1", 0), vault.see("0.5", 12)] == [Quality.OK, Quality.OK]
    assert [vault.see("0.505", 24), vault.see("0.506", 36)] == [Quality.OK, Quality.CLAMPED]


def test_growth__no_value_in_between__leaves_the_anchor() -> None:
    vault = Growing()
    assert vault.see("1", 0) is Quality.OK
    assert vault.source.decode([REVERT] * 4, BLOCK, RECEIVED_MS).quality is Quality.MISSING
    assert vault.see("1.02", 12) is Quality.CLAMPED


def test_growth__block_of_an_earlier_time__is_judged_as_of_the_anchors_day() -> None:
    vault = Growing()
    assert vault.see("1", DAY_S) is Quality.OK
    assert [vault.see("1.01", 0), vault.see("1.02", 0)] == [Quality.OK, Quality.CLAMPED]


def test_growth__clamped__says_what_and_since_when() -> None:
    vault = Growing("0.005")
    vault.see("1", 0)
    block = BlockStamp(1, BLOCK.hash, BLOCK.parent_hash, T + 12)
    reason = vault.source.decode(answers(2 * ONE), block, RECEIVED_MS).reason
    assert reason == f"2 is more than 1.005: 0.5% a day is allowed above the 1 of block time {T}"


@pytest.mark.parametrize(
    ("vault", "asset", "cap"),
    [
        (VAULT.lower(), ASSET, None),
        (VAULT, ASSET.lower(), None),
        (VAULT, ASSET, "0"),
        (VAULT, ASSET, "-0.01"),
        (VAULT, ASSET, "NaN"),
        (VAULT, ASSET, "Infinity"),
    ],
)
def test_vault__that_cannot_work__is_refused_when_it_is_built(vault: str, asset: str, cap: str | None) -> None:
    with pytest.raises(UnitError):
        Erc4626Source("x", vault, asset, max_growth_per_day=None if cap is None else Decimal(cap))


# -- what is disputed is no anchor: the number of a block is its second here ----------------------------------------------------


def test_disown__rate_that_was_too_low__the_anchor_before_it_counts_again() -> None:
    vault = Growing()
    assert [vault.see("1", 0), vault.see("0.5", 12), vault.see("1", 24)] == [Quality.OK, Quality.OK, Quality.CLAMPED]
    vault.source.disown(0, 12)
    assert [vault.see("1.01", 36), vault.see("1.0101", 48)] == [Quality.OK, Quality.CLAMPED]


def test_disown__first_rate_of_a_day_that_was_too_high__does_not_stay() -> None:
    vault = Growing()
    assert [vault.see("1", 0), vault.see("1.02", DAY_S), vault.see("1.03", DAY_S + 12)] == [Quality.OK] * 3
    vault.source.disown(DAY_S - 12, DAY_S)
    assert vault.see("1.03", DAY_S + 24) is Quality.CLAMPED


def test_disown__true_rate_that_came_after_the_lie__stays_the_anchor() -> None:
    vault = Growing()
    assert [vault.see("1", 0), vault.see("0.9", 12), vault.see("0.8", 24)] == [Quality.OK] * 3
    vault.source.disown(0, 12)
    assert [vault.see("0.808", 36), vault.see("0.809", 48)] == [Quality.OK, Quality.CLAMPED]


@pytest.mark.parametrize(
    ("after", "through", "quality"), [(11, 12, Quality.OK), (12, 24, Quality.CLAMPED), (0, 11, Quality.CLAMPED)]
)
def test_disown__both_ends_of_the_blocks__after_is_left_and_through_is_taken(
    after: int, through: int, quality: Quality
) -> None:
    vault = Growing()
    assert [vault.see("1", 0), vault.see("0.5", 12)] == [Quality.OK, Quality.OK]
    vault.source.disown(after, through)
    assert vault.see("1", 36) is quality


def test_disown__the_only_anchor__the_next_rate_is_the_first() -> None:
    vault = Growing()
    assert vault.see("0.5", 12) is Quality.OK
    vault.source.disown(-1, 12)
    assert [vault.see("1", 24), vault.see("1.02", 36)] == [Quality.OK, Quality.CLAMPED]


def test_disown__rate_falls_at_every_block__memory_is_bounded_and_the_newest_can_be_taken_back() -> None:
    vault = Growing()
    for number in range(10 * ANCHORS):
        assert vault.see(str(Decimal(1) - Decimal(number) / 10**6), number) is Quality.OK
    vault.source.disown(9 * ANCHORS, 10 * ANCHORS)
    assert len(vault.source._anchors) == 1
