// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {AggregatorV3Interface} from "../../contracts/demo/AggregatorV3Interface.sol";
import {IPerpExchange} from "../../contracts/demo/IPerpExchange.sol";
import {PerpExchange} from "../../contracts/demo/PerpExchange.sol";
import {PriceFeed} from "../../contracts/demo/PriceFeed.sol";
import {ExchangeTest} from "./Base.t.sol";

/// @notice Who may call what, and what a market may be made of.
contract RolesTest is ExchangeTest {
    bytes32 private adminRole;
    bytes32 private pauserRole;
    bytes32 private riskRole;
    bytes32 private unpauserRole;

    function setUp() public override {
        super.setUp();
        adminRole = exchange.DEFAULT_ADMIN_ROLE();
        pauserRole = exchange.PAUSER_ROLE();
        riskRole = exchange.RISK_ROLE();
        unpauserRole = exchange.UNPAUSER_ROLE();
    }

    function test_R1_roles__ids__are_the_hashes_of_their_names() public view {
        assertEq(adminRole, bytes32(0));
        assertEq(pauserRole, keccak256("PAUSER_ROLE"));
        assertEq(riskRole, keccak256("RISK_ROLE"));
        assertEq(unpauserRole, keccak256("UNPAUSER_ROLE"));
    }

    function test_R1_roles__fresh_exchange__only_admin_has_one() public {
        PerpExchange fresh = new PerpExchange(token, admin);
        assertTrue(fresh.hasRole(adminRole, admin));
        assertFalse(fresh.hasRole(pauserRole, admin));
        assertFalse(fresh.hasRole(riskRole, admin));
        assertFalse(fresh.hasRole(unpauserRole, admin));
        assertFalse(fresh.hasRole(adminRole, address(this)), "the deployer keeps nothing");
    }

    function testFuzz_R1_pause__by_anyone_else__reverts(address caller) public {
        vm.assume(caller != pauser);
        _expectUnauthorized(caller, pauserRole);
        vm.prank(caller);
        exchange.pauseMarket(ETH);
        assertFalse(exchange.paused(ETH));
    }

    function testFuzz_R1_unpause__by_anyone_else__reverts(address caller) public {
        vm.assume(caller != admin);
        _pause(ETH);
        _expectUnauthorized(caller, adminRole);
        vm.prank(caller);
        exchange.unpauseMarket(ETH);
        assertTrue(exchange.paused(ETH));
    }

    function test_R1_unpause__by_an_unpauser__ends_the_pause_and_is_announced() public {
        vm.prank(admin);
        exchange.grantRole(unpauserRole, bob);
        _pause(ETH);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.PauseChanged(ETH, true, false, bob);
        vm.prank(bob);
        exchange.unpauseMarket(ETH);
        assertFalse(exchange.paused(ETH));
    }

    function test_R1_unpause__revoked_unpauser__is_refused() public {
        vm.startPrank(admin);
        exchange.grantRole(unpauserRole, bob);
        exchange.revokeRole(unpauserRole, bob);
        vm.stopPrank();
        _pause(ETH);
        _expectUnauthorized(bob, adminRole);
        vm.prank(bob);
        exchange.unpauseMarket(ETH);
    }

    function testFuzz_R1_set_limit__by_anyone_else__reverts(address caller) public {
        vm.assume(caller != risk);
        _expectUnauthorized(caller, riskRole);
        vm.prank(caller);
        exchange.setWithdrawalLimit(ETH, 1);
        assertEq(exchange.withdrawalLimit(ETH), LIMIT);
    }

    function testFuzz_R1_set_leverage__by_anyone_else__reverts(address caller) public {
        vm.assume(caller != risk);
        _expectUnauthorized(caller, riskRole);
        vm.prank(caller);
        exchange.setMaxLeverage(ETH, 1);
        assertEq(exchange.maxLeverage(ETH), LEVERAGE);
    }

    function testFuzz_R1_add_market__by_anyone_else__reverts(address caller) public {
        vm.assume(caller != admin);
        _expectUnauthorized(caller, adminRole);
        vm.prank(caller);
        exchange.addMarket(NOWHERE, ethFeed, LIMIT, LEVERAGE);
        _expectUnknown(NOWHERE);
        exchange.paused(NOWHERE);
    }

    function test_R1_roles__holder_of_one__has_not_the_others() public {
        vm.prank(admin);
        exchange.grantRole(unpauserRole, bob);
        address[4] memory holders = [admin, pauser, risk, bob];
        for (uint256 i = 0; i < 4; ++i) {
            vm.startPrank(holders[i]);
            if (i != 0) {
                _expectUnauthorized(holders[i], adminRole);
                exchange.addMarket(NOWHERE, ethFeed, LIMIT, LEVERAGE);
                _expectUnauthorized(holders[i], adminRole);
                exchange.grantRole(unpauserRole, holders[i]);
            }
            if (i == 1 || i == 2) {
                _expectUnauthorized(holders[i], adminRole);
                exchange.unpauseMarket(ETH);
            }
            if (i != 1) {
                _expectUnauthorized(holders[i], pauserRole);
                exchange.pauseMarket(ETH);
            }
            if (i != 2) {
                _expectUnauthorized(holders[i], riskRole);
                exchange.setMaxLeverage(ETH, 2);
                _expectUnauthorized(holders[i], riskRole);
                exchange.setWithdrawalLimit(ETH, 2);
            }
            vm.stopPrank();
        }
    }

    function test_R1_roles__revoked__is_refused_at_once() public {
        vm.prank(admin);
        exchange.revokeRole(pauserRole, pauser);
        _expectUnauthorized(pauser, pauserRole);
        vm.prank(pauser);
        exchange.pauseMarket(ETH);
    }

    function test_R1_roles__unauthorized__has_the_selector_that_keepers_decode() public {
        vm.prank(alice);
        (bool success, bytes memory reason) = address(exchange).call(abi.encodeCall(exchange.pauseMarket, (ETH)));
        assertFalse(success);
        assertEq(bytes4(reason), bytes4(0xe2517d3f));
    }

    function testFuzz_R2_unknown_market__role_functions__revert(bytes32 market) public {
        vm.assume(market != ETH && market != BTC);
        vm.prank(pauser);
        _expectUnknown(market);
        exchange.pauseMarket(market);
        vm.prank(admin);
        _expectUnknown(market);
        exchange.unpauseMarket(market);
        vm.startPrank(risk);
        _expectUnknown(market);
        exchange.setWithdrawalLimit(market, 1);
        _expectUnknown(market);
        exchange.setMaxLeverage(market, 1);
    }

    function testFuzz_R2_unknown_market__trading__reverts(bytes32 market) public {
        vm.assume(market != ETH && market != BTC);
        vm.startPrank(alice);
        _expectUnknown(market);
        exchange.fundPool(market, 1);
        _expectUnknown(market);
        exchange.deposit(market, 1);
        _expectUnknown(market);
        exchange.withdraw(market, 1);
        _expectUnknown(market);
        exchange.openPosition(market, 1);
        _expectUnknown(market);
        exchange.closePosition(market);
    }

    function testFuzz_R2_unknown_market__views__revert(bytes32 market) public {
        vm.assume(market != ETH && market != BTC);
        _expectUnknown(market);
        exchange.paused(market);
        _expectUnknown(market);
        exchange.withdrawalLimit(market);
        _expectUnknown(market);
        exchange.withdrawable(market);
        _expectUnknown(market);
        exchange.maxLeverage(market);
        _expectUnknown(market);
        exchange.oracleOf(market);
        _expectUnknown(market);
        exchange.poolOf(market);
        _expectUnknown(market);
        exchange.collateralOf(market);
        _expectUnknown(market);
        exchange.accountOf(market, alice);
    }

    function test_R3_add_market__new__announces_and_starts_unpaused_with_its_limits() public {
        vm.expectEmit(address(exchange));
        emit IPerpExchange.MarketAdded(NOWHERE, btcFeed);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.WithdrawalLimitChanged(NOWHERE, 0, 7, admin);
        vm.expectEmit(address(exchange));
        emit IPerpExchange.MaxLeverageChanged(NOWHERE, 0, 3, admin);
        vm.prank(admin);
        exchange.addMarket(NOWHERE, btcFeed, 7, 3);
        assertFalse(exchange.paused(NOWHERE));
        assertEq(exchange.withdrawalLimit(NOWHERE), 7);
        assertEq(exchange.maxLeverage(NOWHERE), 3);
        assertEq(address(exchange.oracleOf(NOWHERE)), address(btcFeed));
        assertEq(exchange.collateralOf(NOWHERE), 0);
    }

    function test_R3_add_market__twice__reverts_and_keeps_the_first() public {
        _pause(ETH);
        vm.prank(admin);
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.MarketExists.selector, ETH));
        exchange.addMarket(ETH, btcFeed, 0, 1);
        assertEq(address(exchange.oracleOf(ETH)), address(ethFeed));
        assertTrue(exchange.paused(ETH));
    }

    function test_R3_add_market__zero_oracle__reverts() public {
        vm.prank(admin);
        vm.expectRevert(IPerpExchange.ZeroAddress.selector);
        exchange.addMarket(NOWHERE, AggregatorV3Interface(address(0)), LIMIT, LEVERAGE);
    }

    function test_R3_add_market__leverage_bounds__both_sides() public {
        vm.startPrank(admin);
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.LeverageOutOfBounds.selector, 0));
        exchange.addMarket("A", ethFeed, LIMIT, 0);
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.LeverageOutOfBounds.selector, 101));
        exchange.addMarket("A", ethFeed, LIMIT, 101);
        exchange.addMarket("A", ethFeed, LIMIT, 1);
        exchange.addMarket("B", ethFeed, LIMIT, 100);
    }

    function test_R3_add_market__oracle_decimals__both_sides() public {
        PriceFeed fine = new PriceFeed(18, "18", 1e18);
        PriceFeed tooFine = new PriceFeed(19, "19", 1e19);
        vm.startPrank(admin);
        exchange.addMarket("A", fine, LIMIT, LEVERAGE);
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.UnsupportedDecimals.selector, 19));
        exchange.addMarket("B", tooFine, LIMIT, LEVERAGE);
    }

    function test_R3_exchange__zero_addresses__are_refused() public {
        vm.expectRevert(IPerpExchange.ZeroAddress.selector);
        new PerpExchange(IERC20(address(0)), admin);
        vm.expectRevert(IPerpExchange.ZeroAddress.selector);
        new PerpExchange(token, address(0));
    }

    function test_R3_exchange__token_decimals__both_sides() public {
        vm.mockCall(address(token), abi.encodeWithSignature("decimals()"), abi.encode(uint8(18)));
        new PerpExchange(token, admin);
        vm.mockCall(address(token), abi.encodeWithSignature("decimals()"), abi.encode(uint8(19)));
        vm.expectRevert(abi.encodeWithSelector(IPerpExchange.UnsupportedDecimals.selector, 19));
        new PerpExchange(token, admin);
    }

    /// One whole underlying at a price of one is worth one whole collateral, whatever the decimals.
    function testFuzz_R3_exchange__any_decimals__one_is_worth_one(uint8 tokenDecimals, uint8 feedDecimals) public {
        tokenDecimals = uint8(bound(tokenDecimals, 0, 18));
        feedDecimals = uint8(bound(feedDecimals, 0, 18));
        vm.mockCall(address(token), abi.encodeWithSignature("decimals()"), abi.encode(tokenDecimals));
        PerpExchange other = new PerpExchange(token, admin);
        PriceFeed feed = new PriceFeed(feedDecimals, "", int256(10 ** uint256(feedDecimals)));
        vm.prank(admin);
        other.addMarket(ETH, feed, LIMIT, 1);
        uint256 unit = 10 ** uint256(tokenDecimals);
        token.mint(alice, unit);
        vm.startPrank(alice);
        token.approve(address(other), unit);
        other.deposit(ETH, unit);
        _expectLeverage(ETH, unit + 1, unit);
        other.openPosition(ETH, ONE + 1);
        other.openPosition(ETH, ONE);
    }
}
