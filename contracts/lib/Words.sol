// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";

/// @title 32-byte words of calldata and of answers
library Words {
    /// @notice Most bytes of an answer that `attempt` copies.
    uint256 internal constant MAX_REASON = 512;

    /// @notice One word of a view's answer. No more of the answer is copied than that, however long it is. Reverts with
    ///         NoAnswer when the view reverts, or answers fewer words (an account without code answers none).
    function read(address target, bytes memory data, uint256 word) internal view returns (bytes32 answer) {
        bool answered;
        assembly ("memory-safe") {
            answered := staticcall(gas(), target, add(data, 32), mload(data), 0, 0)
            answered := and(answered, iszero(lt(returndatasize(), mul(add(word, 1), 32))))
            if answered {
                returndatacopy(0, mul(word, 32), 32)
                answer := mload(0)
            }
        }
        if (!answered) revert ICircuitBreaker.NoAnswer(target, data);
    }

    /// @notice Calls this contract with at most so much gas, and copies at most MAX_REASON bytes of the answer.
    function attempt(bytes memory data, uint256 gasMost) internal returns (bool done, bytes memory answer) {
        answer = new bytes(MAX_REASON);
        assembly ("memory-safe") {
            done := call(gasMost, address(), 0, add(data, 32), mload(data), 0, 0)
            let size := returndatasize()
            if gt(size, MAX_REASON) { size := MAX_REASON }
            mstore(answer, size)
            returndatacopy(add(answer, 32), 0, size)
        }
    }

    /// @notice Where a word of calldata ends, in bytes from the calldata's start.
    function end(uint256 word) internal pure returns (uint256) {
        return 36 + word * 32;
    }

    /// @notice Writes a word of calldata. The caller has seen to it that the word is inside.
    function fill(bytes memory data, uint256 word, uint256 value) internal pure {
        assembly ("memory-safe") {
            mstore(add(data, add(36, mul(word, 32))), value)
        }
    }
}
