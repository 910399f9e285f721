// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The part of Multicall3 that the keeper uses, for local nodes
/// @notice Many calls in one, so that all reads of a tick are of the same block. On public chains the real contract
///         stands at 0xcA11bde05977b3631167028862bE2a173976CA11; on a local node this runtime code is put there.
/// @dev Holds no state, has no constructor and no immutables, so its runtime code is complete by itself. It keeps no
///      value: what is sent stays here and anyone may take it, as with the real one. Send none.
contract Multicall3 {
    struct Call3 {
        address target;
        bool allowFailure;
        bytes callData;
    }

    struct Result {
        bool success;
        bytes returnData;
    }

    /// @notice Makes the calls in order.
    /// @dev A call to an address without code succeeds with empty data, as any low-level call: the reader must check
    ///      the length of what comes back.
    /// @param calls What to call. When a call that may not fail fails, all revert with "Multicall3: call failed".
    /// @return returnData One result for each call, in the same order.
    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory returnData) {
        returnData = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool success, bytes memory data) = calls[i].target.call(calls[i].callData);
            require(success || calls[i].allowFailure, "Multicall3: call failed");
            returnData[i] = Result(success, data);
        }
    }

    /// @return blockNumber Number of the block in which the calls are made.
    function getBlockNumber() external view returns (uint256 blockNumber) {
        return block.number;
    }

    /// @return timestamp Time of that block, unix seconds.
    function getCurrentBlockTimestamp() external view returns (uint256 timestamp) {
        return block.timestamp;
    }

    /// @return balance Balance of `account` in wei.
    function getEthBalance(address account) external view returns (uint256 balance) {
        return account.balance;
    }
}
