// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICircuitBreaker} from "../interfaces/ICircuitBreaker.sol";
import {Words} from "./Words.sol";

/// @title What may be registered with a CircuitBreaker
library Registration {
    /// @notice Shortest and longest duration of a trip, seconds, inclusive.
    uint256 internal constant MIN_DURATION = 1 minutes;
    uint256 internal constant MAX_DURATION = 30 days;
    /// @notice Shortest and longest rest after a trip, seconds, inclusive.
    uint256 internal constant MIN_COOLDOWN = 1 minutes;
    uint256 internal constant MAX_COOLDOWN = 30 days;
    /// @notice Shortest and longest window of a budget, seconds, inclusive.
    uint256 internal constant MIN_WINDOW = 1 hours;
    uint256 internal constant MAX_WINDOW = 90 days;
    /// @notice Longest lock after a lift, seconds, inclusive.
    uint256 internal constant MAX_LOCK = 90 days;
    /// @notice Most trips per window, inclusive: as many times fit beside the rest into one storage slot.
    uint256 internal constant MAX_BUDGET = 6;
    /// @notice Most signatures that a breaker may require, inclusive.
    uint256 internal constant MAX_REQUIRED = 7;
    /// @notice Most bounds of a breaker, inclusive.
    uint256 internal constant MAX_BOUNDS = 4;
    /// @notice Most words of a call, inclusive.
    uint256 internal constant MAX_WORDS = 32;
    /// @notice Largest step, inclusive, basis points of the current value.
    uint256 internal constant MAX_STEP_BPS = 10_000;

    /// @notice Reverts with Invalid and the name of the first part that is not allowed, or with NoAnswer.
    function check(bytes32 id, ICircuitBreaker.Breaker calldata b) internal view {
        _require(id != 0, "id");
        _require(b.target.code.length != 0 && b.target != address(this) && b.target != b.safe, "target");
        _require(b.safe == address(0) || b.safe.code.length != 0, "safe");
        _require(b.duration >= MIN_DURATION && b.duration <= MAX_DURATION, "duration");
        _require(b.cooldown >= MIN_COOLDOWN && b.cooldown <= MAX_COOLDOWN, "cooldown");
        _require(b.window >= MIN_WINDOW && b.window <= MAX_WINDOW, "window");
        _require(b.lock <= MAX_LOCK, "lock");
        _require(b.budget != 0 && b.budget <= MAX_BUDGET, "budget");
        _require(b.required != 0 && b.required <= MAX_REQUIRED, "required");
        _require(_isCall(b.call), "call");
        _require(_isCall(b.undo), "undo");
        _require(b.bounds.length <= MAX_BOUNDS, "bounds");

        bool seen = b.probe.call.length != 0;
        if (seen) Words.read(b.probe.target, b.probe.call, b.probe.word);
        for (uint256 i = 0; i < b.bounds.length; ++i) {
            ICircuitBreaker.Bound calldata bound = b.bounds[i];
            uint256 end = Words.end(bound.word);
            _require(end <= b.call.length && end <= b.undo.length, "bound.word");
            _require(i == 0 || bound.word > b.bounds[i - 1].word, "bound.word");
            if (bound.side != ICircuitBreaker.Side.Kept) {
                seen = true;
                bool lower = bound.side == ICircuitBreaker.Side.Lower;
                _require(bound.minimum <= bound.maximum && (bound.minimum != 0 || !lower), "bound.minimum");
                _require(bound.maxStepBps != 0 && bound.maxStepBps <= MAX_STEP_BPS, "bound.maxStepBps");
            }
        }
        // Without a probe or a value that moves, nobody could tell whether a trip took effect.
        _require(seen, "probe");
    }

    function _isCall(bytes calldata data) private pure returns (bool) {
        return data.length >= 4 && data.length <= 4 + 32 * MAX_WORDS && (data.length - 4) % 32 == 0;
    }

    function _require(bool allowed, bytes32 what) private pure {
        if (!allowed) revert ICircuitBreaker.Invalid(what);
    }
}
