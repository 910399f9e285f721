// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A view that answers any bytes to any call, followed by any number of zeros, or reverts with them
contract RawView {
    bytes private answer;
    uint256 private zeros;
    bool private refuses;

    function setAnswer(bytes memory answer_, uint256 zeros_, bool refuses_) external {
        answer = answer_;
        zeros = zeros_;
        refuses = refuses_;
    }

    fallback() external {
        bytes memory data = answer;
        uint256 length = data.length + zeros;
        if (refuses) {
            assembly ("memory-safe") {
                revert(add(data, 32), length)
            }
        }
        // The zeros lie behind all memory in use.
        assembly ("memory-safe") {
            return(add(data, 32), length)
        }
    }
}
