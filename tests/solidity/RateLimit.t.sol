// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {RateLimit} from "../../contracts/RateLimit.sol";

/// @notice One bucket, as a contract would keep it.
contract Pail {
    using RateLimit for RateLimit.Bucket;

    RateLimit.Bucket public bucket;

    function set(uint256 limit, uint16 shareBps, uint32 window) external {
        bucket.set(limit, shareBps, window);
    }

    function rebase(uint256 base) external {
        bucket.rebase(base);
    }

    function empty() external {
        bucket.empty();
    }

    function credit(uint256 amount) external {
        bucket.credit(amount);
    }

    function spend(uint256 amount) external returns (bool, uint256) {
        return bucket.spend(amount);
    }

    function settle() external {
        bucket.settle();
    }

    function available() external view returns (uint256) {
        return bucket.available();
    }

    function capacity() external view returns (uint256) {
        return bucket.capacity();
    }
}

/// @notice The formula of the bucket. Test names carry the ids of INVARIANTS.md.
contract RateLimitTest is Test {
    uint256 private constant START = 1_700_000_000;
    uint32 private constant WINDOW = 1_000;
    uint256 private constant LIMIT = 10_000;
    uint16 private constant NO_SHARE = RateLimit.NO_SHARE;

    Pail private pail;

    function setUp() public {
        vm.warp(START);
        pail = new Pail();
        pail.set(LIMIT, NO_SHARE, WINDOW);
    }

    function _spend(uint256 amount) private {
        (bool spent,) = pail.spend(amount);
        assertTrue(spent, "should leave");
    }

    function _refused(uint256 amount, uint256 free) private {
        (bool spent, uint256 got) = pail.spend(amount);
        assertFalse(spent, "should not leave");
        assertEq(got, free);
        assertEq(pail.available(), free, "a refusal counts nothing");
    }

    function test_RL1_bucket__new__is_full() public view {
        assertEq(pail.available(), LIMIT);
    }

    function test_RL1_spend__capacity__both_sides() public {
        _refused(LIMIT + 1, LIMIT);
        _spend(LIMIT);
        _refused(1, 0);
    }

    function test_RL1_spend__zero__passes_even_when_empty() public {
        _spend(LIMIT);
        _spend(0);
    }

    function test_RL1_refill__each_second__is_capacity_over_window() public {
        _spend(LIMIT);
        vm.warp(START + 1);
        _refused(11, 10);
        _spend(10);
        vm.warp(START + WINDOW - 1);
        assertEq(pail.available(), LIMIT - 20);
    }

    function test_RL1_refill__whole_window__is_full_and_not_more() public {
        _spend(LIMIT);
        vm.warp(START + WINDOW);
        assertEq(pail.available(), LIMIT);
        vm.warp(START + 50 * WINDOW);
        _refused(LIMIT + 1, LIMIT);
        _spend(LIMIT);
        _refused(1, 0);
    }

    /// Whatever leaves at whatever times: twice the limit at most in any stretch of one window, and never the last unit
    /// of it in less.
    function testFuzz_RL1_any_window__net_outflow__at_most_twice_the_limit(
        uint256[16] memory amounts,
        uint256[16] memory waits
    ) public {
        uint256[16] memory times;
        uint256[16] memory out;
        uint256 time = START;
        for (uint256 i = 0; i < 16; ++i) {
            time += bound(waits[i], 0, WINDOW / 2);
            vm.warp(time);
            times[i] = time;
            uint256 free = pail.available();
            (bool spent,) = pail.spend(bound(amounts[i], 0, LIMIT));
            out[i] = spent ? bound(amounts[i], 0, LIMIT) : 0;
            assertEq(spent, bound(amounts[i], 0, LIMIT) <= free);
            for (uint256 j = 0; j <= i; ++j) {
                uint256 sum;
                for (uint256 k = j; k <= i; ++k) {
                    sum += out[k];
                }
                assertLe(sum, LIMIT + LIMIT * (time - times[j]) / WINDOW);
                if (time - times[j] <= WINDOW) assertLe(sum, 2 * LIMIT);
            }
        }
    }

    function test_RL2_capacity__limit_and_share__the_smaller_counts() public {
        pail.rebase(50_000);
        assertEq(pail.capacity(), LIMIT, "no share");
        pail.set(LIMIT, 2_000, WINDOW);
        assertEq(pail.capacity(), 10_000, "both the same");
        pail.set(LIMIT, 1_999, WINDOW);
        assertEq(pail.capacity(), 9_995, "the share");
        pail.set(LIMIT, 2_001, WINDOW);
        assertEq(pail.capacity(), LIMIT, "the limit");
        pail.set(RateLimit.NO_LIMIT, 10_000, WINDOW);
        assertEq(pail.capacity(), 50_000, "no limit, the whole base");
        pail.set(RateLimit.NO_LIMIT, 0, WINDOW);
        assertEq(pail.capacity(), 0, "a share of nothing");
    }

    function test_RL2_capacity__share__is_rounded_down() public {
        pail.set(RateLimit.NO_LIMIT, 1, WINDOW);
        pail.rebase(19_999);
        assertEq(pail.capacity(), 1);
        pail.rebase(20_000);
        assertEq(pail.capacity(), 2);
    }

    function test_RL2_set__lowered__counts_what_left_and_refills_at_the_new_pace() public {
        _spend(4_000);
        vm.warp(START + 100); // 1,000 came back at the old pace
        pail.set(5_000, NO_SHARE, WINDOW);
        _refused(2_001, 2_000);
        vm.warp(START + 200); // 500 at the new one
        assertEq(pail.available(), 2_500);
    }

    function test_RL2_set__lowered_and_raised_again__frees_nothing() public {
        _spend(LIMIT);
        pail.set(1, NO_SHARE, WINDOW);
        pail.set(LIMIT, NO_SHARE, WINDOW);
        assertEq(pail.available(), 0);
    }

    function test_RL2_set__raised__adds_the_difference_at_once() public {
        _spend(LIMIT);
        pail.set(LIMIT + 3, NO_SHARE, WINDOW);
        _refused(4, 3);
        _spend(3);
    }

    function test_RL2_set__zero__stops_outflow_and_refill() public {
        _spend(1);
        pail.set(0, NO_SHARE, WINDOW);
        vm.warp(START + 10 * WINDOW);
        _refused(1, 0);
        pail.set(LIMIT, NO_SHARE, WINDOW);
        assertEq(pail.available(), LIMIT - 1);
    }

    function test_RL2_rebase__base_falls_and_rises__the_refill_goes_by_the_base_of_its_time() public {
        pail.set(RateLimit.NO_LIMIT, 1_000, WINDOW);
        pail.rebase(100_000);
        _spend(10_000);
        pail.rebase(10_000); // capacity 1,000
        vm.warp(START + WINDOW);
        pail.rebase(100_000);
        assertEq(pail.available(), 1_000, "a window at the lower base gave the lower capacity back");
    }

    function test_RL2_set__other_window__keeps_the_debt_rounded_up() public {
        _spend(LIMIT);
        vm.warp(START + 1);
        pail.set(LIMIT, NO_SHARE, 2 * WINDOW);
        assertEq(pail.available(), 10);
        vm.warp(START + 2);
        assertEq(pail.available(), 15);
        pail.set(7, NO_SHARE, 3);
        pail.empty();
        pail.spend(7);
        vm.warp(START + 3); // 14 / 3 is owed
        pail.set(7, NO_SHARE, 6);
        assertEq(pail.available(), 2);
    }

    function test_RL2_empty__debt__is_forgotten() public {
        _spend(LIMIT);
        pail.empty();
        assertEq(pail.available(), LIMIT);
    }

    /// Dust limits and dust touches: nothing is lost to rounding.
    function testFuzz_RL3_refill__however_often_touched__is_the_same(uint256 limit, uint32 window, uint8 seconds_)
        public
    {
        limit = bound(limit, 1, 1e6);
        window = uint32(bound(window, 1, 30 days));
        Pail other = new Pail();
        pail.empty();
        pail.set(limit, NO_SHARE, window);
        other.set(limit, NO_SHARE, window);
        pail.spend(limit);
        other.spend(limit);
        for (uint256 i = 0; i < seconds_; ++i) {
            vm.warp(block.timestamp + 1);
            if (i % 3 == 0) pail.settle();
            if (i % 3 == 1) pail.credit(0);
            if (i % 3 == 2) pail.spend(0);
        }
        assertEq(pail.available(), other.available());
        uint256 back = limit * seconds_ / window;
        assertEq(other.available(), back < limit ? back : limit, "rounded down");
    }

    function testFuzz_RL3_any_numbers__nothing_overflows(
        uint256 limit,
        uint16 shareBps,
        uint32 window,
        uint256 base,
        uint256[3] memory amounts,
        uint32 wait
    ) public {
        window = uint32(bound(window, 1, type(uint32).max));
        shareBps = shareBps > 10_000 ? NO_SHARE : shareBps;
        pail.set(limit, shareBps, window);
        pail.rebase(base);
        assertLe(pail.available(), pail.capacity());
        assertLe(pail.capacity(), limit);
        pail.spend(amounts[0]);
        pail.spend(pail.available());
        assertEq(pail.available(), 0);
        vm.warp(START + wait);
        pail.credit(amounts[1]);
        pail.spend(amounts[2]);
        assertLe(pail.available(), pail.capacity());
        pail.set(amounts[0], NO_SHARE, window);
        pail.available();
    }

    function test_RL4_credit__inflow__refills_up_to_full_and_not_more() public {
        _spend(600);
        pail.credit(599);
        assertEq(pail.available(), LIMIT - 1);
        pail.credit(2);
        assertEq(pail.available(), LIMIT);
        pail.credit(type(uint256).max);
        _refused(LIMIT + 1, LIMIT);
    }

    function testFuzz_RL4_credit__any_inflow__frees_no_more_than_came(uint256 out, uint256 amount) public {
        out = bound(out, 0, LIMIT);
        _spend(out);
        pail.credit(amount);
        assertEq(pail.available(), amount < out ? LIMIT - out + amount : LIMIT);
    }
}
