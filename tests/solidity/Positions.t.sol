// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPerpExchange} from "../../contracts/demo/IPerpExchange.sol";
import {ExchangeTest} from "./Base.t.sol";

/// @notice Leverage, oracle, settlement. One ether at 2000 dollars on 100 of margin is exactly the leverage of 20.
contract PositionsTest is ExchangeTest {
    uint256 private constant MARGIN = 100 * USD;
    uint256 private constant MAX_AGE = 1 hours;

    function setUp() public override {
        super.setUp();
        _deposit(alice, ETH, MARGIN);
    }

    // ------------------------------------------------------------- leverage

    function test_L1_open__exactly_the_maximum__passes_and_is_announced() public {
        vm.expectEmit(address(exchange));
        emit IPerpExchange.PositionOpened(ETH, alice, ONE, uint256(ETH_PRICE));
        _open(alice, ETH, ONE);
        (uint256 balance, int256 size, uint256 entryPrice) = exchange.accountOf(ETH, alice);
        assertEq(balance, MARGIN);
        assertEq(size, ONE);
        assertEq(entryPrice, uint256(ETH_PRICE));
    }

    function test_L1_open__smallest_step_above_the_maximum__reverts() public {
        _expectLeverage(ETH, 2_000 * USD + 1, 2_000 * USD);
        _open(alice, ETH, ONE + 1);
    }

    function test_L1_open__short__is_held_to_the_same_maximum() public {
        _expectLeverage(ETH, 2_000 * USD + 1, 2_000 * USD);
        _open(alice, ETH, -ONE - 1);
        _open(alice, ETH, -ONE);
        assertEq(_size(ETH, alice), -ONE);
    }

    function test_L1_open__without_margin__reverts_even_for_the_smallest_size() public {
        _expectLeverage(ETH, 1, 0);
        _open(bob, ETH, 1);
    }

    function testFuzz_L1_open__any_numbers__passes_exactly_within_the_maximum(
        uint256 margin,
        uint256 size,
        uint256 price,
        uint256 leverage,
        bool short
    ) public {
        margin = bound(margin, 1, PURSE);
        leverage = bound(leverage, 1, 100);
        price = bound(price, 1, 1e16);
        // Around the maximum, so that both sides are drawn.
        uint256 atMost = margin * leverage * 1e20 / price;
        size = bound(size, 1, 2 * atMost + 2);
        _setLeverage(ETH, leverage);
        ethFeed.push(int256(price));
        _deposit(bob, ETH, margin);
        uint256 notional = (size * price + 1e20 - 1) / 1e20;
        bool passes = notional <= margin * leverage;
        assertEq(passes, size <= atMost, "the two ways to say it agree");
        if (!passes) _expectLeverage(ETH, notional, margin * leverage);
        int256 signed = short ? -int256(size) : int256(size);
        _open(bob, ETH, signed);
        assertEq(_size(ETH, bob), passes ? signed : int256(0));
    }

    function test_L2_set_leverage__new_value__is_announced_with_the_old_and_holds_at_once() public {
        vm.expectEmit(address(exchange));
        emit IPerpExchange.MaxLeverageChanged(ETH, LEVERAGE, 10, risk);
        _setLeverage(ETH, 10);
        assertEq(exchange.maxLeverage(ETH), 10);
        _expectLeverage(ETH, 1_000 * USD + 1, 1_000 * USD);
        _open(alice, ETH, ONE / 2 + 1);
        _open(alice, ETH, ONE / 2);
    }

    function test_L2_set_leverage__bounds__both_sides() public {
        assertEq(exchange.LEVERAGE_BOUND(), 100);
        vm.startPrank(risk);
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.LeverageOutOfBounds.selector, 0));
        exchange.setMaxLeverage(ETH, 0);
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.LeverageOutOfBounds.selector, 101));
        exchange.setMaxLeverage(ETH, 101);
        exchange.setMaxLeverage(ETH, 1);
        exchange.setMaxLeverage(ETH, 100);
        assertEq(exchange.maxLeverage(ETH), 100);
    }

    function test_L2_set_leverage__lowered__open_position_stays_and_can_be_closed() public {
        _open(alice, ETH, ONE);
        _setLeverage(ETH, 1);
        assertEq(_size(ETH, alice), ONE);
        _expectLeverage(ETH, 2_000 * USD, MARGIN - 1);
        _withdraw(alice, ETH, 1);
        _close(alice, ETH);
        _withdraw(alice, ETH, MARGIN);
    }

    function test_L3_withdraw__beside_a_position__down_to_the_margin_and_no_further() public {
        _open(alice, ETH, ONE / 2); // needs 50 dollars
        _expectLeverage(ETH, 1_000 * USD, 1_000 * USD - 20);
        _withdraw(alice, ETH, 50 * USD + 1);
        _withdraw(alice, ETH, 50 * USD);
        assertEq(_balance(ETH, alice), 50 * USD);
    }

    function test_L3_withdraw__beside_a_loss__the_loss_counts() public {
        _open(alice, ETH, ONE / 2);
        ethFeed.push(1_960e8); // loses 20 dollars; 980 dollars of notional need 49 more
        _expectLeverage(ETH, 980 * USD, 980 * USD - 20);
        _withdraw(alice, ETH, 31 * USD + 1);
        _withdraw(alice, ETH, 31 * USD);
    }

    function test_L3_withdraw__beside_a_gain__the_gain_does_not_count() public {
        _fund(ETH, 1_000 * USD);
        _open(alice, ETH, -ONE / 2);
        ethFeed.push(1_960e8); // gains 20 dollars; 980 dollars of notional need 49
        _expectLeverage(ETH, 980 * USD, 980 * USD - 20);
        _withdraw(alice, ETH, 51 * USD + 1);
        _withdraw(alice, ETH, 51 * USD);
    }

    function test_L3_withdraw__beside_a_loss_above_the_balance__reverts() public {
        _open(alice, ETH, ONE / 2);
        ethFeed.push(1_000e8);
        _expectLeverage(ETH, 500 * USD, 0);
        _withdraw(alice, ETH, 1);
    }

    function testFuzz_L3_withdraw__beside_any_position__what_stays_carries_it(uint256 amount, uint256 price, bool short)
        public
    {
        amount = bound(amount, 1, MARGIN);
        price = bound(price, 1_800e8, 2_200e8);
        int256 size = short ? -ONE / 4 : ONE / 4;
        _open(alice, ETH, size);
        ethFeed.push(int256(price));
        vm.prank(alice);
        try exchange.withdraw(ETH, amount) {
            int256 equity = int256(MARGIN - amount) + size * (int256(price) - ETH_PRICE) / 1e20;
            assertGe(equity * int256(LEVERAGE), ONE / 4 * int256(price) / 1e20);
        } catch (bytes memory reason) {
            assertEq(bytes4(reason), IPerpExchange.LeverageTooHigh.selector);
            assertGt(amount, MARGIN / 100, "a small amount of a small position leaves");
        }
    }

    // --------------------------------------------------------------- oracle

    function test_O1_open__answer_of_the_greatest_age__passes() public {
        vm.warp(START + MAX_AGE);
        _open(alice, ETH, ONE);
        assertEq(exchange.MAX_ORACLE_AGE(), MAX_AGE);
    }

    function test_O1_open__answer_one_second_older__reverts() public {
        vm.warp(START + MAX_AGE + 1);
        _expectStale(ETH, START);
        _open(alice, ETH, ONE);
    }

    function test_O1_open__newest_round_is_old__reverts_although_an_earlier_one_is_fresh() public {
        ethFeed.pushAt(ETH_PRICE, START - MAX_AGE - 1);
        _expectStale(ETH, START - MAX_AGE - 1);
        _open(alice, ETH, ONE);
    }

    function test_O1_open__answer_never_written__reverts() public {
        ethFeed.pushAt(ETH_PRICE, 0);
        _expectStale(ETH, 0);
        _open(alice, ETH, ONE);
    }

    function test_O1_open__answer_from_the_future__reverts() public {
        vm.mockCall(
            address(ethFeed),
            abi.encodeCall(ethFeed.latestRoundData, ()),
            abi.encode(uint80(2), ETH_PRICE, START + 1, START + 1, uint80(2))
        );
        _expectStale(ETH, START + 1);
        _open(alice, ETH, ONE);
    }

    function testFuzz_O1_open__any_age__passes_exactly_when_fresh(uint256 age) public {
        age = bound(age, 0, 2 * MAX_AGE);
        ethFeed.pushAt(ETH_PRICE, START - age);
        if (age > MAX_AGE) _expectStale(ETH, START - age);
        _open(alice, ETH, ONE);
        assertEq(_size(ETH, alice), age > MAX_AGE ? int256(0) : ONE);
    }

    function test_O1_withdraw__beside_a_position_with_an_old_answer__reverts() public {
        _open(alice, ETH, ONE / 4);
        vm.warp(START + MAX_AGE);
        _withdraw(alice, ETH, 1);
        vm.warp(START + MAX_AGE + 1);
        _expectStale(ETH, START);
        _withdraw(alice, ETH, 1);
    }

    function test_O2_withdraw__without_a_position__asks_no_oracle() public {
        ethFeed.pushAt(-1, 0);
        _withdraw(alice, ETH, MARGIN);
        assertEq(_balance(ETH, alice), 0);
    }

    function test_O2_close__old_answer__still_closes() public {
        _open(alice, ETH, ONE);
        vm.warp(START + 30 days);
        _close(alice, ETH);
        assertEq(_size(ETH, alice), 0);
    }

    function test_O3_open__answer_zero__reverts_and_one_passes() public {
        ethFeed.push(0);
        _expectBadPrice(ETH, 0);
        _open(alice, ETH, ONE);
        ethFeed.push(1);
        _open(alice, ETH, ONE);
    }

    function test_O3_open__largest_price__passes_the_check_and_one_more_does_not() public {
        int256 largest = int256(uint256(type(uint128).max));
        ethFeed.push(largest + 1);
        _expectBadPrice(ETH, largest + 1);
        _open(alice, ETH, 1);
        ethFeed.push(largest);
        _expectLeverage(ETH, uint256(largest) / 1e20 + 1, 2_000 * USD);
        _open(alice, ETH, 1);
    }

    function testFuzz_O3_prices__not_above_zero__are_refused_everywhere(int256 answer) public {
        answer = bound(answer, type(int256).min, 0);
        _deposit(bob, ETH, MARGIN);
        _open(alice, ETH, ONE / 4);
        ethFeed.push(answer);
        _expectBadPrice(ETH, answer);
        _open(bob, ETH, ONE / 4);
        _expectBadPrice(ETH, answer);
        _close(alice, ETH);
        _expectBadPrice(ETH, answer);
        _withdraw(alice, ETH, 1);
    }

    function test_O3_oracle__reverts__nothing_opens() public {
        vm.mockCallRevert(address(ethFeed), abi.encodeCall(ethFeed.latestRoundData, ()), "down");
        vm.expectRevert(bytes("down"));
        _open(alice, ETH, ONE);
        assertEq(_size(ETH, alice), 0);
    }

    // ----------------------------------------------------------- settlement

    function test_C1_open__second_position__reverts() public {
        _open(alice, ETH, ONE / 4);
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.PositionExists.selector, ETH, alice));
        _open(alice, ETH, ONE / 4);
    }

    function test_C1_close__no_position_or_twice__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.NoPosition.selector, ETH, alice));
        _close(alice, ETH);
        _open(alice, ETH, ONE);
        _close(alice, ETH);
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.NoPosition.selector, ETH, alice));
        _close(alice, ETH);
    }

    function test_C1_open__size_bounds__both_sides() public {
        int256 largest = type(int128).max;
        int256[4] memory refused = [int256(0), largest + 1, -largest - 1, type(int256).min];
        for (uint256 i = 0; i < refused.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IPerpExchange.SizeOutOfBounds.selector, refused[i]));
            _open(alice, ETH, refused[i]);
        }
        ethFeed.push(1);
        uint256 notional = uint256(largest) / 1e20 + 1;
        _expectLeverage(ETH, notional, 2_000 * USD);
        _open(alice, ETH, largest);
        _expectLeverage(ETH, notional, 2_000 * USD);
        _open(alice, ETH, -largest);
    }

    function test_C2_close__long_gain__is_paid_by_the_pool_and_announced() public {
        _fund(ETH, 1_000 * USD);
        _open(alice, ETH, ONE);
        ethFeed.push(2_050e8);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.PositionClosed(ETH, alice, ONE, uint256(ETH_PRICE), 2_050e8, int256(50 * USD));
        _close(alice, ETH);
        assertEq(_balance(ETH, alice), 150 * USD);
        assertEq(exchange.poolOf(ETH), 950 * USD);
        (, int256 size, uint256 entryPrice) = exchange.accountOf(ETH, alice);
        assertEq(size, 0);
        assertEq(entryPrice, 0);
    }

    function test_C2_close__long_loss__goes_to_the_pool_and_is_announced() public {
        _open(alice, ETH, ONE);
        ethFeed.push(1_950e8);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.PositionClosed(ETH, alice, ONE, uint256(ETH_PRICE), 1_950e8, -int256(50 * USD));
        _close(alice, ETH);
        assertEq(_balance(ETH, alice), 50 * USD);
        assertEq(exchange.poolOf(ETH), 50 * USD);
    }

    function test_C2_close__short__gains_when_the_price_falls_and_loses_when_it_rises() public {
        _fund(ETH, 1_000 * USD);
        _open(alice, ETH, -ONE);
        ethFeed.push(1_950e8);
        _close(alice, ETH);
        assertEq(_balance(ETH, alice), 150 * USD);
        _open(alice, ETH, -ONE);
        ethFeed.push(2_000e8);
        _close(alice, ETH);
        assertEq(_balance(ETH, alice), 100 * USD);
        assertEq(exchange.poolOf(ETH), 1_000 * USD);
    }

    function test_C2_close__same_price__changes_nothing_long_or_short() public {
        _open(alice, ETH, ONE / 3);
        _close(alice, ETH);
        _open(alice, ETH, -ONE / 3);
        _close(alice, ETH);
        assertEq(_balance(ETH, alice), MARGIN);
        assertEq(exchange.poolOf(ETH), 0);
    }

    function test_C2_close__rounding__is_against_the_account() public {
        _fund(ETH, 10);
        _open(alice, ETH, ONE); // one step of the price moves it by 0.01 of the smallest unit
        ethFeed.push(ETH_PRICE + 199);
        _close(alice, ETH);
        assertEq(_balance(ETH, alice), MARGIN + 1, "1.99 gained, 1 paid");
        ethFeed.push(ETH_PRICE);
        _open(alice, ETH, -ONE / 2);
        ethFeed.push(ETH_PRICE + 1);
        _close(alice, ETH);
        assertEq(_balance(ETH, alice), MARGIN, "0.005 lost, 1 taken");
    }

    function test_C3_close__gain_beyond_the_pool__pays_what_is_there() public {
        _fund(ETH, 50 * USD - 1);
        _open(alice, ETH, ONE);
        ethFeed.push(2_050e8);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.PositionClosed(ETH, alice, ONE, uint256(ETH_PRICE), 2_050e8, int256(50 * USD - 1));
        _close(alice, ETH);
        assertEq(exchange.poolOf(ETH), 0);
        assertEq(_balance(ETH, alice), 150 * USD - 1);
    }

    function test_C3_close__loss_beyond_the_balance__takes_what_is_there() public {
        _open(alice, ETH, ONE);
        ethFeed.push(1_899e8);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.PositionClosed(ETH, alice, ONE, uint256(ETH_PRICE), 1_899e8, -int256(MARGIN));
        _close(alice, ETH);
        assertEq(_balance(ETH, alice), 0);
        assertEq(exchange.poolOf(ETH), MARGIN);
    }

    function test_C3_close__extreme_price__does_not_overflow() public {
        _fund(ETH, 10);
        ethFeed.push(1);
        _open(alice, ETH, 1e29);
        ethFeed.push(int256(uint256(type(uint128).max)));
        _close(alice, ETH);
        assertEq(_balance(ETH, alice), MARGIN + 10);
    }

    function testFuzz_C4_close__any_move__only_shifts_between_balance_and_pool(
        uint256 pool,
        uint256 size,
        uint256 price,
        bool short
    ) public {
        pool = bound(pool, 1, 1_000 * USD);
        size = bound(size, 1, uint256(ONE));
        price = bound(price, 1, 10_000e8);
        _fund(ETH, pool);
        _deposit(bob, ETH, 77);
        _open(alice, ETH, short ? -int256(size) : int256(size));
        ethFeed.push(int256(price));
        _close(alice, ETH);
        assertEq(_balance(ETH, alice) + exchange.poolOf(ETH), MARGIN + pool);
        assertEq(exchange.collateralOf(ETH), MARGIN + pool + 77);
        assertEq(token.balanceOf(address(exchange)), MARGIN + pool + 77);
        assertEq(_balance(ETH, bob), 77);
        bool gains = short ? price < uint256(ETH_PRICE) : price > uint256(ETH_PRICE);
        if (gains) assertGe(_balance(ETH, alice), MARGIN);
        else assertLe(_balance(ETH, alice), MARGIN);
    }
}
