// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {RateLimit} from "./RateLimit.sol";
import {IRateLimiter} from "./interfaces/IRateLimiter.sol";

/// @title RateLimiter: how much of an asset may leave a protocol
/// @notice DESIGN
///         - One bucket of net outflow for each asset, shared by the protocols that report it. See RateLimit.
///         - The protocol asks before it pays. What is within the limit it pays itself; no token passes through here.
///         - Beyond the limit an outflow reverts, or (locked mode) its whole amount is taken into custody and owed to
///           its recipient. Taken, not only noted: so each claim is backed by tokens that nobody else can reach.
///         - A held amount is counted when it is paid, not when it is held. It is paid after its delay, as far as the
///           limit goes, in parts if need be: also one larger than the limit, as long as room is left for it. The delay is the
///           council's time to look, and to return the amount to the protocol if it was stolen.
///         - An override by the council empties the bucket, frees the claims held until then, and suspends the limit for
///           a grace period, in which nothing is counted. Afterwards the bucket is full.
///         - State is written before tokens move; what arrived is checked after. All rounding is against the outflow.
///
///         TRUST
///         - The council (owner; meant to be a Safe) can suspend every limit, and can return held amounts to where they
///           came from. It cannot send them anywhere else, nor forfeit them.
///         - The tightener (meant to be the CircuitBreaker) moves limit and share between the council's floors and what
///           the council has set, which it never exceeds: it lowers them, and puts back what it has lowered. It can end
///           neither grace nor claims. Stolen, it slows outflows down to the floors.
///         - A reporter is trusted for flows and base: one that lies spoils the limit of its assets, and its own only.
///           Reporters of one asset report the same base. It can be raised by whoever deposits; what bounds an
///           attacker with capital is the absolute limit.
///         - Who has capital can use a limit up: an inflow to a full bucket makes no room, and taking it out again
///           uses it. Others then wait for the refill, and claims with them, or for the council's override. A protocol
///           that fears this more than a drain takes a fee, or a delay, for going in and out.
///         - Tokens take no fee and do not rebase. A fee is refused when an amount is to be held. A token that calls
///           back is met by the guard.
contract RateLimiter is IRateLimiter, Ownable2Step, ReentrancyGuardTransient {
    using RateLimit for RateLimit.Bucket;
    using SafeERC20 for IERC20;

    struct Asset {
        RateLimit.Bucket bucket;
        uint256 limitFloor;
        uint256 limitSet; // by the council
        uint256 held;
        uint256 freedBelow; // the council has freed the claims with a lower id
        uint64 graceUntil;
        uint32 lockDelay;
        uint16 shareFloorBps;
        uint16 shareSetBps; // by the council
        Mode mode;
        mapping(address reporter => bool) reporters;
    }

    /// @notice Bounds of the window, seconds, inclusive.
    uint32 public constant MIN_WINDOW = 10 minutes;
    uint32 public constant MAX_WINDOW = 30 days;
    /// @notice Bounds of the delay of held outflows, seconds, inclusive.
    uint32 public constant MIN_LOCK_DELAY = 1 hours;
    uint32 public constant MAX_LOCK_DELAY = 30 days;
    /// @notice Longest grace after an override, seconds, inclusive.
    uint256 public constant MAX_GRACE = 3 days;
    /// @notice The limit that is off.
    uint256 public constant NO_LIMIT = RateLimit.NO_LIMIT;
    /// @notice The share that is off.
    uint16 public constant NO_SHARE = RateLimit.NO_SHARE;

    /// @inheritdoc IRateLimiter
    address public tightener;
    /// @inheritdoc IRateLimiter
    uint256 public nextClaim;
    mapping(address asset => Asset) private assets;
    mapping(uint256 id => Claim) private claims;

    modifier onlyTightener() {
        if (msg.sender != tightener) revert NotTightener(msg.sender);
        _;
    }

    /// @param council Becomes the owner.
    constructor(address council) Ownable(council) {}

    // -------------------------------------------------------------- council

    /// @inheritdoc IRateLimiter
    function configure(address asset, Settings calldata s) external onlyOwner {
        if (asset == address(0)) revert ZeroAddress();
        if (s.limit == NO_LIMIT && s.shareBps == NO_SHARE) revert NoLimitSet();
        if (s.shareBps > RateLimit.WHOLE_BPS && s.shareBps != NO_SHARE) revert ShareOutOfBounds(s.shareBps);
        if (s.limitFloor > s.limit) revert FloorAboveLimit(s.limitFloor, s.limit);
        if (s.shareFloorBps > s.shareBps) revert FloorAboveLimit(s.shareFloorBps, s.shareBps);
        if (s.window < MIN_WINDOW || s.window > MAX_WINDOW) revert WindowOutOfBounds(s.window);
        if (s.lockDelay < MIN_LOCK_DELAY || s.lockDelay > MAX_LOCK_DELAY) revert LockDelayOutOfBounds(s.lockDelay);
        Asset storage a = assets[asset];
        a.bucket.set(s.limit, s.shareBps, s.window);
        (a.limitFloor, a.shareFloorBps, a.lockDelay, a.mode) = (s.limitFloor, s.shareFloorBps, s.lockDelay, s.mode);
        (a.limitSet, a.shareSetBps) = (s.limit, s.shareBps);
        emit Configured(asset, s);
    }

    /// @inheritdoc IRateLimiter
    function setReporter(address asset, address reporter, bool allowed) external onlyOwner {
        if (reporter == address(0)) revert ZeroAddress();
        _known(asset).reporters[reporter] = allowed;
        emit ReporterChanged(asset, reporter, allowed);
    }

    /// @inheritdoc IRateLimiter
    function setTightener(address newTightener) external onlyOwner {
        emit TightenerChanged(tightener, newTightener);
        tightener = newTightener;
    }

    /// @inheritdoc IRateLimiter
    function overrideLimit(address asset, uint256 grace) external onlyOwner {
        if (grace > MAX_GRACE) revert GraceOutOfBounds(grace);
        Asset storage a = _known(asset);
        a.bucket.empty();
        (a.freedBelow, a.graceUntil) = (nextClaim, uint64(block.timestamp + grace));
        emit Overridden(asset, a.graceUntil);
    }

    /// @inheritdoc IRateLimiter
    function returnClaim(uint256 id) external onlyOwner nonReentrant {
        Claim memory c = _claim(id);
        delete claims[id];
        assets[c.asset].held -= c.amount;
        emit Returned(id, c.asset, c.from, c.amount);
        IERC20(c.asset).safeTransfer(c.from, c.amount);
    }

    /// @notice Not possible: without a council no claim could be freed or returned.
    function renounceOwnership() public pure override {
        revert CouncilRequired();
    }

    // ------------------------------------------------------------ tightener

    /// @inheritdoc IRateLimiter
    function tightenLimit(address asset, uint256 limit) external onlyTightener {
        Asset storage a = _known(asset);
        uint256 old = a.bucket.limit;
        _requireTighter(old, limit, a.limitFloor);
        a.bucket.set(limit, a.bucket.shareBps, a.bucket.window);
        emit LimitTightened(asset, old, limit);
    }

    /// @inheritdoc IRateLimiter
    function tightenShare(address asset, uint16 shareBps) external onlyTightener {
        if (shareBps > RateLimit.WHOLE_BPS) revert ShareOutOfBounds(shareBps);
        Asset storage a = _known(asset);
        uint16 old = a.bucket.shareBps;
        _requireTighter(old, shareBps, a.shareFloorBps);
        a.bucket.set(a.bucket.limit, shareBps, a.bucket.window);
        emit ShareTightened(asset, old, shareBps);
    }

    /// @inheritdoc IRateLimiter
    function relaxLimit(address asset, uint256 limit) external onlyTightener {
        Asset storage a = _known(asset);
        uint256 old = a.bucket.limit;
        _requireLooser(old, limit, a.limitSet);
        a.bucket.set(limit, a.bucket.shareBps, a.bucket.window);
        emit LimitRelaxed(asset, old, limit);
    }

    /// @inheritdoc IRateLimiter
    function relaxShare(address asset, uint16 shareBps) external onlyTightener {
        Asset storage a = _known(asset);
        uint16 old = a.bucket.shareBps;
        if (shareBps > RateLimit.WHOLE_BPS && shareBps != a.shareSetBps) revert ShareOutOfBounds(shareBps);
        _requireLooser(old, shareBps, a.shareSetBps);
        a.bucket.set(a.bucket.limit, shareBps, a.bucket.window);
        emit ShareRelaxed(asset, old, shareBps);
    }

    // ---------------------------------------------------------------- flows

    /// @inheritdoc IRateLimiter
    function inflow(address asset, uint256 amount, uint256 base) external nonReentrant {
        Asset storage a = _reported(asset);
        a.bucket.rebase(base);
        a.bucket.credit(amount);
        emit Inflow(asset, msg.sender, amount, base);
    }

    /// @inheritdoc IRateLimiter
    function outflow(address asset, address to, uint256 amount, uint256 base) external nonReentrant returns (bool) {
        if (to == address(0)) revert ZeroAddress();
        Asset storage a = _reported(asset);
        a.bucket.rebase(base);
        bool inGrace = _inGrace(a);
        if (!inGrace) {
            (bool spent, uint256 free) = a.bucket.spend(amount);
            if (!spent) {
                _hold(a, asset, to, amount, free);
                return true;
            }
        }
        emit Outflow(asset, msg.sender, to, amount, base, inGrace);
        return false;
    }

    /// @inheritdoc IRateLimiter
    function claim(uint256 id) external nonReentrant returns (uint256 paid) {
        Claim storage c = _claim(id);
        (address asset, address to) = (c.asset, c.to);
        Asset storage a = assets[asset];
        paid = c.amount;
        // In grace there is no claim but freed ones: it began with freeing them, and nothing is held in it.
        if (id >= a.freedBelow) {
            if (block.timestamp < c.claimableAt) revert ClaimNotDue(id, c.claimableAt);
            uint256 free = a.bucket.available();
            if (free == 0) revert OutflowExceedsLimit(asset, paid, 0);
            if (paid > free) paid = free;
            a.bucket.spend(paid);
        }
        uint256 left = c.amount - paid;
        c.amount = left;
        if (left == 0) delete claims[id];
        a.held -= paid;
        emit Claimed(id, asset, to, paid, left);
        IERC20(asset).safeTransfer(to, paid);
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IRateLimiter
    function settingsOf(address asset) external view returns (Settings memory) {
        Asset storage a = _known(asset);
        return Settings(a.limitSet, a.limitFloor, a.shareSetBps, a.shareFloorBps, a.bucket.window, a.lockDelay, a.mode);
    }

    /// @inheritdoc IRateLimiter
    function limitOf(address asset) external view returns (uint256) {
        return _known(asset).bucket.limit;
    }

    /// @inheritdoc IRateLimiter
    function shareOf(address asset) external view returns (uint256) {
        return _known(asset).bucket.shareBps;
    }

    /// @inheritdoc IRateLimiter
    function capacityOf(address asset) external view returns (uint256) {
        return _known(asset).bucket.capacity();
    }

    /// @inheritdoc IRateLimiter
    function available(address asset) external view returns (uint256) {
        Asset storage a = _known(asset);
        return _inGrace(a) ? type(uint256).max : a.bucket.available();
    }

    /// @inheritdoc IRateLimiter
    function graceUntil(address asset) external view returns (uint256) {
        return _known(asset).graceUntil;
    }

    /// @inheritdoc IRateLimiter
    function isReporter(address asset, address reporter) external view returns (bool) {
        return assets[asset].reporters[reporter];
    }

    /// @inheritdoc IRateLimiter
    function heldOf(address asset) external view returns (uint256) {
        return assets[asset].held;
    }

    /// @inheritdoc IRateLimiter
    function claimOf(uint256 id) external view returns (Claim memory) {
        return claims[id];
    }

    // -------------------------------------------------------------- private

    function _hold(Asset storage a, address asset, address to, uint256 amount, uint256 free) private {
        if (a.mode == Mode.Reverting) revert OutflowExceedsLimit(asset, amount, free);
        uint256 id = nextClaim++;
        claims[id] = Claim(asset, uint64(block.timestamp + a.lockDelay), to, msg.sender, amount);
        a.held += amount;
        emit Held(id, asset, to, msg.sender, amount, free);
        uint256 before = IERC20(asset).balanceOf(address(this));
        IERC20(asset).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(asset).balanceOf(address(this)) - before;
        if (received < amount) revert ReceivedShort(asset, amount, received);
    }

    function _inGrace(Asset storage a) private view returns (bool) {
        return block.timestamp < a.graceUntil;
    }

    function _requireTighter(uint256 current, uint256 asked, uint256 floor) private pure {
        if (asked >= current) revert NotTighter(current, asked);
        if (asked < floor) revert BelowFloor(floor, asked);
    }

    function _requireLooser(uint256 current, uint256 asked, uint256 most) private pure {
        if (asked <= current) revert NotLooser(current, asked);
        if (asked > most) revert AboveCouncil(most, asked);
    }

    function _known(address asset) private view returns (Asset storage a) {
        a = assets[asset];
        if (a.bucket.window == 0) revert UnknownAsset(asset);
    }

    function _reported(address asset) private view returns (Asset storage a) {
        a = _known(asset);
        if (!a.reporters[msg.sender]) revert NotReporter(asset, msg.sender);
    }

    function _claim(uint256 id) private view returns (Claim storage c) {
        c = claims[id];
        if (c.amount == 0) revert NoClaim(id);
    }
}
