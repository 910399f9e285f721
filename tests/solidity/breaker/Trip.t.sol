// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {Protocol} from "../doubles/Protocol.sol";
import {RawView} from "../doubles/RawView.sol";
import {BreakerTest} from "./BreakerBase.t.sol";

/// @notice When a keeper may trip, what a trip writes down, and what becomes of a trip that goes wrong.
contract TripTest is BreakerTest {
    function _refusedTrip(bytes32 id, bytes memory error_) private {
        bytes memory before = _everything(id, keeper);
        vm.expectRevert(error_);
        _trip(id);
        assertEq(_everything(id, keeper), before, "a refused trip leaves no trace");
    }

    // ------------------------------------------------------------ what it does

    function test_trip__ready_pause__announced_written_down_and_in_effect() public {
        vm.warp(START + 5);
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Tripped(PAUSE, keeper, EVIDENCE, START + 5 + DURATION, _none(), _none());
        vm.expectCall(address(protocol), 0, abi.encodeCall(Protocol.pause, (MARKET)), 1);
        _trip(PAUSE);
        assertTrue(protocol.paused(MARKET));
        ICircuitBreaker.State memory expected = ICircuitBreaker.State(
            uint240(START + 5), ICircuitBreaker.Status.Tripped, true, uint40(START + 5 + DURATION), 0, 0, 2
        );
        assertEq(abi.encode(_state(PAUSE)), abi.encode(expected));
        assertEq(uint256(breaker.statusOf(PAUSE)), uint256(ICircuitBreaker.Status.Tripped));
    }

    function test_trip__keeper__is_heard_of() public {
        vm.warp(START + 9);
        _trip(PAUSE);
        assertEq(breaker.silentAt(keeper), START + 9 + SILENCE + 1);
        assertEq(breaker.silentAt(keepers[1]), START + SILENCE + 1, "the others are not");
    }

    function test_trip__one_breaker__the_others_stay_as_they_were() public {
        bytes memory before = _everything(CAP, stranger);
        _trip(PAUSE);
        assertEq(_everything(CAP, stranger), before);
        _assertRisk(CAP_NOW, FLOOR_NOW, FLAG_NOW);
    }

    // ----------------------------------------------------------------- who

    function test_trip__no_keeper__reverts() public {
        address[3] memory others = [council, guardian, stranger];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.expectRevert(_notKeeper(others[i]));
            vm.prank(others[i]);
            breaker.trip(PAUSE, _none(), EVIDENCE);
        }
    }

    function test_trip__last_second_before_silence__trips() public {
        vm.warp(START + SILENCE);
        _trip(PAUSE);
    }

    function test_trip__silent_keeper__reverts() public {
        uint256 end = START + SILENCE + 1;
        vm.warp(end);
        _refusedTrip(PAUSE, abi.encodeWithSelector(ICircuitBreaker.KeeperSilent.selector, keeper, end));
    }

    function test_trip__breaker_of_two_keepers__reverts() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.required = 2;
        _replace(PAUSE, b);
        _refusedTrip(PAUSE, abi.encodeWithSelector(ICircuitBreaker.WrongNumberOfSignatures.selector, 2, 1));
    }

    // ---------------------------------------------------------------- order

    function test_trip__unknown__reverts() public {
        _refusedTrip(NOWHERE, _error(ICircuitBreaker.UnknownBreaker.selector, NOWHERE));
    }

    function test_trip__no_evidence__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.NoEvidence.selector));
        vm.prank(keeper);
        breaker.trip(PAUSE, _none(), 0);
    }

    function test_trip__wrong_number_of_values__reverts() public {
        for (uint256 i = 0; i < 5; ++i) {
            if (i == 3) continue;
            vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.WrongNumberOfValues.selector, 3, i));
            _trip(RISK, new uint256[](i));
        }
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.WrongNumberOfValues.selector, 0, 1));
        _trip(PAUSE, _one(1));
    }

    // ---------------------------------------------------------------- state

    function test_trip__frozen__reverts_until_unfrozen() public {
        vm.prank(guardian);
        breaker.freeze();
        _refusedTrip(PAUSE, abi.encodeWithSelector(ICircuitBreaker.IsFrozen.selector));
        vm.prank(council);
        breaker.unfreeze();
        _trip(PAUSE);
    }

    function test_trip__disarmed__reverts_until_armed() public {
        vm.prank(guardian);
        breaker.disarm(PAUSE);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.NotArmed.selector, PAUSE));
        vm.prank(council);
        breaker.arm(PAUSE);
        _trip(PAUSE);
    }

    function test_trip__in_effect__reverts() public {
        _trip(PAUSE);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.InEffect.selector, PAUSE));
        vm.warp(START + DURATION + 1);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.InEffect.selector, PAUSE));
        _ratify(PAUSE);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.InEffect.selector, PAUSE));
    }

    function test_trip__cooling_down__reverts_until_ready() public {
        _trip(PAUSE);
        vm.warp(START + DURATION + 100);
        _expire(PAUSE);
        uint256 readyAt = START + DURATION + 100 + COOLDOWN;
        vm.warp(readyAt - 1);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.CoolingDown.selector, PAUSE, readyAt));
        vm.warp(readyAt);
        _trip(PAUSE);
    }

    function test_trip__locked_after_lift__reverts_until_unlocked() public {
        _trip(PAUSE);
        vm.warp(START + 10);
        _lift(PAUSE, true);
        uint256 until = START + 10 + LOCK;
        vm.warp(until - 1);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.LockedAfterLift.selector, PAUSE, until));
        vm.warp(until);
        _trip(PAUSE);
    }

    function test_trip__already_so__reverts() public {
        protocol.putPaused(MARKET, true);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.AlreadySo.selector, PAUSE));
        protocol.putPaused(MARKET, false);
        _trip(PAUSE);
    }

    // --------------------------------------------------------------- budget

    /// A pause of the least duration and rest, so that a budget of six fits into an hour.
    function _quick(uint8 budget, uint32 window) private view returns (ICircuitBreaker.Breaker memory b) {
        b = _pauseBreaker();
        (b.duration, b.cooldown, b.lock) = (1 minutes, 1 minutes, 0);
        (b.budget, b.window) = (budget, window);
    }

    function test_trip__each_budget__spent_until_the_oldest_leaves_the_window() public {
        for (uint8 budget = 1; budget <= 6; ++budget) {
            uint256 snapshot = vm.snapshotState();
            _replace(PAUSE, _quick(budget, 1 hours));
            uint256 start = block.timestamp;
            for (uint256 i = 0; i < budget; ++i) {
                vm.warp(start + i * 3 minutes);
                _trip(PAUSE);
                _end(PAUSE);
            }
            vm.warp(start + 1 hours - 1);
            _refusedTrip(PAUSE, _error(ICircuitBreaker.BudgetSpent.selector, PAUSE, start + 1 hours));
            vm.warp(start + 1 hours);
            _trip(PAUSE);
            _end(PAUSE);
            // The next one to leave is the second, or with a budget of one the newest.
            uint256 next = budget == 1 ? start + 2 hours : start + 1 hours + 3 minutes;
            vm.warp(next - 1);
            _refusedTrip(PAUSE, _error(ICircuitBreaker.BudgetSpent.selector, PAUSE, next));
            vm.warp(next);
            _trip(PAUSE);
            vm.revertToState(snapshot);
        }
    }

    function test_trip__refused_trips__do_not_use_up_the_budget() public {
        _replace(PAUSE, _quick(1, 1 hours));
        protocol.setFault(Protocol.Fault.Refuses);
        for (uint256 i = 0; i < 3; ++i) {
            _refusedTrip(PAUSE, _callFailed(abi.encodeWithSelector(Protocol.Refused.selector, Protocol.pause.selector)));
        }
        protocol.setFault(Protocol.Fault.None);
        _trip(PAUSE);
    }

    /// Whatever the keeper tries and whenever: no window holds more trips than the budget.
    function testFuzz_trip__any_times__budget_holds_in_every_window(uint8 budget, uint32 window, uint24[16] memory gaps)
        public
    {
        budget = uint8(bound(budget, 1, 6));
        window = uint32(bound(window, 1 hours, 12 hours));
        _replace(PAUSE, _quick(budget, window));
        uint256[] memory times = new uint256[](gaps.length);
        uint256 trips;
        for (uint256 i = 0; i < gaps.length; ++i) {
            vm.warp(block.timestamp + 2 minutes + gaps[i] % (window / 2));
            bool allowed = trips < budget || block.timestamp >= times[trips - budget] + window;
            if (!allowed) {
                uint256 until = times[trips - budget] + window;
                vm.expectRevert(_error(ICircuitBreaker.BudgetSpent.selector, PAUSE, until));
            }
            _trip(PAUSE);
            if (!allowed) continue;
            times[trips++] = block.timestamp;
            _end(PAUSE);
        }
        assertGt(trips, 0);
    }

    // ----------------------------------------------------- trips that go wrong

    function test_trip__target_reverts__reverts_with_its_reason() public {
        protocol.setFault(Protocol.Fault.Refuses);
        _refusedTrip(PAUSE, _callFailed(abi.encodeWithSelector(Protocol.Refused.selector, Protocol.pause.selector)));
    }

    function test_trip__right_not_granted__reverts_with_its_reason() public {
        protocol.setHand(council);
        _refusedTrip(PAUSE, _callFailed(abi.encodeWithSelector(Protocol.NotHand.selector, address(breaker))));
    }

    function test_trip__target_burns_all_gas__reverts_without_a_reason() public {
        protocol.setFault(Protocol.Fault.Burns);
        _refusedTrip(PAUSE, _callFailed(""));
    }

    function test_trip__target_lies__reverts() public {
        protocol.setFault(Protocol.Fault.Idle);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.EffectMissing.selector, PAUSE));
    }

    function test_trip__probe_stops_answering__reverts() public {
        RawView raw = new RawView();
        raw.setAnswer(new bytes(32), 0, false);
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.probe.target = address(raw);
        _replace(PAUSE, b);
        raw.setAnswer(new bytes(31), 0, false);
        _refusedTrip(PAUSE, _noAnswer(address(raw), b.probe.call));
        raw.setAnswer(new bytes(32), 0, true);
        _refusedTrip(PAUSE, _noAnswer(address(raw), b.probe.call));
        raw.setAnswer(abi.encode(2), 1_000_000, false);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.EffectMissing.selector, PAUSE));
    }

    function test_trip__probe_of_another_word__that_word_counts() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.probe = ICircuitBreaker.Probe(
            address(protocol), 2, abi.encodeCall(Protocol.riskOf, (MARKET)), bytes32(FLAG_NOW + 1)
        );
        _replace(PAUSE, b);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.EffectMissing.selector, PAUSE));
        protocol.putRisk(MARKET, FLAG_NOW + 1, FLAG_NOW + 1, 0);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.EffectMissing.selector, PAUSE));
        protocol.putRisk(MARKET, 0, 0, FLAG_NOW + 1);
        _refusedTrip(PAUSE, _error(ICircuitBreaker.AlreadySo.selector, PAUSE));
    }

    function test_trip__call_without_words__is_its_selector_alone() public {
        ICircuitBreaker.Breaker memory b = _plain(abi.encodeCall(Protocol.pauseAll, ()), new bytes(4));
        b.probe = _pauseProbe();
        b.probe.call = abi.encodeCall(Protocol.paused, (0));
        _replace(PAUSE, b);
        vm.expectCall(address(protocol), 0, abi.encodeCall(Protocol.pauseAll, ()), 1);
        _trip(PAUSE);
        assertTrue(protocol.paused(0));
    }

    // ----------------------------------------------------------------- fuzz

    function testFuzz_trip__any_caller_id_and_evidence__only_a_keeper_trips_a_breaker(
        address caller,
        bytes32 id,
        bytes32 evidence
    ) public {
        bool listed = breaker.silentAt(caller) != 0;
        bytes memory before = _everything(PAUSE, caller);
        vm.expectRevert(listed ? _error(ICircuitBreaker.UnknownBreaker.selector, id) : _notKeeper(caller));
        vm.prank(caller);
        breaker.trip(id, _none(), evidence == 0 ? EVIDENCE : evidence);
        assertEq(_everything(PAUSE, caller), before);
    }

    function testFuzz_trip__any_keeper_evidence_and_time__announced_with_them(
        uint256 who,
        bytes32 evidence,
        uint32 later
    ) public {
        vm.assume(evidence != 0);
        keeper = keepers[who % 4];
        vm.warp(START + bound(later, 0, SILENCE));
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Tripped(PAUSE, keeper, evidence, block.timestamp + DURATION, _none(), _none());
        vm.prank(keeper);
        breaker.trip(PAUSE, _none(), evidence);
    }
}
