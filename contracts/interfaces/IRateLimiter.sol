// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A limit on the net outflow of assets
/// @notice Units. Asset: an ERC-20 token. Amount, limit, base, floor: smallest unit of the asset. Share: basis points
///         of the base. Window, delay, grace: seconds. Times: unix seconds. The formula of the limit is in RateLimit.
interface IRateLimiter {
    /// @notice What happens to an outflow beyond the limit.
    enum Mode {
        Reverting, // it reverts
        Locked // it is taken into custody and owed to its recipient
    }

    /// @notice What the council sets for an asset.
    /// @param limit Amount that may leave per window. NO_LIMIT: only the share counts. Zero stops outflows.
    /// @param limitFloor Lowest limit, inclusive, that the tightener may set.
    /// @param shareBps Share of the base that may leave per window, up to 10,000. NO_SHARE: only the limit counts.
    /// @param shareFloorBps Lowest share, inclusive, that the tightener may set.
    /// @param window MIN_WINDOW to MAX_WINDOW: in so long an emptied bucket is full again.
    /// @param lockDelay MIN_LOCK_DELAY to MAX_LOCK_DELAY: from so long after an outflow was held it may be claimed
    ///        within the limit. Held claims keep the delay that they were held with.
    /// @param mode What happens to an outflow beyond the limit.
    struct Settings {
        uint256 limit;
        uint256 limitFloor;
        uint16 shareBps;
        uint16 shareFloorBps;
        uint32 window;
        uint32 lockDelay;
        Mode mode;
    }

    /// @notice A held outflow: what is left of it, to whom it is owed, and who it came from.
    struct Claim {
        address asset;
        uint64 claimableAt;
        address to;
        address from;
        uint256 amount;
    }

    event Configured(address indexed asset, Settings settings);
    event ReporterChanged(address indexed asset, address indexed reporter, bool allowed);
    event TightenerChanged(address indexed oldTightener, address indexed newTightener);
    event LimitTightened(address indexed asset, uint256 oldLimit, uint256 newLimit);
    event ShareTightened(address indexed asset, uint16 oldShareBps, uint16 newShareBps);
    event LimitRelaxed(address indexed asset, uint256 oldLimit, uint256 newLimit);
    event ShareRelaxed(address indexed asset, uint16 oldShareBps, uint16 newShareBps);
    event Overridden(address indexed asset, uint256 graceUntil);
    event Inflow(address indexed asset, address indexed reporter, uint256 amount, uint256 base);
    /// @notice `amount` may leave, and is paid by the reporter.
    event Outflow(
        address indexed asset, address indexed reporter, address indexed to, uint256 amount, uint256 base, bool inGrace
    );
    /// @notice `amount` was beyond the limit, of which `free` was left, and is held.
    event Held(
        uint256 indexed id, address indexed asset, address indexed to, address from, uint256 amount, uint256 free
    );
    event Claimed(uint256 indexed id, address indexed asset, address indexed to, uint256 amount, uint256 left);
    event Returned(uint256 indexed id, address indexed asset, address indexed from, uint256 amount);

    /// @notice The address given is zero.
    error ZeroAddress();
    /// @notice The council is handed over, not given up.
    error CouncilRequired();
    /// @notice The council has not configured this asset.
    error UnknownAsset(address asset);
    /// @notice The caller may not report flows of this asset.
    error NotReporter(address asset, address caller);
    /// @notice The caller is not the tightener.
    error NotTightener(address caller);
    /// @notice Limit and share are both off.
    error NoLimitSet();
    /// @notice The floor lies above what it is the floor of.
    error FloorAboveLimit(uint256 floor, uint256 limit);
    /// @notice The share is above 10,000 basis points and not NO_SHARE.
    error ShareOutOfBounds(uint16 shareBps);
    /// @notice The window is not between MIN_WINDOW and MAX_WINDOW.
    error WindowOutOfBounds(uint32 window);
    /// @notice The delay is not between MIN_LOCK_DELAY and MAX_LOCK_DELAY.
    error LockDelayOutOfBounds(uint32 delay);
    /// @notice The grace is above MAX_GRACE.
    error GraceOutOfBounds(uint256 grace);
    /// @notice `asked` is not below the `current` value.
    error NotTighter(uint256 current, uint256 asked);
    /// @notice `asked` is below the floor that the council has set.
    error BelowFloor(uint256 floor, uint256 asked);
    /// @notice `asked` is not above the `current` value.
    error NotLooser(uint256 current, uint256 asked);
    /// @notice `asked` is above `most`, which the council has set.
    error AboveCouncil(uint256 most, uint256 asked);
    /// @notice `asked` was to leave, and only `available` may.
    error OutflowExceedsLimit(address asset, uint256 asked, uint256 available);
    /// @notice The token arrived short: `received` of `amount`. Tokens that take a fee cannot be held.
    error ReceivedShort(address asset, uint256 amount, uint256 received);
    /// @notice There is no such claim, or nothing is left of it.
    error NoClaim(uint256 id);
    /// @notice The claim may be paid from `claimableAt` on.
    error ClaimNotDue(uint256 id, uint256 claimableAt);

    /// @notice Lists an asset or changes its settings, up or down. What has left stays counted. Council.
    /// @param asset The token; in reverting mode any address that names what is limited.
    function configure(address asset, Settings calldata settings) external;

    /// @notice Allows or forbids a contract to report flows of an asset. Council.
    function setReporter(address asset, address reporter, bool allowed) external;

    /// @notice Sets who may tighten; zero for nobody. Council.
    function setTightener(address newTightener) external;

    /// @notice Empties the bucket, frees every claim on the asset that is held now, and lets everything leave for a
    ///         while. A grace of zero ends one that is under way. Council.
    /// @param grace Up to MAX_GRACE, seconds; its end is exclusive.
    function overrideLimit(address asset, uint256 grace) external;

    /// @notice Gives what is left of a held outflow back to the reporter it came from, and to nobody else. For the
    ///         council to undo a theft. What the protocol does with it is not known here.
    function returnClaim(uint256 id) external;

    /// @notice Lowers the limit, to the floor at most. Tightener.
    /// @dev Reverts with NotTighter when it is as low already, so that one sent twice is seen.
    function tightenLimit(address asset, uint256 limit) external;

    /// @notice Lowers the share, to the floor at most. Tightener.
    function tightenShare(address asset, uint16 shareBps) external;

    /// @notice Raises a tightened limit, up to what the council has set. Tightener: what takes a tightening back.
    function relaxLimit(address asset, uint256 limit) external;

    /// @notice Raises a tightened share, up to what the council has set. Tightener.
    function relaxShare(address asset, uint16 shareBps) external;

    /// @notice Tells that an amount came in. Reporters of the asset.
    /// @param base What the share is of, as it stands with this flow not counted.
    function inflow(address asset, uint256 amount, uint256 base) external;

    /// @notice Asks whether an amount may leave, before it does. Reporters of the asset.
    /// @dev Within the limit, or in grace: returns false and the caller pays. Beyond it in reverting mode: reverts with
    ///      OutflowExceedsLimit. Beyond it in locked mode: takes the amount from the caller, who has approved it, and
    ///      returns true; the caller must not pay then. A protocol that is not written for this gives no approval,
    ///      and is in reverting mode whatever the council sets.
    /// @param to Who is to be paid.
    /// @param base What the share is of, as it stands with this flow not counted.
    /// @return held Whether the amount is held here, owed to `to`.
    function outflow(address asset, address to, uint256 amount, uint256 base) external returns (bool held);

    /// @notice Pays a held outflow to its recipient: whole when the council has freed it, else after its delay as far
    ///         as the limit goes, and the rest can be claimed later. Anyone may call it.
    /// @return paid The amount paid now.
    function claim(uint256 id) external returns (uint256 paid);

    /// @return Who may tighten; zero for nobody.
    function tightener() external view returns (address);

    /// @return The id that the next held outflow is given; the first is zero.
    function nextClaim() external view returns (uint256);

    /// @return What the council has set; limit and share in force are limitOf and shareOf. This view and those below, up
    ///         to graceUntil, revert with UnknownAsset rather than answer for an asset that is not configured.
    function settingsOf(address asset) external view returns (Settings memory);

    /// @return The limit in force, on its own for readers of one word.
    function limitOf(address asset) external view returns (uint256);

    /// @return The share in force, basis points.
    function shareOf(address asset) external view returns (uint256);

    /// @return The smaller of the limit and the share of the base that was reported last.
    function capacityOf(address asset) external view returns (uint256);

    /// @return What may leave now, by the base that was reported last: 2 ** 256 - 1 in grace.
    function available(address asset) external view returns (uint256);

    /// @return Until when outflows are free of the limit, exclusive; zero for never.
    function graceUntil(address asset) external view returns (uint256);

    /// @return Whether `reporter` may report flows of `asset`.
    function isReporter(address asset, address reporter) external view returns (bool);

    /// @return The sum of the claims held on an asset.
    function heldOf(address asset) external view returns (uint256);

    /// @return What is held under this id; zero in every field when nothing is.
    function claimOf(uint256 id) external view returns (Claim memory);
}
