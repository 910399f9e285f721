// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title The demo's collateral: a dollar with 6 decimals that anyone may print
/// @dev For local nodes only. It has no value and no access control.
contract DemoToken is ERC20 {
    constructor() ERC20("Demo Dollar", "dUSD") {}

    /// @param to Who receives the new tokens.
    /// @param amount Units of 10 ** -6 dollar.
    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    /// @inheritdoc ERC20
    function decimals() public pure override returns (uint8) {
        return 6;
    }
}
