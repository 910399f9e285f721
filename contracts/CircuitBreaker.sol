// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable, Ownable2Step} from "@openzeppelin/contracts/access/Ownable2Step.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {Math} from "@openzeppelin/contracts/utils/math/Math.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ICircuitBreaker} from "./interfaces/ICircuitBreaker.sol";
import {ISafeModules} from "./interfaces/ISafeModules.sol";
import {Registration} from "./lib/Registration.sol";
import {Words} from "./lib/Words.sol";

/// @title CircuitBreaker: what a keeper may do to a protocol, and no more
/// @notice Longer than 400 lines by this text and on purpose: whoever audits it finds all state, and every way to change
///         it, in one file. What may be registered is checked in lib/Registration.sol.
///
///         DESIGN
///         - The protocol gives its pause and risk roles to this contract, or to a Safe that has this contract as a
///           module. Keepers hold hot keys that are good for nothing but tripping breakers here.
///         - A breaker is one call, fixed at registering: target, selector, arguments. An argument that the keeper may
///           choose is bounded: minimum, maximum, largest step, and only to the safe side of the current value.
///         - A trip is optimistic: it takes effect at once and ends by itself. Anyone may carry out the end. The council
///           may ratify it (it stays) or lift it (it ends, and the breaker is locked for a while).
///         - The undo call puts back what the trip changed: each value that is still as the trip left it. A value that
///           somebody else has changed since is left as it is, and so is a probe that shows the effect no more. So that
///           no two breakers take each other for somebody else, a value is moved by one of them only.
///         - Budget: at most `budget` trips in any half-open window [t, t + window), by the times of the last trips.
///         - State is written before the protocol is called; the effect is read back after it, or the trip reverts.
///
///         TRUST
///         - The council (owner) is trusted with everything that registrations allow. It should be a Safe.
///         - The guardian can only take away: revoke a keeper, disarm a breaker, freeze all. It cannot end a trip.
///         - A keeper's key is assumed stolen one day. Whoever has it can keep each breaker that it can trip alone in
///           effect for at most `budget` times `duration` per window (and with `cooldown` between), if somebody calls
///           `expire` as soon as it is due; can move each bounded value by one step, within its bounds; and can use up
///           budget and cooldown, so that no other keeper trips that breaker meanwhile. Revoked, it can do nothing;
///           while the contract is frozen, nothing but prove that it lives.
///         - Targets and views are contracts that the council has chosen. A target that lies, burns gas or reverts can
///           spoil its own breaker. Views are read whenever somebody trips or expires: they must answer from plain
///           storage, so that no callback and no lack of gas makes them answer otherwise.
///         - block.timestamp may be off by seconds. No limit is short enough for that to matter.
///
///         LIMITS
///         - Values are unsigned words. From a current value of zero no step is possible.
///         - A breaker does not trip into a state that is there already: the end of its trip would take back what
///           somebody else did. If somebody pauses, or sets the very value that the trip has set, for reasons of their
///           own while it is in effect, ratify it.
///         - A probe shows its own switch only: one that also shows a pause of everything keeps the trip from ending
///           while everything is paused. Two views of one value are not recognised as one.
contract CircuitBreaker is ICircuitBreaker, Ownable2Step, EIP712, ReentrancyGuardTransient {
    /// @notice Shortest and longest silence of a keeper that may be allowed, seconds, inclusive.
    uint256 public constant MIN_SILENCE = 1 hours;
    uint256 public constant MAX_SILENCE = 90 days;
    /// @notice How far ahead the deadline of a signed order may lie, seconds, inclusive.
    uint256 public constant MAX_ORDER_LIFE = 1 hours;
    /// @notice What keepers sign.
    bytes32 public constant TRIP_TYPEHASH =
        keccak256("Trip(bytes32 id,uint256[] values,bytes32 evidence,uint256 nonce,uint256 deadline)");

    /// @notice May disarm, freeze and revoke beside the council.
    address public guardian;
    /// @notice Whether nothing may trip.
    bool public frozen;
    /// @notice How long a keeper may be silent, seconds.
    uint32 public silenceLimit;

    mapping(bytes32 id => Breaker) private _breakers;
    mapping(bytes32 id => State) private _states;
    mapping(bytes32 id => mapping(uint256 bound => Change)) private _changes;
    /// @dev Which values a breaker moves; by the view that shows them.
    mapping(bytes32 view_ => bool) private _claimed;
    /// @dev When each keeper was last heard of; zero: no keeper.
    mapping(address keeper => uint256) private _seenAt;

    modifier onlyGuardian() {
        if (msg.sender != owner() && msg.sender != guardian) revert NotGuardian(msg.sender);
        _;
    }

    /// @param council Owns this contract; should be a Safe.
    /// @param guardian_ May disarm, freeze and revoke; zero: nobody but the council.
    /// @param silenceLimit_ How long a keeper may be silent, seconds: MIN_SILENCE to MAX_SILENCE.
    constructor(address council, address guardian_, uint32 silenceLimit_)
        Ownable(council)
        EIP712("CircuitBreaker", "1")
    {
        _setGuardian(guardian_);
        _setSilenceLimit(silenceLimit_);
    }

    // ------------------------------------------------------------ keepers

    /// @inheritdoc ICircuitBreaker
    function trip(bytes32 id, uint256[] calldata values, bytes32 evidence) external nonReentrant {
        _seen(msg.sender);
        _requireSignatures(id, 1);
        _trip(msg.sender, id, values, evidence);
    }

    /// @inheritdoc ICircuitBreaker
    function tripMany(Order[] calldata orders) external {
        _seen(msg.sender);
        bool tripped;
        for (uint256 i = 0; i < orders.length; ++i) {
            // Each order has its share of the gas: one that burns its own leaves the others theirs.
            bytes memory data = abi.encodeCall(this.tripFor, (msg.sender, orders[i]));
            (bool done, bytes memory reason) = Words.attempt(data, gasleft() / (orders.length - i));
            if (done) tripped = true;
            else emit OrderRefused(orders[i].id, orders[i].evidence, reason);
        }
        if (!tripped) revert NothingTripped();
    }

    /// @notice One of tripMany's orders, as a call of its own so that its failure can be left behind. This contract only.
    function tripFor(address keeper, Order calldata order) external nonReentrant {
        if (msg.sender != address(this)) revert OnlySelf();
        _requireSignatures(order.id, 1);
        _trip(keeper, order.id, order.values, order.evidence);
    }

    /// @inheritdoc ICircuitBreaker
    function tripSigned(Order calldata order, uint256 deadline, bytes[] calldata signatures) external nonReentrant {
        _seen(msg.sender);
        if (block.timestamp > deadline || deadline > block.timestamp + MAX_ORDER_LIFE) {
            revert DeadlineOutOfBounds(deadline);
        }
        _requireSignatures(order.id, signatures.length);
        bytes32 digest = orderDigest(order, deadline);
        address last;
        for (uint256 i = 0; i < signatures.length; ++i) {
            address signer = ECDSA.recover(digest, signatures[i]);
            if (signer <= last) revert SignersNotAscending(last, signer);
            _requireLive(signer);
            last = signer;
        }
        _trip(msg.sender, order.id, order.values, order.evidence);
    }

    /// @inheritdoc ICircuitBreaker
    function heartbeat() external {
        _seen(msg.sender);
        emit Heartbeat(msg.sender);
    }

    // ------------------------------------------------------------- anyone

    /// @inheritdoc ICircuitBreaker
    function expire(bytes32 id) external nonReentrant {
        State storage s = _states[id];
        if (s.status != Status.Tripped) revert NotInEffect(id);
        if (block.timestamp < s.expiresAt) revert NotDue(id, s.expiresAt);
        bool undone = _end(id, true);
        emit Expired(id, msg.sender, undone);
    }

    // ------------------------------------------------------------ council

    /// @inheritdoc ICircuitBreaker
    function register(bytes32 id, Breaker calldata b) external onlyOwner {
        State storage s = _states[id];
        if (s.status != Status.Unknown) revert BreakerExists(id);
        Registration.check(id, b);
        _breakers[id] = b;
        s.status = Status.Ready;
        s.armed = true;
        ++s.nonce;
        // The slots are filled from the start, so that no trip pays for new ones.
        for (uint256 i = 0; i < b.bounds.length; ++i) {
            uint256 current = _current(_breakers[id].bounds[i]);
            _changes[id][i] = Change(current, current);
            _claim(_breakers[id].bounds[i], true);
        }
        emit Registered(id, b.target, bytes4(b.call), b);
    }

    /// @inheritdoc ICircuitBreaker
    function unregister(bytes32 id) external onlyOwner {
        State storage s = _known(id);
        if (s.status != Status.Ready) revert InEffect(id);
        // Nonce and times of trips stay: no order comes back to life, no budget is had twice, by registering again.
        s.status = Status.Unknown;
        s.armed = false;
        Breaker storage b = _breakers[id];
        for (uint256 i = 0; i < b.bounds.length; ++i) {
            _claim(b.bounds[i], false);
        }
        delete _breakers[id];
        emit Unregistered(id);
    }

    /// @inheritdoc ICircuitBreaker
    function arm(bytes32 id) external onlyOwner {
        _known(id).armed = true;
        emit Armed(id);
    }

    /// @inheritdoc ICircuitBreaker
    function ratify(bytes32 id) external onlyOwner {
        State storage s = _states[id];
        if (s.status != Status.Tripped) revert NotInEffect(id);
        s.status = Status.Ratified;
        emit Ratified(id);
    }

    /// @inheritdoc ICircuitBreaker
    function lift(bytes32 id, bool callUndo) external onlyOwner nonReentrant {
        State storage s = _known(id);
        if (s.status == Status.Ready) revert NotInEffect(id);
        uint40 lockedUntil = uint40(block.timestamp) + _breakers[id].lock;
        s.lockedUntil = lockedUntil;
        bool undone = _end(id, callUndo);
        emit Lifted(id, undone, lockedUntil);
    }

    /// @inheritdoc ICircuitBreaker
    function addKeeper(address keeper) external onlyOwner {
        if (keeper == address(0)) revert Invalid("keeper");
        if (block.timestamp < silentAt(keeper)) revert KeeperExists(keeper);
        _seenAt[keeper] = block.timestamp;
        emit KeeperAdded(keeper);
    }

    /// @inheritdoc ICircuitBreaker
    function setGuardian(address guardian_) external onlyOwner {
        _setGuardian(guardian_);
    }

    /// @inheritdoc ICircuitBreaker
    function setSilenceLimit(uint32 limit) external onlyOwner {
        _setSilenceLimit(limit);
    }

    /// @inheritdoc ICircuitBreaker
    function unfreeze() external onlyOwner {
        frozen = false;
        emit Unfrozen();
    }

    /// @notice Refused: see CouncilRequired.
    function renounceOwnership() public view override onlyOwner {
        revert CouncilRequired();
    }

    // ------------------------------------------------ council and guardian

    /// @inheritdoc ICircuitBreaker
    function revokeKeeper(address keeper) external onlyGuardian {
        if (_seenAt[keeper] == 0) revert NotKeeper(keeper);
        delete _seenAt[keeper];
        emit KeeperRevoked(keeper, msg.sender);
    }

    /// @inheritdoc ICircuitBreaker
    function disarm(bytes32 id) external onlyGuardian {
        _known(id).armed = false;
        emit Disarmed(id, msg.sender);
    }

    /// @inheritdoc ICircuitBreaker
    function freeze() external onlyGuardian {
        frozen = true;
        emit Frozen(msg.sender);
    }

    // -------------------------------------------------------------- views

    /// @inheritdoc ICircuitBreaker
    function breakerOf(bytes32 id) external view returns (Breaker memory) {
        return _breakers[id];
    }

    /// @inheritdoc ICircuitBreaker
    function stateOf(bytes32 id) external view returns (State memory) {
        return _states[id];
    }

    /// @inheritdoc ICircuitBreaker
    function statusOf(bytes32 id) external view returns (Status) {
        return _states[id].status;
    }

    /// @inheritdoc ICircuitBreaker
    function changesOf(bytes32 id) external view returns (Change[] memory changes) {
        changes = new Change[](_breakers[id].bounds.length);
        for (uint256 i = 0; i < changes.length; ++i) {
            changes[i] = _changes[id][i];
        }
    }

    /// @inheritdoc ICircuitBreaker
    function silentAt(address keeper) public view returns (uint256) {
        uint256 seenAt = _seenAt[keeper];
        return seenAt == 0 ? 0 : seenAt + silenceLimit + 1;
    }

    /// @inheritdoc ICircuitBreaker
    function orderDigest(Order calldata order, uint256 deadline) public view returns (bytes32) {
        bytes32 values = keccak256(abi.encodePacked(order.values));
        uint256 nonce = _states[order.id].nonce;
        return _hashTypedDataV4(keccak256(abi.encode(TRIP_TYPEHASH, order.id, values, order.evidence, nonce, deadline)));
    }

    // ----------------------------------------------------------- the trip

    function _trip(address keeper, bytes32 id, uint256[] calldata values, bytes32 evidence) private {
        Breaker storage b = _breakers[id];
        if (evidence == 0) revert NoEvidence();
        if (values.length != b.bounds.length) revert WrongNumberOfValues(b.bounds.length, values.length);
        uint256 expiresAt = _spend(id, b);
        if (b.probe.call.length != 0 && _probed(b.probe)) revert AlreadySo(id);
        bytes memory data = b.call;
        uint256[] memory previous = new uint256[](values.length);
        uint256[] memory applied = new uint256[](values.length);
        for (uint256 i = 0; i < values.length; ++i) {
            Bound storage bound = b.bounds[i];
            previous[i] = _current(bound);
            applied[i] = bound.side == Side.Kept ? previous[i] : _bounded(bound, i, values[i], previous[i]);
            _changes[id][i] = Change(previous[i], applied[i]);
            Words.fill(data, bound.word, applied[i]);
        }
        emit Tripped(id, keeper, evidence, expiresAt, previous, applied);

        _call(b, data);
        if ((b.probe.call.length != 0 && !_probed(b.probe)) || !_shows(b, applied)) revert EffectMissing(id);
    }

    /// @dev All conditions of time and state, and the state after it. Returns the time at which the trip expires.
    function _spend(bytes32 id, Breaker storage b) private returns (uint256 expiresAt) {
        State storage s = _known(id);
        if (frozen) revert IsFrozen();
        if (!s.armed) revert NotArmed(id);
        if (s.status != Status.Ready) revert InEffect(id);
        if (block.timestamp < s.readyAt) revert CoolingDown(id, s.readyAt);
        if (block.timestamp < s.lockedUntil) revert LockedAfterLift(id, s.lockedUntil);
        // The budget's oldest trip: zero while there were fewer.
        uint256 oldest = uint40(s.recent >> (40 * (uint256(b.budget) - 1)));
        if (oldest != 0 && block.timestamp < oldest + b.window) revert BudgetSpent(id, oldest + b.window);

        expiresAt = block.timestamp + b.duration;
        s.recent = (s.recent << 40) | uint40(block.timestamp);
        s.status = Status.Tripped;
        s.expiresAt = uint40(expiresAt);
        ++s.nonce;
    }

    /// @dev `value`, if the keeper may set it.
    function _bounded(Bound storage bound, uint256 index, uint256 value, uint256 current)
        private
        view
        returns (uint256)
    {
        if (value < bound.minimum || value > bound.maximum) {
            revert OutOfBounds(index, value, bound.minimum, bound.maximum);
        }
        bool lower = bound.side == Side.Lower;
        if (lower ? value >= current : value <= current) revert NotTighter(index, value, current);
        // Rounded down, to the smaller step.
        uint256 largestStep = Math.mulDiv(current, bound.maxStepBps, 10_000);
        if ((lower ? current - value : value - current) > largestStep) {
            revert StepTooLarge(index, value, current, largestStep);
        }
        return value;
    }

    /// @dev Ends a trip. Returns whether the undo call was made.
    function _end(bytes32 id, bool callUndo) private returns (bool) {
        Breaker storage b = _breakers[id];
        State storage s = _states[id];
        s.status = Status.Ready;
        s.readyAt = uint40(block.timestamp) + b.cooldown;
        ++s.nonce;
        bool ours = b.probe.call.length != 0;
        if (!callUndo || (ours && !_probed(b.probe))) return false;

        bytes memory data = b.undo;
        uint256[] memory wanted = new uint256[](b.bounds.length);
        for (uint256 i = 0; i < wanted.length; ++i) {
            Bound storage bound = b.bounds[i];
            Change storage change = _changes[id][i];
            wanted[i] = _current(bound);
            if (bound.side != Side.Kept && wanted[i] == change.applied) {
                wanted[i] = change.previous;
                ours = true;
            }
            Words.fill(data, bound.word, wanted[i]);
        }
        if (!ours) return false;
        _call(b, data);
        if ((b.probe.call.length != 0 && _probed(b.probe)) || !_shows(b, wanted)) revert UndoMissing(id);
        return true;
    }

    /// @dev Whether the views of the bounds show these values.
    function _shows(Breaker storage b, uint256[] memory values) private view returns (bool) {
        for (uint256 i = 0; i < values.length; ++i) {
            if (_current(b.bounds[i]) != values[i]) return false;
        }
        return true;
    }

    function _call(Breaker storage b, bytes memory data) private {
        address target = b.target;
        address safe = b.safe;
        bool success;
        bytes memory answer;
        if (safe == address(0)) {
            (success, answer) = target.call(data);
        } else {
            // Operation 0: a call. A Safe is never asked for a delegate call.
            (success, answer) = ISafeModules(safe).execTransactionFromModuleReturnData(target, 0, data, 0);
        }
        if (!success) revert CallFailed(target, answer);
    }

    function _probed(Probe storage probe) private view returns (bool) {
        return Words.read(probe.target, probe.call, probe.word) == probe.expected;
    }

    function _current(Bound storage bound) private view returns (uint256) {
        return uint256(Words.read(bound.target, bound.call, bound.answerWord));
    }

    // -------------------------------------------------------------- checks

    /// @dev One breaker for each value: of two, each would leave the other's change alone, and the value would stay
    ///      tight for ever, step by step.
    function _claim(Bound storage bound, bool claimed) private {
        if (bound.side == Side.Kept) return;
        bytes32 key = keccak256(abi.encode(bound.target, bound.answerWord, bound.call));
        if (claimed && _claimed[key]) revert ValueTaken(bound.target, bound.call);
        _claimed[key] = claimed;
    }

    function _known(bytes32 id) private view returns (State storage s) {
        s = _states[id];
        if (s.status == Status.Unknown) revert UnknownBreaker(id);
    }

    function _requireSignatures(bytes32 id, uint256 found) private view {
        uint256 required = _breakers[id].required;
        // A breaker that is not registered requires none, and is told of by its own error.
        if (required != 0 && found != required) revert WrongNumberOfSignatures(required, found);
    }

    function _requireLive(address keeper) private view {
        uint256 end = silentAt(keeper);
        if (end == 0) revert NotKeeper(keeper);
        if (block.timestamp >= end) revert KeeperSilent(keeper, end);
    }

    function _seen(address keeper) private {
        _requireLive(keeper);
        _seenAt[keeper] = block.timestamp;
    }

    function _setGuardian(address guardian_) private {
        emit GuardianChanged(guardian, guardian_);
        guardian = guardian_;
    }

    function _setSilenceLimit(uint32 limit) private {
        if (limit < MIN_SILENCE || limit > MAX_SILENCE) revert Invalid("silenceLimit");
        emit SilenceLimitChanged(silenceLimit, limit);
        silenceLimit = limit;
    }
}
