// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

import {CircuitBreaker} from "../../../contracts/CircuitBreaker.sol";
import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";

/// @notice What is used of halmos' own cheat codes.
interface ISymbolic {
    /// Any call of any function of the contract that changes state.
    function createCalldata(string memory contractName) external pure returns (bytes memory data);
    /// A number that stands for everything that the account has stored.
    function snapshotStorage(address account) external returns (uint256 id);
}

/// @notice The protocol: one switch and one dial for each breaker.
contract Panel {
    mapping(bytes32 id => bool) public isOff;
    mapping(bytes32 id => uint256) public dial;

    function turnOff(bytes32 id) external {
        isOff[id] = true;
    }

    function turnOn(bytes32 id) external {
        isOff[id] = false;
    }

    function setDial(bytes32 id, uint256 value) external {
        dial[id] = value;
    }

    function turnOffAndSetDial(bytes32 id, uint256 value) external {
        isOff[id] = true;
        dial[id] = value;
    }
}

/// @notice Proofs about the CircuitBreaker, for every argument, time and caller at once: `make prove`. Ids as in
///         INVARIANTS.md. Times reach from 1970 to beyond the year 10,000.
contract BreakerProofs is Test {
    ISymbolic private constant svm = ISymbolic(address(uint160(uint256(keccak256("svm cheat code")))));
    address private constant COUNCIL = address(0xC0);
    address private constant GUARDIAN = address(0x6A);
    address private constant KEEPER = address(0x4E);
    address private constant STRANGER = address(0x57);
    uint256 private constant START = 1_700_000_000;
    uint256 private constant LAST = 2 ** 38;
    bytes32 private constant FIRST = "FIRST";
    bytes32 private constant SECOND = "SECOND";
    bytes32 private constant THIRD = "THIRD";

    CircuitBreaker private breaker;
    Panel private panel;

    function setUp() public {
        vm.warp(START);
        panel = new Panel();
        breaker = new CircuitBreaker(COUNCIL, GUARDIAN, 90 days);
        vm.prank(COUNCIL);
        breaker.addKeeper(KEEPER);
    }

    // ------------------------------------------------------------- budget

    /// Whatever the times of trips and lifts: one more trip than the budget takes at least the window.
    function check_B2_budgetOfOne(uint256[2] memory trips, uint256[2] memory lifts) public {
        _switch(FIRST, 1);
        for (uint256 i = 0; i < 2; ++i) {
            if (!_tripAndLift(trips[i], lifts[i])) return;
        }
        assert(trips[1] - trips[0] >= 1 days);
    }

    /// @custom:halmos --loop 8
    function check_B2_budgetOfTwo(uint256[3] memory trips, uint256[3] memory lifts) public {
        _switch(FIRST, 2);
        for (uint256 i = 0; i < 3; ++i) {
            if (!_tripAndLift(trips[i], lifts[i])) return;
        }
        assert(trips[2] - trips[0] >= 1 days);
    }

    /// @custom:halmos --loop 8
    function check_B2_budgetOfThree(uint256[4] memory trips, uint256[4] memory lifts) public {
        _switch(FIRST, 3);
        for (uint256 i = 0; i < 4; ++i) {
            if (!_tripAndLift(trips[i], lifts[i])) return;
        }
        assert(trips[3] - trips[0] >= 1 days);
    }

    /// @custom:halmos --loop 8
    function check_B2_budgetOfSix(uint256[7] memory trips, uint256[7] memory lifts) public {
        _switch(FIRST, 6);
        for (uint256 i = 0; i < 7; ++i) {
            if (!_tripAndLift(trips[i], lifts[i])) return;
        }
        assert(trips[6] - trips[0] >= 1 days);
    }

    // ------------------------------------------------------------- bounds

    /// Whatever the current value, the value asked for and the bound: what is accepted is inside, lower, and within a step.
    function check_B1_lower(uint256 current, uint256 value, uint256 minimum, uint256 maximum, uint16 step) public {
        _dial(ICircuitBreaker.Side.Lower, current, minimum, maximum, step);
        bool accepted = _trip(FIRST, value);

        assert(panel.dial(FIRST) == (accepted ? value : current));
        if (!accepted) return;
        assert(value >= minimum && value <= maximum);
        assert(value != 0 && value < current);
        assert(current - value <= Math.mulDiv(current, step, 10_000));
    }

    function check_B1_higher(uint256 current, uint256 value, uint256 minimum, uint256 maximum, uint16 step) public {
        _dial(ICircuitBreaker.Side.Higher, current, minimum, maximum, step);
        bool accepted = _trip(FIRST, value);

        assert(panel.dial(FIRST) == (accepted ? value : current));
        if (!accepted) return;
        assert(value >= minimum && value <= maximum);
        assert(value > current);
        assert(value - current <= Math.mulDiv(current, step, 10_000));
    }

    /// Whatever the keeper says, a kept value stays.
    function check_B1_kept(uint256 current, uint256 value) public {
        _keptDial(current);
        bool accepted = _trip(FIRST, value);
        assert(accepted);
        assert(panel.dial(FIRST) == current);
    }

    // ------------------------------------------------------------- expiry

    /// Whoever tries whenever, whatever the switches say: a trip is ended exactly when its time is over and the council has
    /// not ratified it, and then the protocol is as before.
    function check_B3_expiry(
        address caller,
        uint256 trippedAt,
        uint256 time,
        uint32 duration,
        bool ratified,
        bool frozen,
        bool disarmed
    ) public {
        vm.assume(trippedAt >= START && trippedAt < START + 90 days && time >= trippedAt && time < LAST);
        vm.assume(duration >= 1 minutes && duration <= 30 days);
        ICircuitBreaker.Breaker memory b = _blank(1);
        b.duration = duration;
        _registerSwitch(FIRST, b);
        vm.warp(trippedAt);
        assert(_trip(FIRST));
        if (ratified) {
            vm.prank(COUNCIL);
            breaker.ratify(FIRST);
        }
        if (frozen) {
            vm.prank(GUARDIAN);
            breaker.freeze();
        }
        if (disarmed) {
            vm.prank(GUARDIAN);
            breaker.disarm(FIRST);
        }

        vm.warp(time);
        vm.prank(caller);
        (bool ended,) = address(breaker).call(abi.encodeCall(breaker.expire, (FIRST)));
        assert(ended == (!ratified && time >= trippedAt + duration));
        assert(panel.isOff(FIRST) == !ended);
        assert((breaker.statusOf(FIRST) == ICircuitBreaker.Status.Ready) == ended);
    }

    /// A bounded value is back at what it was.
    function check_B6_expiry_restoresTheValue(uint256 current, uint256 value) public {
        _dial(ICircuitBreaker.Side.Lower, current, 1, type(uint256).max, 10_000);
        if (!_trip(FIRST, value)) return;
        vm.warp(START + 1 hours);
        breaker.expire(FIRST);
        assert(panel.dial(FIRST) == current);
    }

    /// What somebody else has set meanwhile stays.
    function check_B6_expiry_leavesAnothersValue(uint256 value, uint256 other) public {
        _dial(ICircuitBreaker.Side.Lower, 1_000, 1, type(uint256).max, 10_000);
        if (!_trip(FIRST, value)) return;
        panel.setDial(FIRST, other);
        vm.warp(START + 1 hours);
        breaker.expire(FIRST);
        assert(panel.dial(FIRST) == (other == value ? 1_000 : other));
    }

    // ----------------------------------------------------------- authority

    /// Whoever has no role, by whatever call: nothing changes, here or in the protocol, until a trip is due.
    /// @custom:halmos --default-array-lengths 1 --default-bytes-lengths 36
    function check_B8_stranger_changesNothing(address caller) public {
        vm.assume(caller != COUNCIL && caller != GUARDIAN && caller != KEEPER);
        vm.assume(caller != address(0) && caller != address(breaker));
        _inEveryState();
        _changesNothing(caller, _anyCall());
    }

    /// The keeper trips and lives; of everything else nothing changes by it.
    /// @custom:halmos --default-array-lengths 1 --default-bytes-lengths 36
    function check_B8_keeper_onlyTrips() public {
        _inEveryState();
        bytes memory data = _anyCall();
        bytes4 selector = bytes4(data);
        vm.assume(selector != ICircuitBreaker.trip.selector && selector != ICircuitBreaker.tripMany.selector);
        vm.assume(selector != ICircuitBreaker.tripSigned.selector && selector != ICircuitBreaker.heartbeat.selector);
        _changesNothing(KEEPER, data);
    }

    /// The guardian revokes, disarms and freezes; of everything else nothing changes by it.
    /// @custom:halmos --default-array-lengths 1 --default-bytes-lengths 36
    function check_B8_guardian_onlyTakesAway() public {
        _inEveryState();
        bytes memory data = _anyCall();
        bytes4 selector = bytes4(data);
        vm.assume(selector != ICircuitBreaker.revokeKeeper.selector);
        vm.assume(selector != ICircuitBreaker.disarm.selector && selector != ICircuitBreaker.freeze.selector);
        _changesNothing(GUARDIAN, data);
    }

    /// And what it does there neither trips nor ends anything, nor gives anybody a right.
    function check_B8_guardian_neitherTripsNorEnds(bytes32 id, address keeper, uint8 what) public {
        _inEveryState();
        uint256 protocol = svm.snapshotStorage(address(panel));
        bytes memory before = _standing(id);
        uint256 silentAt = breaker.silentAt(keeper);
        vm.startPrank(GUARDIAN);
        if (what == 0) breaker.revokeKeeper(keeper);
        else if (what == 1) breaker.disarm(id);
        else breaker.freeze();
        vm.stopPrank();
        assert(svm.snapshotStorage(address(panel)) == protocol);
        assert(keccak256(_standing(id)) == keccak256(before));
        assert(breaker.silentAt(keeper) == silentAt || breaker.silentAt(keeper) == 0);
    }

    // -------------------------------------------------------------- helpers

    /// Any call but `expire`, which is anybody's: B3.
    function _anyCall() private pure returns (bytes memory data) {
        data = svm.createCalldata("CircuitBreaker");
        vm.assume(bytes4(data) != ICircuitBreaker.expire.selector);
    }

    function _changesNothing(address caller, bytes memory data) private {
        uint256 own = svm.snapshotStorage(address(breaker));
        uint256 protocol = svm.snapshotStorage(address(panel));
        vm.prank(caller);
        (bool success,) = address(breaker).call(data);
        success;
        assert(svm.snapshotStorage(address(breaker)) == own);
        assert(svm.snapshotStorage(address(panel)) == protocol);
    }

    function _standing(bytes32 id) private view returns (bytes memory) {
        ICircuitBreaker.State memory s = breaker.stateOf(id);
        return abi.encode(s.recent, s.status, s.expiresAt, s.readyAt, s.lockedUntil, s.nonce);
    }

    /// One breaker ready and disarmed, one tripped and not due, one ratified, everything frozen: each call would change
    /// something.
    function _inEveryState() private {
        _switch(FIRST, 1);
        _switch(SECOND, 1);
        _switch(THIRD, 1);
        _trip(SECOND);
        _trip(THIRD);
        vm.prank(COUNCIL);
        breaker.ratify(THIRD);
        vm.startPrank(GUARDIAN);
        breaker.disarm(FIRST);
        breaker.freeze();
        vm.stopPrank();
        vm.warp(START + 1 hours - 1);
    }

    function _tripAndLift(uint256 trippedAt, uint256 liftedAt) private returns (bool) {
        vm.assume(trippedAt >= block.timestamp && liftedAt >= trippedAt && liftedAt < LAST);
        vm.warp(trippedAt);
        if (!_trip(FIRST)) return false;
        vm.warp(liftedAt);
        vm.prank(COUNCIL);
        breaker.lift(FIRST, true);
        return true;
    }

    function _trip(bytes32 id) private returns (bool success) {
        vm.prank(KEEPER);
        (success,) = address(breaker).call(abi.encodeCall(breaker.trip, (id, new uint256[](0), "evidence")));
    }

    function _trip(bytes32 id, uint256 value) private returns (bool success) {
        uint256[] memory values = new uint256[](1);
        values[0] = value;
        vm.prank(KEEPER);
        (success,) = address(breaker).call(abi.encodeCall(breaker.trip, (id, values, "evidence")));
    }

    function _switch(bytes32 id, uint8 budget) private {
        _registerSwitch(id, _blank(budget));
    }

    function _registerSwitch(bytes32 id, ICircuitBreaker.Breaker memory b) private {
        b.call = abi.encodeCall(panel.turnOff, (id));
        b.undo = abi.encodeCall(panel.turnOn, (id));
        bytes memory view_ = abi.encodeCall(panel.isOff, (id));
        b.probe = ICircuitBreaker.Probe(address(panel), 0, view_, bytes32(uint256(1)));
        vm.prank(COUNCIL);
        breaker.register(id, b);
    }

    function _dial(ICircuitBreaker.Side side, uint256 current, uint256 minimum, uint256 maximum, uint16 step) private {
        vm.assume(minimum <= maximum && minimum != 0 && step != 0 && step <= 10_000);
        panel.setDial(FIRST, current);
        ICircuitBreaker.Breaker memory b = _blank(1);
        _bind(b, side, minimum, maximum, step);
        vm.prank(COUNCIL);
        breaker.register(FIRST, b);
    }

    function _keptDial(uint256 current) private {
        panel.setDial(FIRST, current);
        ICircuitBreaker.Breaker memory b = _blank(1);
        _bind(b, ICircuitBreaker.Side.Kept, 0, 0, 0);
        b.call = abi.encodeCall(panel.turnOffAndSetDial, (FIRST, 0));
        b.probe = ICircuitBreaker.Probe(address(panel), 0, abi.encodeCall(panel.isOff, (FIRST)), bytes32(uint256(1)));
        vm.prank(COUNCIL);
        breaker.register(FIRST, b);
    }

    function _bind(
        ICircuitBreaker.Breaker memory b,
        ICircuitBreaker.Side side,
        uint256 minimum,
        uint256 maximum,
        uint16 step
    ) private view {
        b.call = abi.encodeCall(panel.setDial, (FIRST, 0));
        b.undo = abi.encodeCall(panel.setDial, (FIRST, 0));
        b.bounds = new ICircuitBreaker.Bound[](1);
        bytes memory view_ = abi.encodeCall(panel.dial, (FIRST));
        b.bounds[0] = ICircuitBreaker.Bound(address(panel), 1, 0, side, step, minimum, maximum, view_);
    }

    function _blank(uint8 budget) private view returns (ICircuitBreaker.Breaker memory b) {
        b.target = address(panel);
        b.duration = 1 hours;
        b.cooldown = 1 minutes;
        b.window = 1 days;
        b.budget = budget;
        b.required = 1;
    }
}
