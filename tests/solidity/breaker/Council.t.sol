// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {CircuitBreaker} from "../../../contracts/CircuitBreaker.sol";
import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {BreakerTest} from "./BreakerBase.t.sol";

/// @notice Who keeps the keepers: council, guardian, silence, freezing and disarming. And that nobody else does.
contract CouncilTest is BreakerTest {
    function _silent(address account, uint256 end) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ICircuitBreaker.KeeperSilent.selector, account, end);
    }

    function _notGuardian(address account) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ICircuitBreaker.NotGuardian.selector, account);
    }

    function _heartbeat(address account) private {
        vm.prank(account);
        breaker.heartbeat();
    }

    function _addKeeper(address account) private {
        vm.prank(council);
        breaker.addKeeper(account);
    }

    function _setSilenceLimit(uint32 limit) private {
        vm.prank(council);
        breaker.setSilenceLimit(limit);
    }

    // ------------------------------------------------------------ deploying

    function test_deploy__settings__announced_and_readable() public {
        address expected = vm.computeCreateAddress(address(this), vm.getNonce(address(this)));
        vm.expectEmit(expected);
        emit ICircuitBreaker.GuardianChanged(address(0), guardian);
        vm.expectEmit(expected);
        emit ICircuitBreaker.SilenceLimitChanged(0, 1 hours);
        CircuitBreaker made = new CircuitBreaker(council, guardian, 1 hours);
        assertEq(made.owner(), council);
        assertEq(made.guardian(), guardian);
        assertEq(made.silenceLimit(), 1 hours);
        assertFalse(made.frozen());
        assertEq(made.MIN_SILENCE(), 1 hours);
        assertEq(made.MAX_SILENCE(), 90 days);
        assertEq(made.MAX_ORDER_LIFE(), 1 hours);
    }

    function test_deploy__domain__is_of_this_chain_and_contract() public view {
        (, string memory name, string memory version, uint256 chain, address verifier,,) = breaker.eip712Domain();
        assertEq(name, "CircuitBreaker");
        assertEq(version, "1");
        assertEq(chain, block.chainid);
        assertEq(verifier, address(breaker));
    }

    function test_deploy__no_council__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableInvalidOwner.selector, address(0)));
        new CircuitBreaker(address(0), guardian, SILENCE);
    }

    function test_deploy__silence_limit__one_hour_to_ninety_days() public {
        vm.expectRevert(_invalid("silenceLimit"));
        new CircuitBreaker(council, guardian, 1 hours - 1);
        vm.expectRevert(_invalid("silenceLimit"));
        new CircuitBreaker(council, guardian, 90 days + 1);
        new CircuitBreaker(council, guardian, 90 days);
    }

    // -------------------------------------------------------------- keepers

    function test_keeper__added__announced_and_live() public {
        vm.warp(START + 3);
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.KeeperAdded(stranger);
        _addKeeper(stranger);
        assertEq(breaker.silentAt(stranger), START + 3 + SILENCE + 1);
        _heartbeat(stranger);
    }

    function test_keeper__zero__reverts() public {
        vm.expectRevert(_invalid("keeper"));
        _addKeeper(address(0));
    }

    function test_keeper__added_again__only_when_silent() public {
        vm.warp(START + SILENCE);
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.KeeperExists.selector, keeper));
        _addKeeper(keeper);
        vm.warp(START + SILENCE + 1);
        vm.expectRevert(_silent(keeper, START + SILENCE + 1));
        _heartbeat(keeper);
        _addKeeper(keeper);
        _heartbeat(keeper);
    }

    function test_keeper__heartbeat__announced_and_prolongs() public {
        vm.warp(START + SILENCE);
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Heartbeat(keeper);
        _heartbeat(keeper);
        assertEq(breaker.silentAt(keeper), START + 2 * SILENCE + 1);
        vm.warp(START + 2 * SILENCE + 1);
        vm.expectRevert(_silent(keeper, START + 2 * SILENCE + 1));
        _heartbeat(keeper);
    }

    function testFuzz_keeper__heartbeat_after_any_silence__only_within_the_limit(uint32 limit, uint32 silence) public {
        limit = uint32(bound(limit, 1 hours, 90 days));
        silence = uint32(bound(silence, 0, 100 days));
        _setSilenceLimit(limit);
        vm.warp(START + silence);
        if (silence > limit) vm.expectRevert(_silent(keeper, START + limit + 1));
        _heartbeat(keeper);
        assertEq(breaker.silentAt(keeper), (silence > limit ? START : START + silence) + limit + 1);
    }

    function test_keeper__revoked_by_guardian_or_council__announced_and_none() public {
        address[2] memory who = [guardian, council];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectEmit(address(breaker));
            emit ICircuitBreaker.KeeperRevoked(keepers[i], who[i]);
            vm.prank(who[i]);
            breaker.revokeKeeper(keepers[i]);
            assertEq(breaker.silentAt(keepers[i]), 0);
            vm.expectRevert(_notKeeper(keepers[i]));
            _heartbeat(keepers[i]);
        }
        vm.expectRevert(_notKeeper(keeper));
        _trip(PAUSE);
        _addKeeper(keeper);
        _trip(PAUSE);
    }

    function test_keeper__revoked_while_silent__is_none_any_more() public {
        vm.warp(START + SILENCE + 1);
        _revoke(keeper);
        assertEq(breaker.silentAt(keeper), 0);
    }

    function test_keeper__revoking_nobody__reverts() public {
        vm.expectRevert(_notKeeper(stranger));
        _revoke(stranger);
        _revoke(keeper);
        vm.expectRevert(_notKeeper(keeper));
        _revoke(keeper);
    }

    // ------------------------------------------------------- silence limit

    function test_silence__one_hour_to_ninety_days__announced() public {
        vm.expectRevert(_invalid("silenceLimit"));
        _setSilenceLimit(1 hours - 1);
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.SilenceLimitChanged(SILENCE, 1 hours);
        _setSilenceLimit(1 hours);
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.SilenceLimitChanged(1 hours, 90 days);
        _setSilenceLimit(90 days);
        vm.expectRevert(_invalid("silenceLimit"));
        _setSilenceLimit(90 days + 1);
        assertEq(breaker.silenceLimit(), 90 days);
    }

    function test_silence__limit_changed__counts_at_once_both_ways() public {
        vm.warp(START + 2 hours);
        _setSilenceLimit(1 hours);
        assertEq(breaker.silentAt(keeper), START + 1 hours + 1);
        vm.expectRevert(_silent(keeper, START + 1 hours + 1));
        _trip(PAUSE);
        _setSilenceLimit(2 hours);
        _trip(PAUSE);
    }

    function testFuzz_silence__any_limit__within_its_bounds_only(uint32 limit) public {
        bool allowed = limit >= 1 hours && limit <= 90 days;
        if (!allowed) vm.expectRevert(_invalid("silenceLimit"));
        _setSilenceLimit(limit);
        assertEq(breaker.silenceLimit(), allowed ? limit : SILENCE);
    }

    function test_silence__never_a_keeper__is_zero() public view {
        assertEq(breaker.silentAt(stranger), 0);
    }

    // -------------------------------------------------- guardian and council

    function test_guardian__changed__announced_and_the_old_one_is_none() public {
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.GuardianChanged(guardian, stranger);
        vm.prank(council);
        breaker.setGuardian(stranger);
        vm.expectRevert(_notGuardian(guardian));
        vm.prank(guardian);
        breaker.freeze();
        vm.prank(stranger);
        breaker.freeze();
        assertTrue(breaker.frozen());
    }

    function test_guardian__zero__only_the_council_is_left() public {
        vm.prank(council);
        breaker.setGuardian(address(0));
        vm.expectRevert(_notGuardian(guardian));
        vm.prank(guardian);
        breaker.freeze();
        vm.prank(council);
        breaker.freeze();
        assertTrue(breaker.frozen());
    }

    function test_council__transfer__in_two_steps() public {
        vm.prank(council);
        breaker.transferOwnership(stranger);
        assertEq(breaker.owner(), council);
        vm.expectRevert(_notOwner(guardian));
        vm.prank(guardian);
        breaker.acceptOwnership();
        vm.prank(stranger);
        breaker.acceptOwnership();
        assertEq(breaker.owner(), stranger);
        vm.expectRevert(_notOwner(council));
        _addKeeper(makeAddr("another"));
    }

    function test_council__renouncing__reverts() public {
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.CouncilRequired.selector));
        vm.prank(council);
        breaker.renounceOwnership();
        vm.expectRevert(_notOwner(stranger));
        vm.prank(stranger);
        breaker.renounceOwnership();
        assertEq(breaker.owner(), council);
    }

    // --------------------------------------------------- freezing, disarming

    function test_freeze__by_guardian_or_council__announced_until_the_council_unfreezes() public {
        address[2] memory who = [guardian, council];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectEmit(address(breaker));
            emit ICircuitBreaker.Frozen(who[i]);
            vm.prank(who[i]);
            breaker.freeze();
            assertTrue(breaker.frozen());
            vm.expectRevert(_notOwner(guardian));
            vm.prank(guardian);
            breaker.unfreeze();
            vm.expectEmit(address(breaker));
            emit ICircuitBreaker.Unfrozen();
            vm.prank(council);
            breaker.unfreeze();
            assertFalse(breaker.frozen());
        }
    }

    function test_disarm__by_guardian_or_council__announced_until_the_council_arms() public {
        address[2] memory who = [guardian, council];
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectEmit(address(breaker));
            emit ICircuitBreaker.Disarmed(PAUSE, who[i]);
            vm.prank(who[i]);
            breaker.disarm(PAUSE);
            assertFalse(_state(PAUSE).armed);
            assertTrue(_state(CAP).armed, "the others stay armed");
            vm.expectRevert(_notOwner(guardian));
            vm.prank(guardian);
            breaker.arm(PAUSE);
            vm.expectEmit(address(breaker));
            emit ICircuitBreaker.Armed(PAUSE);
            vm.prank(council);
            breaker.arm(PAUSE);
            assertTrue(_state(PAUSE).armed);
        }
    }

    function test_disarm_and_arm__unknown__revert() public {
        vm.expectRevert(_error(ICircuitBreaker.UnknownBreaker.selector, NOWHERE));
        vm.prank(guardian);
        breaker.disarm(NOWHERE);
        vm.expectRevert(_error(ICircuitBreaker.UnknownBreaker.selector, NOWHERE));
        vm.prank(council);
        breaker.arm(NOWHERE);
    }

    function test_arm__in_effect__trip_stays_as_it_is() public {
        _trip(PAUSE);
        bytes memory before = abi.encode(_state(PAUSE));
        vm.startPrank(council);
        breaker.disarm(PAUSE);
        breaker.arm(PAUSE);
        vm.stopPrank();
        assertEq(abi.encode(_state(PAUSE)), before);
    }

    // ----------------------------------------------------------- who may what

    /// One call of each kind. The trip of PAUSE is in effect, RISK is ready.
    function _ofKeepers() private pure returns (bytes[] memory calls) {
        calls = new bytes[](4);
        ICircuitBreaker.Order[] memory orders = new ICircuitBreaker.Order[](1);
        orders[0] = _order(RISK, _three(800, 500, 0));
        calls[0] = abi.encodeCall(ICircuitBreaker.trip, (RISK, _three(800, 500, 0), EVIDENCE));
        calls[1] = abi.encodeCall(ICircuitBreaker.tripMany, (orders));
        calls[2] = abi.encodeCall(ICircuitBreaker.tripSigned, (orders[0], START + 60, new bytes[](1)));
        calls[3] = abi.encodeCall(ICircuitBreaker.heartbeat, ());
    }

    function _ofGuardian() private view returns (bytes[] memory calls) {
        calls = new bytes[](3);
        calls[0] = abi.encodeCall(ICircuitBreaker.revokeKeeper, (keeper));
        calls[1] = abi.encodeCall(ICircuitBreaker.disarm, (PAUSE));
        calls[2] = abi.encodeCall(ICircuitBreaker.freeze, ());
    }

    function _ofCouncil() private view returns (bytes[] memory calls) {
        calls = new bytes[](11);
        calls[0] = abi.encodeCall(ICircuitBreaker.register, (NOWHERE, _pauseBreaker()));
        calls[1] = abi.encodeCall(ICircuitBreaker.unregister, (RISK));
        calls[2] = abi.encodeCall(ICircuitBreaker.arm, (PAUSE));
        calls[3] = abi.encodeCall(ICircuitBreaker.ratify, (PAUSE));
        calls[4] = abi.encodeCall(ICircuitBreaker.lift, (PAUSE, true));
        calls[5] = abi.encodeCall(ICircuitBreaker.addKeeper, (stranger));
        calls[6] = abi.encodeCall(ICircuitBreaker.setGuardian, (stranger));
        calls[7] = abi.encodeCall(ICircuitBreaker.setSilenceLimit, (uint32(1 hours)));
        calls[8] = abi.encodeCall(ICircuitBreaker.unfreeze, ());
        calls[9] = abi.encodeCall(Ownable.transferOwnership, (stranger));
        calls[10] = abi.encodeCall(Ownable.renounceOwnership, ());
    }

    function _allRefused(address caller, bytes[] memory calls, bytes memory error_) private {
        bytes memory before = abi.encode(_everything(PAUSE, keeper), _everything(RISK, caller));
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(caller);
            (bool success, bytes memory answer) = address(breaker).call(calls[i]);
            assertFalse(success, "went through");
            assertEq(answer, error_);
        }
        assertEq(abi.encode(_everything(PAUSE, keeper), _everything(RISK, caller)), before);
    }

    function _noRole(address caller) private {
        if (breaker.silentAt(caller) == 0) _allRefused(caller, _ofKeepers(), _notKeeper(caller));
        if (caller != council && caller != guardian) _allRefused(caller, _ofGuardian(), _notGuardian(caller));
        if (caller != council) _allRefused(caller, _ofCouncil(), _notOwner(caller));
        if (caller == address(breaker)) return;
        vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.OnlySelf.selector));
        vm.prank(caller);
        breaker.tripFor(keeper, _order(RISK, _three(800, 500, 0)));
    }

    function test_roles__each_role__can_do_nothing_of_another() public {
        _trip(PAUSE);
        _noRole(keeper);
        _noRole(guardian);
        _noRole(council);
        _noRole(address(protocol));
        _noRole(address(0));
        _assertRisk(CAP_NOW, FLOOR_NOW, FLAG_NOW);
    }

    function testFuzz_roles__any_caller__gets_nothing_through(address caller) public {
        _trip(PAUSE);
        _noRole(caller);
    }

    /// Any bytes at all, by anybody without a role.
    function testFuzz_roles__any_calldata__changes_nothing(address caller, bytes4 selector, bytes memory data) public {
        vm.assume(caller != council && caller != guardian && breaker.silentAt(caller) == 0);
        _trip(PAUSE);
        bytes memory before = abi.encode(_everything(PAUSE, keeper), _everything(RISK, caller));
        vm.prank(caller);
        (bool success,) = address(breaker).call(abi.encodePacked(selector, data));
        assertEq(abi.encode(_everything(PAUSE, keeper), _everything(RISK, caller)), before, success ? "in" : "out");
    }

    function test_ether__sent_to_the_breaker__reverts() public {
        vm.deal(stranger, 1);
        vm.prank(stranger);
        (bool success,) = address(breaker).call{value: 1}("");
        assertFalse(success);
    }
}
