// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IPerpExchange} from "../../contracts/demo/IPerpExchange.sol";
import {ExchangeTest} from "./Base.t.sol";

/// @notice What a pause stops, what it does not, and that it stays within its market.
contract PauseTest is ExchangeTest {
    function setUp() public override {
        super.setUp();
        _deposit(alice, ETH, 100 * USD);
        _deposit(alice, BTC, 100 * USD);
    }

    function test_P1_pause__running_market__is_paused_and_announced() public {
        vm.expectEmit(address(exchange));
        emit IPerpExchange.PauseChanged(ETH, false, true, pauser);
        _pause(ETH);
        assertTrue(exchange.paused(ETH));
    }

    function test_P1_pause__withdraw__reverts() public {
        _pause(ETH);
        _expectMarketPaused(ETH);
        _withdraw(alice, ETH, 1);
        assertEq(_balance(ETH, alice), 100 * USD);
    }

    function test_P1_pause__open__reverts() public {
        _pause(ETH);
        _expectMarketPaused(ETH);
        _open(alice, ETH, ONE / 100);
        assertEq(_size(ETH, alice), 0);
    }

    function test_P1_pause__close__reverts() public {
        _open(alice, ETH, ONE);
        _pause(ETH);
        _expectMarketPaused(ETH);
        _close(alice, ETH);
        assertEq(_size(ETH, alice), ONE);
    }

    function testFuzz_P1_pause__any_amount_or_size__reverts(uint256 amount, int256 size) public {
        _pause(ETH);
        _expectMarketPaused(ETH);
        _withdraw(alice, ETH, amount);
        _expectMarketPaused(ETH);
        _open(alice, ETH, size);
    }

    function test_P1_pause__withdrawable__is_zero() public {
        assertEq(exchange.withdrawable(ETH), LIMIT);
        _pause(ETH);
        assertEq(exchange.withdrawable(ETH), 0);
        assertEq(exchange.withdrawalLimit(ETH), LIMIT, "the limit itself stays");
    }

    function test_P1_pause__time_passes__stays_paused() public {
        _pause(ETH);
        vm.warp(START + 365 days);
        assertTrue(exchange.paused(ETH));
        _expectMarketPaused(ETH);
        _withdraw(alice, ETH, 1);
    }

    function test_P2_pause__deposit_and_fund__still_work() public {
        _pause(ETH);
        _deposit(alice, ETH, 5);
        _fund(ETH, 7);
        assertEq(_balance(ETH, alice), 100 * USD + 5);
        assertEq(exchange.poolOf(ETH), 7);
    }

    function test_P2_pause__risk_settings__still_work() public {
        _pause(ETH);
        _setLimit(ETH, 1);
        _setLeverage(ETH, 1);
        assertEq(exchange.withdrawalLimit(ETH), 1);
        assertEq(exchange.maxLeverage(ETH), 1);
    }

    function test_P3_pause__paused_market__reverts() public {
        _pause(ETH);
        _expectMarketPaused(ETH);
        _pause(ETH);
        assertTrue(exchange.paused(ETH));
    }

    function test_P3_unpause__running_market__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.MarketNotPaused.selector, ETH));
        vm.prank(admin);
        exchange.unpauseMarket(ETH);
    }

    function test_P3_unpause__paused_market__runs_again_and_is_announced() public {
        _open(alice, ETH, ONE / 2);
        _pause(ETH);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.PauseChanged(ETH, true, false, admin);
        vm.prank(admin);
        exchange.unpauseMarket(ETH);
        assertFalse(exchange.paused(ETH));
        _close(alice, ETH);
        _withdraw(alice, ETH, 100 * USD);
        assertEq(_balance(ETH, alice), 0);
    }

    function test_S1_pause__one_market__the_other_trades_on() public {
        bytes memory before = _state(BTC);
        _pause(ETH);
        assertEq(_state(BTC), before);
        _open(alice, BTC, ONE / 100);
        _close(alice, BTC);
        _withdraw(alice, BTC, 100 * USD);
        assertEq(_balance(BTC, alice), 0);
    }

    function test_S1_limits__one_market__the_other_keeps_its_own() public {
        bytes memory before = _state(BTC);
        _setLimit(ETH, 1);
        _setLeverage(ETH, 1);
        assertEq(_state(BTC), before);
    }

    function test_S1_balance__one_market__does_not_back_the_other() public {
        _deposit(bob, ETH, 500 * USD);
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.InsufficientBalance.selector, BTC, 1, 0));
        _withdraw(bob, BTC, 1);
        _expectLeverage(BTC, 600 * USD, 0);
        _open(bob, BTC, ONE / 100);
    }

    function test_S1_pool__one_market__does_not_pay_the_other() public {
        _fund(BTC, 1_000 * USD);
        _open(alice, ETH, ONE);
        ethFeed.push(ETH_PRICE * 2);
        bytes memory before = _state(BTC);
        _close(alice, ETH);
        assertEq(_balance(ETH, alice), 100 * USD, "the pool of ETH is empty");
        assertEq(_state(BTC), before);
    }

    function test_S1_window__one_market__does_not_use_up_the_other() public {
        _deposit(alice, ETH, LIMIT);
        _withdraw(alice, ETH, LIMIT);
        assertEq(exchange.withdrawable(ETH), 0);
        assertEq(exchange.withdrawable(BTC), LIMIT);
    }

    /// A whole life in one market, with any numbers, leaves no trace in the other.
    function testFuzz_S1_life__one_market__leaves_the_other_as_it_was(
        uint256 amount,
        uint256 size,
        uint256 price,
        uint256 limit
    ) public {
        amount = bound(amount, 1, PURSE / 2);
        size = bound(size, 1, amount * LEVERAGE * 1e20 / uint256(ETH_PRICE));
        bytes memory before = _state(BTC);
        _fund(ETH, amount);
        _deposit(bob, ETH, amount);
        _open(bob, ETH, size % 2 == 0 ? int256(size) : -int256(size));
        ethFeed.push(int256(bound(price, 1, type(uint128).max)));
        _close(bob, ETH);
        _setLimit(ETH, limit);
        uint256 most = _balance(ETH, bob) < limit ? _balance(ETH, bob) : limit;
        if (most > 0) _withdraw(bob, ETH, most);
        _pause(ETH);
        assertEq(_state(BTC), before);
    }
}
