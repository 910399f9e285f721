// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CircuitBreaker} from "../../contracts/CircuitBreaker.sol";
import {ICircuitBreaker} from "../../contracts/interfaces/ICircuitBreaker.sol";
import {ExchangeTest} from "./Base.t.sol";

/// @notice What the calls of a CircuitBreaker cost, each as a transaction of its own, the target's own cost beside it. The
///         numbers are kept in gas.json, and `make prove` fails on another number: `make gas` writes new ones.
/// forge-config: default.isolate = true
contract GasTest is ExchangeTest {
    bytes32 private constant PAUSE = "pause-eth";
    bytes32 private constant PAUSE_BTC = "pause-btc";
    bytes32 private constant LEVERAGE_ETH = "leverage-eth";
    bytes32 private constant SIGNED = "pause-signed";
    bytes32 private constant EVIDENCE = keccak256("a decision");

    /// What a trip may cost beyond the target's own cost.
    uint256 private constant PROMISED = 90_000;

    CircuitBreaker private breaker;
    address private keeper;
    uint256 private keeperKey;
    address private other;
    uint256 private otherKey;
    uint256[] private none;
    uint256[] private ten = [10];

    function setUp() public override {
        super.setUp();
        (keeper, keeperKey) = makeAddrAndKey("keeper");
        (other, otherKey) = makeAddrAndKey("other keeper");
        breaker = new CircuitBreaker(address(this), address(0), 30 days);
        breaker.addKeeper(keeper);
        breaker.addKeeper(other);
        vm.startPrank(admin);
        exchange.grantRole(exchange.PAUSER_ROLE(), address(breaker));
        exchange.grantRole(exchange.RISK_ROLE(), address(breaker));
        exchange.grantRole(exchange.DEFAULT_ADMIN_ROLE(), address(breaker));
        vm.stopPrank();
        breaker.register(PAUSE, _pauseBreaker(ETH, 1));
        breaker.register(PAUSE_BTC, _pauseBreaker(BTC, 1));
        breaker.register(LEVERAGE_ETH, _leverageBreaker());
        breaker.register(SIGNED, _pauseBreaker(ETH, 2));
    }

    function test_gas__of_a_trip__is_at_most_the_promised_above_the_targets_own() public {
        vm.prank(pauser);
        exchange.pauseMarket(BTC);
        uint256 alone = vm.snapshotGasLastCall("breaker", "pause, the target alone");
        _trip(PAUSE, none);
        assertLe(vm.snapshotGasLastCall("breaker", "pause, the first trip"), alone + PROMISED);

        vm.prank(risk);
        exchange.setMaxLeverage(BTC, 10);
        alone = vm.snapshotGasLastCall("breaker", "leverage, the target alone");
        _trip(LEVERAGE_ETH, ten);
        assertLe(vm.snapshotGasLastCall("breaker", "leverage, the first trip"), alone + PROMISED);
    }

    function test_gas__of_a_pause_and_its_end() public {
        _trip(PAUSE, none);
        vm.warp(START + 1 days);
        breaker.expire(PAUSE);
        vm.snapshotGasLastCall("breaker", "pause, expire");
        vm.warp(START + 2 days);
        _trip(PAUSE, none);
        vm.snapshotGasLastCall("breaker", "pause, a later trip");
        breaker.ratify(PAUSE);
        vm.snapshotGasLastCall("breaker", "pause, ratify");
        breaker.lift(PAUSE, true);
        vm.snapshotGasLastCall("breaker", "pause, lift");
    }

    function test_gas__of_a_parameter() public {
        _trip(LEVERAGE_ETH, ten);
        vm.warp(START + 1 days);
        breaker.expire(LEVERAGE_ETH);
        vm.snapshotGasLastCall("breaker", "leverage, expire");
        vm.warp(START + 2 days);
        _trip(LEVERAGE_ETH, ten);
        vm.snapshotGasLastCall("breaker", "leverage, a later trip");
    }

    function test_gas__of_two_in_one_call() public {
        ICircuitBreaker.Order[] memory orders = new ICircuitBreaker.Order[](2);
        orders[0] = ICircuitBreaker.Order(PAUSE, none, EVIDENCE);
        orders[1] = ICircuitBreaker.Order(PAUSE_BTC, none, EVIDENCE);
        vm.prank(keeper);
        breaker.tripMany(orders);
        vm.snapshotGasLastCall("breaker", "two pauses in one call");
    }

    function test_gas__of_two_signatures() public {
        ICircuitBreaker.Order memory order = ICircuitBreaker.Order(SIGNED, none, EVIDENCE);
        bytes32 digest = breaker.orderDigest(order, START + 60);
        bytes[] memory signatures = new bytes[](2);
        (uint256 first, uint256 second) = keeper < other ? (keeperKey, otherKey) : (otherKey, keeperKey);
        signatures[0] = _signed(first, digest);
        signatures[1] = _signed(second, digest);
        vm.prank(keeper);
        breaker.tripSigned(order, START + 60, signatures);
        vm.snapshotGasLastCall("breaker", "pause, two signatures");
    }

    function test_gas__of_a_heartbeat() public {
        vm.warp(START + 1 days);
        vm.prank(keeper);
        breaker.heartbeat();
        vm.snapshotGasLastCall("breaker", "heartbeat");
    }

    function _trip(bytes32 id, uint256[] memory values) private {
        vm.prank(keeper);
        breaker.trip(id, values, EVIDENCE);
    }

    function _signed(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _pauseBreaker(bytes32 market, uint8 required) private view returns (ICircuitBreaker.Breaker memory b) {
        b = _plain(required);
        b.call = abi.encodeCall(exchange.pauseMarket, (market));
        b.undo = abi.encodeCall(exchange.unpauseMarket, (market));
        b.probe =
            ICircuitBreaker.Probe(address(exchange), 0, abi.encodeCall(exchange.paused, (market)), bytes32(uint256(1)));
    }

    function _leverageBreaker() private view returns (ICircuitBreaker.Breaker memory b) {
        b = _plain(1);
        b.call = abi.encodeCall(exchange.setMaxLeverage, (ETH, 0));
        b.undo = b.call;
        b.bounds = new ICircuitBreaker.Bound[](1);
        b.bounds[0] = ICircuitBreaker.Bound({
            target: address(exchange),
            word: 1,
            answerWord: 0,
            side: ICircuitBreaker.Side.Lower,
            maxStepBps: 5_000,
            minimum: 1,
            maximum: 100,
            call: abi.encodeCall(exchange.maxLeverage, (ETH))
        });
    }

    function _plain(uint8 required) private view returns (ICircuitBreaker.Breaker memory b) {
        b.target = address(exchange);
        b.duration = 6 hours;
        b.cooldown = 10 minutes;
        b.window = 7 days;
        b.lock = 1 days;
        b.budget = 3;
        b.required = required;
    }
}
