// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {Protocol} from "../doubles/Protocol.sol";
import {RawView} from "../doubles/RawView.sol";
import {BreakerTest} from "./BreakerBase.t.sol";

/// @notice How a trip ends: by itself, by the council, and what the undo call takes back.
contract EndingTest is BreakerTest {
    uint256 private constant EXPIRES_AT = START + DURATION;

    function _refusedExpiry(bytes32 id, bytes memory error_) private {
        bytes memory before = _everything(id, stranger);
        vm.expectRevert(error_);
        _expire(id);
        assertEq(_everything(id, stranger), before);
    }

    function _expectExpired(bytes32 id, bool undone) private {
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Expired(id, stranger, undone);
    }

    function _expectLifted(bytes32 id, bool undone) private {
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Lifted(id, undone, block.timestamp + LOCK);
    }

    function _notInEffect(bytes32 id) private pure returns (bytes memory) {
        return _error(ICircuitBreaker.NotInEffect.selector, id);
    }

    // -------------------------------------------------------------- expiring

    function test_expire__before_its_time__reverts() public {
        _trip(PAUSE);
        vm.warp(EXPIRES_AT - 1);
        _refusedExpiry(PAUSE, _error(ICircuitBreaker.NotDue.selector, PAUSE, EXPIRES_AT));
        assertTrue(protocol.paused(MARKET));
    }

    function test_expire__by_anyone_when_due__undone_announced_and_resting() public {
        _trip(PAUSE);
        vm.warp(EXPIRES_AT);
        vm.expectCall(address(protocol), 0, abi.encodeCall(Protocol.unpause, (MARKET)), 1);
        _expectExpired(PAUSE, true);
        _expire(PAUSE);
        assertFalse(protocol.paused(MARKET));
        ICircuitBreaker.State memory expected = ICircuitBreaker.State(
            uint240(START), ICircuitBreaker.Status.Ready, true, uint40(EXPIRES_AT), uint40(EXPIRES_AT + COOLDOWN), 0, 3
        );
        assertEq(abi.encode(_state(PAUSE)), abi.encode(expected));
    }

    function test_expire__late__rests_from_the_end_on() public {
        _trip(PAUSE);
        vm.warp(EXPIRES_AT + 5 days);
        _expire(PAUSE);
        assertEq(_state(PAUSE).readyAt, EXPIRES_AT + 5 days + COOLDOWN);
    }

    function test_expire__unknown_ready_or_ratified__reverts() public {
        _refusedExpiry(NOWHERE, _notInEffect(NOWHERE));
        _refusedExpiry(PAUSE, _notInEffect(PAUSE));
        _trip(PAUSE);
        _ratify(PAUSE);
        vm.warp(EXPIRES_AT + 1);
        _refusedExpiry(PAUSE, _notInEffect(PAUSE));
        assertTrue(protocol.paused(MARKET));
    }

    function test_expire__twice__reverts() public {
        _trip(PAUSE);
        _end(PAUSE);
        _refusedExpiry(PAUSE, _notInEffect(PAUSE));
    }

    function test_expire__disarmed_and_frozen__still_possible() public {
        _trip(PAUSE);
        vm.startPrank(guardian);
        breaker.disarm(PAUSE);
        breaker.freeze();
        breaker.revokeKeeper(keeper);
        vm.stopPrank();
        assertTrue(protocol.paused(MARKET), "a trip in effect stays");
        _end(PAUSE);
        assertFalse(protocol.paused(MARKET));
        assertFalse(_state(PAUSE).armed, "and stays disarmed");
    }

    function testFuzz_expire__any_caller_and_time__only_when_due(address caller, uint40 later) public {
        _trip(PAUSE);
        vm.warp(START + later);
        bool due = later >= DURATION;
        if (!due) vm.expectRevert(_error(ICircuitBreaker.NotDue.selector, PAUSE, EXPIRES_AT));
        vm.prank(caller);
        breaker.expire(PAUSE);
        assertEq(protocol.paused(MARKET), !due);
    }

    function testFuzz_expire__any_duration__both_sides(uint32 duration) public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.duration = uint32(bound(duration, 1 minutes, 30 days));
        _replace(PAUSE, b);
        _trip(PAUSE);
        assertEq(_state(PAUSE).expiresAt, START + b.duration);
        vm.warp(START + b.duration - 1);
        _refusedExpiry(PAUSE, _error(ICircuitBreaker.NotDue.selector, PAUSE, START + b.duration));
        vm.warp(START + b.duration);
        _expire(PAUSE);
    }

    // -------------------------------------------------------- what is undone

    function test_expire__bounded_values__those_of_before_are_back() public {
        _trip(RISK, _three(750, 600, 0));
        vm.warp(EXPIRES_AT);
        vm.expectCall(address(protocol), 0, abi.encodeCall(Protocol.setRisk, (MARKET, CAP_NOW, FLOOR_NOW, FLAG_NOW)), 1);
        _expectExpired(RISK, true);
        _expire(RISK);
        _assertRisk(CAP_NOW, FLOOR_NOW, FLAG_NOW);
    }

    function testFuzz_expire__any_accepted_values__those_of_before_are_back(
        uint256 cap,
        uint256 floor,
        uint256 flag,
        uint256 newCap,
        uint256 newFloor
    ) public {
        cap = bound(cap, 134, 5_000);
        floor = bound(floor, 2, 600);
        protocol.putRisk(MARKET, cap, floor, flag);
        newCap = bound(newCap, cap - cap / 4, cap - 1);
        newFloor = bound(newFloor, floor + 1, floor + floor / 2);
        _trip(RISK, _three(newCap, newFloor, 0));
        _assertRisk(newCap, newFloor, flag);
        _end(RISK);
        _assertRisk(cap, floor, flag);
    }

    function test_expire__kept_value_changed_since__kept_as_it_is_now() public {
        _trip(RISK, _three(800, 500, 0));
        protocol.putRisk(MARKET, 800, 500, 55);
        vm.warp(EXPIRES_AT);
        _expectExpired(RISK, true);
        _expire(RISK);
        _assertRisk(CAP_NOW, FLOOR_NOW, 55);
    }

    function test_expire__value_changed_since__left_as_it_is() public {
        uint256[3] memory others = [uint256(799), 801, CAP_NOW];
        vm.expectCall(address(protocol), abi.encodeCall(Protocol.setCap, (MARKET, CAP_NOW)), 0);
        for (uint256 i = 0; i < others.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            _trip(CAP, _one(800));
            protocol.putRisk(MARKET, others[i], FLOOR_NOW, FLAG_NOW);
            vm.warp(EXPIRES_AT);
            _expectExpired(CAP, false);
            _expire(CAP);
            assertEq(_cap(), others[i]);
            _assertStatus(CAP, ICircuitBreaker.Status.Ready);
            vm.revertToState(snapshot);
        }
    }

    function test_expire__one_of_two_values_changed_since__only_the_other_is_put_back() public {
        _trip(RISK, _three(800, 500, 0));
        uint256 snapshot = vm.snapshotState();
        protocol.putRisk(MARKET, 800, 501, FLAG_NOW);
        vm.warp(EXPIRES_AT);
        _expectExpired(RISK, true);
        _expire(RISK);
        _assertRisk(CAP_NOW, 501, FLAG_NOW);
        vm.revertToState(snapshot);
        protocol.putRisk(MARKET, 1, 500, FLAG_NOW);
        _end(RISK);
        _assertRisk(1, FLOOR_NOW, FLAG_NOW);
    }

    function test_expire__every_value_changed_since__nothing_is_called() public {
        _trip(RISK, _three(800, 500, 0));
        protocol.putRisk(MARKET, 801, 501, FLAG_NOW);
        vm.expectCall(address(protocol), abi.encodePacked(Protocol.setRisk.selector), 0);
        vm.warp(EXPIRES_AT);
        _expectExpired(RISK, false);
        _expire(RISK);
        _assertRisk(801, 501, FLAG_NOW);
    }

    function test_expire__pause_ended_by_somebody__nothing_is_called() public {
        _trip(PAUSE);
        protocol.putPaused(MARKET, false);
        vm.warp(EXPIRES_AT);
        vm.expectCall(address(protocol), abi.encodePacked(Protocol.unpause.selector), 0);
        _expectExpired(PAUSE, false);
        _expire(PAUSE);
        _assertStatus(PAUSE, ICircuitBreaker.Status.Ready);
    }

    function test_expire__probe_gone_but_values_stay__nothing_is_called() public {
        // The probe of this one watches the cap too: 800 is what the trip shall bring about.
        ICircuitBreaker.Breaker memory b = _capBreaker();
        b.probe = _pauseProbe();
        b.probe.call = abi.encodeCall(Protocol.capOf, (MARKET));
        b.probe.expected = bytes32(uint256(800));
        _replace(CAP, b);
        _trip(CAP, _one(800));
        uint256 snapshot = vm.snapshotState();
        _end(CAP);
        assertEq(_cap(), CAP_NOW);
        vm.revertToState(snapshot);
        protocol.putRisk(MARKET, 700, FLOOR_NOW, FLAG_NOW);
        vm.warp(EXPIRES_AT);
        _expectExpired(CAP, false);
        _expire(CAP);
        assertEq(_cap(), 700);
    }

    // -------------------------------------------------- undo that goes wrong

    function test_expire__undo_lies__reverts_and_stays_tripped() public {
        _trip(PAUSE);
        protocol.setFault(Protocol.Fault.Idle);
        vm.warp(EXPIRES_AT);
        _refusedExpiry(PAUSE, _error(ICircuitBreaker.UndoMissing.selector, PAUSE));
        protocol.setFault(Protocol.Fault.None);
        _expire(PAUSE);
    }

    function test_expire__undo_of_a_value_lies__reverts_and_stays_tripped() public {
        _trip(RISK, _three(800, 500, 0));
        protocol.setFault(Protocol.Fault.Idle);
        vm.warp(EXPIRES_AT);
        _refusedExpiry(RISK, _error(ICircuitBreaker.UndoMissing.selector, RISK));
    }

    function test_expire__undo_reverts__reverts_with_its_reason() public {
        _trip(PAUSE);
        protocol.setFault(Protocol.Fault.Refuses);
        vm.warp(EXPIRES_AT);
        bytes memory reason = abi.encodeWithSelector(Protocol.Refused.selector, Protocol.unpause.selector);
        _refusedExpiry(PAUSE, _callFailed(reason));
        protocol.setFault(Protocol.Fault.Burns);
        _refusedExpiry(PAUSE, _callFailed(""));
    }

    function test_expire__right_lost__reverts_with_its_reason() public {
        _trip(PAUSE);
        protocol.setHand(council);
        vm.warp(EXPIRES_AT);
        _refusedExpiry(PAUSE, _callFailed(abi.encodeWithSelector(Protocol.NotHand.selector, address(breaker))));
    }

    function test_expire__view_stops_answering__reverts_and_the_council_can_still_end_it() public {
        RawView raw = new RawView();
        raw.setAnswer(abi.encode(0), 0, false);
        ICircuitBreaker.Breaker memory b = _plain(
            abi.encodeCall(RawView.setAnswer, (abi.encode(1), 0, false)),
            abi.encodeCall(RawView.setAnswer, (abi.encode(0), 0, false))
        );
        b.target = address(raw);
        b.probe = ICircuitBreaker.Probe(address(raw), 0, hex"01020304", bytes32(uint256(1)));
        _replace(PAUSE, b);
        _trip(PAUSE);
        raw.setAnswer("", 31, false);
        vm.warp(EXPIRES_AT);
        _refusedExpiry(PAUSE, _noAnswer(address(raw), b.probe.call));
        raw.setAnswer(abi.encode(1), 0, true);
        vm.expectRevert(_noAnswer(address(raw), b.probe.call));
        _lift(PAUSE, true);
        _expectLifted(PAUSE, false);
        _lift(PAUSE, false);
    }

    // --------------------------------------------------------------- lifting

    function test_lift__tripped__undone_announced_and_locked() public {
        _trip(PAUSE);
        vm.warp(START + 60);
        _expectLifted(PAUSE, true);
        _lift(PAUSE, true);
        assertFalse(protocol.paused(MARKET));
        ICircuitBreaker.State memory expected = ICircuitBreaker.State(
            uint240(START),
            ICircuitBreaker.Status.Ready,
            true,
            uint40(EXPIRES_AT),
            uint40(START + 60 + COOLDOWN),
            uint40(START + 60 + LOCK),
            3
        );
        assertEq(abi.encode(_state(PAUSE)), abi.encode(expected));
    }

    function test_lift__ratified__undone() public {
        _trip(RISK, _three(800, 500, 0));
        _ratify(RISK);
        vm.warp(EXPIRES_AT + 100 days);
        _expectLifted(RISK, true);
        _lift(RISK, true);
        _assertRisk(CAP_NOW, FLOOR_NOW, FLAG_NOW);
    }

    function test_lift__without_undo__effect_stays() public {
        _trip(PAUSE);
        vm.expectCall(address(protocol), abi.encodePacked(Protocol.unpause.selector), 0);
        _expectLifted(PAUSE, false);
        _lift(PAUSE, false);
        assertTrue(protocol.paused(MARKET));
        _assertStatus(PAUSE, ICircuitBreaker.Status.Ready);
    }

    function test_lift__effect_gone__nothing_is_called() public {
        _trip(PAUSE);
        protocol.putPaused(MARKET, false);
        vm.expectCall(address(protocol), abi.encodePacked(Protocol.unpause.selector), 0);
        _expectLifted(PAUSE, false);
        _lift(PAUSE, true);
    }

    function test_lift__undo_fails__reverts_and_works_without_it() public {
        _trip(PAUSE);
        protocol.setFault(Protocol.Fault.Idle);
        vm.expectRevert(_error(ICircuitBreaker.UndoMissing.selector, PAUSE));
        _lift(PAUSE, true);
        protocol.setFault(Protocol.Fault.Refuses);
        bytes memory reason = abi.encodeWithSelector(Protocol.Refused.selector, Protocol.unpause.selector);
        vm.expectRevert(_callFailed(reason));
        _lift(PAUSE, true);
        _assertStatus(PAUSE, ICircuitBreaker.Status.Tripped);
        _lift(PAUSE, false);
    }

    function test_lift__unknown_or_ready__reverts() public {
        vm.expectRevert(_error(ICircuitBreaker.UnknownBreaker.selector, NOWHERE));
        _lift(NOWHERE, true);
        vm.expectRevert(_notInEffect(PAUSE));
        _lift(PAUSE, true);
        vm.expectRevert(_notInEffect(PAUSE));
        _lift(PAUSE, false);
    }

    function test_lift__no_lock__only_the_rest_counts() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.lock = 0;
        _replace(PAUSE, b);
        _trip(PAUSE);
        _lift(PAUSE, true);
        assertEq(_state(PAUSE).lockedUntil, START);
        vm.warp(START + COOLDOWN - 1);
        vm.expectRevert(_error(ICircuitBreaker.CoolingDown.selector, PAUSE, START + COOLDOWN));
        _trip(PAUSE);
        vm.warp(START + COOLDOWN);
        _trip(PAUSE);
    }

    function test_lift__disarmed_and_frozen__still_possible() public {
        _trip(PAUSE);
        vm.startPrank(council);
        breaker.disarm(PAUSE);
        breaker.freeze();
        vm.stopPrank();
        _lift(PAUSE, true);
        assertFalse(protocol.paused(MARKET));
    }

    function testFuzz_lift__not_the_council__reverts(address caller, bool callUndo) public {
        vm.assume(caller != council);
        _trip(PAUSE);
        vm.expectRevert(_notOwner(caller));
        vm.prank(caller);
        breaker.lift(PAUSE, callUndo);
    }

    function testFuzz_lift__any_lock__both_sides(uint32 lock) public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.lock = uint32(bound(lock, COOLDOWN + 1, 90 days));
        _replace(PAUSE, b);
        _trip(PAUSE);
        _lift(PAUSE, true);
        uint256 until = START + b.lock;
        // Longer than a keeper may be silent.
        for (uint256 at = START; at < until; at += SILENCE) {
            vm.warp(at);
            vm.prank(keeper);
            breaker.heartbeat();
        }
        vm.warp(until - 1);
        vm.expectRevert(_error(ICircuitBreaker.LockedAfterLift.selector, PAUSE, until));
        _trip(PAUSE);
        vm.warp(until);
        _trip(PAUSE);
    }

    // -------------------------------------------------------------- ratifying

    function test_ratify__tripped__announced_and_stays() public {
        _trip(PAUSE);
        ICircuitBreaker.State memory expected = _state(PAUSE);
        expected.status = ICircuitBreaker.Status.Ratified;
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Ratified(PAUSE);
        _ratify(PAUSE);
        assertEq(abi.encode(_state(PAUSE)), abi.encode(expected));
        assertTrue(protocol.paused(MARKET));
    }

    function test_ratify__due_but_not_expired__stays() public {
        _trip(PAUSE);
        vm.warp(EXPIRES_AT + 1);
        _ratify(PAUSE);
        _refusedExpiry(PAUSE, _notInEffect(PAUSE));
    }

    function test_ratify__unknown_ready_or_ratified__reverts() public {
        vm.expectRevert(_notInEffect(NOWHERE));
        _ratify(NOWHERE);
        vm.expectRevert(_notInEffect(PAUSE));
        _ratify(PAUSE);
        _trip(PAUSE);
        _ratify(PAUSE);
        vm.expectRevert(_notInEffect(PAUSE));
        _ratify(PAUSE);
    }

    function testFuzz_ratify__not_the_council__reverts(address caller) public {
        vm.assume(caller != council);
        _trip(PAUSE);
        vm.expectRevert(_notOwner(caller));
        vm.prank(caller);
        breaker.ratify(PAUSE);
    }
}
