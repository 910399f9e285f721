// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {CircuitBreaker} from "../../../contracts/CircuitBreaker.sol";
import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {HookToken, Protocol} from "../doubles/Protocol.sol";
import {Reentrant} from "../doubles/Reentrant.sol";
import {SafeDouble} from "../doubles/SafeDouble.sol";
import {BreakerTest} from "./BreakerBase.t.sol";

/// @notice Protocol, token, Safe and views that call back into every function of the breaker while it acts. Whoever
///         calls back is a live keeper, so that each of the calls of keepers would go through at another time.
contract ReentrancyTest is BreakerTest {
    bytes private guarded = abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);

    HookToken private token;
    SafeDouble private safe;
    bytes[] private calls;
    bytes[] private errors_;

    function setUp() public override {
        super.setUp();
        token = new HookToken();
        safe = new SafeDouble();
        safe.setModule(address(breaker), true);
        address[3] memory all = [address(protocol), address(token), address(safe)];
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(council);
            breaker.addKeeper(all[i]);
        }
    }

    function _case(bytes memory call, bytes memory error_) private {
        calls.push(call);
        errors_.push(error_);
    }

    /// Every function that changes anything, and what `intruder` gets for it. CAP is ready, PAUSE in progress.
    function _plot(Reentrant intruder, bool intrudes, bool spies) private {
        delete calls;
        delete errors_;
        address by = address(intruder);
        ICircuitBreaker.Order[] memory orders = new ICircuitBreaker.Order[](1);
        orders[0] = _order(CAP, _one(900));
        bytes[] memory signatures = new bytes[](1);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[1], breaker.orderDigest(orders[0], START + 60));
        signatures[0] = abi.encodePacked(r, s, v);
        bytes memory notGuardian = abi.encodeWithSelector(ICircuitBreaker.NotGuardian.selector, by);
        _case(abi.encodeCall(ICircuitBreaker.trip, (CAP, _one(900), EVIDENCE)), guarded);
        _case(abi.encodeCall(ICircuitBreaker.trip, (PAUSE, _none(), EVIDENCE)), guarded);
        _case(abi.encodeCall(ICircuitBreaker.tripSigned, (orders[0], START + 60, signatures)), guarded);
        _case(
            abi.encodeCall(ICircuitBreaker.tripMany, (orders)),
            abi.encodeWithSelector(ICircuitBreaker.NothingTripped.selector)
        );
        _case(abi.encodeCall(CircuitBreaker.tripFor, (by, orders[0])), guarded);
        _case(abi.encodeCall(ICircuitBreaker.expire, (PAUSE)), guarded);
        _case(abi.encodeCall(ICircuitBreaker.lift, (PAUSE, true)), _notOwner(by));
        _case(abi.encodeCall(ICircuitBreaker.lift, (PAUSE, false)), _notOwner(by));
        _case(abi.encodeCall(ICircuitBreaker.ratify, (PAUSE)), _notOwner(by));
        _case(abi.encodeCall(ICircuitBreaker.register, (NOWHERE, _pauseBreaker())), _notOwner(by));
        _case(abi.encodeCall(ICircuitBreaker.unregister, (PAUSE)), _notOwner(by));
        _case(abi.encodeCall(ICircuitBreaker.arm, (PAUSE)), _notOwner(by));
        _case(abi.encodeCall(ICircuitBreaker.addKeeper, (stranger)), _notOwner(by));
        _case(abi.encodeCall(ICircuitBreaker.setGuardian, (by)), _notOwner(by));
        _case(abi.encodeCall(ICircuitBreaker.setSilenceLimit, (uint32(1 days))), _notOwner(by));
        _case(abi.encodeCall(ICircuitBreaker.unfreeze, ()), _notOwner(by));
        _case(abi.encodeCall(Ownable.transferOwnership, (by)), _notOwner(by));
        _case(abi.encodeCall(Ownable.renounceOwnership, ()), _notOwner(by));
        _case(abi.encodeWithSignature("acceptOwnership()"), _notOwner(by));
        _case(abi.encodeCall(ICircuitBreaker.revokeKeeper, (keeper)), notGuardian);
        _case(abi.encodeCall(ICircuitBreaker.disarm, (PAUSE)), notGuardian);
        _case(abi.encodeCall(ICircuitBreaker.freeze, ()), notGuardian);
        intruder.plot(address(breaker), calls, intrudes, spies);
    }

    function _assertAllRefused(Reentrant intruder) private view {
        assertEq(intruder.successes(), 0);
        bytes[] memory answers = intruder.answersOf();
        assertEq(answers.length, calls.length, "all of them were tried");
        for (uint256 i = 0; i < answers.length; ++i) {
            assertEq(answers[i], errors_[i]);
        }
    }

    function _assertOneTripOfPause() private view {
        ICircuitBreaker.State memory s = _state(PAUSE);
        assertEq(uint256(s.status), uint256(ICircuitBreaker.Status.Tripped));
        assertEq(s.recent, START, "one trip");
        assertEq(_cap(), CAP_NOW, "CAP has not tripped");
        assertEq(_state(CAP).nonce, 1);
    }

    function _assertEndOfPause() private view {
        _assertStatus(PAUSE, ICircuitBreaker.Status.Ready);
        assertFalse(protocol.paused(MARKET));
        assertEq(_cap(), CAP_NOW);
        assertEq(_state(CAP).nonce, 1);
    }

    // ------------------------------------------------------------ the control

    function test_control__called_at_another_time__goes_through() public {
        _plot(token, true, false);
        token.touch();
        assertEq(token.successes(), 2, "a trip of CAP, and one of PAUSE");
        assertEq(_cap(), 900);
        assertTrue(protocol.paused(MARKET));
    }

    function test_control__view_that_gets_through__spoils_the_trip() public {
        bytes[] memory views = new bytes[](1);
        views[0] = abi.encodeCall(ICircuitBreaker.stateOf, (PAUSE));
        protocol.plot(address(breaker), views, false, true);
        vm.expectRevert(_noAnswer(address(protocol), abi.encodeCall(Protocol.paused, (MARKET))));
        _trip(PAUSE);
    }

    // --------------------------------------------------------- during calls

    function test_target__calls_back_during_the_trip__gets_nothing() public {
        _plot(protocol, true, false);
        _trip(PAUSE);
        _assertAllRefused(protocol);
        _assertOneTripOfPause();
    }

    function test_target__calls_back_during_expiry_and_lift__gets_nothing() public {
        _trip(PAUSE);
        uint256 snapshot = vm.snapshotState();
        vm.warp(START + DURATION);
        _plot(protocol, true, false);
        _expire(PAUSE);
        // The signed order is past its deadline by then; the guard refuses it before.
        _assertAllRefused(protocol);
        _assertEndOfPause();
        vm.revertToState(snapshot);
        _plot(protocol, true, false);
        _lift(PAUSE, true);
        _assertAllRefused(protocol);
        _assertEndOfPause();
    }

    function test_target__calls_back_during_trips_of_several__gets_nothing() public {
        _plot(protocol, true, false);
        ICircuitBreaker.Order[] memory orders = new ICircuitBreaker.Order[](1);
        orders[0] = _order(PAUSE, _none());
        vm.prank(keeper);
        breaker.tripMany(orders);
        _assertAllRefused(protocol);
        _assertOneTripOfPause();
    }

    function test_target__calls_back_during_a_signed_trip__gets_nothing() public {
        _plot(protocol, true, false);
        ICircuitBreaker.Order memory order = _order(PAUSE, _none());
        bytes[] memory signatures = new bytes[](1);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[2], breaker.orderDigest(order, START + 60));
        signatures[0] = abi.encodePacked(r, s, v);
        vm.prank(keeper);
        breaker.tripSigned(order, START + 60, signatures);
        _assertAllRefused(protocol);
        _assertOneTripOfPause();
    }

    function test_token__calls_back__gets_nothing() public {
        protocol.setToken(token);
        _plot(token, true, false);
        _trip(PAUSE);
        _assertAllRefused(token);
        _assertOneTripOfPause();
        vm.warp(START + DURATION);
        _plot(token, true, false);
        _expire(PAUSE);
        _assertAllRefused(token);
        _assertEndOfPause();
    }

    function test_safe__calls_back__gets_nothing() public {
        protocol.setHand(address(safe));
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.safe = address(safe);
        _replace(PAUSE, b);
        _plot(safe, true, false);
        _trip(PAUSE);
        _assertAllRefused(safe);
        _assertOneTripOfPause();
        vm.warp(START + DURATION);
        _plot(safe, true, false);
        _expire(PAUSE);
        _assertAllRefused(safe);
        _assertEndOfPause();
    }

    function test_heartbeat__of_a_target_that_is_a_keeper__is_all_it_gets() public {
        bytes[] memory beats = new bytes[](1);
        beats[0] = abi.encodeCall(ICircuitBreaker.heartbeat, ());
        protocol.plot(address(breaker), beats, true, false);
        vm.warp(START + 1);
        _trip(PAUSE);
        assertEq(protocol.successes(), 1);
        assertEq(breaker.silentAt(address(protocol)), START + 1 + SILENCE + 1);
    }

    /// Even the council cannot end, trip or take out a breaker from inside of its trip.
    function test_council__is_the_target__guarded_as_well() public {
        vm.prank(council);
        breaker.transferOwnership(address(protocol));
        vm.prank(address(protocol));
        breaker.acceptOwnership();
        delete calls;
        delete errors_;
        _case(abi.encodeCall(ICircuitBreaker.lift, (PAUSE, true)), guarded);
        _case(abi.encodeCall(ICircuitBreaker.lift, (PAUSE, false)), guarded);
        _case(abi.encodeCall(ICircuitBreaker.expire, (PAUSE)), guarded);
        _case(abi.encodeCall(ICircuitBreaker.trip, (PAUSE, _none(), EVIDENCE)), guarded);
        _case(abi.encodeCall(ICircuitBreaker.unregister, (PAUSE)), _error(ICircuitBreaker.InEffect.selector, PAUSE));
        _case(
            abi.encodeCall(ICircuitBreaker.register, (PAUSE, _pauseBreaker())),
            _error(ICircuitBreaker.BreakerExists.selector, PAUSE)
        );
        protocol.plot(address(breaker), calls, true, false);
        _trip(PAUSE);
        _assertAllRefused(protocol);
        _assertOneTripOfPause();
    }

    // --------------------------------------------------------- during views

    /// A view that got anything through would revert, and spoil the call.
    function _expectEachTried() private {
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.expectCall(address(breaker), calls[i]);
        }
    }

    function test_probe__calls_back_during_trip_and_expiry__gets_nothing() public {
        _plot(protocol, false, true);
        _expectEachTried();
        _trip(PAUSE);
        protocol.plot(address(breaker), calls, false, false);
        _assertOneTripOfPause();
        vm.warp(START + DURATION);
        protocol.plot(address(breaker), calls, false, true);
        _expire(PAUSE);
        protocol.plot(address(breaker), calls, false, false);
        _assertEndOfPause();
    }

    function test_value__calls_back_during_trip_and_lift__gets_nothing() public {
        _plot(protocol, false, true);
        _expectEachTried();
        _trip(RISK, _three(800, 500, 0));
        _lift(RISK, true);
        protocol.plot(address(breaker), calls, false, false);
        _assertRisk(CAP_NOW, FLOOR_NOW, FLAG_NOW);
        assertEq(_state(CAP).nonce, 1);
        assertEq(_state(PAUSE).nonce, 1);
    }

    function test_views__call_back_during_registering__get_nothing() public {
        _unregister(RISK);
        _plot(protocol, false, true);
        _expectEachTried();
        ICircuitBreaker.Breaker memory b = _riskBreaker();
        b.probe = _pauseProbe();
        _register("new", b);
        protocol.plot(address(breaker), calls, false, false);
        _assertStatus("new", ICircuitBreaker.Status.Ready);
        _assertStatus(NOWHERE, ICircuitBreaker.Status.Unknown);
        assertEq(_state(CAP).nonce, 1);
    }

    // ----------------------------------------------------------------- fuzz

    /// Any bytes at all, by a target that is a keeper: the trip is one trip.
    function testFuzz_target__calls_back_with_anything__one_trip(bytes4 selector, bytes memory data) public {
        bytes[] memory any = new bytes[](2);
        any[0] = abi.encodePacked(selector, data);
        any[1] = data;
        protocol.plot(address(breaker), any, true, false);
        _trip(PAUSE);
        _assertOneTripOfPause();
    }
}
