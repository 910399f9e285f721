// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Positions of a lending protocol, as little of one as invariants need
/// @notice Health is collateral at the price over debt, 1e18 = 1; below that a position is liquidatable. Debt has 6 decimals, the price 8.
contract PositionBook {
    struct Position {
        uint256 collateral;
        uint256 debt;
    }

    uint256 public price;
    mapping(address account => Position) public positions;
    address[] private owners;

    constructor(uint256 firstPrice) {
        price = firstPrice;
    }

    function setPrice(uint256 newPrice) external {
        price = newPrice;
    }

    /// @param collateral 10 ** -18 of the underlying.
    function open(address account, uint256 collateral, uint256 debt) external {
        positions[account] = Position(collateral, debt);
        owners.push(account);
    }

    function accounts() external view returns (address[] memory) {
        return owners;
    }

    function count() external view returns (uint256) {
        return owners.length;
    }

    function accountAt(uint256 index) external view returns (address) {
        return owners[index];
    }

    /// @return 1e18 for a position that is worth exactly its debt; the largest number for one without debt.
    function healthOf(address account) external view returns (uint256) {
        Position memory position = positions[account];
        if (position.debt == 0) return type(uint256).max;
        return position.collateral * price / 10 ** 20 * 10 ** 18 / position.debt;
    }

    function debtOf(address account) external view returns (uint256) {
        return positions[account].debt;
    }
}
