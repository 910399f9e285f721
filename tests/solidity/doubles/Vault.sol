// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";

/// @title A token with any number of decimals that anyone may print
contract AnyToken is ERC20 {
    uint8 private immutable places;

    constructor(uint8 places_) ERC20("Any Token", "ANY") {
        places = places_;
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function decimals() public view override returns (uint8) {
        return places;
    }
}

/// @title OpenZeppelin's vault, its shares with more decimals than its asset
contract AnyVault is ERC4626 {
    uint8 private immutable offset;

    constructor(address asset_, uint8 offset_) ERC20("Any Vault", "vANY") ERC4626(ERC20(asset_)) {
        offset = offset_;
    }

    function _decimalsOffset() internal view override returns (uint8) {
        return offset;
    }
}
