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
        _freeValues();
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

    /// A call of `words` words with one bound on each, about the cap of a market each.
    function _manyBounds(uint256 words) private view returns (ICircuitBreaker.Breaker memory b) {
        b = _plain(new bytes(4 + 32 * words), new bytes(4 + 32 * words));
        b.bounds = new ICircuitBreaker.Bound[](words);
        for (uint256 i = 0; i < words; ++i) {
            b.bounds[i] = _bound(uint8(i), 0, ICircuitBreaker.Side.Lower, 1, 1, 1);
            b.bounds[i].call = abi.encodeCall(Protocol.riskOf, (bytes32(i)));
        }
    }

    function test_register__bounds__four_at_most() public {
        _accepted(_manyBounds(1));
        _accepted(_manyBounds(4));
        _refused(_manyBounds(5), "bounds");
    }

    function test_register__bound_word__inside_of_call_and_undo() public {
        _freeValues();
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
        _freeValues();
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
        _freeValues();
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
        _freeValues();
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
        _freeValues();
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
        _freeValues();
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

    // ------------------------------------------------ one breaker for each value

    /// A breaker of the floor of RISK alone: another value of the same view's answer when RISK is not registered.
    function _floorBreaker() private view returns (ICircuitBreaker.Breaker memory b) {
        bytes memory data = abi.encodeCall(Protocol.setFloor, (MARKET, 0));
        b = _plain(data, data);
        b.bounds = new ICircuitBreaker.Bound[](1);
        b.bounds[0] = _bound(1, 1, ICircuitBreaker.Side.Higher, 5_000, 0, 900);
    }

    /// A breaker of the cap, as RISK's view shows it.
    function _capOfRiskBreaker() private view returns (ICircuitBreaker.Breaker memory b) {
        b = _capBreaker();
        b.bounds[0].call = _riskBreaker().bounds[0].call;
    }

    /// Neither a registration nor a trace of it.
    function _refusedForValue(bytes32 id, ICircuitBreaker.Breaker memory b, ICircuitBreaker.Bound memory taken)
        private
    {
        bytes memory before = _everything(id, keeper);
        vm.expectRevert(_valueTaken(taken));
        _register(id, b);
        assertEq(_everything(id, keeper), before);
    }

    function test_value__moved_by_another_breaker__reverts_with_its_view() public {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        _refusedForValue(NEW, b, b.bounds[0]);
        // Whatever else differs: the guarded call, its word, the side, the limits, the Safe.
        b = _riskBreaker();
        b.safe = address(new RawView());
        b.bounds[0] = _bound(0, 0, ICircuitBreaker.Side.Higher, 1, 0, 1);
        b.bounds[0].call = abi.encodeCall(Protocol.capOf, (MARKET));
        _refusedForValue(NEW, b, b.bounds[0]);
        b = _floorBreaker();
        _refusedForValue(NEW, b, b.bounds[0]);
    }

    function test_value__second_bound_is_moved_by_another__reverts_with_that_view() public {
        _replace(RISK, _floorBreaker());
        ICircuitBreaker.Breaker memory b = _riskBreaker();
        _refusedForValue(NEW, b, b.bounds[1]);
        // The second view has another call than the first: it is the one that is told.
        b.bounds[1] = _bound(2, 0, ICircuitBreaker.Side.Lower, 2_500, 100, 5_000);
        b.bounds[1].call = abi.encodeCall(Protocol.capOf, (MARKET));
        _refusedForValue(NEW, b, b.bounds[1]);
    }

    function test_value__moved_by_a_breaker_that_cannot_trip__reverts() public {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        _trip(CAP, _one(900));
        _refusedForValue(NEW, b, b.bounds[0]);
        _ratify(CAP);
        _refusedForValue(NEW, b, b.bounds[0]);
        _lift(CAP, true);
        vm.prank(guardian);
        breaker.disarm(CAP);
        _refusedForValue(NEW, b, b.bounds[0]);
    }

    /// What the rule is for: step by step, by breakers in turn, each of which leaves the other's change as it is.
    function test_value__of_a_trip_in_effect__cannot_be_moved_further_and_comes_back() public {
        _trip(CAP, _one(750));
        ICircuitBreaker.Breaker memory b = _capBreaker();
        _refusedForValue(NEW, b, b.bounds[0]);
        vm.expectRevert(_error(ICircuitBreaker.UnknownBreaker.selector, NEW));
        _trip(NEW);
        vm.expectRevert(_error(ICircuitBreaker.InEffect.selector, CAP));
        _trip(CAP, _one(600));
        _end(CAP);
        assertEq(_cap(), CAP_NOW);
    }

    function test_value__first_breaker_taken_out__goes_to_the_next_and_back() public {
        _unregister(CAP);
        _register(NEW, _capBreaker());
        _trip(NEW, _one(900));
        assertEq(_cap(), 900);
        _refusedForValue(CAP, _capBreaker(), _capBreaker().bounds[0]);
        _end(NEW);
        _unregister(NEW);
        _register(CAP, _capBreaker());
        _refusedForValue(NEW, _capBreaker(), _capBreaker().bounds[0]);
    }

    function test_value__breaker_of_several_taken_out__all_of_them_are_free_and_no_others() public {
        _unregister(RISK);
        _refusedForValue(NEW, _capBreaker(), _capBreaker().bounds[0]);
        _register(NEW, _capOfRiskBreaker());
        _register("floor", _floorBreaker());
        _refusedForValue(RISK, _riskBreaker(), _riskBreaker().bounds[0]);
        _unregister(NEW);
        _refusedForValue(RISK, _riskBreaker(), _riskBreaker().bounds[1]);
        _unregister("floor");
        _register(RISK, _riskBreaker());
    }

    function test_value__another_word_of_the_same_view__accepted() public {
        _unregister(RISK);
        _register(NEW, _capOfRiskBreaker());
        _register("floor", _floorBreaker());
        _trip(NEW, _one(900));
        _trip("floor", _one(500));
        _assertRisk(900, 500, FLAG_NOW);
        _end(NEW);
        _expire("floor");
        _assertRisk(CAP_NOW, FLOOR_NOW, FLAG_NOW);
    }

    function test_value__same_view_of_another_market_or_contract__accepted() public {
        ICircuitBreaker.Breaker memory b = _capBreaker();
        b.bounds[0].call = abi.encodeCall(Protocol.capOf, ("BTC-PERP"));
        _accepted(b);
        b = _capBreaker();
        b.bounds[0].target = address(new Protocol());
        _accepted(b);
    }

    function test_value__kept__accepted_beside_the_breaker_that_moves_it() public {
        ICircuitBreaker.Breaker memory b = _riskBreaker();
        b.probe = _pauseProbe();
        b.bounds[0].side = ICircuitBreaker.Side.Kept;
        b.bounds[1].side = ICircuitBreaker.Side.Kept;
        _register(NEW, b);
        // The flag is kept by RISK and NEW; neither has taken it.
        ICircuitBreaker.Breaker memory flag = _riskBreaker();
        ICircuitBreaker.Bound memory moved = flag.bounds[2];
        (moved.side, moved.maxStepBps, moved.minimum, moved.maximum) = (ICircuitBreaker.Side.Lower, 5_000, 1, 9);
        flag.bounds = new ICircuitBreaker.Bound[](1);
        flag.bounds[0] = moved;
        _register("flag", flag);
        _refusedForValue("flag too", flag, moved);
        // Who keeps a value and is taken out gives nothing away.
        _unregister(NEW);
        _refusedForValue(NEW, flag, moved);
        _refusedForValue(NEW, _floorBreaker(), _floorBreaker().bounds[0]);
    }

    function test_value__moved_by_two_bounds_of_one_breaker__reverts() public {
        _freeValues();
        ICircuitBreaker.Breaker memory b = _riskBreaker();
        b.bounds[1].answerWord = 0;
        _refusedForValue(NEW, b, b.bounds[1]);
        // Kept by the second: nothing moves twice.
        b.bounds[1].side = ICircuitBreaker.Side.Kept;
        _accepted(b);
    }

    function test_value__refused_registration__leaves_nothing_taken() public {
        _unregister(RISK);
        _register("floor", _floorBreaker());
        // The cap is taken before the floor, which is refused.
        _refusedForValue(RISK, _riskBreaker(), _riskBreaker().bounds[1]);
        ICircuitBreaker.Breaker memory nothing;
        assertEq(abi.encode(breaker.breakerOf(RISK)), abi.encode(nothing));
        assertEq(abi.encode(_state(RISK)), abi.encode(uint240(0), ICircuitBreaker.Status.Unknown, false, 0, 0, 0, 1));
        _register(NEW, _capOfRiskBreaker());
        _refusedForValue("cap too", _capOfRiskBreaker(), _capOfRiskBreaker().bounds[0]);
    }

    function test_value__view_stops_answering__is_freed_all_the_same() public {
        RawView raw = new RawView();
        raw.setAnswer(abi.encode(9), 0, false);
        ICircuitBreaker.Breaker memory b = _capBreaker();
        b.bounds[0].target = address(raw);
        _register(NEW, b);
        raw.setAnswer("", 0, true);
        _unregister(NEW);
        raw.setAnswer(abi.encode(9), 0, false);
        _register("again", b);
    }

    /// Two breakers of one bound each; markets and words are few, so that they are often the same.
    function testFuzz_value__any_two__refused_exactly_when_both_move_the_same(
        uint8[2] memory markets,
        uint8[2] memory words,
        uint8[2] memory sides
    ) public {
        _freeValues();
        ICircuitBreaker.Breaker[2] memory both;
        for (uint256 i = 0; i < 2; ++i) {
            ICircuitBreaker.Side side = ICircuitBreaker.Side(sides[i] % 3);
            both[i] = _capBreaker();
            both[i].probe = _pauseProbe();
            both[i].bounds[0] = _bound(1, words[i] % 3, side, 5_000, 1, 9);
            both[i].bounds[0].call = abi.encodeCall(Protocol.riskOf, (bytes32(uint256(markets[i] % 2))));
        }
        _register("first", both[0]);
        bool kept = sides[0] % 3 == 2 || sides[1] % 3 == 2;
        if (kept || markets[0] % 2 != markets[1] % 2 || words[0] % 3 != words[1] % 3) {
            _accepted(both[1]);
        } else {
            _refusedForValue(NEW, both[1], both[1].bounds[0]);
        }
        _unregister("first");
        _accepted(both[1]);
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
        _unregister(CAP);
        _replace(RISK, _capBreaker());
        assertEq(breaker.changesOf(RISK).length, 1);
    }
}
