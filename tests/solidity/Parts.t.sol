// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DemoToken} from "../../contracts/demo/DemoToken.sol";
import {Multicall3} from "../../contracts/demo/Multicall3.sol";
import {PriceFeed} from "../../contracts/demo/PriceFeed.sol";
import {LateReverter, RevertingTarget, SilentTarget} from "./doubles/Faulty.sol";
import {ExchangeTest} from "./Base.t.sol";

/// @notice The token, the feed, the multicall and the faulty targets.
contract PartsTest is ExchangeTest {
    function test_T1_token__decimals_and_mint__six_and_by_anyone() public {
        assertEq(token.decimals(), 6);
        vm.prank(makeAddr("anyone"));
        token.mint(bob, 5);
        assertEq(token.balanceOf(bob), PURSE + 5);
    }

    // ----------------------------------------------------------------- feed

    function test_F1_feed__first_round__is_the_constructors_answer() public view {
        (uint80 id, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredIn) = ethFeed.latestRoundData();
        assertEq(id, 1);
        assertEq(answer, ETH_PRICE);
        assertEq(startedAt, START);
        assertEq(updatedAt, START);
        assertEq(answeredIn, 1);
        assertEq(ethFeed.decimals(), 8);
        assertEq(ethFeed.description(), "ETH / USD");
        assertEq(ethFeed.version(), 1);
    }

    function testFuzz_F1_feed__push__is_the_latest_and_the_earlier_stays(int256 answer, uint32 wait) public {
        vm.warp(START + wait);
        vm.expectEmit(address(ethFeed));
        emit PriceFeed.AnswerUpdated(answer, 2, START + wait);
        ethFeed.push(answer);
        (uint80 id, int256 latest,, uint256 updatedAt,) = ethFeed.latestRoundData();
        assertEq(id, 2);
        assertEq(latest, answer);
        assertEq(updatedAt, START + wait);
        (, int256 first,, uint256 firstAt,) = ethFeed.getRoundData(1);
        assertEq(first, ETH_PRICE);
        assertEq(firstAt, START);
    }

    function test_F1_feed__push_at__now_passes_and_a_second_later_does_not() public {
        ethFeed.pushAt(5, START);
        vm.expectRevert(abi.encodeWithSelector(PriceFeed.RoundFromTheFuture.selector, START + 1));
        ethFeed.pushAt(5, START + 1);
        assertEq(ethFeed.latestRound(), 2);
    }

    function test_F1_feed__rounds__zero_and_one_past_the_newest_revert() public {
        ethFeed.push(5);
        vm.expectRevert(abi.encodeWithSelector(PriceFeed.NoSuchRound.selector, 0));
        ethFeed.getRoundData(0);
        vm.expectRevert(abi.encodeWithSelector(PriceFeed.NoSuchRound.selector, 3));
        ethFeed.getRoundData(3);
        ethFeed.getRoundData(1);
        ethFeed.getRoundData(2);
    }

    function testFuzz_F2_feed__anyone_but_the_reporter__is_refused(address caller) public {
        vm.assume(caller != address(this));
        vm.startPrank(caller);
        vm.expectRevert(abi.encodeWithSelector(PriceFeed.NotReporter.selector, caller));
        ethFeed.push(1);
        vm.expectRevert(abi.encodeWithSelector(PriceFeed.NotReporter.selector, caller));
        ethFeed.pushAt(1, START);
        assertEq(ethFeed.latestRound(), 1);
    }

    function test_F2_feed__reporter__is_the_deployer() public {
        vm.prank(bob);
        PriceFeed feed = new PriceFeed(8, "", 1);
        assertEq(feed.reporter(), bob);
        vm.prank(bob);
        feed.push(2);
        assertEq(feed.latestRound(), 2);
    }

    // ------------------------------------------------------------ multicall

    /// As local nodes are set up: runtime code put at the public address.
    function _multicall() private returns (Multicall3 multicall) {
        multicall = Multicall3(0xcA11bde05977b3631167028862bE2a173976CA11);
        vm.etch(address(multicall), type(Multicall3).runtimeCode);
    }

    function test_M1_multicall__several_reads__answers_in_order() public {
        Multicall3 multicall = _multicall();
        vm.roll(77);
        vm.deal(alice, 9);
        Multicall3.Call3[] memory calls = new Multicall3.Call3[](4);
        calls[0] = Multicall3.Call3(address(exchange), false, abi.encodeCall(exchange.paused, (ETH)));
        calls[1] = Multicall3.Call3(address(multicall), false, abi.encodeCall(multicall.getBlockNumber, ()));
        calls[2] = Multicall3.Call3(address(multicall), false, abi.encodeCall(multicall.getCurrentBlockTimestamp, ()));
        calls[3] = Multicall3.Call3(address(multicall), false, abi.encodeCall(multicall.getEthBalance, (alice)));
        Multicall3.Result[] memory results = multicall.aggregate3(calls);
        assertEq(results.length, 4);
        assertEq(results[0].returnData, abi.encode(false));
        assertEq(results[1].returnData, abi.encode(77));
        assertEq(results[2].returnData, abi.encode(START));
        assertEq(results[3].returnData, abi.encode(9));
    }

    function test_M1_multicall__allowed_failure__is_reported_with_its_reason_and_the_rest_answers() public {
        Multicall3 multicall = _multicall();
        Multicall3.Call3[] memory calls = new Multicall3.Call3[](2);
        calls[0] = Multicall3.Call3(address(exchange), true, abi.encodeCall(exchange.paused, (NOWHERE)));
        calls[1] = Multicall3.Call3(address(exchange), true, abi.encodeCall(exchange.maxLeverage, (ETH)));
        Multicall3.Result[] memory results = multicall.aggregate3(calls);
        assertFalse(results[0].success);
        assertEq(results[0].returnData, abi.encodeWithSignature("UnknownMarket(bytes32)", NOWHERE));
        assertTrue(results[1].success);
        assertEq(results[1].returnData, abi.encode(LEVERAGE));
    }

    function test_M1_multicall__failure_not_allowed__reverts() public {
        Multicall3 multicall = _multicall();
        Multicall3.Call3[] memory calls = new Multicall3.Call3[](1);
        calls[0] = Multicall3.Call3(address(exchange), false, abi.encodeCall(exchange.paused, (NOWHERE)));
        vm.expectRevert(bytes("Multicall3: call failed"));
        multicall.aggregate3(calls);
    }

    function test_M1_multicall__no_calls_and_no_code__answer_empty() public {
        Multicall3 multicall = _multicall();
        assertEq(multicall.aggregate3(new Multicall3.Call3[](0)).length, 0);
        Multicall3.Call3[] memory calls = new Multicall3.Call3[](1);
        calls[0] = Multicall3.Call3(makeAddr("nobody"), false, hex"01");
        Multicall3.Result[] memory results = multicall.aggregate3(calls);
        assertTrue(results[0].success);
        assertEq(results[0].returnData.length, 0);
    }

    function test_M1_multicall__selectors__are_those_of_the_public_contract() public pure {
        assertEq(Multicall3.aggregate3.selector, bytes4(0x82ad56cb));
        assertEq(Multicall3.getBlockNumber.selector, bytes4(0x42cbb15c));
        assertEq(Multicall3.getCurrentBlockTimestamp.selector, bytes4(0x0f28c97d));
        assertEq(Multicall3.getEthBalance.selector, bytes4(0x4d2301cc));
    }

    // ------------------------------------------------------- faulty targets

    function test_D1_reverting_target__pause__reverts_with_its_error() public {
        RevertingTarget target = new RevertingTarget();
        vm.expectRevert(abi.encodeWithSelector(RevertingTarget.PauseRefused.selector, ETH));
        target.pauseMarket(ETH);
        assertFalse(target.paused(ETH));
    }

    function test_D1_silent_target__pause__succeeds_without_effect() public {
        SilentTarget target = new SilentTarget();
        target.pauseMarket(ETH);
        assertFalse(target.paused(ETH));
    }

    function test_D1_late_reverter__pause__passes_unpaid_and_reverts_paid() public {
        LateReverter target = new LateReverter();
        vm.txGasPrice(1);
        vm.expectRevert(abi.encodeWithSelector(LateReverter.TooLate.selector, 1));
        target.pauseMarket(ETH);
        assertFalse(target.paused(ETH));
        vm.txGasPrice(0);
        target.pauseMarket(ETH);
        assertTrue(target.paused(ETH));
    }
}
