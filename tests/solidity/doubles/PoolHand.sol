// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

interface IPool {
    function token0() external view returns (address);
    function token1() external view returns (address);
    function mint(address recipient, int24 lower, int24 upper, uint128 amount, bytes calldata data)
        external
        returns (uint256, uint256);
    function burn(int24 lower, int24 upper, uint128 amount) external returns (uint256, uint256);
    function swap(address recipient, bool zeroForOne, int256 amount, uint160 limit, bytes calldata data)
        external
        returns (int256, int256);
}

interface IToken {
    function transfer(address to, uint256 amount) external returns (bool);
}

/// @title A hand that trades in a Uniswap v3 pool and pays in its callbacks with the tokens it holds
/// @dev For local nodes only: whoever calls it moves its tokens.
contract PoolHand {
    function mint(IPool pool, int24 lower, int24 upper, uint128 amount) external {
        pool.mint(address(this), lower, upper, amount, "");
    }

    function burn(IPool pool, int24 lower, int24 upper, uint128 amount) external {
        pool.burn(lower, upper, amount);
    }

    /// @param limit sqrtPriceX96 at which the swap ends, whatever is left of `amount`.
    function swap(IPool pool, bool zeroForOne, int256 amount, uint160 limit) external {
        pool.swap(address(this), zeroForOne, amount, limit, "");
    }

    function uniswapV3MintCallback(uint256 amount0, uint256 amount1, bytes calldata) external {
        _pay(amount0, amount1);
    }

    function uniswapV3SwapCallback(int256 amount0, int256 amount1, bytes calldata) external {
        _pay(amount0 > 0 ? uint256(amount0) : 0, amount1 > 0 ? uint256(amount1) : 0);
    }

    function _pay(uint256 amount0, uint256 amount1) private {
        if (amount0 > 0) require(IToken(IPool(msg.sender).token0()).transfer(msg.sender, amount0), "token0");
        if (amount1 > 0) require(IToken(IPool(msg.sender).token1()).transfer(msg.sender, amount1), "token1");
    }
}
