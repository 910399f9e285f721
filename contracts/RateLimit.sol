// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";

/// @title RateLimit: a token bucket of net outflow
/// @notice FORMULA
///         - capacity = the smaller of `limit` and `shareBps` of `base`, rounded down.
///         - debt = what has left and not yet come back. An outflow adds to it, an inflow takes from it down to zero,
///           and it falls by capacity / window each second, at the capacity in force in that second.
///         - available = capacity less the debt, and zero where the debt is larger. No more than that may leave.
///         So over any stretch of time what leaves, less what comes in, is at most the capacity in force at the last
///         outflow plus the refill: the sum over the stretch of (capacity in force * seconds) / window. With an unchanged capacity
///         that is twice the capacity in any stretch of one window, and nothing more is ever saved up.
///
///         - The debt is kept in amount * seconds, so the refill is exact: no rounding is lost, however often the bucket
///           is touched. Only `available` is rounded, down.
///         - A change of limit, share or base counts at once for what may leave, and from now on for the refill. The
///           debt stays: whoever lowers the limit and raises it again has freed nothing.
///         - A limit of zero refills nothing.
library RateLimit {
    using Math for uint256;

    /// @notice What is available and for how long; see the formula.
    struct Bucket {
        uint256 limit; // amount; NO_LIMIT: off
        uint256 base; // amount that the share is of
        uint256 debt; // amount * seconds
        uint64 settledAt; // unix seconds
        uint32 window; // seconds; zero: never set
        uint16 shareBps; // 1 / 10_000 of the base; NO_SHARE: off
    }

    /// @notice The absolute limit that is off.
    uint256 internal constant NO_LIMIT = type(uint256).max;
    /// @notice The share that is off. Above every share, so that a lower number is always a tighter limit.
    uint16 internal constant NO_SHARE = type(uint16).max;
    /// @notice The whole, in basis points.
    uint16 internal constant WHOLE_BPS = 10_000;

    /// @notice Sets limit, share and window (not zero). The debt stays, rounded up where the window changes.
    function set(Bucket storage b, uint256 limit, uint16 shareBps, uint32 window) internal {
        settle(b);
        if (b.debt != 0 && b.window != window) b.debt = b.debt.ceilDiv(b.window) * window;
        (b.limit, b.shareBps, b.window) = (limit, shareBps, window);
    }

    /// @notice Sets the amount that the share is of.
    function rebase(Bucket storage b, uint256 base) internal {
        settle(b);
        b.base = base;
    }

    /// @notice Forgets what has left.
    function empty(Bucket storage b) internal {
        (b.debt, b.settledAt) = (0, uint64(block.timestamp));
    }

    /// @notice An amount came in.
    function credit(Bucket storage b, uint256 amount) internal {
        settle(b);
        b.debt = b.debt.saturatingSub(amount.saturatingMul(b.window));
    }

    /// @notice An amount is to leave: counted when it may, and nothing is counted when it may not.
    /// @return spent Whether it may leave.
    /// @return free What was available before it.
    function spend(Bucket storage b, uint256 amount) internal returns (bool spent, uint256 free) {
        settle(b);
        free = available(b);
        spent = amount <= free;
        if (spent) b.debt += amount * b.window;
    }

    /// @notice Writes down the refill up to now.
    function settle(Bucket storage b) internal {
        (b.debt, b.settledAt) = (debtNow(b), uint64(block.timestamp));
    }

    /// @notice What may leave now.
    function available(Bucket storage b) internal view returns (uint256) {
        return capacity(b).saturatingSub(debtNow(b).ceilDiv(b.window));
    }

    /// @notice What may leave of a full bucket. At most 2 ** 256 / window, so that a debt of it can be written down.
    function capacity(Bucket storage b) internal view returns (uint256 most) {
        most = b.limit.min(type(uint256).max / b.window);
        if (b.shareBps == NO_SHARE) return most;
        // A share is at most the whole, so the quotient fits.
        return most.min(b.base.mulDiv(b.shareBps, WHOLE_BPS));
    }

    /// @notice The debt less the refill since it was settled, in amount * seconds.
    function debtNow(Bucket storage b) internal view returns (uint256) {
        if (b.debt == 0) return 0;
        return b.debt.saturatingSub(capacity(b).saturatingMul(block.timestamp - b.settledAt));
    }
}
