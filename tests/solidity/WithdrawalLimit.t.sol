// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {IPerpExchange} from "../../contracts/demo/IPerpExchange.sol";
import {ExchangeTest} from "./Base.t.sol";

/// @notice Deposits, withdrawals and the limit on the net outflow.
contract WithdrawalLimitTest is ExchangeTest {
    uint256 private constant WINDOW = 1 hours;

    function setUp() public override {
        super.setUp();
        _deposit(alice, ETH, 10 * LIMIT);
    }

    function test_W1_withdraw__exactly_the_limit__passes() public {
        uint256 before = token.balanceOf(alice);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.Withdrawn(ETH, alice, 10 * LIMIT, 9 * LIMIT);
        _withdraw(alice, ETH, LIMIT);
        assertEq(token.balanceOf(alice), before + LIMIT);
        assertEq(_balance(ETH, alice), 9 * LIMIT);
        assertEq(exchange.collateralOf(ETH), 9 * LIMIT);
    }

    function test_W1_withdraw__one_above_the_limit__reverts() public {
        _expectOverLimit(ETH, LIMIT + 1, LIMIT);
        _withdraw(alice, ETH, LIMIT + 1);
    }

    function test_W1_withdraw__in_parts__is_summed() public {
        _withdraw(alice, ETH, LIMIT - 10);
        assertEq(exchange.withdrawable(ETH), 10);
        _expectOverLimit(ETH, 11, 10);
        _withdraw(alice, ETH, 11);
        _withdraw(alice, ETH, 10);
        _expectOverLimit(ETH, 1, 0);
        _withdraw(alice, ETH, 1);
    }

    function test_W1_withdraw__two_accounts__share_the_window() public {
        _deposit(bob, ETH, LIMIT);
        _withdraw(alice, ETH, LIMIT - 1);
        _expectOverLimit(ETH, 2, 1);
        _withdraw(bob, ETH, 2);
        _withdraw(bob, ETH, 1);
    }

    function test_W1_withdraw__each_second__refills_its_part_of_the_limit() public {
        _setLimit(ETH, 36_000);
        _withdraw(alice, ETH, 36_000);
        vm.warp(START + 1);
        _expectOverLimit(ETH, 11, 10);
        _withdraw(alice, ETH, 11);
        _withdraw(alice, ETH, 10);
        vm.warp(START + WINDOW - 1);
        assertEq(exchange.withdrawable(ETH), 36_000 - 20);
    }

    function test_W1_withdraw__refill__is_rounded_down() public {
        _setLimit(ETH, 1);
        _withdraw(alice, ETH, 1);
        vm.warp(START + WINDOW - 1);
        _expectOverLimit(ETH, 1, 0);
        _withdraw(alice, ETH, 1);
        vm.warp(START + WINDOW);
        _withdraw(alice, ETH, 1);
    }

    function test_W1_withdraw__a_window_later__is_full_again() public {
        _withdraw(alice, ETH, LIMIT);
        vm.warp(START + WINDOW);
        assertEq(exchange.withdrawable(ETH), LIMIT);
        _withdraw(alice, ETH, LIMIT);
        _expectOverLimit(ETH, 1, 0);
        _withdraw(alice, ETH, 1);
    }

    function test_W1_withdraw__around_any_hour__no_two_limits_at_once() public {
        vm.warp(START + WINDOW - 1);
        _withdraw(alice, ETH, LIMIT);
        vm.warp(START + WINDOW);
        _expectOverLimit(ETH, LIMIT, LIMIT / WINDOW);
        _withdraw(alice, ETH, LIMIT);
    }

    function test_W1_withdraw__unused_time__is_not_saved_up() public {
        vm.warp(START + 50 * WINDOW);
        assertEq(exchange.withdrawable(ETH), LIMIT);
        _expectOverLimit(ETH, LIMIT + 1, LIMIT);
        _withdraw(alice, ETH, LIMIT + 1);
    }

    function test_W3_deposit__after_a_withdrawal__makes_as_much_room() public {
        _withdraw(alice, ETH, LIMIT);
        _deposit(bob, ETH, 10);
        _expectOverLimit(ETH, 11, 10);
        _withdraw(alice, ETH, 11);
        _withdraw(alice, ETH, 10);
    }

    function test_W3_fund_pool__after_a_withdrawal__makes_as_much_room() public {
        _withdraw(alice, ETH, LIMIT);
        _fund(ETH, 10);
        _expectOverLimit(ETH, 11, 10);
        _withdraw(alice, ETH, 11);
        _withdraw(alice, ETH, 10);
    }

    function test_W3_deposit__beyond_full__is_not_saved_up() public {
        _withdraw(alice, ETH, 5);
        _deposit(bob, ETH, 6);
        _expectOverLimit(ETH, LIMIT + 1, LIMIT);
        _withdraw(alice, ETH, LIMIT + 1);
    }

    function test_W3_deposit__while_paused__makes_room_for_afterwards() public {
        _withdraw(alice, ETH, LIMIT);
        _pause(ETH);
        _deposit(bob, ETH, 10);
        vm.prank(admin);
        exchange.unpauseMarket(ETH);
        assertEq(exchange.withdrawable(ETH), 10);
    }

    function testFuzz_W3_in_and_out__any_amounts__net_outflow_counts(uint256 out, uint256 amount) public {
        out = bound(out, 1, LIMIT);
        amount = bound(amount, 1, PURSE);
        _withdraw(alice, ETH, out);
        _deposit(bob, ETH, amount);
        assertEq(exchange.withdrawable(ETH), amount < out ? LIMIT - out + amount : LIMIT);
    }

    function test_W1_withdraw__refused__uses_nothing_up() public {
        _expectOverLimit(ETH, LIMIT + 1, LIMIT);
        _withdraw(alice, ETH, LIMIT + 1);
        assertEq(exchange.withdrawable(ETH), LIMIT);
    }

    /// Any withdrawals at any times: in any stretch no more leaves than the limit and what refilled in it.
    function testFuzz_W1_withdraw__any_sequence__any_stretch_is_bounded(
        uint256[12] memory amounts,
        uint256[12] memory waits
    ) public {
        uint256[12] memory times;
        uint256[12] memory left;
        uint256 time = START;
        for (uint256 i = 0; i < amounts.length; ++i) {
            time += bound(waits[i], 0, WINDOW / 2);
            vm.warp(time);
            uint256 amount = bound(amounts[i], 1, LIMIT);
            uint256 free = exchange.withdrawable(ETH);
            if (amount > _balance(ETH, alice)) break;
            if (amount > free) _expectOverLimit(ETH, amount, free);
            _withdraw(alice, ETH, amount);
            (times[i], left[i]) = (time, amount > free ? 0 : amount);
            uint256 sum;
            for (uint256 j = i + 1; j > 0; --j) {
                sum += left[j - 1];
                assertLe(sum, LIMIT + LIMIT * (time - times[j - 1]) / WINDOW);
            }
        }
    }

    function test_W2_set_limit__new_value__is_announced_with_the_old() public {
        vm.expectEmit(address(exchange));
        emit IPerpExchange.WithdrawalLimitChanged(ETH, LIMIT, 5, risk);
        _setLimit(ETH, 5);
        assertEq(exchange.withdrawalLimit(ETH), 5);
        assertEq(exchange.withdrawable(ETH), 5);
    }

    function test_W2_set_limit__zero__stops_withdrawals() public {
        _setLimit(ETH, 0);
        _expectOverLimit(ETH, 1, 0);
        _withdraw(alice, ETH, 1);
    }

    function test_W2_set_limit__lowered_within_the_window__counts_what_left_before() public {
        _withdraw(alice, ETH, 400);
        _setLimit(ETH, 500);
        assertEq(exchange.withdrawable(ETH), 100);
        _expectOverLimit(ETH, 101, 100);
        _withdraw(alice, ETH, 101);
        _withdraw(alice, ETH, 100);
    }

    function test_W2_set_limit__below_what_left__leaves_nothing_and_does_not_overflow() public {
        _withdraw(alice, ETH, 400);
        _setLimit(ETH, 399);
        assertEq(exchange.withdrawable(ETH), 0);
        _expectOverLimit(ETH, 1, 0);
        _withdraw(alice, ETH, 1);
    }

    function test_W2_set_limit__raised_within_the_window__adds_the_difference() public {
        _withdraw(alice, ETH, LIMIT);
        _setLimit(ETH, LIMIT + 3);
        _expectOverLimit(ETH, 4, 3);
        _withdraw(alice, ETH, 4);
        _withdraw(alice, ETH, 3);
    }

    function test_W2_set_limit__lowered__refills_at_the_new_pace() public {
        _withdraw(alice, ETH, LIMIT);
        _setLimit(ETH, LIMIT / 2);
        vm.warp(START + WINDOW);
        assertEq(exchange.withdrawable(ETH), 0, "half came back: what left is down to the new limit");
        vm.warp(START + 2 * WINDOW);
        assertEq(exchange.withdrawable(ETH), LIMIT / 2);
    }

    function test_W2_set_limit__zero_and_raised_again__frees_nothing() public {
        _withdraw(alice, ETH, LIMIT);
        _setLimit(ETH, 0);
        vm.warp(START + 9 * WINDOW);
        _setLimit(ETH, LIMIT);
        assertEq(exchange.withdrawable(ETH), 0);
    }

    /// No more than 2 ** 256 / WINDOW is ever said to be withdrawable: far beyond any token.
    function testFuzz_W2_set_limit__any_value__holds(uint256 limit, uint256 left) public {
        left = bound(left, 1, LIMIT);
        _withdraw(alice, ETH, left);
        _setLimit(ETH, limit);
        assertEq(exchange.withdrawalLimit(ETH), limit);
        if (limit > type(uint256).max / WINDOW) limit = type(uint256).max / WINDOW;
        assertEq(exchange.withdrawable(ETH), limit > left ? limit - left : 0);
    }

    function test_A1_withdraw__whole_balance__leaves_zero() public {
        _deposit(bob, ETH, LIMIT);
        _withdraw(bob, ETH, LIMIT);
        assertEq(_balance(ETH, bob), 0);
    }

    function test_A1_withdraw__one_above_the_balance__reverts() public {
        _deposit(bob, ETH, 10);
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.InsufficientBalance.selector, ETH, 11, 10));
        _withdraw(bob, ETH, 11);
        _withdraw(bob, ETH, 10);
    }

    function test_A1_deposit__amount__is_credited_announced_and_taken() public {
        uint256 purse = token.balanceOf(bob);
        _deposit(bob, ETH, 3);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.Deposited(ETH, bob, 3, 10);
        _deposit(bob, ETH, 7);
        assertEq(_balance(ETH, bob), 10);
        assertEq(token.balanceOf(bob), purse - 10);
        assertEq(exchange.collateralOf(ETH), 10 * LIMIT + 10);
    }

    function test_A1_fund_pool__amount__is_added_announced_and_credited_to_nobody() public {
        _fund(ETH, 3);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.PoolFunded(ETH, bob, 7, 3, 10);
        _fund(ETH, 7);
        assertEq(exchange.poolOf(ETH), 10);
        assertEq(_balance(ETH, bob), 0);
        assertEq(exchange.collateralOf(ETH), 10 * LIMIT + 10);
    }

    function test_A1_amounts__zero__are_refused() public {
        vm.startPrank(alice);
        vm.expectRevert(IPerpExchange.ZeroAmount.selector);
        exchange.deposit(ETH, 0);
        vm.expectRevert(IPerpExchange.ZeroAmount.selector);
        exchange.withdraw(ETH, 0);
        vm.expectRevert(IPerpExchange.ZeroAmount.selector);
        exchange.fundPool(ETH, 0);
    }

    function test_A1_deposit__without_the_tokens__credits_nothing() public {
        address poor = makeAddr("poor");
        vm.startPrank(poor);
        token.approve(address(exchange), 1);
        vm.expectRevert(abi.encodeWithSelector(IERC20Errors.ERC20InsufficientBalance.selector, poor, 0, 1));
        exchange.deposit(ETH, 1);
        assertEq(_balance(ETH, poor), 0);
    }

    function test_A1_deposit__token_answers_false__reverts() public {
        vm.mockCall(address(token), abi.encodeWithSelector(token.transferFrom.selector), abi.encode(false));
        vm.expectRevert();
        _deposit(bob, ETH, 1);
        assertEq(_balance(ETH, bob), 0);
    }

    function testFuzz_A1_deposit_then_withdraw__any_amount__gives_back_the_same(uint256 amount) public {
        amount = bound(amount, 1, PURSE);
        _setLimit(ETH, type(uint256).max);
        uint256 purse = token.balanceOf(bob);
        _deposit(bob, ETH, amount);
        _withdraw(bob, ETH, amount);
        assertEq(token.balanceOf(bob), purse);
        assertEq(_balance(ETH, alice), 10 * LIMIT, "nobody else's balance moved");
    }
}
