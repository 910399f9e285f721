// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {ISafeModules} from "../../../contracts/interfaces/ISafeModules.sol";
import {Protocol} from "../doubles/Protocol.sol";
import {SafeDouble} from "../doubles/SafeDouble.sol";
import {BreakerTest} from "./BreakerBase.t.sol";

/// @notice A breaker that acts through a Safe: the Safe holds the rights, the breaker is a module of it.
contract ModuleTest is BreakerTest {
    SafeDouble private safe;

    function setUp() public override {
        super.setUp();
        safe = new SafeDouble();
        safe.setModule(address(breaker), true);
        protocol.setHand(address(safe));
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.safe = address(safe);
        _replace(PAUSE, b);
        b = _capBreaker();
        b.safe = address(safe);
        _replace(CAP, b);
    }

    /// The Safe is asked for this call of the protocol, without ether, and never for a delegate call.
    function _expectAsked(bytes memory data) private {
        bytes memory asked =
            abi.encodeCall(ISafeModules.execTransactionFromModuleReturnData, (address(protocol), 0, data, 0));
        vm.expectCall(address(safe), 0, asked, 1);
        vm.expectCall(address(protocol), 0, data, 1);
    }

    function test_safe__pause__trips_and_expires_through_it() public {
        _expectAsked(abi.encodeCall(Protocol.pause, (MARKET)));
        _trip(PAUSE);
        assertTrue(protocol.paused(MARKET));
        _expectAsked(abi.encodeCall(Protocol.unpause, (MARKET)));
        _end(PAUSE);
        assertFalse(protocol.paused(MARKET));
    }

    function test_safe__cap__trips_and_is_lifted_through_it() public {
        _expectAsked(abi.encodeCall(Protocol.setCap, (MARKET, 800)));
        _trip(CAP, _one(800));
        assertEq(_cap(), 800);
        _expectAsked(abi.encodeCall(Protocol.setCap, (MARKET, CAP_NOW)));
        _lift(CAP, true);
        assertEq(_cap(), CAP_NOW);
    }

    function test_safe__inner_call_reverts__reverts_with_its_reason() public {
        protocol.setFault(Protocol.Fault.Refuses);
        vm.expectRevert(_callFailed(abi.encodeWithSelector(Protocol.Refused.selector, Protocol.pause.selector)));
        _trip(PAUSE);
    }

    function test_safe__refuses__reverts_with_its_answer() public {
        safe.setFault(SafeDouble.Fault.Refuses);
        vm.expectRevert(_callFailed("refused"));
        _trip(PAUSE);
    }

    function test_safe__module_not_enabled__reverts_with_its_error() public {
        safe.setModule(address(breaker), false);
        vm.expectRevert("GS104");
        _trip(PAUSE);
        safe.setModule(address(breaker), true);
        _trip(PAUSE);
        safe.setModule(address(breaker), false);
        vm.warp(START + DURATION);
        vm.expectRevert("GS104");
        _expire(PAUSE);
        _lift(PAUSE, false);
    }

    function test_safe__lies__reverts() public {
        safe.setFault(SafeDouble.Fault.Lies);
        vm.expectRevert(_error(ICircuitBreaker.EffectMissing.selector, PAUSE));
        _trip(PAUSE);
        safe.setFault(SafeDouble.Fault.None);
        _trip(PAUSE);
        safe.setFault(SafeDouble.Fault.Lies);
        vm.warp(START + DURATION);
        vm.expectRevert(_error(ICircuitBreaker.UndoMissing.selector, PAUSE));
        _expire(PAUSE);
    }

    function test_safe__breaker_without_it__calls_the_protocol_itself() public {
        vm.expectRevert(_callFailed(abi.encodeWithSelector(Protocol.NotHand.selector, address(breaker))));
        _trip(RISK, _three(800, 500, 0));
    }
}
