// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {Protocol} from "../doubles/Protocol.sol";
import {RawView} from "../doubles/RawView.sol";
import {BreakerTest} from "./BreakerBase.t.sol";

/// @notice What may be registered, both sides of each limit, and what stays when a breaker is taken out.
contract RegisterTest is BreakerTest {
    bytes32 internal constant NEW = "new";

    function _accepted(ICircuitBreaker.Breaker memory b) private {
        uint256 snapshot = vm.snapshotState();
        _register(NEW, b);
        assertEq(abi.encode(breaker.breakerOf(NEW)), abi.encode(b));
        vm.revertToState(snapshot);
    }

    function _refused(ICircuitBreaker.Breaker memory b, bytes32 what) private {
        vm.expectRevert(_invalid(what));
        _register(NEW, b);
        _assertStatus(NEW, ICircuitBreaker.Status.Unknown);
    }

    // ----------------------------------------------------------- registering

    function test_register__three_bounds__announced_stored_ready_and_armed() public {
        ICircuitBreaker.Breaker memory b = _riskBreaker();
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Registered(NEW, address(protocol), Protocol.setRisk.selector, b);
        _register(NEW, b);
        assertEq(abi.encode(breaker.breakerOf(NEW)), abi.encode(b));
        ICircuitBreaker.State memory s = _state(NEW);
        assertEq(abi.encode(s), abi.encode(uint240(0), ICircuitBreaker.Status.Ready, true, 0, 0, 0, 1));
        ICircuitBreaker.Change[] memory changes = breaker.changesOf(NEW);
        assertEq(changes.length, 3);
        assertEq(abi.encode(changes[0]), abi.encode(CAP_NOW, CAP_NOW));
        assertEq(abi.encode(changes[1]), abi.encode(FLOOR_NOW, FLOOR_NOW));
        assertEq(abi.encode(changes[2]), abi.encode(FLAG_NOW, FLAG_NOW));
    }

    function test_register__known_id__reverts() public {
        vm.expectRevert(_error(ICircuitBreaker.BreakerExists.selector, PAUSE));
        _register(PAUSE, _pauseBreaker());
    }

    function test_register__not_the_council__reverts() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        address[3] memory others = [guardian, keeper, stranger];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.expectRevert(_notOwner(others[i]));
            vm.prank(others[i]);
            breaker.register(NEW, b);
        }
    }

    function test_register__id_zero__reverts() public {
        vm.expectRevert(_invalid("id"));
        _register(0, _pauseBreaker());
    }

    function test_register__target_without_code_or_breaker_or_safe__reverts() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.target = stranger;
        _refused(b, "target");
        b.target = address(breaker);
        _refused(b, "target");
        b.target = address(protocol);
        b.safe = address(protocol);
        _refused(b, "target");
    }

    function test_register__safe_without_code__reverts() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.safe = stranger;
        _refused(b, "safe");
        b.safe = address(new RawView());
        _accepted(b);
    }

    function test_register__duration__one_minute_to_thirty_days() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.duration = 59;
        _refused(b, "duration");
        b.duration = 60;
        _accepted(b);
        b.duration = 30 days;
        _accepted(b);
        b.duration = 30 days + 1;
        _refused(b, "duration");
    }

    function test_register__cooldown__one_minute_to_thirty_days() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.cooldown = 59;
        _refused(b, "cooldown");
        b.cooldown = 60;
        _accepted(b);
        b.cooldown = 30 days;
        _accepted(b);
        b.cooldown = 30 days + 1;
        _refused(b, "cooldown");
    }

    function test_register__window__one_hour_to_ninety_days() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.window = 1 hours - 1;
        _refused(b, "window");
        b.window = 1 hours;
        _accepted(b);
        b.window = 90 days;
        _accepted(b);
        b.window = 90 days + 1;
        _refused(b, "window");
    }

    function test_register__lock__none_to_ninety_days() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.lock = 0;
        _accepted(b);
        b.lock = 90 days;
        _accepted(b);
        b.lock = 90 days + 1;
        _refused(b, "lock");
    }

    function test_register__budget__one_to_six() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.budget = 0;
        _refused(b, "budget");
        b.budget = 1;
        _accepted(b);
        b.budget = 6;
        _accepted(b);
        b.budget = 7;
        _refused(b, "budget");
    }

    function test_register__required__one_to_seven() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.required = 0;
        _refused(b, "required");
        b.required = 1;
        _accepted(b);
        b.required = 7;
        _accepted(b);
        b.required = 8;
        _refused(b, "required");
    }

    function testFuzz_register__any_numbers__accepted_only_within_all_limits(
        uint32 duration,
        uint32 cooldown,
        uint32 window,
        uint32 lock,
        uint8 budget,
        uint8 required
    ) public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        // Near the limits, or half of the runs would fail on the first number.
        b.duration = uint32(bound(duration, 0, 31 days));
        b.cooldown = uint32(bound(cooldown, 0, 31 days));
        b.window = uint32(bound(window, 0, 91 days));
        b.lock = uint32(bound(lock, 0, 91 days));
        b.budget = uint8(bound(budget, 0, 7));
        b.required = uint8(bound(required, 0, 8));
        bytes32 what = _firstWrong(b);
        if (what == 0) _accepted(b);
        else _refused(b, what);
    }

    function _firstWrong(ICircuitBreaker.Breaker memory b) private pure returns (bytes32) {
        if (b.duration < 1 minutes || b.duration > 30 days) return "duration";
        if (b.cooldown < 1 minutes || b.cooldown > 30 days) return "cooldown";
        if (b.window < 1 hours || b.window > 90 days) return "window";
        if (b.lock > 90 days) return "lock";
        if (b.budget == 0 || b.budget > 6) return "budget";
        if (b.required == 0 || b.required > 7) return "required";
        return 0;
    }

    // ----------------------------------------------------------------- calls

    function test_register__call__selector_and_whole_words_up_to_32() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        uint256[6] memory wrong = [uint256(0), 3, 5, 35, 37, 4 + 33 * 32];
        for (uint256 i = 0; i < wrong.length; ++i) {
            b.call = new bytes(wrong[i]);
            _refused(b, "call");
        }
        uint256[3] memory right = [uint256(4), 36, 4 + 32 * 32];
        for (uint256 i = 0; i < right.length; ++i) {
            b.call = new bytes(right[i]);
            _accepted(b);
        }
    }

    function test_register__undo__selector_and_whole_words_up_to_32() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        uint256[6] memory wrong = [uint256(0), 3, 5, 35, 37, 4 + 33 * 32];
        for (uint256 i = 0; i < wrong.length; ++i) {
            b.undo = new bytes(wrong[i]);
            _refused(b, "undo");
        }
        uint256[3] memory right = [uint256(4), 36, 4 + 32 * 32];
        for (uint256 i = 0; i < right.length; ++i) {
            b.undo = new bytes(right[i]);
            _accepted(b);
        }
    }

    function testFuzz_register__call_of_any_length__accepted_only_in_words(uint256 length) public {
        length = bound(length, 0, 1_200);
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.call = new bytes(length);
        if (length >= 4 && length % 32 == 4 && length <= 1_028) _accepted(b);
        else _refused(b, "call");
    }

    // ---------------------------------------------------------------- bounds

    /// A call of `words` words with one bound on each, all of them about the cap.
    function _manyBounds(uint256 words) private view returns (ICircuitBreaker.Breaker memory b) {
        b = _plain(new bytes(4 + 32 * words), new bytes(4 + 32 * words));
        b.bounds = new ICircuitBreaker.Bound[](words);
        for (uint256 i = 0; i < words; ++i) {
            b.bounds[i] = _bound(uint8(i), 0, ICircuitBreaker.Side.Lower, 1, 1, 1);
        }
    }

    function test_register__bounds__four_at_most() public {
        _accepted(_manyBounds(1));
        _accepted(_manyBounds(4));
        _refused(_manyBounds(5), "bounds");
    }

    function test_register__bound_word__inside_of_call_and_undo() public {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        b.bounds[0].word = 2;
        _refused(b, "bound.word");
        b.bounds[0].word = 255;
        _refused(b, "bound.word");
        b.bounds[0].word = 1;
        b.undo = abi.encodeCall(Protocol.unpause, (MARKET));
        _refused(b, "bound.word");
        b.bounds[0].word = 0;
        _accepted(b);
        b.call = abi.encodeCall(Protocol.pauseAll, ());
        _refused(b, "bound.word");
        b = _manyBounds(1);
        b.call = new bytes(4 + 32 * 32);
        b.undo = new bytes(4 + 32 * 32);
        b.bounds[0].word = 31;
        _accepted(b);
        b.bounds[0].word = 32;
        _refused(b, "bound.word");
    }

    function test_register__bound_words__ascending() public {
        ICircuitBreaker.Breaker memory b = _riskBreaker();
        b.bounds[1].word = 1;
        _refused(b, "bound.word");
        b.bounds[1].word = 0;
        _refused(b, "bound.word");
        b.bounds[0].word = 0;
        b.bounds[1].word = 1;
        _accepted(b);
    }

    function test_register__bound_minimum__at_most_maximum_and_at_least_one_on_the_lower_side() public {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        (b.bounds[0].minimum, b.bounds[0].maximum) = (5, 4);
        _refused(b, "bound.minimum");
        (b.bounds[0].minimum, b.bounds[0].maximum) = (5, 5);
        _accepted(b);
        b.bounds[0].minimum = 1;
        _accepted(b);
        b.bounds[0].minimum = 0;
        _refused(b, "bound.minimum");
        b.bounds[0].side = ICircuitBreaker.Side.Higher;
        _accepted(b);
        b.bounds[0].maximum = 0;
        _accepted(b);
        (b.bounds[0].minimum, b.bounds[0].maximum) = (1, 0);
        _refused(b, "bound.minimum");
        (b.bounds[0].minimum, b.bounds[0].maximum) = (MAX, MAX);
        _accepted(b);
    }

    function test_register__bound_step__one_to_ten_thousand() public {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        b.bounds[0].maxStepBps = 0;
        _refused(b, "bound.maxStepBps");
        b.bounds[0].maxStepBps = 1;
        _accepted(b);
        b.bounds[0].maxStepBps = 10_000;
        _accepted(b);
        b.bounds[0].maxStepBps = 10_001;
        _refused(b, "bound.maxStepBps");
    }

    function test_register__kept__minimum_maximum_and_step_do_not_matter() public {
        ICircuitBreaker.Breaker memory b = _riskBreaker();
        (b.bounds[2].minimum, b.bounds[2].maximum, b.bounds[2].maxStepBps) = (2, 1, 10_001);
        _accepted(b);
    }

    // ----------------------------------------------------- probes and answers

    function test_register__neither_probe_nor_moving_value__reverts() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        b.probe.call = "";
        _refused(b, "probe");
        b = _capBreaker();
        b.bounds[0].side = ICircuitBreaker.Side.Kept;
        _refused(b, "probe");
        b.probe = _pauseProbe();
        _accepted(b);
    }

    function test_register__probe_answers_too_little__reverts() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        RawView raw = new RawView();
        b.probe.target = address(raw);
        bytes memory error_ = _noAnswer(address(raw), b.probe.call);
        raw.setAnswer(new bytes(31), 0, false);
        vm.expectRevert(error_);
        _register(NEW, b);
        raw.setAnswer(new bytes(32), 0, false);
        _accepted(b);
        b.probe.word = 1;
        raw.setAnswer(new bytes(63), 0, false);
        vm.expectRevert(error_);
        _register(NEW, b);
        raw.setAnswer(new bytes(64), 0, false);
        _accepted(b);
        b.probe.word = 255;
        raw.setAnswer("", 256 * 32 - 1, false);
        vm.expectRevert(error_);
        _register(NEW, b);
        raw.setAnswer("", 256 * 32, false);
        _accepted(b);
    }

    function test_register__probe_reverts_or_is_no_contract__reverts() public {
        ICircuitBreaker.Breaker memory b = _pauseBreaker();
        RawView raw = new RawView();
        raw.setAnswer(new bytes(32), 0, true);
        b.probe.target = address(raw);
        vm.expectRevert(_noAnswer(address(raw), b.probe.call));
        _register(NEW, b);
        b.probe.target = stranger;
        vm.expectRevert(_noAnswer(stranger, b.probe.call));
        _register(NEW, b);
    }

    function test_register__bound_view_answers_too_little__reverts() public {
        ICircuitBreaker.Breaker memory b = _riskBreaker();
        b.bounds[2].answerWord = 3;
        vm.expectRevert(_noAnswer(address(protocol), b.bounds[2].call));
        _register(NEW, b);
        b.bounds[2].answerWord = 2;
        b.bounds[0].target = stranger;
        vm.expectRevert(_noAnswer(stranger, b.bounds[0].call));
        _register(NEW, b);
    }

    function test_register__huge_answer__only_its_word_is_copied() public {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        RawView raw = new RawView();
        raw.setAnswer(abi.encode(3, 5), 1_000_000, false);
        (b.bounds[0].target, b.bounds[0].answerWord) = (address(raw), 1);
        _register(NEW, b);
        assertEq(breaker.changesOf(NEW)[0].previous, 5);
    }

    // ------------------------------------------------------------ taking out

    function test_unregister__ready__announced_and_gone() public {
        _trip(CAP, _one(900));
        _end(CAP);
        ICircuitBreaker.State memory before = _state(CAP);
        vm.expectEmit(address(breaker));
        emit ICircuitBreaker.Unregistered(CAP);
        _unregister(CAP);
        ICircuitBreaker.Breaker memory nothing;
        assertEq(abi.encode(breaker.breakerOf(CAP)), abi.encode(nothing));
        (before.status, before.armed) = (ICircuitBreaker.Status.Unknown, false);
        assertEq(abi.encode(_state(CAP)), abi.encode(before), "nonce and times stay");
        vm.expectRevert(_error(ICircuitBreaker.UnknownBreaker.selector, CAP));
        _trip(CAP);
    }

    function test_unregister__unknown__reverts() public {
        vm.expectRevert(_error(ICircuitBreaker.UnknownBreaker.selector, NOWHERE));
        _unregister(NOWHERE);
    }

    function test_unregister__in_effect__reverts() public {
        _trip(PAUSE);
        vm.expectRevert(_error(ICircuitBreaker.InEffect.selector, PAUSE));
        _unregister(PAUSE);
        _ratify(PAUSE);
        vm.expectRevert(_error(ICircuitBreaker.InEffect.selector, PAUSE));
        _unregister(PAUSE);
    }

    function test_unregister__not_the_council__reverts() public {
        vm.expectRevert(_notOwner(guardian));
        vm.prank(guardian);
        breaker.unregister(PAUSE);
    }

    function test_register__again_after_a_trip__rest_stays() public {
        _trip(PAUSE);
        _end(PAUSE);
        uint256 readyAt = _state(PAUSE).readyAt;
        _replace(PAUSE, _pauseBreaker());
        assertEq(_state(PAUSE).readyAt, readyAt);
        vm.warp(readyAt - 1);
        vm.expectRevert(_error(ICircuitBreaker.CoolingDown.selector, PAUSE, readyAt));
        _trip(PAUSE);
        vm.warp(readyAt);
        _trip(PAUSE);
    }

    function test_register__again_after_a_lift__lock_stays() public {
        _trip(PAUSE);
        _lift(PAUSE, true);
        _replace(PAUSE, _pauseBreaker());
        vm.warp(START + LOCK - 1);
        vm.expectRevert(_error(ICircuitBreaker.LockedAfterLift.selector, PAUSE, START + LOCK));
        _trip(PAUSE);
    }

    function test_register__again__budget_is_not_had_twice() public {
        _trip(PAUSE);
        _end(PAUSE);
        vm.warp(_state(PAUSE).readyAt);
        _trip(PAUSE);
        _end(PAUSE);
        _replace(PAUSE, _pauseBreaker());
        vm.warp(START + WINDOW - 1);
        vm.expectRevert(_error(ICircuitBreaker.BudgetSpent.selector, PAUSE, START + WINDOW));
        _trip(PAUSE);
    }

    function test_register__again_with_fewer_bounds__changes_are_those_of_the_new() public {
        _replace(RISK, _capBreaker());
        assertEq(breaker.changesOf(RISK).length, 1);
    }
}
