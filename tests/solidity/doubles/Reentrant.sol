// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A contract that calls back into its caller, as often and with whatever it is told to
abstract contract Reentrant {
    address private victim;
    bytes[] private payloads;
    bool private intrudes;
    bool private spies;
    bytes[] private answers;
    uint256 public successes;

    /// @notice A call from inside of a view went through.
    error SpySucceeded(uint256 index);

    /// @param intrudes_ Whether to call back during calls.
    /// @param spies_ Whether to call back during views.
    function plot(address victim_, bytes[] memory payloads_, bool intrudes_, bool spies_) external {
        victim = victim_;
        payloads = payloads_;
        intrudes = intrudes_;
        spies = spies_;
        delete answers;
        successes = 0;
    }

    /// @return What each payload was answered, in order.
    function answersOf() external view returns (bytes[] memory) {
        return answers;
    }

    function _intrude() internal {
        if (!intrudes) return;
        for (uint256 i = 0; i < payloads.length; ++i) {
            (bool success, bytes memory answer) = victim.call{gas: 1_000_000}(payloads[i]);
            if (success) ++successes;
            answers.push(answer);
        }
    }

    function _spy() internal view {
        if (!spies) return;
        for (uint256 i = 0; i < payloads.length; ++i) {
            (bool success,) = victim.staticcall{gas: 200_000}(payloads[i]);
            if (success) revert SpySucceeded(i);
        }
    }
}
