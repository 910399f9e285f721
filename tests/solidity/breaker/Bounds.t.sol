// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {Protocol} from "../doubles/Protocol.sol";
import {BreakerTest} from "./BreakerBase.t.sol";

/// @notice What a keeper may set a bounded value to. CAP: Lower, 100 to 5,000, a quarter at most. The floor of RISK:
///         Higher, 0 to 900, a half at most. Its flag: Kept.
contract BoundsTest is BreakerTest {
    function _outOfBounds(uint256 index, uint256 value, uint256 minimum, uint256 maximum) private {
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.OutOfBounds.selector, index, value, minimum, maximum));
    }

    function _notTighter(uint256 index, uint256 value, uint256 current) private {
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.NotTighter.selector, index, value, current));
    }

    function _tooLarge(uint256 index, uint256 value, uint256 current, uint256 step) private {
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.StepTooLarge.selector, index, value, current, step));
    }

    function _put(uint256 cap, uint256 floor) private {
        protocol.putRisk(MARKET, cap, floor, FLAG_NOW);
    }

    /// Trips, and goes back to before the trip.
    function _accepted(bytes32 id, uint256[] memory values, uint256 cap, uint256 floor) private {
        uint256 snapshot = vm.snapshotState();
        _trip(id, values);
        _assertRisk(cap, floor, FLAG_NOW);
        vm.revertToState(snapshot);
    }

    function _acceptedCap(uint256 value) private {
        (, uint256 floor,) = protocol.riskOf(MARKET);
        _accepted(CAP, _one(value), value, floor);
    }

    /// A breaker of the floor alone, instead of RISK, which moves it too.
    function _registerFloor(uint16 bps, uint256 minimum, uint256 maximum) private {
        bytes memory data = abi.encodeCall(Protocol.setFloor, (MARKET, 0));
        ICircuitBreaker.Breaker memory b = _plain(data, data);
        b.bounds = new ICircuitBreaker.Bound[](1);
        b.bounds[0] = _bound(1, 1, ICircuitBreaker.Side.Higher, bps, minimum, maximum);
        _unregister(RISK);
        _register("floor", b);
    }

    function _registerCap(uint16 bps, uint256 minimum, uint256 maximum) private {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        (b.bounds[0].maxStepBps, b.bounds[0].minimum, b.bounds[0].maximum) = (bps, minimum, maximum);
        _replace(CAP, b);
    }

    // ---------------------------------------------------------- side Lower

    function test_lower__minimum__inclusive() public {
        _put(120, 0);
        _acceptedCap(100);
        _outOfBounds(0, 99, 100, 5_000);
        _trip(CAP, _one(99));
        _outOfBounds(0, 0, 100, 5_000);
        _trip(CAP, _one(0));
    }

    function test_lower__maximum__inclusive() public {
        _put(6_000, 0);
        _acceptedCap(5_000);
        _outOfBounds(0, 5_001, 100, 5_000);
        _trip(CAP, _one(5_001));
        _outOfBounds(0, MAX, 100, 5_000);
        _trip(CAP, _one(MAX));
    }

    function test_lower__current_value__is_no_tightening() public {
        _acceptedCap(999);
        _notTighter(0, 1_000, 1_000);
        _trip(CAP, _one(1_000));
        _notTighter(0, 1_001, 1_000);
        _trip(CAP, _one(1_001));
        _notTighter(0, 5_000, 1_000);
        _trip(CAP, _one(5_000));
    }

    function test_lower__step__inclusive() public {
        _acceptedCap(750);
        _tooLarge(0, 749, 1_000, 250);
        _trip(CAP, _one(749));
        _tooLarge(0, 100, 1_000, 250);
        _trip(CAP, _one(100));
    }

    function test_lower__step__rounded_down() public {
        _put(999, 0);
        _acceptedCap(750);
        _tooLarge(0, 749, 999, 249);
        _trip(CAP, _one(749));
        _registerCap(2_500, 1, 5_000);
        _put(3, 0);
        _tooLarge(0, 2, 3, 0);
        _trip(CAP, _one(2));
        _put(4, 0);
        _acceptedCap(3);
    }

    function test_lower__whole_step__down_to_the_minimum() public {
        _registerCap(10_000, 1, MAX);
        _acceptedCap(1);
        _outOfBounds(0, 0, 1, MAX);
        _trip(CAP, _one(0));
    }

    function test_lower__from_zero__nothing_is_tighter() public {
        _put(0, 0);
        _notTighter(0, 100, 0);
        _trip(CAP, _one(100));
        _outOfBounds(0, 0, 100, 5_000);
        _trip(CAP, _one(0));
    }

    function test_lower__from_the_largest_word__no_overflow() public {
        _registerCap(10_000, 1, MAX);
        _put(MAX, 0);
        _acceptedCap(1);
        _acceptedCap(MAX - 1);
        _notTighter(0, MAX, MAX);
        _trip(CAP, _one(MAX));
        _registerCap(1, 1, MAX);
        _acceptedCap(MAX - MAX / 10_000);
        _tooLarge(0, MAX - MAX / 10_000 - 1, MAX, MAX / 10_000);
        _trip(CAP, _one(MAX - MAX / 10_000 - 1));
    }

    // --------------------------------------------------------- side Higher

    function test_higher__minimum_and_maximum__inclusive() public {
        _registerFloor(10_000, 500, 700);
        _accepted("floor", _one(500), CAP_NOW, 500);
        _accepted("floor", _one(700), CAP_NOW, 700);
        _outOfBounds(0, 499, 500, 700);
        _trip("floor", _one(499));
        _outOfBounds(0, 701, 500, 700);
        _trip("floor", _one(701));
    }

    function test_higher__current_value__is_no_tightening() public {
        _registerFloor(5_000, 0, 900);
        _accepted("floor", _one(401), CAP_NOW, 401);
        _notTighter(0, 400, 400);
        _trip("floor", _one(400));
        _notTighter(0, 399, 400);
        _trip("floor", _one(399));
        _notTighter(0, 0, 400);
        _trip("floor", _one(0));
    }

    function test_higher__step__inclusive_and_rounded_down() public {
        _registerFloor(5_000, 0, 900);
        _accepted("floor", _one(600), CAP_NOW, 600);
        _tooLarge(0, 601, 400, 200);
        _trip("floor", _one(601));
        _put(CAP_NOW, 401);
        _accepted("floor", _one(601), CAP_NOW, 601);
        _tooLarge(0, 602, 401, 200);
        _trip("floor", _one(602));
        _put(CAP_NOW, 1);
        _tooLarge(0, 2, 1, 0);
        _trip("floor", _one(2));
    }

    function test_higher__from_zero__no_step_is_possible() public {
        _registerFloor(10_000, 0, MAX);
        _put(CAP_NOW, 0);
        _notTighter(0, 0, 0);
        _trip("floor", _one(0));
        _tooLarge(0, 1, 0, 0);
        _trip("floor", _one(1));
        _tooLarge(0, MAX, 0, 0);
        _trip("floor", _one(MAX));
    }

    function test_higher__from_the_largest_words__no_overflow() public {
        _registerFloor(10_000, 0, MAX);
        _put(CAP_NOW, MAX);
        _notTighter(0, MAX, MAX);
        _trip("floor", _one(MAX));
        _put(CAP_NOW, MAX - 1);
        _accepted("floor", _one(MAX), CAP_NOW, MAX);
        _put(CAP_NOW, MAX / 2);
        _accepted("floor", _one(MAX - 1), CAP_NOW, MAX - 1);
        _tooLarge(0, MAX, MAX / 2, MAX / 2);
        _trip("floor", _one(MAX));
    }

    // --------------------------------------------------------- several, Kept

    function test_several__all_within__announced_written_down_and_in_effect() public {
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Tripped(
            RISK, keeper, EVIDENCE, START + DURATION, _three(1_000, 400, 7), _three(800, 500, 7)
        );
        vm.expectCall(address(protocol), 0, abi.encodeCall(Protocol.setRisk, (MARKET, 800, 500, 7)), 1);
        _trip(RISK, _three(800, 500, 12_345));
        _assertRisk(800, 500, FLAG_NOW);
        ICircuitBreaker.Change[] memory changes = breaker.changesOf(RISK);
        assertEq(abi.encode(changes[0]), abi.encode(1_000, 800));
        assertEq(abi.encode(changes[1]), abi.encode(400, 500));
        assertEq(abi.encode(changes[2]), abi.encode(7, 7));
    }

    function test_several__one_outside__reverts_with_its_index() public {
        _notTighter(0, 1_000, 1_000);
        _trip(RISK, _three(1_000, 500, 0));
        _notTighter(1, 400, 400);
        _trip(RISK, _three(800, 400, 0));
        _tooLarge(1, 601, 400, 200);
        _trip(RISK, _three(800, 601, 0));
        _outOfBounds(1, 901, 0, 900);
        _trip(RISK, _three(800, 901, 0));
        _assertRisk(CAP_NOW, FLOOR_NOW, FLAG_NOW);
    }

    function test_several__target_sets_nothing__reverts() public {
        protocol.setFault(Protocol.Fault.Idle);
        vm.expectRevert(_error(ICircuitBreaker.EffectMissing.selector, RISK));
        _trip(RISK, _three(800, 500, 0));
        vm.expectRevert(_error(ICircuitBreaker.EffectMissing.selector, CAP));
        _trip(CAP, _one(800));
    }

    function test_several__only_one_takes_effect__reverts() public {
        // The call sets the cap alone, while the second bound watches the floor.
        ICircuitBreaker.Breaker memory b = _capBreaker();
        ICircuitBreaker.Bound memory cap = b.bounds[0];
        b.call = abi.encodePacked(b.call, bytes32(0));
        b.undo = b.call;
        b.bounds = new ICircuitBreaker.Bound[](2);
        b.bounds[0] = cap;
        b.bounds[1] = _bound(2, 1, ICircuitBreaker.Side.Higher, 5_000, 0, 900);
        _unregister(RISK);
        _replace(CAP, b);
        uint256[] memory values = new uint256[](2);
        (values[0], values[1]) = (800, 500);
        vm.expectRevert(_error(ICircuitBreaker.EffectMissing.selector, CAP));
        _trip(CAP, values);
    }

    function test_kept__changed_by_somebody_before__written_back_as_it_is() public {
        protocol.putRisk(MARKET, CAP_NOW, FLOOR_NOW, 99);
        _trip(RISK, _three(800, 500, 1));
        _assertRisk(800, 500, 99);
        assertEq(breaker.changesOf(RISK)[2].applied, 99);
    }

    function test_probe_and_bound__both_must_hold() public {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        b.probe = _pauseProbe();
        _replace(CAP, b);
        vm.expectRevert(_error(ICircuitBreaker.EffectMissing.selector, CAP));
        _trip(CAP, _one(800));
        protocol.putPaused(MARKET, true);
        vm.expectRevert(_error(ICircuitBreaker.AlreadySo.selector, CAP));
        _trip(CAP, _one(800));
    }

    function test_bound_on_the_first_word__the_rest_of_the_call_stays() public {
        // The market is the bounded word here: what it was registered with is overwritten, the cap is not.
        bytes memory data = abi.encodeCall(Protocol.setCap, (MARKET, 55));
        ICircuitBreaker.Breaker memory b = _plain(data, data);
        b.bounds = new ICircuitBreaker.Bound[](1);
        b.bounds[0] = _bound(0, 0, ICircuitBreaker.Side.Lower, 10_000, 1, MAX);
        _unregister(RISK);
        _replace(CAP, b);
        vm.expectCall(address(protocol), 0, abi.encodeCall(Protocol.setCap, (bytes32(uint256(3)), 55)), 1);
        vm.expectRevert(_error(ICircuitBreaker.EffectMissing.selector, CAP));
        _trip(CAP, _one(3));
    }

    // ----------------------------------------------------------------- fuzz

    function _step(uint256 current, uint256 bps) private pure returns (uint256) {
        return current / 10_000 * bps + current % 10_000 * bps / 10_000;
    }

    function testFuzz_lower__any_numbers__accepted_exactly_within_the_bound(
        uint256 current,
        uint256 value,
        uint256 minimum,
        uint256 maximum,
        uint16 bps,
        bool close
    ) public {
        minimum = bound(minimum, 1, MAX);
        maximum = bound(maximum, minimum, MAX);
        bps = uint16(bound(bps, 1, 10_000));
        uint256 step = _step(current, bps);
        // Half of the runs lie around the largest step.
        if (close) value = bound(value, current - step > 0 ? current - step - 1 : 0, current);
        _registerCap(bps, minimum, maximum);
        _put(current, 0);
        bool accepted = value >= minimum && value <= maximum && value < current && current - value <= step;
        if (!accepted) {
            if (value < minimum || value > maximum) _outOfBounds(0, value, minimum, maximum);
            else if (value >= current) _notTighter(0, value, current);
            else _tooLarge(0, value, current, step);
        }
        _trip(CAP, _one(value));
        assertEq(_cap(), accepted ? value : current);
    }

    function testFuzz_higher__any_numbers__accepted_exactly_within_the_bound(
        uint256 current,
        uint256 value,
        uint256 minimum,
        uint256 maximum,
        uint16 bps,
        bool close
    ) public {
        maximum = bound(maximum, minimum, MAX);
        bps = uint16(bound(bps, 1, 10_000));
        uint256 step = _step(current, bps);
        if (close) value = bound(value, current, MAX - current > step ? current + step + 1 : MAX);
        _registerFloor(bps, minimum, maximum);
        _put(CAP_NOW, current);
        bool accepted = value >= minimum && value <= maximum && value > current && value - current <= step;
        if (!accepted) {
            if (value < minimum || value > maximum) _outOfBounds(0, value, minimum, maximum);
            else if (value <= current) _notTighter(0, value, current);
            else _tooLarge(0, value, current, step);
        }
        _trip("floor", _one(value));
        _assertRisk(CAP_NOW, accepted ? value : current, FLAG_NOW);
    }

    function testFuzz_kept__any_flag_and_value__flag_stays(uint256 flag, uint256 value) public {
        protocol.putRisk(MARKET, CAP_NOW, FLOOR_NOW, flag);
        _trip(RISK, _three(800, 500, value));
        _assertRisk(800, 500, flag);
        _end(RISK);
        _assertRisk(CAP_NOW, FLOOR_NOW, flag);
    }
}
