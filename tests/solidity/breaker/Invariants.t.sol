// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Test} from "forge-std/Test.sol";

import {CircuitBreaker} from "../../../contracts/CircuitBreaker.sol";
import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {Handler} from "./Handler.sol";
import {Recorder, RecordingSafe} from "./Recorder.sol";

/// @notice INVARIANTS.md, section "Circuit breaker", held after every step of a random run.
contract BreakerInvariantsTest is Test {
    Handler private handler;
    CircuitBreaker private breaker;
    Recorder private recorder;

    function setUp() public {
        vm.warp(1_700_000_000);
        handler = new Handler();
        handler.start();
        breaker = handler.breaker();
        recorder = handler.recorder();
        targetContract(address(handler));
        bytes4[] memory selectors = new bytes4[](14);
        selectors[0] = Handler.trip.selector;
        selectors[1] = Handler.tripMany.selector;
        selectors[2] = Handler.tripSigned.selector;
        selectors[3] = Handler.heartbeat.selector;
        selectors[4] = Handler.expire.selector;
        selectors[5] = Handler.ratify.selector;
        selectors[6] = Handler.lift.selector;
        selectors[7] = Handler.staff.selector;
        selectors[8] = Handler.switches.selector;
        selectors[9] = Handler.registry.selector;
        selectors[10] = Handler.meddle.selector;
        selectors[11] = Handler.trespass.selector;
        selectors[12] = Handler.wait.selector;
        selectors[13] = Handler.edge.selector;
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// The handler is no use if it is refused all the time: a long run of it, and each thing has happened. The invariants are
    /// held on the way too.
    function test_handler__long_run__everything_happens() public {
        for (uint256 i = 0; i < 3_000; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            uint256 what = uint256(keccak256(abi.encode(i, "what"))) % 15;
            if (what == 0) handler.trip(seed);
            else if (what == 1) handler.tripMany(seed);
            else if (what == 2) handler.tripSigned(seed);
            else if (what == 3) handler.heartbeat(seed);
            else if (what == 4) handler.expire(seed);
            else if (what == 5) handler.ratify(seed);
            else if (what == 6) handler.lift(seed);
            else if (what == 7) handler.staff(seed);
            else if (what == 8) handler.switches(seed);
            else if (what == 9) handler.registry(seed);
            else if (what == 10) handler.meddle(seed);
            else if (what == 11) handler.trespass(seed);
            else if (what == 12) handler.wait(seed);
            else handler.edge(seed);
            if (i % 300 == 299) _holdAll();
        }
        string[23] memory things = [
            "trip",
            "tripMany",
            "tripSigned",
            "heartbeat",
            "silenced",
            "expire",
            "expireSwitchedOff",
            "undone",
            "nothingToUndo",
            "ratify",
            "lift",
            "liftAsItIs",
            "addKeeper",
            "revoke",
            "signedByRevoked",
            "signedBySilent",
            "freeze",
            "disarm",
            "unregister",
            "meddle",
            "trespass",
            "edge",
            "refused"
        ];
        for (uint256 i = 0; i < things.length; ++i) {
            assertGe(handler.count(things[i]), 2, things[i]);
        }
        for (uint256 i = 0; i < handler.BREAKERS(); ++i) {
            assertGe(handler.bookOf(i).trips.length, 5, "trips of each breaker");
        }
        assertGe(handler.intruder().tries(), 100);
    }

    function _holdAll() private {
        function() external[12] memory all = [
            this.invariant_B1_keeper__only_tightens,
            this.invariant_B2_trips_of_any_window__stay_within_the_budget,
            this.invariant_B3_trip__ends_by_anybodys_hand_unless_ratified,
            this.invariant_B4_calls__reach_what_is_registered_and_nothing_else,
            this.invariant_B5_trips__are_of_live_keepers_as_many_as_required,
            this.invariant_B6_end__restores_the_trip_and_leaves_what_others_changed,
            this.invariant_B7_reentrancy__does_nothing,
            this.invariant_B8_no_right__no_effect,
            this.invariant_B9_cooldown_and_lock__hold,
            this.invariant_B10_nonce__grows_and_an_order_is_carried_out_once,
            this.invariant_B11_switched_off__trips_nothing,
            this.invariant_B12_rules__are_neither_tighter_nor_looser_than_written
        ];
        uint256 state = vm.snapshotState();
        string memory failed;
        for (uint256 i = 0; i < 12; ++i) {
            (bool held,) = all[i].address.call(abi.encodeWithSelector(all[i].selector));
            if (!held) failed = string.concat(failed, " B", vm.toString(i + 1));
            vm.revertToState(state);
        }
        assertEq(failed, "", "invariants");
    }

    /// Read from the protocol's log, and so whoever did it and however.
    function invariant_B1_keeper__only_tightens() public view {
        _never("B1");
        for (uint256 j = 0; j < recorder.logLength(); ++j) {
            Recorder.Entry memory entry = recorder.logEntry(j);
            bytes4 selector = bytes4(entry.data);
            if (selector == Recorder.pauseMarket.selector) {
                assertTrue(!entry.before.paused && entry.later.paused);
            } else if (selector == Recorder.setCap.selector) {
                assertLt(entry.later.cap, entry.before.cap, "looser cap");
                _checkStep(entry, entry.before.cap, entry.later.cap);
            } else if (selector == Recorder.setLimits.selector) {
                assertGt(entry.later.margin, entry.before.margin, "looser margin");
                assertEq(entry.later.fee, entry.before.fee, "fee was to be kept");
                _checkStep(entry, entry.before.margin, entry.later.margin);
            }
        }
    }

    /// Any budget + 1 trips in a row, of the protocol's own whole history, are more than the window apart.
    function invariant_B2_trips_of_any_window__stay_within_the_budget() public view {
        _never("B2");
        for (uint256 i = 0; i < handler.BREAKERS(); ++i) {
            Handler.Terms memory terms = handler.termsOf(i);
            uint256[] memory trips = recorder.tripsOf(terms.id);
            for (uint256 j = terms.budget; j < trips.length; ++j) {
                assertGe(trips[j] - trips[j - terms.budget], terms.window, "budget");
            }
        }
    }

    /// A stranger tries to end everything that has tripped: refused one second before the end, done at it, whatever the
    /// switches say. What is ratified he cannot end at any time.
    function invariant_B3_trip__ends_by_anybodys_hand_unless_ratified() public {
        _never("B3");
        uint256 time = block.timestamp;
        for (uint256 i = 0; i < handler.BREAKERS(); ++i) {
            Handler.Book memory book = handler.bookOf(i);
            Handler.Terms memory terms = handler.termsOf(i);
            if (book.status == ICircuitBreaker.Status.Tripped) {
                assertLe(book.expiresAt, book.trips[book.trips.length - 1] + terms.duration);
                if (time < book.expiresAt) {
                    vm.warp(book.expiresAt - 1);
                    assertFalse(_expires(i), "ended too early");
                    vm.warp(book.expiresAt);
                }
                (Recorder.Values memory values,) = handler.afterEnd(i);
                assertTrue(_expires(i), "cannot be ended");
                assertEq(abi.encode(recorder.valuesOf(terms.id)), abi.encode(values), "B6: not as it was");
                assertFalse(_expires(i), "ended twice");
                vm.warp(time);
            } else if (book.status == ICircuitBreaker.Status.Ratified) {
                vm.warp(time + 1000 days);
                assertFalse(_expires(i), "ended although ratified");
                vm.warp(time);
            }
        }
    }

    function invariant_B4_calls__reach_what_is_registered_and_nothing_else() public view {
        _never("B4");
        assertEq(handler.lens().reached(), 0, "a view was called");
        RecordingSafe.Request[] memory requests = handler.safe().log();
        for (uint256 j = 0; j < requests.length; ++j) {
            assertEq(requests[j].operation, 0, "delegate call");
            assertEq(requests[j].value, 0, "value");
            assertEq(requests[j].to, address(recorder), "target");
        }
        uint256 ofSafe;
        for (uint256 j = 0; j < recorder.logLength(); ++j) {
            Recorder.Entry memory entry = recorder.logEntry(j);
            assertEq(entry.value, 0, "value");
            if (entry.caller == address(handler.safe())) {
                assertEq(entry.data, requests[ofSafe++].data, "not what the Safe was asked for");
            }
            assertTrue(_registered(entry), "outside of every registration");
        }
        assertEq(ofSafe, requests.length, "requests");
    }

    function invariant_B5_trips__are_of_live_keepers_as_many_as_required() public view {
        _never("B5");
    }

    function invariant_B6_end__restores_the_trip_and_leaves_what_others_changed() public view {
        _never("B6");
    }

    function invariant_B7_reentrancy__does_nothing() public view {
        _never("B7");
        assertEq(handler.intruder().successes(), 0);
    }

    function invariant_B8_no_right__no_effect() public view {
        _never("B8");
        assertEq(breaker.owner(), handler.council());
        assertEq(breaker.pendingOwner(), address(0));
        assertEq(breaker.guardian(), handler.guardian());
    }

    /// By the protocol's history of trips and the handler's of ends: one at a time, and rest between.
    function invariant_B9_cooldown_and_lock__hold() public view {
        _never("B9");
        for (uint256 i = 0; i < handler.BREAKERS(); ++i) {
            Handler.Book memory book = handler.bookOf(i);
            uint256[] memory trips = recorder.tripsOf(handler.termsOf(i).id);
            bool inEffect = uint8(book.status) > uint8(ICircuitBreaker.Status.Ready);
            assertEq(trips.length, book.ends.length + (inEffect ? 1 : 0), "trips and ends take turns");
            for (uint256 j = 1; j < trips.length; ++j) {
                assertGe(trips[j], book.ends[j - 1] + book.rests[j - 1], "rest");
            }
        }
    }

    function invariant_B10_nonce__grows_and_an_order_is_carried_out_once() public view {
        _never("B10");
    }

    function invariant_B11_switched_off__trips_nothing() public view {
        _never("B11");
        assertEq(breaker.frozen(), handler.isFrozen());
    }

    function invariant_B12_rules__are_neither_tighter_nor_looser_than_written() public view {
        _never("B12");
        for (uint256 i = 0; i < handler.BREAKERS(); ++i) {
            Handler.Book memory book = handler.bookOf(i);
            ICircuitBreaker.State memory state = breaker.stateOf(handler.termsOf(i).id);
            assertEq(uint8(state.status), uint8(book.status), "status");
            assertEq(state.armed, book.armed, "armed");
            assertEq(state.expiresAt, book.expiresAt, "expiresAt");
            assertEq(state.readyAt, book.readyAt, "readyAt");
            assertEq(state.lockedUntil, book.lockedUntil, "lockedUntil");
            assertEq(state.nonce, book.nonce, "nonce");
            uint256 length = book.trips.length;
            for (uint256 j = 0; j < 6; ++j) {
                assertEq(uint40(state.recent >> (40 * j)), j < length ? book.trips[length - 1 - j] : 0, "recent");
            }
        }
        for (uint256 k = 0; k < 4; ++k) {
            address keeper = handler.keepers(k);
            assertEq(breaker.silentAt(keeper), handler.silentAtOf(keeper), "silentAt");
        }
    }

    function _never(string memory id) private view {
        assertEq(handler.broken(id), 0, string.concat(id, ": ", handler.detail(id)));
    }

    function _expires(uint256 i) private returns (bool success) {
        bytes memory data = abi.encodeCall(breaker.expire, (handler.termsOf(i).id));
        vm.prank(handler.stranger());
        (success,) = address(breaker).call(data);
    }

    function _checkStep(Recorder.Entry memory entry, uint256 before, uint256 later) private view {
        for (uint256 i = 0; i < handler.BREAKERS(); ++i) {
            Handler.Terms memory terms = handler.termsOf(i);
            if (terms.id != _word(entry.data, 0)) continue;
            assertGe(later, terms.minimum, "below the minimum");
            assertLe(later, terms.maximum, "above the maximum");
            uint256 step = later > before ? later - before : before - later;
            assertLe(step * 10_000, before * terms.stepBps, "further than a step");
        }
    }

    /// Selector, market and fixed words of one of the registrations, from the account that it names.
    function _registered(Recorder.Entry memory entry) private view returns (bool) {
        bytes4 selector = bytes4(entry.data);
        bytes32 market = _word(entry.data, 0);
        bool bySafe = entry.caller == address(handler.safe());
        if (selector == Recorder.pauseMarket.selector || selector == Recorder.unpauseMarket.selector) {
            return entry.data.length == 36 && market == (bySafe ? bytes32("SAFE_PAUSE") : bytes32("PAUSE"));
        }
        if (selector == Recorder.setCap.selector || selector == Recorder.restoreCap.selector) {
            return entry.data.length == 68 && market == (bySafe ? bytes32("QUORUM") : bytes32("CAP"));
        }
        bool isTrip = selector == Recorder.setLimits.selector;
        if (!isTrip && selector != Recorder.restoreLimits.selector) return false;
        bytes32 tag = isTrip ? bytes32("trip") : bytes32("undo");
        return entry.data.length == 132 && market == "LIMITS" && !bySafe && _word(entry.data, 3) == tag;
    }

    function _word(bytes memory data, uint256 word) private pure returns (bytes32 found) {
        if (data.length < 36 + 32 * word) return 0;
        assembly ("memory-safe") {
            found := mload(add(data, add(36, mul(word, 32))))
        }
    }
}
