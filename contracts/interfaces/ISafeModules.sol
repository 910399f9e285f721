// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title What a module asks of the Safe that has it enabled
interface ISafeModules {
    /// @notice Carries out a transaction of the Safe for an enabled module.
    /// @param operation 0: call, 1: delegate call.
    /// @return success Whether the inner call went through.
    /// @return returnData What it answered.
    function execTransactionFromModuleReturnData(address to, uint256 value, bytes memory data, uint8 operation)
        external
        returns (bool success, bytes memory returnData);
}
