// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IERC20Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {Test} from "forge-std/Test.sol";

import {RateLimiter} from "../../contracts/RateLimiter.sol";
import {DemoToken} from "../../contracts/demo/DemoToken.sol";
import {IRateLimiter} from "../../contracts/interfaces/IRateLimiter.sol";

/// @notice Keeps one unit of each transfer.
contract FeeToken is ERC20 {
    constructor() ERC20("Fee", "FEE") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (from != address(0) && to != address(0)) super._update(to, address(0), 1);
    }
}

/// @notice Calls back in each transfer, and keeps what came of it.
contract CallingToken is ERC20 {
    address public target;
    bytes public data;
    bytes public answer;
    bool public passed;

    constructor() ERC20("Calling", "CALL") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function callBack(address target_, bytes calldata data_) external {
        (target, data) = (target_, data_);
    }

    function _update(address from, address to, uint256 amount) internal override {
        super._update(from, to, amount);
        if (target != address(0)) (passed, answer) = target.call(data);
    }
}

/// @notice Two assets, the first in reverting mode, the second in locked mode, and a protocol that reports both.
abstract contract LimiterTest is Test {
    uint256 internal constant START = 1_700_000_000;
    uint32 internal constant WINDOW = 1 hours;
    uint32 internal constant DELAY = 1 days;
    uint256 internal constant LIMIT = 3_600_000;
    uint256 internal constant FLOOR = 360_000;
    uint16 internal constant SHARE = 1_000;
    uint16 internal constant SHARE_FLOOR = 100;
    uint256 internal constant BASE = 100_000_000;

    address internal council = makeAddr("council");
    address internal breaker = makeAddr("breaker");
    address internal protocol = makeAddr("protocol");
    address internal alice = makeAddr("alice");
    address internal bob = makeAddr("bob");

    RateLimiter internal limiter;
    DemoToken internal dollar;
    DemoToken internal gold;
    address internal asset;
    address internal locked;

    function setUp() public virtual {
        vm.warp(START);
        limiter = new RateLimiter(council);
        dollar = new DemoToken();
        gold = new DemoToken();
        (asset, locked) = (address(dollar), address(gold));
        vm.startPrank(council);
        limiter.setTightener(breaker);
        limiter.configure(asset, _settings(IRateLimiter.Mode.Reverting));
        limiter.configure(locked, _settings(IRateLimiter.Mode.Locked));
        limiter.setReporter(asset, protocol, true);
        limiter.setReporter(locked, protocol, true);
        vm.stopPrank();
        dollar.mint(protocol, 1e30);
        gold.mint(protocol, 1e30);
        vm.startPrank(protocol);
        dollar.approve(address(limiter), type(uint256).max);
        gold.approve(address(limiter), type(uint256).max);
        vm.stopPrank();
    }

    function _settings(IRateLimiter.Mode mode) internal pure returns (IRateLimiter.Settings memory) {
        return IRateLimiter.Settings(LIMIT, FLOOR, SHARE, SHARE_FLOOR, WINDOW, DELAY, mode);
    }

    function _configure(address which, IRateLimiter.Settings memory settings) internal {
        vm.prank(council);
        limiter.configure(which, settings);
    }

    function _out(address which, uint256 amount) internal returns (bool) {
        vm.prank(protocol);
        return limiter.outflow(which, alice, amount, BASE);
    }

    function _in(address which, uint256 amount) internal {
        vm.prank(protocol);
        limiter.inflow(which, amount, BASE);
    }

    function _override(address which, uint256 grace) internal {
        vm.prank(council);
        limiter.overrideLimit(which, grace);
    }

    function _expectBeyond(address which, uint256 asked, uint256 free) internal {
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.OutflowExceedsLimit.selector, which, asked, free));
    }

    function _expect(bytes4 error, uint256 word) internal {
        vm.expectRevert(abi.encodeWithSelector(error, word));
    }
}

/// @notice Flows, modes, claims, grace, floors, roles, bounds. Test names carry the ids of INVARIANTS.md.
contract RateLimiterTest is LimiterTest {
    // ---------------------------------------------------- limit and share

    function test_RL2_capacity__limit_or_share__the_smaller_of_the_reported_base() public {
        assertEq(limiter.capacityOf(asset), 0, "nothing reported, so a share of nothing");
        vm.startPrank(protocol);
        limiter.inflow(asset, 1, 10 * LIMIT - 1);
        assertEq(limiter.capacityOf(asset), LIMIT - 1);
        limiter.inflow(asset, 1, 10 * LIMIT + 10);
        assertEq(limiter.capacityOf(asset), LIMIT);
    }

    function test_RL2_share__outflow__both_sides() public {
        vm.startPrank(protocol);
        _expectBeyond(asset, 1_001, 1_000);
        limiter.outflow(asset, alice, 1_001, 10_009);
        assertFalse(limiter.outflow(asset, alice, 1_000, 10_009));
    }

    function test_RL2_configure__changed__keeps_what_has_left() public {
        _out(asset, LIMIT);
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Reverting);
        s.limit = LIMIT + 5;
        _configure(asset, s);
        _expectBeyond(asset, 6, 5);
        _out(asset, 6);
        _out(asset, 5);
    }

    function test_RL4_inflow__after_outflow__makes_room_and_is_announced() public {
        _out(asset, LIMIT);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.Inflow(asset, protocol, 7, BASE);
        _in(asset, 7);
        assertEq(limiter.available(asset), 7);
    }

    function testFuzz_RL4_inflow__any__never_above_capacity(uint256 amount, uint256 base) public {
        vm.prank(protocol);
        limiter.inflow(asset, amount, base);
        assertEq(limiter.available(asset), limiter.capacityOf(asset));
    }

    // -------------------------------------------------------------- modes

    function test_RL5_reverting__limit__both_sides() public {
        _expectBeyond(asset, LIMIT + 1, LIMIT);
        _out(asset, LIMIT + 1);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.Outflow(asset, protocol, alice, LIMIT, BASE, false);
        assertFalse(_out(asset, LIMIT));
        _expectBeyond(asset, 1, 0);
        _out(asset, 1);
        assertEq(dollar.balanceOf(address(limiter)), 0, "the protocol pays itself");
    }

    function test_RL5_reverting__time__both_sides() public {
        _out(asset, LIMIT);
        vm.warp(START + 1);
        _expectBeyond(asset, 1_001, 1_000);
        _out(asset, 1_001);
        _out(asset, 1_000);
    }

    function testFuzz_RL5_reverting__any_amount__passes_up_to_what_is_free(uint256 first, uint256 second) public {
        first = bound(first, 0, LIMIT);
        _out(asset, first);
        uint256 free = LIMIT - first;
        if (second > free) _expectBeyond(asset, second, free);
        _out(asset, second);
        assertEq(limiter.available(asset), second > free ? free : free - second);
    }

    function test_RL6_locked__limit__both_sides() public {
        assertFalse(_out(locked, LIMIT));
        assertEq(gold.balanceOf(address(limiter)), 0);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.Held(0, locked, alice, protocol, 1, 0);
        assertTrue(_out(locked, 1));
        assertEq(gold.balanceOf(address(limiter)), 1);
        assertEq(limiter.heldOf(locked), 1);
        IRateLimiter.Claim memory c = limiter.claimOf(0);
        assertEq(c.asset, locked);
        assertEq(c.to, alice);
        assertEq(c.from, protocol);
        assertEq(c.amount, 1);
        assertEq(c.claimableAt, START + DELAY);
        assertEq(limiter.nextClaim(), 1);
    }

    function test_RL6_locked__beyond__is_held_whole_and_not_counted() public {
        assertTrue(_out(locked, LIMIT + 1));
        assertEq(limiter.available(locked), LIMIT);
        assertEq(limiter.heldOf(locked), LIMIT + 1);
        assertFalse(_out(locked, LIMIT));
    }

    function testFuzz_RL6_locked__any_amount__held_is_backed(uint256 amount) public {
        amount = bound(amount, 0, 1e30);
        assertEq(_out(locked, amount), amount > LIMIT);
        assertEq(limiter.heldOf(locked), amount > LIMIT ? amount : 0);
        assertEq(gold.balanceOf(address(limiter)), limiter.heldOf(locked));
    }

    function test_RL6_locked__no_approval__is_refused_and_holds_nothing() public {
        vm.prank(protocol);
        gold.approve(address(limiter), LIMIT);
        vm.expectRevert(
            abi.encodeWithSelector(IERC20Errors.ERC20InsufficientAllowance.selector, address(limiter), LIMIT, LIMIT + 1)
        );
        _out(locked, LIMIT + 1);
        assertEq(limiter.heldOf(locked), 0);
        assertEq(limiter.nextClaim(), 0);
    }

    function test_RL6_locked__token_with_a_fee__is_refused() public {
        FeeToken fee = new FeeToken();
        _configure(address(fee), _settings(IRateLimiter.Mode.Locked));
        vm.prank(council);
        limiter.setReporter(address(fee), protocol, true);
        fee.mint(protocol, 2 * LIMIT);
        vm.startPrank(protocol);
        fee.approve(address(limiter), type(uint256).max);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.ReceivedShort.selector, address(fee), LIMIT + 1, LIMIT));
        limiter.outflow(address(fee), alice, LIMIT + 1, BASE);
        assertFalse(limiter.outflow(address(fee), alice, LIMIT, BASE), "within the limit no token moves");
    }

    function test_RL6_outflow__to_nobody__reverts() public {
        vm.prank(protocol);
        vm.expectRevert(IRateLimiter.ZeroAddress.selector);
        limiter.outflow(locked, address(0), 1, BASE);
    }

    // ------------------------------------------------------------- claims

    function test_RL7_claim__delay__both_sides() public {
        _out(locked, LIMIT + 1);
        vm.warp(START + DELAY - 1);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.ClaimNotDue.selector, 0, START + DELAY));
        limiter.claim(0);
        vm.warp(START + DELAY);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.Claimed(0, locked, alice, LIMIT, 1);
        assertEq(limiter.claim(0), LIMIT);
        assertEq(gold.balanceOf(alice), LIMIT);
    }

    function test_RL7_claim__above_the_limit__is_paid_in_parts_within_it() public {
        _out(locked, 2 * LIMIT);
        vm.warp(START + DELAY);
        limiter.claim(0);
        assertEq(limiter.available(locked), 0, "a payment counts");
        _expectBeyond(locked, LIMIT, 0);
        limiter.claim(0);
        vm.warp(START + DELAY + 1);
        assertEq(limiter.claim(0), 1_000);
        vm.warp(START + DELAY + 1 + WINDOW);
        assertEq(limiter.claim(0), LIMIT - 1_000);
        assertEq(gold.balanceOf(alice), 2 * LIMIT);
        assertEq(limiter.heldOf(locked), 0);
        assertEq(limiter.claimOf(0).to, address(0), "nothing is left of it");
        _expect(IRateLimiter.NoClaim.selector, 0);
        limiter.claim(0);
    }

    function test_RL7_claim__longer_delay_set_later__does_not_hold_it_back() public {
        _out(locked, LIMIT + 1);
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Reverting);
        s.lockDelay = 30 days;
        _configure(locked, s);
        vm.warp(START + DELAY);
        assertEq(limiter.claim(0), LIMIT);
    }

    function test_RL7_claim__freed__is_paid_whole_at_once_and_not_counted() public {
        _out(locked, 5 * LIMIT);
        _override(locked, 0);
        assertEq(limiter.claim(0), 5 * LIMIT);
        assertEq(gold.balanceOf(alice), 5 * LIMIT);
        assertEq(limiter.available(locked), LIMIT);
    }

    function test_RL7_claim__held_after_the_override_in_the_same_block__is_not_freed() public {
        _override(locked, 0);
        _out(locked, LIMIT + 1);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.ClaimNotDue.selector, 0, START + DELAY));
        limiter.claim(0);
    }

    function test_RL7_claim__override_of_another_asset__frees_nothing() public {
        _out(locked, LIMIT + 1);
        _override(asset, 0);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.ClaimNotDue.selector, 0, START + DELAY));
        limiter.claim(0);
    }

    function test_RL7_claim__unknown__reverts() public {
        _expect(IRateLimiter.NoClaim.selector, 0);
        limiter.claim(0);
        vm.prank(council);
        _expect(IRateLimiter.NoClaim.selector, 0);
        limiter.returnClaim(0);
    }

    function testFuzz_RL7_claim__by_anyone__pays_the_recipient_only(address caller, uint256 amount, uint32 wait)
        public
    {
        vm.assume(caller != alice && caller != protocol && caller != address(limiter));
        amount = bound(amount, LIMIT + 1, 1e30);
        _out(locked, amount);
        vm.warp(START + DELAY + wait);
        vm.prank(caller);
        assertEq(limiter.claim(0), LIMIT);
        assertEq(gold.balanceOf(alice), LIMIT);
        assertEq(gold.balanceOf(caller), 0);
        assertEq(gold.balanceOf(address(limiter)), amount - LIMIT);
    }

    function test_RL7_return__held__goes_back_to_the_protocol_once() public {
        _out(locked, LIMIT + 1);
        vm.warp(START + DELAY);
        limiter.claim(0);
        uint256 before = gold.balanceOf(protocol);
        vm.startPrank(council);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.Returned(0, locked, protocol, 1);
        limiter.returnClaim(0);
        assertEq(gold.balanceOf(protocol), before + 1);
        assertEq(limiter.heldOf(locked), 0);
        _expect(IRateLimiter.NoClaim.selector, 0);
        limiter.returnClaim(0);
        _expect(IRateLimiter.NoClaim.selector, 0);
        limiter.claim(0);
    }

    // -------------------------------------------------------------- grace

    function test_RL8_grace__end__both_sides() public {
        _out(asset, LIMIT);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.Overridden(asset, START + 100);
        _override(asset, 100);
        assertEq(limiter.graceUntil(asset), START + 100);
        vm.warp(START + 99);
        assertEq(limiter.available(asset), type(uint256).max);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.Outflow(asset, protocol, alice, 50 * LIMIT, BASE, true);
        _out(asset, 50 * LIMIT);
        vm.warp(START + 100);
        assertEq(limiter.available(asset), LIMIT, "nothing was counted");
        _expectBeyond(asset, LIMIT + 1, LIMIT);
        _out(asset, LIMIT + 1);
    }

    function test_RL8_grace__locked_mode__holds_nothing() public {
        _override(locked, 100);
        assertFalse(_out(locked, 50 * LIMIT));
        assertEq(limiter.heldOf(locked), 0);
    }

    function test_RL8_grace__zero__ends_one_under_way() public {
        _override(asset, 100);
        _override(asset, 0);
        _expectBeyond(asset, LIMIT + 1, LIMIT);
        _out(asset, LIMIT + 1);
    }

    function test_RL8_grace__longest__both_sides() public {
        uint256 most = limiter.MAX_GRACE();
        vm.startPrank(council);
        _expect(IRateLimiter.GraceOutOfBounds.selector, most + 1);
        limiter.overrideLimit(asset, most + 1);
        limiter.overrideLimit(asset, most);
        assertEq(limiter.graceUntil(asset), START + most);
    }

    function testFuzz_RL8_grace__any__is_bounded(uint256 grace) public {
        bool fits = grace <= limiter.MAX_GRACE();
        if (!fits) _expect(IRateLimiter.GraceOutOfBounds.selector, grace);
        _override(asset, grace);
        assertEq(limiter.graceUntil(asset), fits ? START + grace : 0);
    }

    // ------------------------------------------------------------ tighten

    function test_RL9_tighten_limit__floor__both_sides() public {
        vm.startPrank(breaker);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.BelowFloor.selector, FLOOR, FLOOR - 1));
        limiter.tightenLimit(asset, FLOOR - 1);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.LimitTightened(asset, LIMIT, FLOOR);
        limiter.tightenLimit(asset, FLOOR);
        assertEq(limiter.limitOf(asset), FLOOR);
    }

    function test_RL9_tighten_limit__current__both_sides() public {
        vm.startPrank(breaker);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.NotTighter.selector, LIMIT, LIMIT));
        limiter.tightenLimit(asset, LIMIT);
        limiter.tightenLimit(asset, LIMIT - 1);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.NotTighter.selector, LIMIT - 1, LIMIT));
        limiter.tightenLimit(asset, LIMIT);
    }

    function test_RL9_tighten_share__floor_and_current__both_sides() public {
        vm.startPrank(breaker);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.NotTighter.selector, SHARE, SHARE));
        limiter.tightenShare(asset, SHARE);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.BelowFloor.selector, SHARE_FLOOR, SHARE_FLOOR - 1));
        limiter.tightenShare(asset, SHARE_FLOOR - 1);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.ShareTightened(asset, SHARE, SHARE_FLOOR);
        limiter.tightenShare(asset, SHARE_FLOOR);
        assertEq(limiter.shareOf(asset), SHARE_FLOOR);
    }

    function test_RL9_tighten__what_was_off__switches_it_on() public {
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Reverting);
        s.shareBps = type(uint16).max;
        _configure(asset, s);
        vm.startPrank(breaker);
        _expect(IRateLimiter.ShareOutOfBounds.selector, 10_001);
        limiter.tightenShare(asset, 10_001);
        limiter.tightenShare(asset, 10_000);
        assertEq(limiter.shareOf(asset), 10_000);
        vm.stopPrank();
        s = _settings(IRateLimiter.Mode.Reverting);
        s.limit = type(uint256).max;
        _configure(asset, s);
        vm.prank(breaker);
        limiter.tightenLimit(asset, type(uint256).max - 1);
        assertEq(limiter.limitOf(asset), type(uint256).max - 1);
    }

    function test_RL9_tighten__off_with_its_floor__stays_off() public {
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Reverting);
        (s.shareBps, s.shareFloorBps) = (type(uint16).max, type(uint16).max);
        _configure(asset, s);
        vm.prank(breaker);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.BelowFloor.selector, type(uint16).max, 10_000));
        limiter.tightenShare(asset, 10_000);
    }

    function test_RL9_tighten__counts_at_once_with_what_has_left() public {
        _out(asset, LIMIT / 2);
        vm.prank(breaker);
        limiter.tightenLimit(asset, LIMIT / 2 + 1);
        _expectBeyond(asset, 2, 1);
        _out(asset, 2);
        _out(asset, 1);
    }

    function test_RL9_council__raises_again() public {
        vm.prank(breaker);
        limiter.tightenLimit(asset, FLOOR);
        _configure(asset, _settings(IRateLimiter.Mode.Reverting));
        assertEq(limiter.limitOf(asset), LIMIT);
    }

    function test_RL9_relax_limit__council_and_current__both_sides() public {
        vm.startPrank(breaker);
        limiter.tightenLimit(asset, FLOOR);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.NotLooser.selector, FLOOR, FLOOR));
        limiter.relaxLimit(asset, FLOOR);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.AboveCouncil.selector, LIMIT, LIMIT + 1));
        limiter.relaxLimit(asset, LIMIT + 1);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.LimitRelaxed(asset, FLOOR, FLOOR + 1);
        limiter.relaxLimit(asset, FLOOR + 1);
        limiter.relaxLimit(asset, LIMIT);
        assertEq(limiter.limitOf(asset), LIMIT);
    }

    function test_RL9_relax_share__council_and_current__both_sides() public {
        vm.startPrank(breaker);
        limiter.tightenShare(asset, SHARE_FLOOR);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.NotLooser.selector, SHARE_FLOOR, SHARE_FLOOR));
        limiter.relaxShare(asset, SHARE_FLOOR);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.AboveCouncil.selector, SHARE, SHARE + 1));
        limiter.relaxShare(asset, SHARE + 1);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.ShareRelaxed(asset, SHARE_FLOOR, SHARE);
        limiter.relaxShare(asset, SHARE);
        assertEq(limiter.shareOf(asset), SHARE);
    }

    function test_RL9_relax__what_the_council_has_off__goes_off_again_and_nothing_between() public {
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Reverting);
        s.shareBps = type(uint16).max;
        _configure(asset, s);
        vm.startPrank(breaker);
        limiter.tightenShare(asset, SHARE_FLOOR);
        _expect(IRateLimiter.ShareOutOfBounds.selector, 10_001);
        limiter.relaxShare(asset, 10_001);
        limiter.relaxShare(asset, type(uint16).max);
        assertEq(limiter.shareOf(asset), type(uint16).max);
    }

    function test_RL9_relax__after_the_council_set_less__no_further_than_that() public {
        vm.prank(breaker);
        limiter.tightenLimit(asset, FLOOR);
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Reverting);
        s.limit = LIMIT / 2;
        _configure(asset, s);
        vm.prank(breaker);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.NotLooser.selector, LIMIT / 2, LIMIT / 2));
        limiter.relaxLimit(asset, LIMIT / 2);
    }

    function testFuzz_RL9_relax__any__between_current_and_council(uint256 limit, uint16 shareBps) public {
        vm.startPrank(breaker);
        limiter.tightenLimit(asset, FLOOR);
        limiter.tightenShare(asset, SHARE_FLOOR);
        try limiter.relaxLimit(asset, limit) {} catch {}
        try limiter.relaxShare(asset, shareBps) {} catch {}
        assertEq(limiter.limitOf(asset), limit <= LIMIT && limit > FLOOR ? limit : FLOOR);
        assertEq(limiter.shareOf(asset), shareBps <= SHARE && shareBps > SHARE_FLOOR ? shareBps : SHARE_FLOOR);
    }

    function testFuzz_RL9_tighten__any__between_floor_and_current(uint256 limit, uint16 shareBps) public {
        vm.startPrank(breaker);
        try limiter.tightenLimit(asset, limit) {} catch {}
        try limiter.tightenShare(asset, shareBps) {} catch {}
        assertEq(limiter.limitOf(asset), limit < LIMIT && limit >= FLOOR ? limit : LIMIT);
        assertEq(limiter.shareOf(asset), shareBps < SHARE && shareBps >= SHARE_FLOOR ? shareBps : SHARE);
    }

    // -------------------------------------------------------------- roles

    function testFuzz_RL10_council_functions__anyone_else__revert(address caller) public {
        vm.assume(caller != council);
        _out(locked, LIMIT + 1);
        bytes memory refusal = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, caller);
        vm.startPrank(caller);
        vm.expectRevert(refusal);
        limiter.configure(asset, _settings(IRateLimiter.Mode.Reverting));
        vm.expectRevert(refusal);
        limiter.setReporter(asset, caller, true);
        vm.expectRevert(refusal);
        limiter.setTightener(caller);
        vm.expectRevert(refusal);
        limiter.overrideLimit(asset, 1);
        vm.expectRevert(refusal);
        limiter.returnClaim(0);
    }

    function testFuzz_RL10_tighten__anyone_else__reverts(address caller) public {
        vm.assume(caller != breaker);
        vm.startPrank(caller);
        bytes memory refusal = abi.encodeWithSelector(IRateLimiter.NotTightener.selector, caller);
        vm.expectRevert(refusal);
        limiter.tightenLimit(asset, FLOOR);
        vm.expectRevert(refusal);
        limiter.tightenShare(asset, SHARE_FLOOR);
        vm.expectRevert(refusal);
        limiter.relaxLimit(asset, LIMIT);
        vm.expectRevert(refusal);
        limiter.relaxShare(asset, SHARE);
    }

    function testFuzz_RL10_flows__anyone_else__revert(address caller) public {
        vm.assume(caller != protocol);
        vm.startPrank(caller);
        bytes memory refusal = abi.encodeWithSelector(IRateLimiter.NotReporter.selector, asset, caller);
        vm.expectRevert(refusal);
        limiter.inflow(asset, 1, 1);
        vm.expectRevert(refusal);
        limiter.outflow(asset, alice, 1, 1);
    }

    function test_RL10_reporter__allow_listed__for_its_asset_until_it_is_taken_off() public {
        vm.startPrank(council);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.ReporterChanged(asset, bob, true);
        limiter.setReporter(asset, bob, true);
        vm.stopPrank();
        assertTrue(limiter.isReporter(asset, bob));
        assertFalse(limiter.isReporter(locked, bob));
        vm.startPrank(bob);
        limiter.inflow(asset, 1, BASE);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.NotReporter.selector, locked, bob));
        limiter.inflow(locked, 1, BASE);
        vm.stopPrank();
        vm.prank(council);
        limiter.setReporter(asset, bob, false);
        vm.prank(bob);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.NotReporter.selector, asset, bob));
        limiter.inflow(asset, 1, BASE);
    }

    function test_RL10_tightener__changed__the_old_one_is_refused() public {
        assertEq(limiter.tightener(), breaker);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.TightenerChanged(breaker, bob);
        vm.prank(council);
        limiter.setTightener(bob);
        vm.prank(breaker);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.NotTightener.selector, breaker));
        limiter.tightenLimit(asset, FLOOR);
        vm.prank(bob);
        limiter.tightenLimit(asset, FLOOR);
    }

    function test_RL10_council__handed_over_in_two_steps_and_never_given_up() public {
        vm.startPrank(council);
        vm.expectRevert(IRateLimiter.CouncilRequired.selector);
        limiter.renounceOwnership();
        limiter.transferOwnership(bob);
        assertEq(limiter.owner(), council);
        vm.stopPrank();
        vm.prank(bob);
        limiter.acceptOwnership();
        assertEq(limiter.owner(), bob);
    }

    function test_RL10_reporter__nobody__is_refused() public {
        vm.prank(council);
        vm.expectRevert(IRateLimiter.ZeroAddress.selector);
        limiter.setReporter(asset, address(0), true);
    }

    // ------------------------------------------------------------- bounds

    function test_RL11_configure__fits__is_announced_and_read_back() public {
        IRateLimiter.Settings memory s = IRateLimiter.Settings(9, 8, 7, 6, 30 days, 30 days, IRateLimiter.Mode.Locked);
        vm.expectEmit(address(limiter));
        emit IRateLimiter.Configured(asset, s);
        _configure(asset, s);
        assertEq(abi.encode(limiter.settingsOf(asset)), abi.encode(s));
    }

    function test_RL11_configure__window__both_sides() public {
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Reverting);
        uint32[2] memory good = [limiter.MIN_WINDOW(), limiter.MAX_WINDOW()];
        uint32[2] memory bad = [good[0] - 1, good[1] + 1];
        for (uint256 i = 0; i < 2; ++i) {
            s.window = bad[i];
            _expect(IRateLimiter.WindowOutOfBounds.selector, bad[i]);
            _configure(asset, s);
            s.window = good[i];
            _configure(asset, s);
        }
    }

    function test_RL11_configure__lock_delay__both_sides() public {
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Locked);
        uint32[2] memory good = [limiter.MIN_LOCK_DELAY(), limiter.MAX_LOCK_DELAY()];
        uint32[2] memory bad = [good[0] - 1, good[1] + 1];
        for (uint256 i = 0; i < 2; ++i) {
            s.lockDelay = bad[i];
            _expect(IRateLimiter.LockDelayOutOfBounds.selector, bad[i]);
            _configure(asset, s);
            s.lockDelay = good[i];
            _configure(asset, s);
        }
    }

    function test_RL11_configure__share__both_sides() public {
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Reverting);
        s.shareBps = 10_000;
        _configure(asset, s);
        s.shareBps = 10_001;
        _expect(IRateLimiter.ShareOutOfBounds.selector, 10_001);
        _configure(asset, s);
        s.shareBps = type(uint16).max - 1;
        _expect(IRateLimiter.ShareOutOfBounds.selector, type(uint16).max - 1);
        _configure(asset, s);
        s.shareBps = type(uint16).max;
        _configure(asset, s);
    }

    function test_RL11_configure__floors__both_sides() public {
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Reverting);
        (s.limitFloor, s.shareFloorBps) = (LIMIT, SHARE);
        _configure(asset, s);
        s.limitFloor = LIMIT + 1;
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.FloorAboveLimit.selector, LIMIT + 1, LIMIT));
        _configure(asset, s);
        (s.limitFloor, s.shareFloorBps) = (LIMIT, SHARE + 1);
        vm.expectRevert(abi.encodeWithSelector(IRateLimiter.FloorAboveLimit.selector, SHARE + 1, SHARE));
        _configure(asset, s);
    }

    function test_RL11_configure__one_off__fits_and_both_off_does_not() public {
        IRateLimiter.Settings memory s = _settings(IRateLimiter.Mode.Reverting);
        s.limit = type(uint256).max;
        _configure(asset, s);
        s.shareBps = type(uint16).max;
        vm.expectRevert(IRateLimiter.NoLimitSet.selector);
        _configure(asset, s);
        s.limit = type(uint256).max - 1;
        _configure(asset, s);
    }

    function test_RL11_configure__no_asset__reverts() public {
        vm.expectRevert(IRateLimiter.ZeroAddress.selector);
        _configure(address(0), _settings(IRateLimiter.Mode.Reverting));
    }

    function testFuzz_RL11_configure__any_settings__are_refused_or_within_the_bounds(
        uint256[2] memory limits,
        uint16[2] memory shares,
        uint32[2] memory times,
        bool lock
    ) public {
        IRateLimiter.Settings memory s = IRateLimiter.Settings(
            limits[0],
            bound(limits[1], 0, limits[0] < type(uint256).max ? limits[0] + 1 : limits[0]),
            uint16(bound(shares[0], 0, 12_000)),
            uint16(bound(shares[1], 0, 1_000)),
            uint32(bound(times[0], 1 minutes, 40 days)),
            uint32(bound(times[1], 1 minutes, 40 days)),
            lock ? IRateLimiter.Mode.Locked : IRateLimiter.Mode.Reverting
        );
        vm.prank(council);
        try limiter.configure(asset, s) {
            assertTrue(s.limit != type(uint256).max || s.shareBps != type(uint16).max);
            assertTrue(s.shareBps <= 10_000 || s.shareBps == type(uint16).max);
            assertTrue(s.limitFloor <= s.limit && s.shareFloorBps <= s.shareBps);
            assertTrue(s.window >= limiter.MIN_WINDOW() && s.window <= limiter.MAX_WINDOW());
            assertTrue(s.lockDelay >= limiter.MIN_LOCK_DELAY() && s.lockDelay <= limiter.MAX_LOCK_DELAY());
            assertEq(abi.encode(limiter.settingsOf(asset)), abi.encode(s));
        } catch {
            assertEq(limiter.limitOf(asset), LIMIT);
        }
    }

    function testFuzz_RL11_unknown_asset__is_not_answered_for(address other) public {
        vm.assume(other != asset && other != locked);
        bytes memory refusal = abi.encodeWithSelector(IRateLimiter.UnknownAsset.selector, other);
        vm.startPrank(council);
        vm.expectRevert(refusal);
        limiter.setReporter(other, protocol, true);
        vm.expectRevert(refusal);
        limiter.overrideLimit(other, 1);
        vm.stopPrank();
        vm.startPrank(breaker);
        vm.expectRevert(refusal);
        limiter.tightenLimit(other, 0);
        vm.expectRevert(refusal);
        limiter.tightenShare(other, 0);
        vm.expectRevert(refusal);
        limiter.inflow(other, 1, 1);
        vm.expectRevert(refusal);
        limiter.outflow(other, alice, 1, 1);
        vm.expectRevert(refusal);
        limiter.settingsOf(other);
        vm.expectRevert(refusal);
        limiter.limitOf(other);
        vm.expectRevert(refusal);
        limiter.shareOf(other);
        vm.expectRevert(refusal);
        limiter.capacityOf(other);
        vm.expectRevert(refusal);
        limiter.available(other);
        vm.expectRevert(refusal);
        limiter.graceUntil(other);
    }

    // --------------------------------------------------------- reentrancy

    function test_RL12_token_calls_back__in_hold_claim_and_return__is_refused() public {
        CallingToken token = new CallingToken();
        address calling = address(token);
        _configure(calling, _settings(IRateLimiter.Mode.Locked));
        vm.startPrank(council);
        limiter.setReporter(calling, protocol, true);
        limiter.setReporter(calling, calling, true);
        // The token is the worst it can be: the council itself.
        limiter.transferOwnership(calling);
        vm.stopPrank();
        vm.prank(calling);
        limiter.acceptOwnership();
        token.mint(protocol, 10 * LIMIT);
        vm.prank(protocol);
        token.approve(address(limiter), type(uint256).max);

        bytes[4] memory tries = [
            abi.encodeCall(limiter.claim, (0)),
            abi.encodeCall(limiter.returnClaim, (0)),
            abi.encodeCall(limiter.inflow, (calling, LIMIT, BASE)),
            abi.encodeCall(limiter.outflow, (calling, bob, LIMIT + 1, BASE))
        ];
        for (uint256 i = 0; i < tries.length; ++i) {
            token.callBack(address(limiter), tries[i]);
            assertTrue(_out(calling, LIMIT + 1));
            _checkRefused(token);
            vm.warp(block.timestamp + DELAY);
            limiter.claim(2 * i);
            _checkRefused(token);
            _out(calling, LIMIT + 1);
            vm.prank(calling);
            limiter.returnClaim(2 * i + 1);
            _checkRefused(token);
            assertEq(token.balanceOf(address(limiter)), limiter.heldOf(calling));
            vm.warp(block.timestamp + WINDOW);
        }
        assertEq(limiter.nextClaim(), 8);
        assertEq(token.balanceOf(bob), 0);
    }

    function _checkRefused(CallingToken token) private view {
        assertFalse(token.passed());
        assertEq(bytes4(token.answer()), ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
    }

    // --------------------------------------------------------- separation

    function test_RL13_assets__one__leaves_the_other_as_it_was() public {
        _in(locked, 1);
        bytes memory before = _state(locked);
        _out(asset, LIMIT);
        _override(asset, 100);
        _out(asset, 9 * LIMIT);
        vm.prank(breaker);
        limiter.tightenLimit(asset, FLOOR);
        assertEq(_state(locked), before);
    }

    function _state(address which) private view returns (bytes memory) {
        return abi.encode(
            limiter.settingsOf(which), limiter.available(which), limiter.graceUntil(which), limiter.heldOf(which)
        );
    }
}
