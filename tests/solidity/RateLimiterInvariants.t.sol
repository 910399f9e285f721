// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CommonBase} from "forge-std/Base.sol";
import {StdUtils} from "forge-std/StdUtils.sol";

import {RateLimiter} from "../../contracts/RateLimiter.sol";
import {DemoToken} from "../../contracts/demo/DemoToken.sol";
import {IRateLimiter} from "../../contracts/interfaces/IRateLimiter.sol";
import {LimiterTest} from "./RateLimiter.t.sol";

/// @notice Is protocol, council, breaker and crowd at once, with any numbers, and keeps its own books: net outflow and
///         refill as running sums, so that any stretch of time is the difference of two of them.
contract Flows is CommonBase, StdUtils {
    RateLimiter private immutable limiter;
    address[2] private assets;
    address private immutable council;
    address private immutable breaker;
    address private immutable protocol;
    uint256 private constant WINDOW = 1 hours;
    uint32 private constant DELAY = 90 minutes;

    /// Books of an asset, in amount * seconds: what left less what came in and what refilled, at each step.
    mapping(address asset => int256[]) private sums;
    mapping(address asset => int256) private sum;
    mapping(address asset => uint256) private capacity;
    mapping(address asset => uint256) private settledAt;
    mapping(address asset => uint256) private lastBase;
    mapping(uint256 id => uint256) private heldAt;
    mapping(address asset => uint256) private freedBelow;
    /// Tokens that came into custody and left it.
    mapping(address asset => uint256) public taken;
    mapping(address asset => uint256) public given;
    /// Limit and share as the council has last set them.
    mapping(address asset => uint256) public limitSet;
    mapping(address asset => uint256) public shareSet;
    mapping(string what => uint256) public count;
    /// What must never happen, counted.
    uint256 public offTheFormula;
    uint256 public loosened;
    uint256 public paidEarly;
    uint256 public paidTwice;

    constructor(
        RateLimiter limiter_,
        address[2] memory assets_,
        address council_,
        address breaker_,
        address protocol_
    ) {
        (limiter, assets, council, breaker, protocol) = (limiter_, assets_, council_, breaker_, protocol_);
        for (uint256 i = 0; i < 2; ++i) {
            limitSet[assets[i]] = limiter.limitOf(assets[i]);
            shareSet[assets[i]] = limiter.shareOf(assets[i]);
            _restart(assets[i]);
        }
    }

    /// Before: the refill since the last step, at the capacity that the last step left. After: the capacity now.
    modifier booked(uint256 seed) {
        address asset = assets[seed % 2];
        sum[asset] -= int256(capacity[asset] * (block.timestamp - settledAt[asset]));
        settledAt[asset] = block.timestamp;
        sums[asset].push(sum[asset]);
        _;
        capacity[asset] = limiter.capacityOf(asset);
    }

    function inflow(uint256 seed, uint256 amount) external booked(seed) {
        address asset = assets[seed % 2];
        amount = _bound(amount, 0, 2e6);
        vm.prank(protocol);
        limiter.inflow(asset, amount, _base(seed));
        lastBase[asset] = _base(seed);
        if (!_inGrace(asset)) sum[asset] -= int256(amount * WINDOW);
        ++count["inflow"];
    }

    function outflow(uint256 seed, uint256 amount) external booked(seed) {
        address asset = assets[seed % 2];
        amount = _bound(amount, 1, 2e6);
        bool locking = limiter.settingsOf(asset).mode == IRateLimiter.Mode.Locked;
        bool inGrace = _inGrace(asset);
        bool fits = inGrace || _fits(asset, amount, _base(seed));
        uint256 id = limiter.nextClaim();
        vm.prank(protocol);
        try limiter.outflow(asset, address(uint160(1 + amount)), amount, _base(seed)) returns (bool held) {
            lastBase[asset] = _base(seed);
            if (held == fits) ++offTheFormula;
            require(!held || locking, "held in reverting mode");
            if (held) (heldAt[id], taken[asset]) = (block.timestamp, taken[asset] + amount);
            else if (!inGrace) sum[asset] += int256(amount * WINDOW);
            ++count[held ? "held" : inGrace ? "outflowInGrace" : "outflow"];
        } catch (bytes memory reason) {
            require(!locking && bytes4(reason) == IRateLimiter.OutflowExceedsLimit.selector, "refused otherwise");
            if (fits) ++offTheFormula;
            ++count["refused"];
        }
    }

    function claim(uint256 seed) external {
        uint256 id = _anyClaim(seed);
        IRateLimiter.Claim memory c = limiter.claimOf(id);
        if (c.amount == 0) return;
        this.claimIn(c.asset == assets[0] ? 0 : 1, id);
    }

    function claimIn(uint256 seed, uint256 id) external booked(seed) {
        address asset = assets[seed % 2];
        IRateLimiter.Claim memory c = limiter.claimOf(id);
        uint256 before = DemoToken(asset).balanceOf(c.to);
        bool freed = id < freedBelow[asset];
        uint256 base = lastBase[asset];
        try limiter.claim(id) returns (uint256 paid) {
            given[asset] += paid;
            if (paid > c.amount || DemoToken(asset).balanceOf(c.to) != before + paid) ++paidTwice;
            if (!freed && block.timestamp < heldAt[id] + DELAY) ++paidEarly;
            if (!freed) {
                if (!_fits(asset, paid, base) || (paid < c.amount && _fits(asset, paid + 1, base))) ++offTheFormula;
                sum[asset] += int256(paid * WINDOW);
            }
            ++count[freed ? "claimFreed" : "claim"];
        } catch (bytes memory reason) {
            bytes4 got = bytes4(reason);
            require(
                !freed
                    && (got == IRateLimiter.ClaimNotDue.selector || got == IRateLimiter.OutflowExceedsLimit.selector),
                "refused for another reason"
            );
            if (got == IRateLimiter.OutflowExceedsLimit.selector && _fits(asset, 1, base)) ++offTheFormula;
            ++count["claimRefused"];
        }
    }

    function returnClaim(uint256 seed) external {
        if (seed % 5 != 0) return;
        uint256 id = _anyClaim(seed);
        IRateLimiter.Claim memory c = limiter.claimOf(id);
        if (c.amount == 0) return;
        vm.prank(council);
        limiter.returnClaim(id);
        given[c.asset] += c.amount;
        ++count["return"];
    }

    function overrideLimit(uint256 seed, uint256 grace) external booked(seed) {
        if (seed % 25 > 1) return;
        address asset = assets[seed % 2];
        vm.prank(council);
        limiter.overrideLimit(asset, _bound(grace, 0, 1 hours));
        freedBelow[asset] = limiter.nextClaim();
        _restart(asset);
        ++count["override"];
    }

    function tighten(uint256 seed, uint256 limit, uint16 shareBps) external booked(seed) {
        address asset = assets[seed % 2];
        (uint256 oldLimit, uint256 oldShare) = (limiter.limitOf(asset), limiter.shareOf(asset));
        limit = _bound(limit, 0, 5e6);
        shareBps = uint16(_bound(shareBps, 0, 12_000));
        vm.startPrank(breaker);
        try limiter.tightenLimit(asset, limit) {
            ++count["tightenLimit"];
        } catch {
            ++count["tightenRefused"];
        }
        try limiter.tightenShare(asset, shareBps) {
            ++count["tightenShare"];
        } catch {
            ++count["tightenRefused"];
        }
        vm.stopPrank();
        if (limiter.limitOf(asset) > oldLimit || limiter.shareOf(asset) > oldShare) ++loosened;
    }

    function relax(uint256 seed, uint256 limit, uint16 shareBps) external booked(seed) {
        address asset = assets[seed % 2];
        vm.startPrank(breaker);
        try limiter.relaxLimit(asset, _bound(limit, 0, 5e6)) {
            ++count["relaxLimit"];
        } catch {
            ++count["relaxRefused"];
        }
        try limiter.relaxShare(asset, uint16(_bound(shareBps, 0, 12_000))) {
            ++count["relaxShare"];
        } catch {
            ++count["relaxRefused"];
        }
        vm.stopPrank();
    }

    function configure(uint256 seed, uint256 limit, uint16 shareBps) external booked(seed) {
        address asset = assets[seed % 2];
        limit = seed % 7 == 0 ? limiter.NO_LIMIT() : _bound(limit, 1e4, 5e6);
        uint16 share = seed % 7 == 1 ? limiter.NO_SHARE() : uint16(_bound(shareBps, 100, 10_000));
        IRateLimiter.Mode mode = seed % 3 == 0 ? IRateLimiter.Mode.Reverting : IRateLimiter.Mode.Locked;
        vm.prank(council);
        limiter.configure(asset, IRateLimiter.Settings(limit, 1e4, share, 100, uint32(WINDOW), DELAY, mode));
        (limitSet[asset], shareSet[asset]) = (limit, share);
        ++count["configure"];
    }

    function wait(uint256 seed, uint256 time) external {
        vm.warp(block.timestamp + _bound(time, 1, seed % 8 == 0 ? 1 days : 20 minutes));
        ++count["wait"];
    }

    /// Whether, over every stretch that began with one of the steps so far and ends now, what left with this amount,
    /// less what came in and what refilled, is at most the capacity in force.
    function _fits(address asset, uint256 amount, uint256 base) private view returns (bool) {
        (uint256 most, uint256 shareBps) = (limiter.limitOf(asset), limiter.shareOf(asset));
        if (shareBps <= 10_000 && base * shareBps / 10_000 < most) most = base * shareBps / 10_000;
        for (uint256 i = 0; i < sums[asset].length; ++i) {
            if (sum[asset] - sums[asset][i] + int256(amount * WINDOW) > int256(most * WINDOW)) return false;
        }
        return true;
    }

    function _restart(address asset) private {
        delete sums[asset];
        sum[asset] = 0;
        sums[asset].push(0);
        (settledAt[asset], capacity[asset]) = (block.timestamp, limiter.capacityOf(asset));
    }

    function _inGrace(address asset) private view returns (bool) {
        return limiter.available(asset) == type(uint256).max;
    }

    function _anyClaim(uint256 seed) private view returns (uint256) {
        return limiter.nextClaim() == 0 ? 0 : (seed / 16) % limiter.nextClaim();
    }

    /// Around the amount at which limit and share change places.
    function _base(uint256 seed) private pure returns (uint256) {
        return 1e6 + (seed / 4) % 5e7;
    }
}

/// @notice INVARIANTS.md, held after every step of a random run.
contract RateLimiterInvariantsTest is LimiterTest {
    Flows private flows;

    function setUp() public override {
        super.setUp();
        flows = new Flows(limiter, [asset, locked], council, breaker, protocol);
        targetContract(address(flows));
        bytes4[] memory steps = new bytes4[](9);
        steps[0] = Flows.inflow.selector;
        steps[1] = Flows.outflow.selector;
        steps[2] = Flows.claim.selector;
        steps[3] = Flows.returnClaim.selector;
        steps[4] = Flows.overrideLimit.selector;
        steps[5] = Flows.tighten.selector;
        steps[6] = Flows.configure.selector;
        steps[7] = Flows.wait.selector;
        steps[8] = Flows.relax.selector;
        targetSelector(FuzzSelector(address(flows), steps));
    }

    /// The run is no use if everything is refused: a long one, and each thing has happened.
    function test_flows__long_run__everything_happens() public {
        for (uint256 i = 0; i < 1_200; ++i) {
            uint256 a = uint256(keccak256(abi.encode(i, "seed")));
            uint256 b = uint256(keccak256(abi.encode(i, "value")));
            uint256 what = uint256(keccak256(abi.encode(i, "what"))) % 11;
            if (what == 0) flows.inflow(a, b);
            else if (what < 4) flows.outflow(a, b);
            else if (what == 4) flows.claim(a);
            else if (what == 5) flows.returnClaim(a);
            else if (what == 6) flows.overrideLimit(a, b);
            else if (what == 7) flows.tighten(a, b, uint16(b >> 128));
            else if (what == 8) flows.configure(a, b, uint16(b >> 128));
            else if (what == 9) flows.relax(a, b, uint16(b >> 128));
            else flows.wait(a, b);
        }
        string[16] memory things = [
            "inflow",
            "outflow",
            "outflowInGrace",
            "held",
            "refused",
            "claim",
            "claimFreed",
            "claimRefused",
            "return",
            "override",
            "tightenLimit",
            "tightenShare",
            "relaxLimit",
            "relaxShare",
            "configure",
            "wait"
        ];
        for (uint256 i = 0; i < things.length; ++i) {
            assertGe(flows.count(things[i]), 4, things[i]);
        }
        invariant_RL1_net_outflow__any_stretch_of_time__within_the_formula();
        invariant_RL6_claims__are_backed_by_tokens();
        invariant_RL7_claims__are_paid_once_and_not_early();
        invariant_RL9_tightener__stays_within_floors_and_council();
    }

    function invariant_RL1_net_outflow__any_stretch_of_time__within_the_formula() public view {
        assertEq(flows.offTheFormula(), 0);
    }

    function invariant_RL6_claims__are_backed_by_tokens() public view {
        address[2] memory both = [asset, locked];
        uint256[2] memory owed;
        for (uint256 id = 0; id < limiter.nextClaim(); ++id) {
            IRateLimiter.Claim memory c = limiter.claimOf(id);
            owed[c.asset == asset ? 0 : 1] += c.amount;
        }
        for (uint256 i = 0; i < 2; ++i) {
            assertEq(limiter.heldOf(both[i]), owed[i], "the sum of the claims");
            assertEq(DemoToken(both[i]).balanceOf(address(limiter)), owed[i], "the tokens");
            assertEq(flows.taken(both[i]) - flows.given(both[i]), owed[i], "the books");
        }
    }

    function invariant_RL7_claims__are_paid_once_and_not_early() public view {
        assertEq(flows.paidEarly(), 0);
        assertEq(flows.paidTwice(), 0);
    }

    function invariant_RL9_tightener__stays_within_floors_and_council() public view {
        assertEq(flows.loosened(), 0);
        address[2] memory both = [asset, locked];
        for (uint256 i = 0; i < 2; ++i) {
            IRateLimiter.Settings memory s = limiter.settingsOf(both[i]);
            assertEq(s.limit, flows.limitSet(both[i]));
            assertEq(s.shareBps, flows.shareSet(both[i]));
            assertLe(limiter.limitOf(both[i]), s.limit);
            assertLe(limiter.shareOf(both[i]), s.shareBps);
            assertGe(limiter.limitOf(both[i]), s.limitFloor);
            assertGe(limiter.shareOf(both[i]), s.shareFloorBps);
        }
    }
}
