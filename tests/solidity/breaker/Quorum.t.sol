// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {CircuitBreaker} from "../../../contracts/CircuitBreaker.sol";
import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {BreakerTest} from "./BreakerBase.t.sol";

/// @notice Orders of several keepers: whose signatures count, over what, for how long, and that no order counts twice.
contract QuorumTest is BreakerTest {
    uint256 private constant CURVE = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
    uint256 private deadline;

    function setUp() public override {
        super.setUp();
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.required = 2;
        _replace(PAUSE, b);
        deadline = START + 10 minutes;
    }

    function _signature(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// Signatures of the first `count` keepers.
    function _signed(ICircuitBreaker.Order memory order, uint256 count) private view returns (bytes[] memory list) {
        bytes32 digest = breaker.orderDigest(order, deadline);
        list = new bytes[](count);
        for (uint256 i = 0; i < count; ++i) {
            list[i] = _signature(keys[i], digest);
        }
    }

    function _pauseOrder() private pure returns (ICircuitBreaker.Order memory) {
        return _order(PAUSE, _none());
    }

    function _tripSigned(ICircuitBreaker.Order memory order, bytes[] memory list) private {
        vm.prank(keeper);
        breaker.tripSigned(order, deadline, list);
    }

    function _refused(ICircuitBreaker.Order memory order, bytes[] memory list, bytes memory error_) private {
        bytes memory before = _everything(order.id, keeper);
        vm.expectRevert(error_);
        _tripSigned(order, list);
        assertEq(_everything(order.id, keeper), before);
    }

    function _wrongNumber(uint256 expected, uint256 found) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ICircuitBreaker.WrongNumberOfSignatures.selector, expected, found);
    }

    // ---------------------------------------------------------- what counts

    function test_signed__two_keepers__trips_in_the_name_of_who_submits() public {
        keeper = keepers[3];
        bytes[] memory list = _signed(_pauseOrder(), 2);
        vm.warp(START + 1);
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Tripped(PAUSE, keeper, EVIDENCE, START + 1 + DURATION, _none(), _none());
        _tripSigned(_pauseOrder(), list);
        assertTrue(protocol.paused(MARKET));
        assertEq(breaker.silentAt(keeper), START + 1 + SILENCE + 1, "who submits is heard of");
        assertEq(breaker.silentAt(keepers[0]), START + SILENCE + 1, "who signed is not");
    }

    function test_signed__one_keeper_enough__one_signature_trips_too() public {
        ICircuitBreaker.Order memory order = _order(CAP, _one(900));
        _tripSigned(order, _signed(order, 1));
        assertEq(_cap(), 900);
    }

    function test_signed__bounds__hold_for_several_keepers_as_well() public {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        b.required = 4;
        _replace(CAP, b);
        ICircuitBreaker.Order memory order = _order(CAP, _one(749));
        bytes memory error_ = abi.encodeWithSelector(ICircuitBreaker.StepTooLarge.selector, 0, 749, 1_000, 250);
        _refused(order, _signed(order, 4), error_);
        order = _order(CAP, _one(750));
        _tripSigned(order, _signed(order, 4));
        assertEq(_cap(), 750);
    }

    function test_signed__any_other_number__reverts() public {
        uint256[4] memory counts = [uint256(0), 1, 3, 4];
        for (uint256 i = 0; i < counts.length; ++i) {
            _refused(_pauseOrder(), _signed(_pauseOrder(), counts[i]), _wrongNumber(2, counts[i]));
        }
        ICircuitBreaker.Order memory order = _order(CAP, _one(900));
        _refused(order, _signed(order, 0), _wrongNumber(1, 0));
        _refused(order, _signed(order, 2), _wrongNumber(1, 2));
    }

    function test_signed__seven_of_seven__trips() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.required = 7;
        _replace(PAUSE, b);
        uint256[7] memory sevenKeys;
        address[7] memory seven;
        for (uint256 i = 0; i < 7; ++i) {
            address account = vm.addr(i + 1);
            uint256 at = i;
            for (; at > 0 && seven[at - 1] > account; --at) {
                (seven[at], sevenKeys[at]) = (seven[at - 1], sevenKeys[at - 1]);
            }
            (seven[at], sevenKeys[at]) = (account, i + 1);
            vm.prank(council);
            breaker.addKeeper(account);
        }
        bytes32 digest = breaker.orderDigest(_pauseOrder(), deadline);
        bytes[] memory list = new bytes[](7);
        for (uint256 i = 0; i < 7; ++i) {
            list[i] = _signature(sevenKeys[i], digest);
        }
        bytes[] memory six = new bytes[](6);
        for (uint256 i = 0; i < 6; ++i) {
            six[i] = list[i];
        }
        _refused(_pauseOrder(), six, _wrongNumber(7, 6));
        _tripSigned(_pauseOrder(), list);
        assertTrue(protocol.paused(MARKET));
    }

    function test_signed__unknown__reverts() public {
        ICircuitBreaker.Order memory order = _order(NOWHERE, _none());
        _refused(order, _signed(order, 0), _error(ICircuitBreaker.UnknownBreaker.selector, NOWHERE));
        _refused(order, _signed(order, 2), _error(ICircuitBreaker.UnknownBreaker.selector, NOWHERE));
    }

    // -------------------------------------------------------------------- who

    function test_signed__submitted_by_no_keeper__reverts() public {
        keeper = stranger;
        _refused(_pauseOrder(), _signed(_pauseOrder(), 2), _notKeeper(stranger));
    }

    function test_signed__submitted_by_a_silent_keeper__reverts() public {
        vm.warp(START + SILENCE);
        for (uint256 i = 0; i < 3; ++i) {
            vm.prank(keepers[i]);
            breaker.heartbeat();
        }
        vm.warp(START + SILENCE + 1);
        deadline = block.timestamp;
        keeper = keepers[3];
        bytes memory error_ = abi.encodeWithSelector(ICircuitBreaker.KeeperSilent.selector, keeper, START + SILENCE + 1);
        _refused(_pauseOrder(), _signed(_pauseOrder(), 2), error_);
    }

    function test_signed__silent_signer__reverts_from_that_second_on() public {
        vm.warp(START + SILENCE);
        deadline = START + SILENCE + 1;
        vm.prank(keepers[0]);
        breaker.heartbeat();
        bytes[] memory list = _signed(_pauseOrder(), 2);
        uint256 snapshot = vm.snapshotState();
        _tripSigned(_pauseOrder(), list);
        vm.revertToState(snapshot);
        vm.warp(START + SILENCE + 1);
        bytes memory error_ =
            abi.encodeWithSelector(ICircuitBreaker.KeeperSilent.selector, keepers[1], START + SILENCE + 1);
        _refused(_pauseOrder(), list, error_);
    }

    function test_signed__revoked_signer__reverts() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        _revoke(keepers[1]);
        _refused(_pauseOrder(), list, _notKeeper(keepers[1]));
    }

    function test_signed__signer_is_no_keeper__reverts() public {
        (address other, uint256 key) = makeAddrAndKey("somebody else");
        bytes[] memory list = _signed(_pauseOrder(), 2);
        list[0] = _signature(key, breaker.orderDigest(_pauseOrder(), deadline));
        _refused(_pauseOrder(), list, _notKeeper(other));
    }

    function test_signed__same_signer_twice__reverts() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        list[1] = list[0];
        bytes memory error_ =
            abi.encodeWithSelector(ICircuitBreaker.SignersNotAscending.selector, keepers[0], keepers[0]);
        _refused(_pauseOrder(), list, error_);
    }

    function test_signed__descending__reverts() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        (list[0], list[1]) = (list[1], list[0]);
        bytes memory error_ =
            abi.encodeWithSelector(ICircuitBreaker.SignersNotAscending.selector, keepers[1], keepers[0]);
        _refused(_pauseOrder(), list, error_);
    }

    // --------------------------------------------------------------- deadline

    function test_signed__deadline__this_second_at_least() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        vm.warp(deadline + 1);
        _refused(_pauseOrder(), list, abi.encodeWithSelector(ICircuitBreaker.DeadlineOutOfBounds.selector, deadline));
        vm.warp(deadline);
        _tripSigned(_pauseOrder(), list);
    }

    function test_signed__deadline__one_hour_ahead_at_most() public {
        deadline = START + 1 hours + 1;
        bytes[] memory list = _signed(_pauseOrder(), 2);
        _refused(_pauseOrder(), list, abi.encodeWithSelector(ICircuitBreaker.DeadlineOutOfBounds.selector, deadline));
        deadline = START + 1 hours;
        _tripSigned(_pauseOrder(), _signed(_pauseOrder(), 2));
    }

    function testFuzz_signed__any_deadline__allowed_only_within_an_hour(uint256 deadline_) public {
        deadline = deadline_;
        bytes[] memory list = _signed(_pauseOrder(), 2);
        bool allowed = deadline >= START && deadline <= START + 1 hours;
        if (!allowed) {
            vm.expectRevert(abi.encodeWithSelector(ICircuitBreaker.DeadlineOutOfBounds.selector, deadline));
        }
        _tripSigned(_pauseOrder(), list);
        assertEq(protocol.paused(MARKET), allowed);
    }

    function testFuzz_signed__deadline_within_an_hour__trips(uint256 ahead) public {
        deadline = START + bound(ahead, 0, 1 hours);
        _tripSigned(_pauseOrder(), _signed(_pauseOrder(), 2));
        assertTrue(protocol.paused(MARKET));
    }

    // ------------------------------------------------------------ signatures

    function test_signed__malleable_signature__reverts() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[1], breaker.orderDigest(_pauseOrder(), deadline));
        bytes32 other = bytes32(CURVE - uint256(s));
        list[1] = abi.encodePacked(r, other, v == 27 ? uint8(28) : uint8(27));
        _refused(_pauseOrder(), list, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureS.selector, other));
    }

    function test_signed__wrong_length__reverts() public {
        uint256[4] memory lengths = [uint256(0), 64, 66, 130];
        for (uint256 i = 0; i < lengths.length; ++i) {
            bytes[] memory list = _signed(_pauseOrder(), 2);
            list[0] = new bytes(lengths[i]);
            bytes memory error_ = abi.encodeWithSelector(ECDSA.ECDSAInvalidSignatureLength.selector, lengths[i]);
            _refused(_pauseOrder(), list, error_);
        }
    }

    function test_signed__recovery_number_of_zero_or_one__reverts() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        list[0][64] = bytes1(uint8(list[0][64]) - 27);
        _refused(_pauseOrder(), list, abi.encodeWithSelector(ECDSA.ECDSAInvalidSignature.selector));
    }

    function testFuzz_signed__any_65_bytes__worthless(bytes32 r, bytes32 s, uint8 v) public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        list[0] = abi.encodePacked(r, s, v);
        _worthless(_pauseOrder(), list);
    }

    /// Refused for whatever reason; a changed order is one that somebody unknown has signed.
    function _worthless(ICircuitBreaker.Order memory order, bytes[] memory list) private {
        bytes memory before = _everything(order.id, keeper);
        vm.prank(keeper);
        (bool success, bytes memory reason) =
            address(breaker).call(abi.encodeCall(ICircuitBreaker.tripSigned, (order, deadline, list)));
        assertFalse(success);
        bytes4 selector = bytes4(reason);
        assertTrue(
            selector == ICircuitBreaker.NotKeeper.selector || selector == ICircuitBreaker.SignersNotAscending.selector
                || selector == ECDSA.ECDSAInvalidSignature.selector
                || selector == ECDSA.ECDSAInvalidSignatureS.selector,
            "reason"
        );
        assertEq(_everything(order.id, keeper), before);
    }

    // ------------------------------------------------------ what was signed

    function test_digest__is_that_of_eip_712() public view {
        ICircuitBreaker.Order memory order = _order(RISK, _three(1, 2, 3));
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("CircuitBreaker"),
                keccak256("1"),
                block.chainid,
                address(breaker)
            )
        );
        bytes32 words = keccak256(abi.encode(uint256(1), uint256(2), uint256(3)));
        bytes32 type_ = keccak256("Trip(bytes32 id,uint256[] values,bytes32 evidence,uint256 nonce,uint256 deadline)");
        bytes32 message = keccak256(abi.encode(type_, RISK, words, EVIDENCE, uint256(1), deadline));
        assertEq(breaker.TRIP_TYPEHASH(), type_);
        assertEq(breaker.orderDigest(order, deadline), keccak256(abi.encodePacked(hex"1901", domain, message)));
    }

    function test_signed__another_deadline_or_evidence__worthless() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        deadline += 1;
        _worthless(_pauseOrder(), list);
        deadline -= 1;
        ICircuitBreaker.Order memory order = _pauseOrder();
        order.evidence = keccak256("another record");
        _worthless(order, list);
        _tripSigned(_pauseOrder(), list);
    }

    function test_signed__another_id_or_value__worthless() public {
        ICircuitBreaker.Order memory order = _order(CAP, _one(900));
        bytes[] memory list = _signed(order, 1);
        order.values[0] = 901;
        _worthless(order, list);
        order.values[0] = 900;
        // As good for the same order: it moves the cap as well, by RISK's view of it.
        ICircuitBreaker.Breaker memory b = _capBreaker();
        b.bounds[0].call = breaker.breakerOf(RISK).bounds[0].call;
        _unregister(RISK);
        _register("cap too", b);
        assertEq(_state("cap too").nonce, _state(CAP).nonce);
        order.id = "cap too";
        _worthless(order, list);
        order.id = CAP;
        _tripSigned(order, list);
    }

    function test_signed__another_chain__worthless() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        _worthless(_pauseOrder(), list);
        vm.chainId(here);
        _tripSigned(_pauseOrder(), list);
    }

    function test_signed__another_contract__worthless() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        CircuitBreaker first = breaker;
        breaker = new CircuitBreaker(council, guardian, SILENCE);
        for (uint256 i = 0; i < keepers.length; ++i) {
            vm.prank(council);
            breaker.addKeeper(keepers[i]);
        }
        ICircuitBreaker.Breaker memory b = first.breakerOf(PAUSE);
        // The second nonce, as in the first contract.
        _register(PAUSE, b);
        _replace(PAUSE, b);
        assertEq(_state(PAUSE).nonce, first.stateOf(PAUSE).nonce);
        _worthless(_pauseOrder(), list);
    }

    function testFuzz_signed__any_change_of_the_order__worthless(bytes32 evidence, uint256 value, uint32 deadline_)
        public
    {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        b.required = 2;
        _replace(CAP, b);
        ICircuitBreaker.Order memory order = _order(CAP, _one(900));
        bytes[] memory list = _signed(order, 2);
        uint256 signedDeadline = deadline;
        deadline = START + bound(deadline_, 0, 1 hours);
        order.values[0] = value;
        order.evidence = evidence == 0 ? EVIDENCE : evidence;
        vm.assume(deadline != signedDeadline || value != 900 || order.evidence != EVIDENCE);
        _worthless(order, list);
    }

    // ----------------------------------------------------------------- replay

    function test_replay__after_the_trip__worthless() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        _tripSigned(_pauseOrder(), list);
        _worthless(_pauseOrder(), list);
    }

    /// A pause that can trip, end and trip again within the life of an order.
    function _quick() private returns (bytes[] memory list) {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        (b.duration, b.cooldown, b.lock, b.required) = (1 minutes, 1 minutes, 1 minutes, 2);
        _replace(PAUSE, b);
        list = _signed(_pauseOrder(), 2);
    }

    function _tripsByANewOrder() private {
        _tripSigned(_pauseOrder(), _signed(_pauseOrder(), 2));
        assertTrue(protocol.paused(MARKET));
    }

    function test_replay__after_the_end__worthless() public {
        bytes[] memory list = _quick();
        _tripSigned(_pauseOrder(), list);
        bytes[] memory inEffect = _signed(_pauseOrder(), 2);
        _end(PAUSE);
        vm.warp(_state(PAUSE).readyAt);
        _worthless(_pauseOrder(), list);
        _worthless(_pauseOrder(), inEffect);
        _tripsByANewOrder();
    }

    function test_replay__after_a_lift__worthless() public {
        bytes[] memory list = _quick();
        _tripSigned(_pauseOrder(), list);
        bytes[] memory inEffect = _signed(_pauseOrder(), 2);
        _lift(PAUSE, true);
        vm.warp(START + 2 minutes);
        _worthless(_pauseOrder(), list);
        _worthless(_pauseOrder(), inEffect);
        _tripsByANewOrder();
    }

    function test_replay__after_taking_out_and_registering_again__worthless() public {
        bytes[] memory list = _quick();
        _replace(PAUSE, breaker.breakerOf(PAUSE));
        _worthless(_pauseOrder(), list);
        _tripsByANewOrder();
    }

    function test_replay__order_that_was_refused__still_counts() public {
        bytes[] memory list = _signed(_pauseOrder(), 2);
        protocol.putPaused(MARKET, true);
        _refused(_pauseOrder(), list, _error(ICircuitBreaker.AlreadySo.selector, PAUSE));
        protocol.putPaused(MARKET, false);
        _tripSigned(_pauseOrder(), list);
    }
}
