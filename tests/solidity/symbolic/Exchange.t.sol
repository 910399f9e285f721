// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {DemoToken} from "../../../contracts/demo/DemoToken.sol";
import {PerpExchange} from "../../../contracts/demo/PerpExchange.sol";
import {PriceFeed} from "../../../contracts/demo/PriceFeed.sol";

/// @notice Proofs about the demo protocol, for every argument and caller at once: `make prove`. Ids as in INVARIANTS.md.
contract ExchangeProofs is Test {
    bytes32 private constant ETH = "ETH-PERP";
    address private constant ADMIN = address(0xAD);
    address private constant RISK = address(0x51);
    uint256 private constant LEVERAGE = 20;

    PerpExchange private exchange;

    function setUp() public {
        exchange = new PerpExchange(new DemoToken(), ADMIN);
        PriceFeed feed = new PriceFeed(8, "ETH / USD", 2_000e8);
        bytes32 role = exchange.RISK_ROLE();
        vm.startPrank(ADMIN);
        exchange.grantRole(role, RISK);
        exchange.addMarket(ETH, feed, 1_000e6, LEVERAGE);
        vm.stopPrank();
    }

    /// Whoever asks for whatever leverage: it is set exactly when RISK asks for 1 to 100, and otherwise stays.
    function check_R1_L2_leverage_isSetByRiskWithinItsBounds(address caller, uint256 leverage) public {
        vm.prank(caller);
        (bool done,) = address(exchange).call(abi.encodeCall(exchange.setMaxLeverage, (ETH, leverage)));

        bool allowed = caller == RISK && leverage >= 1 && leverage <= 100;
        assert(done == allowed);
        assert(exchange.maxLeverage(ETH) == (allowed ? leverage : LEVERAGE));
    }
}
