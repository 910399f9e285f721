// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";

import {CircuitBreaker} from "../../../contracts/CircuitBreaker.sol";
import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {Protocol} from "../doubles/Protocol.sol";

/// @notice A protocol that gave its rights to a breaker, a council, a guardian and four keepers. Three breakers are
///         registered: a pause seen by a probe, a cap seen by its own view, and three values set by one call.
abstract contract BreakerTest is Test {
    bytes32 internal constant PAUSE = "pause";
    bytes32 internal constant CAP = "cap";
    bytes32 internal constant RISK = "risk";
    bytes32 internal constant NOWHERE = "nowhere";
    bytes32 internal constant MARKET = "ETH-PERP";
    bytes32 internal constant EVIDENCE = keccak256("the record of the decision");

    uint256 internal constant START = 1_700_000_000;
    uint32 internal constant DURATION = 6 hours;
    uint32 internal constant COOLDOWN = 1 hours;
    uint32 internal constant WINDOW = 2 days;
    uint32 internal constant LOCK = 3 days;
    uint32 internal constant SILENCE = 30 days;
    uint256 internal constant CAP_NOW = 1_000;
    uint256 internal constant FLOOR_NOW = 400;
    uint256 internal constant FLAG_NOW = 7;
    uint256 internal constant MAX = type(uint256).max;

    address internal council = makeAddr("council");
    address internal guardian = makeAddr("guardian");
    address internal stranger = makeAddr("stranger");
    /// Ascending by address.
    address[4] internal keepers;
    uint256[4] internal keys;
    address internal keeper;

    Protocol internal protocol;
    CircuitBreaker internal breaker;

    function setUp() public virtual {
        vm.warp(START);
        breaker = new CircuitBreaker(council, guardian, SILENCE);
        protocol = new Protocol();
        protocol.setHand(address(breaker));
        protocol.putRisk(MARKET, CAP_NOW, FLOOR_NOW, FLAG_NOW);
        _makeKeepers();
        for (uint256 i = 0; i < keepers.length; ++i) {
            vm.prank(council);
            breaker.addKeeper(keepers[i]);
        }
        keeper = keepers[0];
        _register(PAUSE, _pauseBreaker());
        _register(CAP, _capBreaker());
        _register(RISK, _riskBreaker());
    }

    function _makeKeepers() private {
        string[4] memory names = ["keeper one", "keeper two", "keeper three", "keeper four"];
        for (uint256 i = 0; i < 4; ++i) {
            (address account, uint256 key) = makeAddrAndKey(names[i]);
            uint256 at = i;
            for (; at > 0 && keepers[at - 1] > account; --at) {
                (keepers[at], keys[at]) = (keepers[at - 1], keys[at - 1]);
            }
            (keepers[at], keys[at]) = (account, key);
        }
    }

    // ------------------------------------------------------ registrations

    function _plain(bytes memory call, bytes memory undo) internal view returns (ICircuitBreaker.Breaker memory b) {
        b.target = address(protocol);
        b.duration = DURATION;
        b.cooldown = COOLDOWN;
        b.window = WINDOW;
        b.lock = LOCK;
        b.budget = 2;
        b.required = 1;
        b.call = call;
        b.undo = undo;
    }

    function _pauseBreaker() internal view returns (ICircuitBreaker.Breaker memory b) {
        b = _plain(abi.encodeCall(Protocol.pause, (MARKET)), abi.encodeCall(Protocol.unpause, (MARKET)));
        b.probe = _pauseProbe();
    }

    function _pauseProbe() internal view returns (ICircuitBreaker.Probe memory) {
        bytes memory data = abi.encodeCall(Protocol.paused, (MARKET));
        return ICircuitBreaker.Probe(address(protocol), 0, data, bytes32(uint256(1)));
    }

    function _capBreaker() internal view returns (ICircuitBreaker.Breaker memory b) {
        bytes memory data = abi.encodeCall(Protocol.setCap, (MARKET, 0));
        b = _plain(data, data);
        b.bounds = new ICircuitBreaker.Bound[](1);
        b.bounds[0] = _bound(1, 0, ICircuitBreaker.Side.Lower, 2_500, 100, 5_000);
        // By another view than that of RISK: a value is moved by one breaker only.
        b.bounds[0].call = abi.encodeCall(Protocol.capOf, (MARKET));
    }

    function _riskBreaker() internal view returns (ICircuitBreaker.Breaker memory b) {
        bytes memory data = abi.encodeCall(Protocol.setRisk, (MARKET, 0, 0, 0));
        b = _plain(data, data);
        b.bounds = new ICircuitBreaker.Bound[](3);
        b.bounds[0] = _bound(1, 0, ICircuitBreaker.Side.Lower, 2_500, 100, 5_000);
        b.bounds[1] = _bound(2, 1, ICircuitBreaker.Side.Higher, 5_000, 0, 900);
        b.bounds[2] = _bound(3, 2, ICircuitBreaker.Side.Kept, 0, 0, 0);
    }

    /// A value of the market's risk.
    function _bound(
        uint8 word,
        uint8 answerWord,
        ICircuitBreaker.Side side,
        uint16 bps,
        uint256 minimum,
        uint256 maximum
    ) internal view returns (ICircuitBreaker.Bound memory) {
        bytes memory data = abi.encodeCall(Protocol.riskOf, (MARKET));
        return ICircuitBreaker.Bound(address(protocol), word, answerWord, side, bps, minimum, maximum, data);
    }

    function _register(bytes32 id, ICircuitBreaker.Breaker memory b) internal {
        vm.prank(council);
        breaker.register(id, b);
    }

    function _unregister(bytes32 id) internal {
        vm.prank(council);
        breaker.unregister(id);
    }

    /// Registers anew what `b` says. What was there must not be in effect.
    function _replace(bytes32 id, ICircuitBreaker.Breaker memory b) internal {
        _unregister(id);
        _register(id, b);
    }

    /// Takes CAP and RISK out, so that other breakers may move what they move.
    function _freeValues() internal {
        _unregister(CAP);
        _unregister(RISK);
    }

    // -------------------------------------------------------------- steps

    function _trip(bytes32 id) internal {
        _trip(id, new uint256[](0));
    }

    function _trip(bytes32 id, uint256[] memory values) internal {
        vm.prank(keeper);
        breaker.trip(id, values, EVIDENCE);
    }

    function _expire(bytes32 id) internal {
        vm.prank(stranger);
        breaker.expire(id);
    }

    /// Warps to the end of the trip and expires it.
    function _end(bytes32 id) internal {
        vm.warp(_state(id).expiresAt);
        _expire(id);
    }

    function _lift(bytes32 id, bool callUndo) internal {
        vm.prank(council);
        breaker.lift(id, callUndo);
    }

    function _ratify(bytes32 id) internal {
        vm.prank(council);
        breaker.ratify(id);
    }

    function _revoke(address account) internal {
        vm.prank(guardian);
        breaker.revokeKeeper(account);
    }

    // ------------------------------------------------------------- values

    function _none() internal pure returns (uint256[] memory) {
        return new uint256[](0);
    }

    function _one(uint256 a) internal pure returns (uint256[] memory values) {
        values = new uint256[](1);
        values[0] = a;
    }

    function _three(uint256 a, uint256 b, uint256 c) internal pure returns (uint256[] memory values) {
        values = new uint256[](3);
        (values[0], values[1], values[2]) = (a, b, c);
    }

    function _order(bytes32 id, uint256[] memory values) internal pure returns (ICircuitBreaker.Order memory) {
        return ICircuitBreaker.Order(id, values, EVIDENCE);
    }

    function _state(bytes32 id) internal view returns (ICircuitBreaker.State memory) {
        return breaker.stateOf(id);
    }

    function _cap() internal view returns (uint256 cap) {
        (cap,,) = protocol.riskOf(MARKET);
    }

    function _assertStatus(bytes32 id, ICircuitBreaker.Status status) internal view {
        assertEq(uint256(_state(id).status), uint256(status), "status");
    }

    function _assertRisk(uint256 cap, uint256 floor, uint256 flag) internal view {
        (uint256 foundCap, uint256 foundFloor, uint256 foundFlag) = protocol.riskOf(MARKET);
        assertEq(foundCap, cap, "cap");
        assertEq(foundFloor, floor, "floor");
        assertEq(foundFlag, flag, "flag");
    }

    /// Everything that can be read of the breaker contract about one breaker and one keeper.
    function _everything(bytes32 id, address account) internal view returns (bytes memory) {
        uint256 silentAt = breaker.silentAt(account);
        bytes memory roles = abi.encode(
            breaker.owner(), breaker.pendingOwner(), breaker.guardian(), breaker.frozen(), breaker.silenceLimit()
        );
        return abi.encode(breaker.breakerOf(id), breaker.stateOf(id), breaker.changesOf(id), silentAt, roles);
    }

    // ------------------------------------------------------------- errors

    function _error(bytes4 selector, bytes32 id) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, id);
    }

    function _error(bytes4 selector, bytes32 id, uint256 at) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(selector, id, at);
    }

    function _invalid(bytes32 what) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(ICircuitBreaker.Invalid.selector, what);
    }

    function _notOwner(address caller) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller);
    }

    function _notKeeper(address account) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(ICircuitBreaker.NotKeeper.selector, account);
    }

    function _callFailed(bytes memory reason) internal view returns (bytes memory) {
        return abi.encodeWithSelector(ICircuitBreaker.CallFailed.selector, address(protocol), reason);
    }

    function _valueTaken(ICircuitBreaker.Bound memory taken) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(ICircuitBreaker.ValueTaken.selector, taken.target, taken.call);
    }

    function _noAnswer(address target, bytes memory data) internal pure returns (bytes memory) {
        return abi.encodeWithSelector(ICircuitBreaker.NoAnswer.selector, target, data);
    }
}
