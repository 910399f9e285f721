// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CommonBase} from "forge-std/Base.sol";
import {StdUtils} from "forge-std/StdUtils.sol";

import {CircuitBreaker} from "../../../contracts/CircuitBreaker.sol";
import {ICircuitBreaker} from "../../../contracts/interfaces/ICircuitBreaker.sol";
import {CallingToken, IPlan, Intruder, Lens, Recorder, RecordingSafe} from "./Recorder.sol";

/// @notice Everybody around a CircuitBreaker, at random: keepers good and bad, one of them silent for days, the council, the
///         guardian, the protocol's own admin, strangers, and an intruder inside of every call. It keeps books of its own,
///         and by them it knows of each call whether it must go through. What must never happen is counted by the id of the
///         invariant that it breaks.
contract Handler is IPlan, CommonBase, StdUtils {
    /// The fixed terms of a breaker, the numbers of its one moving value included.
    struct Terms {
        bytes32 id;
        uint256 duration;
        uint256 cooldown;
        uint256 window;
        uint256 lock;
        uint256 budget;
        uint256 required;
        uint256 minimum;
        uint256 maximum;
        uint256 stepBps;
        bool throughSafe;
    }

    /// What the books say of a breaker.
    struct Book {
        ICircuitBreaker.Status status;
        bool armed;
        uint256 expiresAt;
        uint256 readyAt;
        uint256 lockedUntil;
        uint256 nonce;
        uint256[] trips;
        uint256[] ends;
        uint256[] rests; // for each end: the cooldown, or the lock when that is longer
        Recorder.Values before; // the newest trip
        Recorder.Values applied;
    }

    /// A signed order on the shelf, to be used now or later, once or twice.
    struct Paper {
        uint256 index;
        uint256[] values;
        bytes32 evidence;
        uint256 nonce;
        uint256 deadline;
        bytes[] signatures;
        address[] signers;
        bool sound; // signed as it stands, in order, by as many as it takes
    }

    uint256 public constant BREAKERS = 5;
    uint256 private constant PAUSE = 0;
    uint256 private constant SAFE_PAUSE = 1;
    uint256 private constant CAP = 2; // the value may only fall
    uint256 private constant LIMITS = 3; // one value stays, one may only rise
    uint256 private constant QUORUM = 4; // a cap through the Safe, by two signatures of three
    uint256 private constant KEEPERS = 4;
    /// The keeper that never gives a sign of life by itself.
    uint256 private constant SILENT = 3;
    bytes32 private constant TRIP_TAG = "trip";
    bytes32 private constant UNDO_TAG = "undo";

    CircuitBreaker public immutable breaker;
    Intruder public immutable intruder;
    Recorder public immutable recorder;
    RecordingSafe public immutable safe;
    Lens public immutable lens;

    address public immutable council = vm.addr(uint256(keccak256("council")));
    address public immutable guardian = vm.addr(uint256(keccak256("guardian")));
    address public immutable admin = vm.addr(uint256(keccak256("admin")));
    address public immutable stranger = vm.addr(uint256(keccak256("stranger")));
    address[KEEPERS] public keepers;
    uint256[KEEPERS] private keys;

    mapping(uint256 index => Terms) private terms;
    mapping(uint256 index => Book) private books;
    mapping(address keeper => bool) private listed;
    mapping(address keeper => uint256) private seenAt;
    mapping(bytes32 digest => bool) private carriedOut;
    uint256 private silenceLimit = 12 hours;
    bool private frozen;
    bytes[] private shelf;

    /// What may have reached the protocol in this turn, in order, and how long its log was before.
    bytes[] private expected;
    address[] private expectedCallers;
    uint256 private mark;
    uint256 private salt;
    uint256 private dice;

    mapping(string what => uint256) public count;
    mapping(string id => uint256) public broken;
    mapping(string id => string) public detail;

    constructor() {
        for (uint256 i = 0; i < KEEPERS; ++i) {
            keys[i] = uint256(keccak256(abi.encode("keeper", i)));
            keepers[i] = vm.addr(keys[i]);
        }
        intruder = new Intruder(this);
        recorder = new Recorder(intruder, new CallingToken(intruder));
        safe = new RecordingSafe(intruder);
        lens = new Lens(intruder, recorder);
        breaker = new CircuitBreaker(council, guardian, uint32(silenceLimit));
        intruder.aim(address(breaker));
        safe.enable(address(breaker));
        recorder.appoint(address(breaker), address(safe), admin);

        terms[PAUSE] = Terms("PAUSE", 30 minutes, 5 minutes, 4 hours, 1 hours, 2, 1, 0, 0, 0, false);
        terms[SAFE_PAUSE] = Terms("SAFE_PAUSE", 20 minutes, 2 minutes, 3 hours, 0, 3, 1, 0, 0, 0, true);
        terms[CAP] = Terms("CAP", 1 hours, 10 minutes, 6 hours, 2 hours, 1, 1, 1_000, 1e6, 2_000, false);
        terms[LIMITS] = Terms("LIMITS", 15 minutes, 1 minutes, 2 hours, 10 minutes, 2, 1, 10, 5_000, 3_000, false);
        terms[QUORUM] = Terms("QUORUM", 40 minutes, 3 minutes, 5 hours, 30 minutes, 2, 2, 50, 1e5, 5_000, true);
    }

    /// The rest of the set-up: the views answer only with the help of this contract, which must be there by then.
    function start() external {
        for (uint256 i = 0; i < BREAKERS; ++i) {
            bytes32 market = terms[i].id;
            vm.startPrank(admin);
            recorder.setCap(market, 90_000);
            recorder.setLimits(market, 30, 1_000, 0);
            vm.stopPrank();
            _register(i);
        }
        for (uint256 i = 0; i < KEEPERS; ++i) {
            _addKeeper(keepers[i]);
        }
    }

    /// Starts a turn: new dice, and an intruder that lives.
    modifier turn(uint256 seed) {
        dice = uint256(keccak256(abi.encode(seed, ++salt)));
        if (block.timestamp >= breaker.silentAt(address(intruder))) {
            vm.prank(council);
            breaker.addKeeper(address(intruder));
        } else {
            vm.prank(address(intruder));
            breaker.heartbeat();
        }
        delete expected;
        delete expectedCallers;
        mark = recorder.logLength();
        _;
        _audit();
    }

    // ------------------------------------------------------------ keepers

    function trip(uint256 seed) external turn(seed) {
        address who = _keeper();
        uint256 i = _breakerToTrip(who);
        uint256[] memory values = _values(i);
        bytes32 evidence = _evidence();
        string memory objection = _objectionToTrip(who, i, values, evidence, 1);
        if (_none(objection)) _bookTrip(i, values);
        if (_call(who, abi.encodeCall(breaker.trip, (terms[i].id, values, evidence)), objection)) {
            seenAt[who] = block.timestamp;
            ++count["trip"];
        }
    }

    function tripMany(uint256 seed) external turn(seed) {
        address who = _keeper();
        uint256 length = _roll(BREAKERS + 1);
        ICircuitBreaker.Order[] memory orders = new ICircuitBreaker.Order[](length);
        string memory objection = "B12";
        for (uint256 j = 0; j < length; ++j) {
            uint256 i = _breakerToTrip(who);
            orders[j] = ICircuitBreaker.Order(terms[i].id, _values(i), _evidence());
            string memory one = _objectionToTrip(who, i, orders[j].values, orders[j].evidence, 1);
            if (!_none(one)) {
                objection = _none(objection) ? objection : one;
                continue;
            }
            objection = "";
            _bookTrip(i, orders[j].values);
        }
        if (_call(who, abi.encodeCall(breaker.tripMany, (orders)), objection)) {
            seenAt[who] = block.timestamp;
            ++count["tripMany"];
        }
    }

    /// A new order, good or spoiled in one of many ways, or one from the shelf.
    function tripSigned(uint256 seed) external turn(seed) {
        Paper memory paper;
        if (shelf.length != 0 && _roll(3) == 0) {
            uint256 from = shelf.length > 6 ? shelf.length - 6 : 0;
            paper = abi.decode(shelf[from + _roll(shelf.length - from)], (Paper));
        } else {
            paper = _write(_roll(4) != 0 ? QUORUM : _breaker(), _roll(32));
            shelf.push(abi.encode(paper));
            // Some are kept for later, unused.
            if (_roll(5) == 0) return;
        }
        _submit(paper, _keeper());
    }

    function heartbeat(uint256 seed) external turn(seed) {
        // The silent keeper tries only when it is too late.
        uint256 k = _roll(KEEPERS);
        if (k == SILENT && _live(keepers[k])) return;
        if (_call(keepers[k], abi.encodeCall(breaker.heartbeat, ()), _live(keepers[k]) ? "" : "B5")) {
            seenAt[keepers[k]] = block.timestamp;
            ++count["heartbeat"];
        } else {
            ++count["silenced"];
        }
    }

    // ------------------------------------------------------------- anyone

    function expire(uint256 seed) external turn(seed) {
        _expire(_breakerIn(ICircuitBreaker.Status.Tripped), _anyone());
    }

    // ------------------------------------------------ council and guardian

    function ratify(uint256 seed) external turn(seed) {
        uint256 i = _breakerIn(ICircuitBreaker.Status.Tripped);
        bool right = books[i].status == ICircuitBreaker.Status.Tripped;
        if (_call(council, abi.encodeCall(breaker.ratify, (terms[i].id)), right ? "" : "B12")) {
            books[i].status = ICircuitBreaker.Status.Ratified;
            ++count["ratify"];
        }
    }

    function lift(uint256 seed) external turn(seed) {
        uint256 i = _breakerIn(_roll(3) == 0 ? ICircuitBreaker.Status.Tripped : ICircuitBreaker.Status.Ratified);
        bool callUndo = _roll(3) != 0;
        bool right = _inEffect(i);
        if (right) _bookEnd(i, callUndo);
        if (_call(council, abi.encodeCall(breaker.lift, (terms[i].id, callUndo)), right ? "" : "B12")) {
            books[i].lockedUntil = block.timestamp + terms[i].lock;
            if (terms[i].lock > terms[i].cooldown) books[i].rests[books[i].rests.length - 1] = terms[i].lock;
            ++count[callUndo ? "lift" : "liftAsItIs"];
        }
    }

    function staff(uint256 seed) external turn(seed) {
        address keeper = keepers[_roll(KEEPERS)];
        uint256 what = _roll(12);
        if (what < 2) {
            address by = _roll(2) == 0 ? council : guardian;
            if (_call(by, abi.encodeCall(breaker.revokeKeeper, (keeper)), listed[keeper] ? "" : "B12")) {
                listed[keeper] = false;
                ++count["revoke"];
            }
        } else if (what == 2) {
            silenceLimit = (2 + _roll(23)) * 1 hours;
            vm.prank(council);
            breaker.setSilenceLimit(uint32(silenceLimit));
        } else if (_live(keeper)) {
            _call(council, abi.encodeCall(breaker.addKeeper, (keeper)), "B12");
        } else {
            _addKeeper(keeper);
        }
    }

    /// Off is rarer than on, so that most of the run can trip.
    function switches(uint256 seed) external turn(seed) {
        uint256 i = _breaker();
        address by = _roll(2) == 0 ? council : guardian;
        uint256 what = _roll(8);
        if (what == 0) {
            vm.prank(by);
            breaker.freeze();
            frozen = true;
            ++count["freeze"];
        } else if (what < 4) {
            vm.prank(council);
            breaker.unfreeze();
            frozen = false;
        } else if (what == 4) {
            if (_call(by, abi.encodeCall(breaker.disarm, (terms[i].id)), _known(i) ? "" : "B12")) {
                books[i].armed = false;
                ++count["disarm"];
            }
        } else if (_call(council, abi.encodeCall(breaker.arm, (terms[i].id)), _known(i) ? "" : "B12")) {
            books[i].armed = true;
        }
    }

    /// Takes a breaker out, or puts it in again as it was.
    function registry(uint256 seed) external turn(seed) {
        uint256 i = _breakerIn(ICircuitBreaker.Status.Unknown);
        if (!_known(i)) return _register(i);
        if (_roll(3) != 0) return;
        bool right = books[i].status == ICircuitBreaker.Status.Ready;
        if (_call(council, abi.encodeCall(breaker.unregister, (terms[i].id)), right ? "" : "B12")) {
            books[i].status = ICircuitBreaker.Status.Unknown;
            books[i].armed = false;
            ++count["unregister"];
        }
    }

    // ----------------------------------------------------------- outsiders

    /// The protocol's own admin does as he likes.
    function meddle(uint256 seed) external turn(seed) {
        bytes32 market = terms[_breaker()].id;
        Recorder.Values memory now_ = recorder.valuesOf(market);
        uint256 what = _roll(4);
        vm.startPrank(admin);
        if (what == 0 && !now_.paused) recorder.pauseMarket(market);
        else if (what <= 1 && now_.paused) recorder.unpauseMarket(market);
        else if (what == 2) recorder.setCap(market, _roll(3) == 0 ? _roll(2_000) : _roll(100_000));
        else recorder.setLimits(market, _roll(100), _roll(4) == 0 ? now_.margin : _roll(3_000), 0);
        vm.stopPrank();
        ++count["meddle"];
    }

    /// Whoever has no right to a function tries it. None may go through.
    function trespass(uint256 seed) external turn(seed) {
        bytes32 id = terms[_breaker()].id;
        bytes[] memory calls = new bytes[](16);
        calls[0] = abi.encodeCall(breaker.register, ("NEW", _registration(_breaker())));
        calls[1] = abi.encodeCall(breaker.unregister, (id));
        calls[2] = abi.encodeCall(breaker.arm, (id));
        calls[3] = abi.encodeCall(breaker.ratify, (id));
        calls[4] = abi.encodeCall(breaker.lift, (id, _roll(2) == 0));
        calls[5] = abi.encodeCall(breaker.addKeeper, (stranger));
        calls[6] = abi.encodeCall(breaker.setGuardian, (stranger));
        calls[7] = abi.encodeCall(breaker.setSilenceLimit, (1 days));
        calls[8] = abi.encodeCall(breaker.unfreeze, ());
        calls[9] = abi.encodeCall(breaker.transferOwnership, (stranger));
        calls[10] = abi.encodeCall(breaker.acceptOwnership, ());
        calls[11] = abi.encodeCall(breaker.renounceOwnership, ());
        // From here on the guardian has the right.
        calls[12] = abi.encodeCall(breaker.revokeKeeper, (keepers[_roll(KEEPERS)]));
        calls[13] = abi.encodeCall(breaker.disarm, (id));
        calls[14] = abi.encodeCall(breaker.freeze, ());
        calls[15] = abi.encodeCall(breaker.setSilenceLimit, (1 hours));
        address[4] memory others = [guardian, stranger, admin, keepers[_roll(KEEPERS)]];
        address who = others[_roll(4)];
        for (uint256 i = 0; i < 15; ++i) {
            if (who == guardian && i > 11) break;
            _call(who, calls[i], "B8");
        }
        // What even keepers, guardian and council cannot do. A trip without rights is tried for every breaker.
        uint256[] memory values;
        who = _roll(2) == 0 ? guardian : _roll(2) == 0 ? council : stranger;
        for (uint256 i = 0; i < BREAKERS; ++i) {
            values = _fair(i);
            _call(who, abi.encodeCall(breaker.trip, (terms[i].id, values, "x")), "B8");
            ICircuitBreaker.Order memory order = ICircuitBreaker.Order(terms[i].id, values, "x");
            _call(_anyone(), abi.encodeCall(breaker.tripFor, (keepers[0], order)), "B8");
        }
        _call(who, abi.encodeCall(breaker.heartbeat, ()), "B8");
        ++count["trespass"];
    }

    /// Seconds, hours, or to a keeper's silence.
    function wait(uint256 seed) external turn(seed) {
        _beat();
        uint256 kind = _roll(6);
        uint256 silentAt = seenAt[keepers[_roll(KEEPERS)]] + silenceLimit + 1;
        if (kind == 0) vm.warp(block.timestamp + 1 + _roll(2 hours));
        else if (kind < 5 || silentAt <= block.timestamp + 1) vm.warp(block.timestamp + 1 + _roll(10 minutes));
        else vm.warp(silentAt - _roll(2));
        ++count["wait"];
    }

    /// Waits until the last second in which a breaker cannot trip, or a trip cannot be ended, and tries; then once more
    /// when it can.
    function edge(uint256 seed) external turn(seed) {
        uint256 i = _breakerIn(_roll(2) == 0 ? ICircuitBreaker.Status.Ready : ICircuitBreaker.Status.Tripped);
        Book storage book = books[i];
        bool ends = book.status != ICircuitBreaker.Status.Ready;
        uint256 spent = book.trips.length;
        uint256 at = ends ? book.expiresAt : book.readyAt > book.lockedUntil ? book.readyAt : book.lockedUntil;
        if (!ends && spent >= terms[i].budget) {
            uint256 free = book.trips[spent - terms[i].budget] + terms[i].window;
            if (free > at) at = free;
        }
        if (at <= block.timestamp) return;
        while (block.timestamp + 1 hours < at) {
            _beat();
            vm.warp(block.timestamp + 1 hours);
        }
        if (at > block.timestamp + 1) vm.warp(at - 1);
        _beat();
        _tryAtEdge(i, ends);
        if (_roll(2) == 0) return;
        vm.warp(at);
        _tryAtEdge(i, ends);
        ++count["edge"];
    }

    function _tryAtEdge(uint256 i, bool ends) private {
        if (ends) return _expire(i, stranger);
        if (terms[i].required != 1) {
            Paper memory paper = _write(i, type(uint256).max);
            return _submit(paper, _keeper());
        }
        address who = _keeper();
        uint256[] memory values = _fair(i);
        string memory objection = _objectionToTrip(who, i, values, "edge", 1);
        if (_none(objection)) _bookTrip(i, values);
        bytes memory data = abi.encodeCall(breaker.trip, (terms[i].id, values, "edge"));
        if (_call(who, data, objection)) seenAt[who] = block.timestamp;
    }

    /// The good keepers give a sign of life, most times.
    function _beat() private {
        for (uint256 k = 0; k < KEEPERS; ++k) {
            if (k == SILENT || !_live(keepers[k]) || _roll(4) == 0) continue;
            vm.prank(keepers[k]);
            breaker.heartbeat();
            seenAt[keepers[k]] = block.timestamp;
        }
    }

    // ------------------------------------------------------ for invariants

    function termsOf(uint256 index) external view returns (Terms memory) {
        return terms[index];
    }

    function bookOf(uint256 index) external view returns (Book memory) {
        return books[index];
    }

    function silentAtOf(address keeper) external view returns (uint256) {
        return listed[keeper] ? seenAt[keeper] + silenceLimit + 1 : 0;
    }

    function isFrozen() external view returns (bool) {
        return frozen;
    }

    /// The protocol's values after a trip has ended now with its undo call, by the books.
    function afterEnd(uint256 index) public view returns (Recorder.Values memory values, bool undone) {
        Book storage book = books[index];
        values = recorder.valuesOf(terms[index].id);
        if (index == PAUSE || index == SAFE_PAUSE) {
            undone = values.paused;
            values.paused = false;
        } else if (index == LIMITS) {
            undone = values.margin == book.applied.margin;
            if (undone) values.margin = book.before.margin;
        } else {
            undone = values.cap == book.applied.cap;
            if (undone) values.cap = book.before.cap;
        }
    }

    /// @inheritdoc IPlan
    function intrusions() external view returns (bytes[] memory calls) {
        calls = new bytes[](BREAKERS * 2 + 1);
        ICircuitBreaker.Order[] memory orders = new ICircuitBreaker.Order[](BREAKERS);
        for (uint256 i = 0; i < BREAKERS; ++i) {
            orders[i] = ICircuitBreaker.Order(terms[i].id, _fair(i), "intruder");
            calls[2 * i] = abi.encodeCall(breaker.trip, (orders[i].id, orders[i].values, orders[i].evidence));
            calls[2 * i + 1] = abi.encodeCall(breaker.expire, (orders[i].id));
        }
        calls[2 * BREAKERS] = abi.encodeCall(breaker.tripMany, (orders));
    }

    // ------------------------------------------------------------ the books

    /// Why this trip must be refused: the id of the invariant that it would break; empty when it must go through.
    function _objectionToTrip(address who, uint256 i, uint256[] memory values, bytes32 evidence, uint256 signatures)
        private
        view
        returns (string memory)
    {
        if (!_live(who) || signatures != terms[i].required) return "B5";
        if (evidence == 0 || values.length != _bounds(i)) return "B12";
        Book storage book = books[i];
        if (frozen || !book.armed || !_known(i)) return "B11";
        if (book.status != ICircuitBreaker.Status.Ready) return "B9";
        if (block.timestamp < book.readyAt || block.timestamp < book.lockedUntil) return "B9";
        uint256 inWindow;
        for (uint256 j = book.trips.length; j != 0 && inWindow < terms[i].budget; --j) {
            if (block.timestamp - book.trips[j - 1] < terms[i].window) ++inWindow;
        }
        if (inWindow >= terms[i].budget) return "B2";
        Recorder.Values memory now_ = recorder.valuesOf(terms[i].id);
        if (i == PAUSE || i == SAFE_PAUSE) return now_.paused ? "B6" : "";
        uint256 current = i == LIMITS ? now_.margin : now_.cap;
        uint256 value = values[values.length - 1];
        if (value < terms[i].minimum || value > terms[i].maximum) return "B1";
        if (i == LIMITS ? value <= current : value >= current) return "B1";
        uint256 step = value > current ? value - current : current - value;
        return step * 10_000 > current * terms[i].stepBps ? "B1" : "";
    }

    /// Called before the trip, as it looks at what there is to change.
    function _bookTrip(uint256 i, uint256[] memory values) private {
        Book storage book = books[i];
        book.before = recorder.valuesOf(terms[i].id);
        book.applied = book.before;
        bytes32 market = terms[i].id;
        bytes memory data;
        if (i == PAUSE || i == SAFE_PAUSE) {
            book.applied.paused = true;
            data = abi.encodeCall(recorder.pauseMarket, (market));
        } else if (i == LIMITS) {
            book.applied.margin = values[1];
            data = abi.encodeCall(recorder.setLimits, (market, book.before.fee, values[1], TRIP_TAG));
        } else {
            book.applied.cap = values[0];
            data = abi.encodeCall(recorder.setCap, (market, values[0]));
        }
        _expect(i, data);
        book.status = ICircuitBreaker.Status.Tripped;
        book.expiresAt = block.timestamp + terms[i].duration;
        book.trips.push(block.timestamp);
        ++book.nonce;
    }

    /// Called before the end, as it looks at what there is to undo.
    function _bookEnd(uint256 i, bool callUndo) private {
        Book storage book = books[i];
        (Recorder.Values memory values, bool undone) = afterEnd(i);
        if (callUndo && undone) {
            bytes32 market = terms[i].id;
            if (i == PAUSE || i == SAFE_PAUSE) _expect(i, abi.encodeCall(recorder.unpauseMarket, (market)));
            else if (i != LIMITS) _expect(i, abi.encodeCall(recorder.restoreCap, (market, values.cap)));
            else _expect(i, abi.encodeCall(recorder.restoreLimits, (market, values.fee, values.margin, UNDO_TAG)));
            ++count["undone"];
        } else {
            ++count["nothingToUndo"];
        }
        book.status = ICircuitBreaker.Status.Ready;
        book.readyAt = block.timestamp + terms[i].cooldown;
        book.ends.push(block.timestamp);
        book.rests.push(terms[i].cooldown);
        ++book.nonce;
    }

    function _expire(uint256 i, address who) private {
        bool right = books[i].status == ICircuitBreaker.Status.Tripped && block.timestamp >= books[i].expiresAt;
        (Recorder.Values memory values, bool undone) = afterEnd(i);
        if (right) _bookEnd(i, true);
        if (_call(who, abi.encodeCall(breaker.expire, (terms[i].id)), right ? "" : "B3")) {
            ++count["expire"];
            if (frozen || !books[i].armed) ++count["expireSwitchedOff"];
            bytes32 found = keccak256(abi.encode(recorder.valuesOf(terms[i].id)));
            if (found != keccak256(abi.encode(values))) _breaks("B6", undone ? "not restored" : "others' change lost");
        }
    }

    function _expect(uint256 i, bytes memory data) private {
        expected.push(data);
        expectedCallers.push(terms[i].throughSafe ? address(safe) : address(breaker));
    }

    /// Holds this turn's part of the protocol's log against what the books expect there, one by one.
    function _audit() private {
        uint256 length = recorder.logLength() - mark;
        if (length != expected.length) _breaks("B4", "calls that should not be, or missing ones");
        for (uint256 j = 0; j < length && j < expected.length; ++j) {
            Recorder.Entry memory entry = recorder.logEntry(mark + j);
            bool same = entry.caller == expectedCallers[j] && keccak256(entry.data) == keccak256(expected[j]);
            if (!same) _breaks("B4", "another call than the registered one");
        }
        for (uint256 i = 0; i < BREAKERS; ++i) {
            bytes32 id = terms[i].id;
            if (recorder.tripsOf(id).length > books[i].trips.length) _breaks("B4", "a trip that is not in the books");
            ICircuitBreaker.State memory state = breaker.stateOf(id);
            if (state.nonce != books[i].nonce) _breaks("B10", "nonce");
            if (state.status != books[i].status || state.armed != books[i].armed) _breaks("B12", "status");
        }
    }

    // ------------------------------------------------------ signed orders

    function _write(uint256 i, uint256 spoiled) private returns (Paper memory paper) {
        paper.index = i;
        paper.values = _roll(3) == 0 ? _values(i) : _fair(i);
        paper.evidence = _evidence();
        paper.nonce = spoiled == 0 ? books[i].nonce + 1 : books[i].nonce;
        paper.deadline = block.timestamp + _roll(1 hours + 1);
        if (spoiled == 1) paper.deadline = block.timestamp + 1 hours + 1;
        uint256 length = terms[i].required;
        if (spoiled == 2) --length;
        if (spoiled == 3) ++length;
        paper.signatures = new bytes[](length);
        paper.signers = new address[](length);
        bytes32 digest = _digest(paper, spoiled == 4 ? block.chainid + 1 : block.chainid);
        uint256[] memory order = _signers(length);
        if (spoiled == 5 && length == 2) (order[0], order[1]) = (order[1], order[0]);
        if (spoiled == 6 && length == 2) order[1] = order[0];
        for (uint256 j = 0; j < length; ++j) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(order[j], digest);
            paper.signatures[j] = abi.encodePacked(r, s, v);
            paper.signers[j] = vm.addr(order[j]);
        }
        // A nonce or a deadline that is too far ahead now may be right when the paper is submitted.
        paper.sound = spoiled < 2 || (spoiled > 4 && (spoiled > 6 || length != 2));
        if (spoiled == 7) {
            // Altered after signing.
            paper.evidence = keccak256(abi.encode(paper.evidence));
            paper.sound = false;
        } else if (spoiled == 8 && paper.values.length != 0) {
            ++paper.values[paper.values.length - 1];
            paper.sound = false;
        }
    }

    /// Keys that differ, in ascending order of their addresses: mostly of keepers that live.
    function _signers(uint256 length) private returns (uint256[] memory chosen) {
        chosen = new uint256[](length);
        uint256[] memory all = new uint256[](KEEPERS + 1);
        for (uint256 k = 0; k < KEEPERS; ++k) {
            all[k] = keys[k];
        }
        all[KEEPERS] = uint256(keccak256("stranger"));
        // In a random order, but with those that live to the front three times of four.
        for (uint256 k = all.length - 1; k != 0; --k) {
            uint256 j = _roll(k + 1);
            (all[k], all[j]) = (all[j], all[k]);
        }
        if (_roll(4) != 0) {
            uint256 front;
            for (uint256 k = 0; k < all.length; ++k) {
                if (!_live(vm.addr(all[k]))) continue;
                (all[k], all[front]) = (all[front], all[k]);
                ++front;
            }
        }
        for (uint256 k = 0; k < length; ++k) {
            chosen[k] = all[k];
            for (uint256 j = k; j != 0 && vm.addr(chosen[j]) < vm.addr(chosen[j - 1]); --j) {
                (chosen[j], chosen[j - 1]) = (chosen[j - 1], chosen[j]);
            }
        }
    }

    function _submit(Paper memory paper, address who) private {
        uint256 i = paper.index;
        ICircuitBreaker.Order memory order = ICircuitBreaker.Order(terms[i].id, paper.values, paper.evidence);
        bytes32 digest = _digest(paper, block.chainid);
        string memory objection = _objectionToTrip(who, i, paper.values, paper.evidence, paper.signatures.length);
        if (carriedOut[digest] || paper.nonce != books[i].nonce) objection = "B10";
        if (paper.deadline < block.timestamp || paper.deadline > block.timestamp + 1 hours) objection = "B5";
        if (!paper.sound) objection = "B5";
        for (uint256 j = 0; j < paper.signers.length; ++j) {
            if (_live(paper.signers[j])) continue;
            objection = "B5";
            ++count[listed[paper.signers[j]] ? "signedBySilent" : "signedByRevoked"];
        }
        bytes memory data = abi.encodeCall(breaker.tripSigned, (order, paper.deadline, paper.signatures));
        // The contract's own digest is that of its present nonce.
        if (paper.nonce == books[i].nonce && breaker.orderDigest(order, paper.deadline) != digest) {
            _breaks("B10", "digest");
        }
        if (_none(objection)) _bookTrip(i, paper.values);
        if (_call(who, data, objection)) {
            carriedOut[digest] = true;
            seenAt[who] = block.timestamp;
            ++count["tripSigned"];
            // Once more, at once.
            _call(who, data, "B10");
        }
    }

    /// EIP-712 by the letter, from nothing of the contract.
    function _digest(Paper memory paper, uint256 chain) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("CircuitBreaker"),
                keccak256("1"),
                chain,
                address(breaker)
            )
        );
        bytes32 order = keccak256(
            abi.encode(
                keccak256("Trip(bytes32 id,uint256[] values,bytes32 evidence,uint256 nonce,uint256 deadline)"),
                terms[paper.index].id,
                keccak256(abi.encodePacked(paper.values)),
                paper.evidence,
                paper.nonce,
                paper.deadline
            )
        );
        return keccak256(abi.encodePacked("\x19\x01", domain, order));
    }

    // ------------------------------------------------------------- the rest

    /// A call that must go through when there is no objection, and must be refused by an error of the contract's own when
    /// there is one. What the protocol, the Safe or a view did is never the reason: they are in order.
    function _call(address who, bytes memory data, string memory objection) private returns (bool success) {
        bytes memory answer;
        vm.prank(who);
        (success, answer) = address(breaker).call(data);
        if (success == _none(objection)) {
            if (!success) ++count["refused"];
            bytes4 why = success ? bytes4(0) : bytes4(answer);
            bool odd = why == ICircuitBreaker.CallFailed.selector || why == ICircuitBreaker.EffectMissing.selector
                || why == ICircuitBreaker.UndoMissing.selector || why == ICircuitBreaker.NoAnswer.selector;
            if (odd || (!success && answer.length < 4) || why == 0x4e487b71) {
                _breaks("B12", "refused for an odd reason");
            }
        } else if (success) {
            _breaks(objection, "went through");
        } else {
            _breaks("B12", string.concat("refused without a reason: ", vm.toString(answer)));
        }
    }

    function _breaks(string memory id, string memory what) private {
        ++broken[id];
        detail[id] = what;
    }

    function _addKeeper(address keeper) private {
        vm.prank(council);
        breaker.addKeeper(keeper);
        listed[keeper] = true;
        seenAt[keeper] = block.timestamp;
        ++count["addKeeper"];
    }

    function _register(uint256 i) private {
        vm.prank(council);
        breaker.register(terms[i].id, _registration(i));
        books[i].status = ICircuitBreaker.Status.Ready;
        books[i].armed = true;
        ++books[i].nonce;
        ++count["register"];
    }

    function _registration(uint256 i) private view returns (ICircuitBreaker.Breaker memory b) {
        bytes32 market = terms[i].id;
        b.target = address(recorder);
        b.duration = uint32(terms[i].duration);
        b.cooldown = uint32(terms[i].cooldown);
        b.window = uint32(terms[i].window);
        b.safe = terms[i].throughSafe ? address(safe) : address(0);
        b.lock = uint32(terms[i].lock);
        b.budget = uint8(terms[i].budget);
        b.required = uint8(terms[i].required);
        if (i == PAUSE || i == SAFE_PAUSE) {
            b.call = abi.encodeCall(recorder.pauseMarket, (market));
            b.undo = abi.encodeCall(recorder.unpauseMarket, (market));
            bytes memory view_ = abi.encodeCall(lens.paused, (market));
            b.probe = ICircuitBreaker.Probe(address(lens), 0, view_, bytes32(uint256(1)));
        } else if (i == LIMITS) {
            b.call = abi.encodeCall(recorder.setLimits, (market, 0, 0, TRIP_TAG));
            b.undo = abi.encodeCall(recorder.restoreLimits, (market, 0, 0, UNDO_TAG));
            b.bounds = new ICircuitBreaker.Bound[](2);
            b.bounds[0] = _boundOf(i, 1, 1, ICircuitBreaker.Side.Kept, abi.encodeCall(lens.limitsOf, (market)));
            b.bounds[1] = _boundOf(i, 2, 2, ICircuitBreaker.Side.Higher, abi.encodeCall(lens.limitsOf, (market)));
        } else {
            b.call = abi.encodeCall(recorder.setCap, (market, 0));
            b.undo = abi.encodeCall(recorder.restoreCap, (market, 0));
            b.bounds = new ICircuitBreaker.Bound[](1);
            b.bounds[0] = _boundOf(i, 1, 0, ICircuitBreaker.Side.Lower, abi.encodeCall(lens.cap, (market)));
        }
    }

    function _boundOf(uint256 i, uint8 word, uint8 answerWord, ICircuitBreaker.Side side, bytes memory view_)
        private
        view
        returns (ICircuitBreaker.Bound memory)
    {
        return ICircuitBreaker.Bound(
            address(lens), word, answerWord, side, uint16(terms[i].stepBps), terms[i].minimum, terms[i].maximum, view_
        );
    }

    function _known(uint256 i) private view returns (bool) {
        return books[i].status != ICircuitBreaker.Status.Unknown;
    }

    function _inEffect(uint256 i) private view returns (bool) {
        return uint8(books[i].status) > uint8(ICircuitBreaker.Status.Ready);
    }

    function _live(address who) private view returns (bool) {
        return listed[who] && block.timestamp <= seenAt[who] + silenceLimit;
    }

    function _none(string memory objection) private pure returns (bool) {
        return bytes(objection).length == 0;
    }

    function _bounds(uint256 i) private pure returns (uint256) {
        return i < CAP ? 0 : i == LIMITS ? 2 : 1;
    }

    // ------------------------------------------------------------- the dice

    function _roll(uint256 sides) private returns (uint256) {
        dice = uint256(keccak256(abi.encode(dice)));
        return dice % sides;
    }

    function _breaker() private returns (uint256) {
        return _roll(BREAKERS);
    }

    /// Mostly one that is in this state, as long as there is one.
    function _breakerIn(ICircuitBreaker.Status status) private returns (uint256) {
        uint256 first = _breaker();
        if (_roll(4) == 0) return first;
        for (uint256 j = first; j < first + BREAKERS; ++j) {
            if (books[j % BREAKERS].status == status) return j % BREAKERS;
        }
        return first;
    }

    /// Mostly one that could be tripped now, as long as there is one.
    function _breakerToTrip(address who) private returns (uint256) {
        uint256 first = _breaker();
        if (_roll(4) == 0) return first;
        for (uint256 j = first; j < first + BREAKERS; ++j) {
            uint256 i = j % BREAKERS;
            if (_none(_objectionToTrip(who, i, _fair(i), "x", 1))) return i;
        }
        return first;
    }

    /// Mostly a keeper that lives, as long as there is one.
    function _keeper() private returns (address) {
        uint256 first = _roll(KEEPERS);
        uint256 kind = _roll(8);
        if (kind == 0) return _anyone();
        for (uint256 k = 0; k < KEEPERS && kind > 2; ++k) {
            address keeper = keepers[(first + k) % KEEPERS];
            if (_live(keeper) && (first + k) % KEEPERS != SILENT) return keeper;
        }
        // The silent keeper tries when it is too late.
        return keepers[first == SILENT && _live(keepers[SILENT]) ? 0 : first];
    }

    function _anyone() private returns (address) {
        address[5] memory all = [council, guardian, admin, stranger, keepers[_roll(KEEPERS)]];
        return all[_roll(5)];
    }

    function _evidence() private returns (bytes32) {
        return _roll(16) == 0 ? bytes32(0) : bytes32(_roll(type(uint256).max));
    }

    /// Values that would do for a trip now, if there are any.
    function _fair(uint256 i) private view returns (uint256[] memory values) {
        values = new uint256[](_bounds(i));
        if (values.length == 0) return values;
        Recorder.Values memory now_ = recorder.valuesOf(terms[i].id);
        values[values.length - 1] =
            i == LIMITS ? now_.margin + now_.margin / 10 + 1 : now_.cap - now_.cap / 10 - (now_.cap == 0 ? 0 : 1);
    }

    /// Values for a trip: fair, at the edges of what is allowed, and beyond them.
    function _values(uint256 i) private returns (uint256[] memory values) {
        values = _fair(i);
        if (values.length == 0) {
            if (_roll(16) == 0) values = new uint256[](1);
            return values;
        }
        if (i == LIMITS) values[0] = _roll(1_000);
        if (_roll(16) == 0) return new uint256[](values.length - 1);
        Recorder.Values memory now_ = recorder.valuesOf(terms[i].id);
        uint256 current = i == LIMITS ? now_.margin : now_.cap;
        uint256 step = current * terms[i].stepBps / 10_000;
        uint256 furthest = i == LIMITS ? current + step : current - step;
        uint256[9] memory choice = [
            furthest,
            i == LIMITS ? furthest + 1 : (furthest == 0 ? 0 : furthest - 1),
            current,
            i == LIMITS ? current + 1 : (current == 0 ? 0 : current - 1),
            i == LIMITS ? (current == 0 ? 0 : current - 1) : current + 1,
            terms[i].minimum,
            terms[i].minimum - 1,
            _roll(4) == 0 ? type(uint256).max : 0,
            terms[i].maximum + _roll(2)
        ];
        uint256 what = _roll(18);
        if (what < 9) values[values.length - 1] = choice[what];
    }
}
