// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {RateLimiter} from "../../../contracts/RateLimiter.sol";
import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {IRateLimiter} from "../../../contracts/interfaces/IRateLimiter.sol";
import {BreakerTest} from "./BreakerBase.t.sol";

/// @notice The rate limiter behind the breaker: a keeper lowers the limit by a step, and its end puts it back.
contract LimiterOnBreakerTest is BreakerTest {
    bytes32 internal constant LIMIT_ID = "limit";
    address internal constant ASSET = address(0xA55E7);
    uint256 internal constant LIMIT = 1_000_000;
    uint256 internal constant FLOOR = 100_000;

    RateLimiter internal limiter;

    function setUp() public override {
        super.setUp();
        limiter = new RateLimiter(council);
        vm.startPrank(council);
        limiter.configure(ASSET, _settings(LIMIT));
        limiter.setTightener(address(breaker));
        vm.stopPrank();
        ICircuitBreaker.Breaker memory b;
        b.target = address(limiter);
        (b.duration, b.cooldown, b.window, b.lock) = (DURATION, COOLDOWN, WINDOW, LOCK);
        (b.budget, b.required) = (2, 1);
        b.call = abi.encodeCall(IRateLimiter.tightenLimit, (ASSET, 0));
        b.undo = abi.encodeCall(IRateLimiter.relaxLimit, (ASSET, 0));
        b.bounds = new ICircuitBreaker.Bound[](1);
        b.bounds[0] = ICircuitBreaker.Bound({
            target: address(limiter),
            word: 1,
            answerWord: 0,
            side: ICircuitBreaker.Side.Lower,
            maxStepBps: 5_000,
            minimum: FLOOR,
            maximum: LIMIT,
            call: abi.encodeCall(IRateLimiter.limitOf, (ASSET))
        });
        _register(LIMIT_ID, b);
    }

    function test_limiter__tightened_by_a_trip__is_put_back_by_its_end() public {
        _lower(LIMIT / 2);
        assertEq(limiter.limitOf(ASSET), LIMIT / 2);
        vm.warp(block.timestamp + DURATION);
        breaker.expire(LIMIT_ID);
        assertEq(limiter.limitOf(ASSET), LIMIT);
    }

    function test_limiter__one_unit_beyond_the_step__is_refused() public {
        vm.expectPartialRevert(ICircuitBreaker.StepTooLarge.selector);
        _lower(LIMIT / 2 - 1);
        assertEq(limiter.limitOf(ASSET), LIMIT);
    }

    function test_limiter__set_anew_by_the_council_meanwhile__is_left_alone() public {
        _lower(LIMIT / 2);
        vm.prank(council);
        limiter.configure(ASSET, _settings(LIMIT / 4));
        vm.warp(block.timestamp + DURATION);
        breaker.expire(LIMIT_ID);
        assertEq(limiter.limitOf(ASSET), LIMIT / 4);
    }

    function _lower(uint256 limit) private {
        uint256[] memory values = new uint256[](1);
        values[0] = limit;
        vm.prank(keeper);
        breaker.trip(LIMIT_ID, values, EVIDENCE);
    }

    function _settings(uint256 limit) private pure returns (IRateLimiter.Settings memory) {
        return IRateLimiter.Settings(
            limit, FLOOR, type(uint16).max, type(uint16).max, 1 hours, 1 days, IRateLimiter.Mode.Reverting
        );
    }
}
