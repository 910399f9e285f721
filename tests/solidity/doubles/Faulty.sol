// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Targets whose pause goes wrong, each in its own way
/// @notice They have the surface of the exchange's pause. The keeper must report none of them as a success.

/// @notice Pausing always reverts: a simulation already shows it.
contract RevertingTarget {
    /// @notice Why it reverts.
    error PauseRefused(bytes32 market);

    function pauseMarket(bytes32 market) external pure {
        revert PauseRefused(market);
    }

    function paused(bytes32) external pure returns (bool) {
        return false;
    }
}

/// @notice Pausing succeeds and even says so in an event, and nothing is paused: only reading back shows it.
contract SilentTarget {
    event PausePretended(bytes32 indexed market);

    function pauseMarket(bytes32 market) external {
        emit PausePretended(market);
    }

    function paused(bytes32) external pure returns (bool) {
        return false;
    }
}

/// @notice Pausing succeeds when simulated and reverts when mined: only the receipt's status shows it.
/// @dev A mined transaction pays for gas; an eth_call or eth_estimateGas that names no gas price runs at price zero.
contract LateReverter {
    mapping(bytes32 market => bool) public paused;

    /// @notice Refused because the call is paid for, `gasPrice` in wei.
    error TooLate(uint256 gasPrice);

    function pauseMarket(bytes32 market) external {
        if (tx.gasprice > 0) revert TooLate(tx.gasprice);
        paused[market] = true;
    }
}
