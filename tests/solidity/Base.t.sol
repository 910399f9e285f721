// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";
import {IAccessControl} from "@openzeppelin/contracts/access/IAccessControl.sol";

import {DemoToken} from "../../contracts/demo/DemoToken.sol";
import {IPerpExchange} from "../../contracts/demo/IPerpExchange.sol";
import {PerpExchange} from "../../contracts/demo/PerpExchange.sol";
import {PriceFeed} from "../../contracts/demo/PriceFeed.sol";

/// @notice Two markets, one account for each role, two traders with money. Test names carry the ids of INVARIANTS.md.
abstract contract ExchangeTest is Test {
    bytes32 internal constant ETH = "ETH-PERP";
    bytes32 internal constant BTC = "BTC-PERP";
    bytes32 internal constant NOWHERE = "NO-PERP";

    /// The start of a window of the withdrawal limit.
    uint256 internal constant START = 472_223 hours;
    uint256 internal constant USD = 1e6;
    int256 internal constant ONE = 1e18;
    int256 internal constant ETH_PRICE = 2_000e8;
    int256 internal constant BTC_PRICE = 60_000e8;
    uint256 internal constant LIMIT = 1_000 * USD;
    uint256 internal constant LEVERAGE = 20;
    uint256 internal constant PURSE = 1e9 * USD;

    address internal admin = makeAddr("admin");
    address internal pauser = makeAddr("pauser");
    address internal risk = makeAddr("risk");
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");

    DemoToken internal token;
    PriceFeed internal ethFeed;
    PriceFeed internal btcFeed;
    PerpExchange internal exchange;

    function setUp() public virtual {
        vm.warp(START);
        token = new DemoToken();
        ethFeed = new PriceFeed(8, "ETH / USD", ETH_PRICE);
        btcFeed = new PriceFeed(8, "BTC / USD", BTC_PRICE);
        exchange = new PerpExchange(token, admin);
        vm.startPrank(admin);
        exchange.grantRole(exchange.PAUSER_ROLE(), pauser);
        exchange.grantRole(exchange.RISK_ROLE(), risk);
        exchange.addMarket(ETH, ethFeed, LIMIT, LEVERAGE);
        exchange.addMarket(BTC, btcFeed, LIMIT, LEVERAGE);
        vm.stopPrank();
        _enrich(alice);
        _enrich(bob);
    }

    function _enrich(address account) internal {
        token.mint(account, PURSE);
        vm.prank(account);
        token.approve(address(exchange), type(uint256).max);
    }

    function _deposit(address account, bytes32 market, uint256 amount) internal {
        vm.prank(account);
        exchange.deposit(market, amount);
    }

    function _withdraw(address account, bytes32 market, uint256 amount) internal {
        vm.prank(account);
        exchange.withdraw(market, amount);
    }

    function _open(address account, bytes32 market, int256 size) internal {
        vm.prank(account);
        exchange.openPosition(market, size);
    }

    function _close(address account, bytes32 market) internal {
        vm.prank(account);
        exchange.closePosition(market);
    }

    function _fund(bytes32 market, uint256 amount) internal {
        vm.prank(bob);
        exchange.fundPool(market, amount);
    }

    function _pause(bytes32 market) internal {
        vm.prank(pauser);
        exchange.pauseMarket(market);
    }

    function _setLimit(bytes32 market, uint256 amount) internal {
        vm.prank(risk);
        exchange.setWithdrawalLimit(market, amount);
    }

    function _setLeverage(bytes32 market, uint256 leverage) internal {
        vm.prank(risk);
        exchange.setMaxLeverage(market, leverage);
    }

    function _balance(bytes32 market, address account) internal view returns (uint256 balance) {
        (balance,,) = exchange.accountOf(market, account);
    }

    function _size(bytes32 market, address account) internal view returns (int256 size) {
        (, size,) = exchange.accountOf(market, account);
    }

    /// Everything that can be read of a market and of the two traders in it.
    function _state(bytes32 market) internal view returns (bytes memory) {
        (uint256 aliceBalance, int256 aliceSize, uint256 aliceEntry) = exchange.accountOf(market, alice);
        (uint256 bobBalance, int256 bobSize, uint256 bobEntry) = exchange.accountOf(market, bob);
        bytes memory traders = abi.encode(aliceBalance, aliceSize, aliceEntry, bobBalance, bobSize, bobEntry);
        bytes memory limits =
            abi.encode(exchange.withdrawalLimit(market), exchange.withdrawable(market), exchange.maxLeverage(market));
        bytes memory sums = abi.encode(exchange.poolOf(market), exchange.collateralOf(market));
        return abi.encode(exchange.paused(market), exchange.oracleOf(market), limits, sums, traders);
    }

    function _expectUnauthorized(address caller, bytes32 role) internal {
        vm.expectRevert(abi.encodeWithSelector(IAccessControl.AccessControlUnauthorizedAccount.selector, caller, role));
    }

    function _expectMarketPaused(bytes32 market) internal {
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.MarketPaused.selector, market));
    }

    function _expectUnknown(bytes32 market) internal {
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.UnknownMarket.selector, market));
    }

    function _expectOverLimit(bytes32 market, uint256 requested, uint256 available) internal {
        vm.expectRevert(
            abi.encodeWithSelector(IPerpExchange.WithdrawalLimitExceeded.selector, market, requested, available)
        );
    }

    function _expectLeverage(bytes32 market, uint256 notional, uint256 allowed) internal {
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.LeverageTooHigh.selector, market, notional, allowed));
    }

    function _expectStale(bytes32 market, uint256 updatedAt) internal {
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.StaleOracle.selector, market, updatedAt));
    }

    function _expectBadPrice(bytes32 market, int256 answer) internal {
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.InvalidPrice.selector, market, answer));
    }
}
