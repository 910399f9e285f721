// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vm} from "forge-std/Vm.sol";

import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {Protocol} from "../doubles/Protocol.sol";
import {BreakerTest} from "./BreakerBase.t.sol";

/// @notice Takes the gas it is given, or answers its revert with a great many bytes.
contract GasHog {
    uint256 public immutable answerSize;
    bool public isOff;

    constructor(uint256 answerSize_) {
        answerSize = answerSize_;
    }

    function turnOff() external view {
        uint256 size = answerSize;
        assembly ("memory-safe") {
            if iszero(size) { invalid() }
            revert(0, size)
        }
    }
}

/// @notice Several breakers in one call: those that cannot trip are left behind, and told of.
contract ManyTest is BreakerTest {
    bytes32 private constant PAUSE_BTC = "pause btc";
    bytes32 private constant BTC = "BTC-PERP";

    function setUp() public override {
        super.setUp();
        ICircuitBreaker.Breaker memory b =
            _plain(abi.encodeCall(Protocol.pause, (BTC)), abi.encodeCall(Protocol.unpause, (BTC)));
        b.probe = _pauseProbe();
        b.probe.call = abi.encodeCall(Protocol.paused, (BTC));
        _register(PAUSE_BTC, b);
    }

    function _orders() private pure returns (ICircuitBreaker.Order[] memory orders) {
        orders = new ICircuitBreaker.Order[](3);
        orders[0] = _order(PAUSE, _none());
        orders[1] = ICircuitBreaker.Order(CAP, _one(800), keccak256("another record"));
        orders[2] = _order(PAUSE_BTC, _none());
    }

    function _tripMany(ICircuitBreaker.Order[] memory orders) private {
        vm.prank(keeper);
        breaker.tripMany(orders);
    }

    function _expectTripped(bytes32 id, bytes32 evidence, uint256[] memory previous, uint256[] memory values) private {
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Tripped(id, keeper, evidence, block.timestamp + DURATION, previous, values);
    }

    function _expectRefused(bytes32 id, bytes32 evidence, bytes memory reason) private {
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.OrderRefused(id, evidence, reason);
    }

    function test_many__all_ready__all_trip_in_the_keepers_name() public {
        vm.warp(START + 1);
        _expectTripped(PAUSE, EVIDENCE, _none(), _none());
        _expectTripped(CAP, keccak256("another record"), _one(CAP_NOW), _one(800));
        _expectTripped(PAUSE_BTC, EVIDENCE, _none(), _none());
        _tripMany(_orders());
        assertTrue(protocol.paused(MARKET));
        assertTrue(protocol.paused(BTC));
        assertEq(_cap(), 800);
        assertEq(breaker.silentAt(keeper), START + 1 + SILENCE + 1);
    }

    function test_many__one_is_so_already__the_others_trip() public {
        protocol.putPaused(MARKET, true);
        bytes memory before = _everything(PAUSE, stranger);
        _expectRefused(PAUSE, EVIDENCE, _error(ICircuitBreaker.AlreadySo.selector, PAUSE));
        _tripMany(_orders());
        assertEq(_everything(PAUSE, stranger), before, "no trace of the one left behind");
        assertEq(_cap(), 800);
        assertTrue(protocol.paused(BTC));
    }

    function test_many__last_is_refused__the_others_trip() public {
        ICircuitBreaker.Order[] memory orders = _orders();
        orders[2].evidence = 0;
        _expectRefused(PAUSE_BTC, 0, abi.encodeWithSelector(ICircuitBreaker.NoEvidence.selector));
        _tripMany(orders);
        assertTrue(protocol.paused(MARKET));
        assertFalse(protocol.paused(BTC));
    }

    function test_many__value_out_of_its_bound__left_behind_with_its_error() public {
        ICircuitBreaker.Order[] memory orders = _orders();
        orders[1].values[0] = 749;
        bytes memory reason = abi.encodeWithSelector(ICircuitBreaker.StepTooLarge.selector, 0, 749, CAP_NOW, 250);
        _expectRefused(CAP, orders[1].evidence, reason);
        _tripMany(orders);
        assertEq(_cap(), CAP_NOW);
    }

    function test_many__breaker_of_two_keepers__left_behind() public {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        b.required = 2;
        _replace(CAP, b);
        bytes memory reason = abi.encodeWithSelector(ICircuitBreaker.WrongNumberOfSignatures.selector, 2, 1);
        _expectRefused(CAP, keccak256("another record"), reason);
        _tripMany(_orders());
        assertEq(_cap(), CAP_NOW);
    }

    function test_many__unknown__left_behind() public {
        ICircuitBreaker.Order[] memory orders = _orders();
        (orders[1].id, orders[1].values) = (NOWHERE, _none());
        _expectRefused(NOWHERE, orders[1].evidence, _error(ICircuitBreaker.UnknownBreaker.selector, NOWHERE));
        _tripMany(orders);
    }

    function test_many__same_breaker_twice__trips_once() public {
        ICircuitBreaker.Order[] memory orders = _orders();
        orders[2].id = PAUSE;
        _expectRefused(PAUSE, EVIDENCE, _error(ICircuitBreaker.InEffect.selector, PAUSE));
        _tripMany(orders);
        assertEq(_state(PAUSE).nonce, 2);
    }

    function test_many__target_reverts__all_left_behind_and_reverts() public {
        protocol.setFault(Protocol.Fault.Refuses);
        bytes memory before = _everything(PAUSE, keeper);
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.NothingTripped.selector));
        _tripMany(_orders());
        assertEq(_everything(PAUSE, keeper), before);
    }

    function test_many__target_burns_all_gas__does_not_reach_beyond_its_own_order() public {
        Protocol burning = new Protocol();
        burning.setHand(address(breaker));
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.target = address(burning);
        b.probe.target = address(burning);
        _replace(PAUSE, b);
        burning.setFault(Protocol.Fault.Burns);
        // One 64th of the gas is left for the orders behind it.
        _expectRefused(PAUSE, EVIDENCE, abi.encodeWithSelector(ICircuitBreaker.CallFailed.selector, burning, ""));
        _tripMany(_orders());
        assertEq(_cap(), 800);
        assertTrue(protocol.paused(BTC));
    }

    function test_many__no_orders__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.NothingTripped.selector));
        _tripMany(new ICircuitBreaker.Order[](0));
    }

    function test_many__no_keeper_or_a_silent_one__reverts() public {
        vm.expectRevert(_notKeeper(stranger));
        vm.prank(stranger);
        breaker.tripMany(_orders());
        vm.warp(START + SILENCE + 1);
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.KeeperSilent.selector, keeper, START + SILENCE + 1));
        _tripMany(_orders());
        vm.warp(START + SILENCE);
        _tripMany(_orders());
    }

    function test_many__one_order_alone_by_somebody__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.OnlySelf.selector));
        vm.prank(keeper);
        breaker.tripFor(keeper, _order(PAUSE, _none()));
    }

    function testFuzz_many__any_of_them_disarmed__exactly_the_others_trip(uint8 disarmed) public {
        ICircuitBreaker.Order[] memory orders = _orders();
        disarmed %= 8;
        for (uint256 i = 0; i < 3; ++i) {
            if (disarmed >> i & 1 == 0) continue;
            vm.prank(guardian);
            breaker.disarm(orders[i].id);
        }
        if (disarmed == 7) vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.NothingTripped.selector));
        _tripMany(orders);
        for (uint256 i = 0; i < 3; ++i) {
            bool left = disarmed >> i & 1 == 1;
            _assertStatus(orders[i].id, left ? ICircuitBreaker.Status.Ready : ICircuitBreaker.Status.Tripped);
        }
    }

    function testFuzz_many__any_caller__only_keepers(address caller) public {
        vm.assume(breaker.silentAt(caller) == 0);
        vm.expectRevert(_notKeeper(caller));
        vm.prank(caller);
        breaker.tripMany(_orders());
    }

    /// The hog stands between two orders, in a transaction with a limit as keepers send it.
    function _around(GasHog hog, uint256 gasMost) private returns (bool done, bytes memory reason) {
        bytes memory data = abi.encodeCall(GasHog.turnOff, ());
        ICircuitBreaker.Breaker memory b = _plain(data, data);
        b.target = address(hog);
        b.probe = ICircuitBreaker.Probe(address(hog), 0, abi.encodeCall(hog.isOff, ()), bytes32(uint256(1)));
        _register("hog", b);
        ICircuitBreaker.Order[] memory orders = new ICircuitBreaker.Order[](6);
        orders[0] = _order(PAUSE, _none());
        orders[1] = _order("hog", _none());
        orders[2] = _order(PAUSE_BTC, _none());
        for (uint256 i = 3; i < 6; ++i) {
            orders[i] = _order(NOWHERE, _none());
        }
        vm.recordLogs();
        vm.prank(keeper);
        (done,) = address(breaker).call{gas: gasMost}(abi.encodeCall(breaker.tripMany, (orders)));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] == ICircuitBreaker.OrderRefused.selector && logs[i].topics[1] == "hog") {
                reason = abi.decode(logs[i].data, (bytes));
            }
        }
    }

    function test_many__gas_burnt_between_two__those_before_and_behind_still_trip() public {
        (bool done,) = _around(new GasHog(0), 1_500_000);
        assertTrue(done);
        assertTrue(protocol.paused(MARKET));
        assertTrue(protocol.paused(BTC));
    }

    function test_many__endless_answer__is_cut_and_takes_nothing_from_the_others() public {
        (bool done, bytes memory reason) = _around(new GasHog(100_000), 3_000_000);
        assertTrue(done);
        assertLe(reason.length, 512);
        assertTrue(protocol.paused(MARKET));
        assertTrue(protocol.paused(BTC));
    }
}
