// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {CircuitBreaker} from "../../../contracts/CircuitBreaker.sol";
import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {DemoToken} from "../../../contracts/demo/DemoToken.sol";
import {PerpExchange} from "../../../contracts/demo/PerpExchange.sol";
import {PriceFeed} from "../../../contracts/demo/PriceFeed.sol";
import {SafeDouble} from "../doubles/SafeDouble.sol";

/// @notice What a trip costs over the same call made by a hot key that holds the role itself. Each call is a transaction
///         of its own (`isolate`): 21,000, its calldata, and every account and storage slot cold. What the views of
///         probe and bounds cost counts as the breaker's.
/// forge-config: default.isolate = true
contract TripGasTest is Test {
    uint256 private constant MOST = 90_000;
    uint256 private constant START = 1_700_000_000;
    bytes32 private constant ETH = "ETH-PERP";
    bytes32 private constant EVIDENCE = keccak256("the record of the decision");

    address private admin = makeAddr("admin");
    address private hand = makeAddr("a hot key that holds the role itself");
    address[3] private keepers;
    uint256[3] private keys;
    PerpExchange private exchange;
    CircuitBreaker private breaker;
    SafeDouble private safe;

    function setUp() public {
        vm.warp(START);
        exchange = new PerpExchange(new DemoToken(), admin);
        breaker = new CircuitBreaker(address(this), address(0), 90 days);
        safe = new SafeDouble();
        safe.setModule(address(breaker), true);
        PriceFeed feed = new PriceFeed(8, "ETH / USD", 2_000e8);
        vm.startPrank(admin);
        exchange.addMarket(ETH, feed, 1_000, 20);
        address[3] memory hands = [hand, address(breaker), address(safe)];
        for (uint256 i = 0; i < 3; ++i) {
            exchange.grantRole(exchange.PAUSER_ROLE(), hands[i]);
            exchange.grantRole(exchange.RISK_ROLE(), hands[i]);
            exchange.grantRole(exchange.DEFAULT_ADMIN_ROLE(), hands[i]);
        }
        vm.stopPrank();
        for (uint256 i = 0; i < 3; ++i) {
            (keepers[i], keys[i]) = makeAddrAndKey(string(abi.encodePacked("keeper ", bytes1(uint8(49 + i)))));
            breaker.addKeeper(keepers[i]);
        }
        breaker.register("pause", _pause(1, address(0)));
        breaker.register("pause of two", _pause(2, address(0)));
        breaker.register("pause of three", _pause(3, address(0)));
        breaker.register("pause by safe", _pause(1, address(safe)));
        breaker.register("leverage", _leverage(address(0)));
        // In the second in which it was added a keeper's sign of life would cost nothing.
        vm.warp(START + 1);
    }

    function _plain(address by) private view returns (ICircuitBreaker.Breaker memory b) {
        b.target = address(exchange);
        b.safe = by;
        (b.duration, b.cooldown, b.window, b.lock, b.budget, b.required) = (6 hours, 1 hours, 1 days, 1 days, 6, 1);
    }

    function _pause(uint8 required, address by) private view returns (ICircuitBreaker.Breaker memory b) {
        b = _plain(by);
        b.required = required;
        b.call = abi.encodeCall(exchange.pauseMarket, (ETH));
        b.undo = abi.encodeCall(exchange.unpauseMarket, (ETH));
        b.probe =
            ICircuitBreaker.Probe(address(exchange), 0, abi.encodeCall(exchange.paused, (ETH)), bytes32(uint256(1)));
    }

    function _leverage(address by) private view returns (ICircuitBreaker.Breaker memory b) {
        b = _plain(by);
        b.call = abi.encodeCall(exchange.setMaxLeverage, (ETH, 0));
        b.undo = b.call;
        b.bounds = new ICircuitBreaker.Bound[](1);
        b.bounds[0] = ICircuitBreaker.Bound(
            address(exchange),
            1,
            0,
            ICircuitBreaker.Side.Lower,
            5_000,
            1,
            100,
            abi.encodeCall(exchange.maxLeverage, (ETH))
        );
    }

    // ------------------------------------------------------------ measuring

    function _spent() private view returns (uint256 gas) {
        gas = vm.lastCallGas().gasTotalUsed;
        assertGt(gas, 21_000, "a whole transaction");
    }

    /// Gas of the pause by the hot key itself. Nothing of it stays.
    function _pauseAlone() private returns (uint256 gas) {
        uint256 snapshot = vm.snapshotState();
        vm.prank(hand);
        exchange.pauseMarket(ETH);
        gas = _spent();
        vm.revertToState(snapshot);
    }

    function _leverageAlone() private returns (uint256 gas) {
        uint256 snapshot = vm.snapshotState();
        vm.prank(hand);
        exchange.setMaxLeverage(ETH, 15);
        gas = _spent();
        vm.revertToState(snapshot);
    }

    function _trip(bytes32 id) private returns (uint256) {
        return _tripTo(id, 15);
    }

    /// @param value Of the bound, if there is one.
    function _tripTo(bytes32 id, uint256 value) private returns (uint256) {
        uint256[] memory values = new uint256[](breaker.breakerOf(id).bounds.length);
        if (values.length != 0) values[0] = value;
        vm.prank(keepers[0]);
        breaker.trip(id, values, EVIDENCE);
        return _spent();
    }

    function _tripSigned(bytes32 id, uint256 count) private returns (uint256) {
        ICircuitBreaker.Order memory order = ICircuitBreaker.Order(id, new uint256[](0), EVIDENCE);
        bytes32 digest = breaker.orderDigest(order, block.timestamp + 60);
        bytes[] memory signatures = new bytes[](count);
        address last;
        for (uint256 i = 0; i < count; ++i) {
            // The next one in ascending order.
            uint256 next = 3;
            for (uint256 j = 0; j < 3; ++j) {
                if (keepers[j] > last && (next == 3 || keepers[j] < keepers[next])) next = j;
            }
            last = keepers[next];
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[next], digest);
            signatures[i] = abi.encodePacked(r, s, v);
        }
        vm.prank(keepers[0]);
        breaker.tripSigned(order, block.timestamp + 60, signatures);
        return _spent();
    }

    function _next(bytes32 id) private {
        vm.warp(breaker.stateOf(id).expiresAt);
        breaker.expire(id);
        vm.warp(breaker.stateOf(id).readyAt);
    }

    function _print(string memory what, uint256 whole, uint256 alone) private returns (uint256 over) {
        over = whole - alone;
        emit log_named_uint(string.concat(what, ": gas over the target's own"), over);
    }

    function _within(string memory what, uint256 whole, uint256 alone) private {
        assertLe(_print(what, whole, alone), MOST, what);
    }

    // ------------------------------------------------------------- the bound

    function test_gas__pause__first_and_later_trips_within_90_000() public {
        uint256 alone = _pauseAlone();
        emit log_named_uint("pause, the target alone", alone);
        _within("pause, first trip", _trip("pause"), alone);
        for (uint256 i = 0; i < 3; ++i) {
            _next("pause");
            _within("pause, later trip", _trip("pause"), alone);
        }
    }

    function test_gas__bounded_value__first_and_later_trips_within_90_000() public {
        uint256 alone = _leverageAlone();
        emit log_named_uint("leverage, the target alone", alone);
        _within("leverage, first trip", _trip("leverage"), alone);
        _next("leverage");
        _within("leverage, the same trip again", _trip("leverage"), alone);
        _next("leverage");
        // Nothing is as it was at the last trip: neither the value before it nor the one after it.
        vm.prank(hand);
        exchange.setMaxLeverage(ETH, 19);
        _within("leverage, a trip from another value to another", _tripTo("leverage", 14), alone);
    }

    // ---------------------------------------------------- the dearer ways

    function test_gas__through_a_safe__within_90_000() public {
        uint256 alone = _pauseAlone();
        _within("pause through a Safe, first trip", _trip("pause by safe"), alone);
        breaker.lift("pause by safe", true);
        breaker.unregister("leverage");
        breaker.register("leverage by safe", _leverage(address(safe)));
        alone = _leverageAlone();
        _within("leverage through a Safe, first trip", _trip("leverage by safe"), alone);
    }

    function test_gas__bounded_value_with_a_probe__within_90_000() public {
        ICircuitBreaker.Breaker memory b = _leverage(address(0));
        b.probe.target = address(exchange);
        b.probe.call = abi.encodeCall(exchange.maxLeverage, (ETH));
        b.probe.expected = bytes32(uint256(15));
        breaker.unregister("leverage");
        breaker.register("leverage with probe", b);
        uint256 alone = _leverageAlone();
        _within("leverage with a probe, first trip", _trip("leverage with probe"), alone);
    }

    function test_gas__several_signatures__within_90_000() public {
        uint256 alone = _pauseAlone();
        uint256 two = _print("pause of two keepers, first trip", _tripSigned("pause of two", 2), alone);
        breaker.lift("pause of two", true);
        uint256 three = _print("pause of three keepers, first trip", _tripSigned("pause of three", 3), alone);
        assertLe(three, MOST, "three keepers");
        assertLt(three - two, 20_000, "one more signature");
    }
}
