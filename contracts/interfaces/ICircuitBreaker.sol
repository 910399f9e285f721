// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A circuit breaker that bounds what an automated keeper can do to a protocol
/// @notice Units. Times: unix seconds; lengths of time: seconds. Steps: basis points (1/10,000) of the current value.
///         Words: 32-byte words of ABI-encoded data, counted from zero; in calldata, from behind the selector.
///         Identifiers of breakers: any bytes32; an ASCII name padded with zeros on the right reads well in explorers.
interface ICircuitBreaker {
    /// @notice Where a breaker stands. Whether it may trip at all (armed or not) is kept apart from it.
    enum Status {
        Unknown, // not registered
        Ready, // nothing of it is in effect
        Tripped, // in effect until it expires
        Ratified // in effect until the council lifts it
    }

    /// @notice Which side of the current value is the safe one.
    enum Side {
        Lower, // a new value must be below the current one: caps, limits, leverage
        Higher, // a new value must be above the current one: margins, fees, delays
        Kept // the keeper has no say: the current value is written back as it is (for calls that overwrite several values)
    }

    /// @notice How the effect of a trip is seen: a view, and the word that it answers after the trip.
    struct Probe {
        address target; // whom to ask
        uint8 word; // which word of the answer
        bytes call; // calldata of the view; empty: there is no probe, and `bounds` show the effect
        bytes32 expected; // that word, after the trip
    }

    /// @notice An argument that the keeper chooses, and within what.
    struct Bound {
        address target; // whom to ask for the current value
        uint8 word; // which word of the guarded call, and of the undo call, is the value
        uint8 answerWord; // which word of the view's answer is the current value
        Side side;
        uint16 maxStepBps; // largest change by one trip, basis points of the current value
        uint256 minimum; // lowest new value, inclusive; at least 1 on side Lower, as zero often means "no limit"
        uint256 maximum; // highest new value, inclusive
        bytes call; // calldata of the view
    }

    /// @notice One registered breaker. Everything here is fixed from registering on.
    struct Breaker {
        address target; // the protocol's contract that is called
        uint32 duration; // how long a trip lasts without the council
        uint32 cooldown; // how long it rests after a trip has ended
        uint32 window; // the window of `budget`
        address safe; // the Safe that holds the rights and has this contract as a module; zero: called directly
        uint32 lock; // how long it stays locked after the council has lifted it
        uint8 budget; // trips per window
        uint8 required; // keepers that must sign; one: the caller alone is enough
        bytes call; // calldata of the trip: selector and words; words of `bounds` are filled in
        bytes undo; // calldata that takes it back; words of `bounds` get the values of before the trip
        Probe probe;
        Bound[] bounds;
    }

    /// @notice What changes about a breaker.
    struct State {
        uint240 recent; // times of the last six trips, 40 bits each, the newest lowest
        Status status;
        bool armed;
        uint40 expiresAt; // end of the newest trip, unless ratified
        uint40 readyAt; // end of the rest after it
        uint40 lockedUntil; // end of the lock after a lift
        uint32 nonce; // what the next order of several keepers must carry; grows with each trip and each end
    }

    /// @notice What a bound's value was before a trip, and what the trip made of it.
    struct Change {
        uint256 previous;
        uint256 applied;
    }

    /// @notice What one keeper asks for.
    struct Order {
        bytes32 id;
        uint256[] values; // one for each bound, in order; ignored for side Kept
        bytes32 evidence; // hash of the keeper's record of the decision, not zero
    }

    event Registered(bytes32 indexed id, address indexed target, bytes4 indexed selector, Breaker breaker);
    event Unregistered(bytes32 indexed id);
    event Armed(bytes32 indexed id);
    event Disarmed(bytes32 indexed id, address indexed by);
    /// @notice `previous` and `values` are those of the bounds, in order.
    event Tripped(
        bytes32 indexed id,
        address indexed keeper,
        bytes32 indexed evidence,
        uint256 expiresAt,
        uint256[] previous,
        uint256[] values
    );
    /// @notice One of several orders was not carried out; `reason` is the error as this contract would have reverted, its
    ///         first 512 bytes; empty when its share of the gas was too small.
    event OrderRefused(bytes32 indexed id, bytes32 indexed evidence, bytes reason);
    event Ratified(bytes32 indexed id);
    /// @notice `undone` is false when the effect was gone already, so that nothing was called.
    event Expired(bytes32 indexed id, address indexed by, bool undone);
    /// @notice `undone` is false when the effect was gone already, or the council did not want the undo call.
    event Lifted(bytes32 indexed id, bool undone, uint256 lockedUntil);
    event KeeperAdded(address indexed keeper);
    event KeeperRevoked(address indexed keeper, address indexed by);
    event Heartbeat(address indexed keeper);
    event GuardianChanged(address indexed oldGuardian, address indexed newGuardian);
    event SilenceLimitChanged(uint256 oldLimit, uint256 newLimit);
    event Frozen(address indexed by);
    event Unfrozen();

    /// @notice The caller is neither the council nor the guardian.
    error NotGuardian(address caller);
    /// @notice The caller, or who signed, is not a keeper.
    error NotKeeper(address account);
    /// @notice The keeper counts as silent since `limit`; the council must add it again.
    error KeeperSilent(address keeper, uint256 limit);
    /// @notice The keeper was added before, and is not silent.
    error KeeperExists(address keeper);
    /// @notice Only this contract calls this.
    error OnlySelf();
    /// @notice The council does not give up this contract: who would ratify and lift?
    error CouncilRequired();
    /// @notice A registration, or a setting, is not allowed; `what` is its name in ASCII.
    error Invalid(bytes32 what);
    /// @notice Another breaker moves the value that this view shows.
    error ValueTaken(address target, bytes call);
    /// @notice The view does not answer, or answers fewer words than asked for.
    error NoAnswer(address target, bytes call);

    /// @notice Nothing trips: the whole contract is frozen.
    error IsFrozen();
    /// @notice No breaker is registered by this identifier.
    error UnknownBreaker(bytes32 id);
    /// @notice A breaker is registered by this identifier.
    error BreakerExists(bytes32 id);
    /// @notice The breaker may not trip until the council arms it.
    error NotArmed(bytes32 id);
    /// @notice The breaker has tripped, and that trip has not ended.
    error InEffect(bytes32 id);
    /// @notice The breaker has not tripped, or its trip has ended.
    error NotInEffect(bytes32 id);
    /// @notice The last trip ended a short while ago.
    error CoolingDown(bytes32 id, uint256 until);
    /// @notice The council has lifted the last trip.
    error LockedAfterLift(bytes32 id, uint256 until);
    /// @notice The trips of this window are used up; the next is possible at `until`.
    error BudgetSpent(bytes32 id, uint256 until);
    /// @notice The protocol is in the state already that the trip would bring about, by somebody else's hand.
    error AlreadySo(bytes32 id);
    /// @notice The trip has not expired yet.
    error NotDue(bytes32 id, uint256 expiresAt);

    /// @notice An order needs one value for each bound.
    error WrongNumberOfValues(uint256 expected, uint256 found);
    /// @notice The value is outside of the bound's minimum and maximum.
    error OutOfBounds(uint256 index, uint256 value, uint256 minimum, uint256 maximum);
    /// @notice The value is not on the safe side of the current one.
    error NotTighter(uint256 index, uint256 value, uint256 current);
    /// @notice The value is further than one step away from the current one.
    error StepTooLarge(uint256 index, uint256 value, uint256 current, uint256 largestStep);
    /// @notice An order names its evidence.
    error NoEvidence();

    /// @notice The breaker wants `expected` signatures, and `found` were given.
    error WrongNumberOfSignatures(uint256 expected, uint256 found);
    /// @notice Signatures stand in ascending order of who signed, each once.
    error SignersNotAscending(address previous, address next);
    /// @notice The order's deadline is past, or more than MAX_ORDER_LIFE away.
    error DeadlineOutOfBounds(uint256 deadline);

    /// @notice The protocol, or the Safe, refused; `reason` is what it answered.
    error CallFailed(address target, bytes reason);
    /// @notice The call went through and the effect is not there.
    error EffectMissing(bytes32 id);
    /// @notice The undo call went through and the state of before the trip is not there.
    error UndoMissing(bytes32 id);
    /// @notice Not one of several orders was carried out.
    error NothingTripped();

    // ------------------------------------------------------------ keepers

    /// @notice Trips a breaker that wants one keeper. Live keepers.
    function trip(bytes32 id, uint256[] calldata values, bytes32 evidence) external;

    /// @notice Trips several breakers that want one keeper each. Those that cannot trip are left out and told of by
    ///         OrderRefused, so that one market that somebody else paused does not save the others from their pause.
    /// @dev Reverts with NothingTripped when none did. Each order gets an equal share of what gas is left, so send far more
    ///      than the sum that an estimate finds.
    function tripMany(Order[] calldata orders) external;

    /// @notice Trips a breaker by the signatures of as many live keepers as it requires; a live keeper submits them.
    /// @param deadline Last second at which the order may be carried out, at most MAX_ORDER_LIFE ahead.
    /// @param signatures EIP-712 signatures of `orderDigest`, ascending by signer.
    function tripSigned(Order calldata order, uint256 deadline, bytes[] calldata signatures) external;

    /// @notice Proves that the calling keeper lives. A keeper that was silent for longer than the limit is none any
    ///         more, and cannot come back by itself. A trip counts as a heartbeat of its sender.
    function heartbeat() external;

    // ------------------------------------------------------------- anyone

    /// @notice Ends a trip whose duration is over, by its undo call. Anyone. What somebody has changed since the trip is
    ///         left as it is. Possible while the breaker is disarmed and while the contract is frozen.
    function expire(bytes32 id) external;

    // ------------------------------------------------------------ council

    /// @notice Registers a breaker, armed. The probe and the views of the bounds must answer, and no other breaker may
    ///         move a value that one of those views shows (by the same call of the same contract). That the rights to carry
    ///         out call and undo are there cannot be seen from here: simulate both before (the keeper's doctor does).
    function register(bytes32 id, Breaker calldata breaker_) external;

    /// @notice Takes a breaker out that is not in effect.
    function unregister(bytes32 id) external;

    /// @notice Lets a disarmed breaker trip again.
    function arm(bytes32 id) external;

    /// @notice Makes a trip last until it is lifted.
    function ratify(bytes32 id) external;

    /// @notice Ends a trip at once and locks the breaker for its `lock`.
    /// @param callUndo False when the undo call cannot work, or must not be made.
    function lift(bytes32 id, bool callUndo) external;

    /// @notice Adds a keeper, or brings back one that was silent for too long.
    function addKeeper(address keeper) external;

    /// @notice Who may disarm, freeze and revoke beside the council; zero: nobody.
    function setGuardian(address guardian_) external;

    /// @notice How long a keeper may be silent. Counts at once, from each keeper's last sign of life: a longer limit also
    ///         brings back keepers that fell silent under a shorter one. Revoke those first.
    function setSilenceLimit(uint32 limit) external;

    /// @notice Lets breakers trip again.
    function unfreeze() external;

    // ------------------------------------------------ council and guardian

    /// @notice Takes a keeper's rights away, its signatures included.
    function revokeKeeper(address keeper) external;

    /// @notice Keeps a breaker from tripping. A trip in effect stays, and expires.
    function disarm(bytes32 id) external;

    /// @notice Keeps all breakers from tripping. Trips in effect stay, and expire.
    function freeze() external;

    // -------------------------------------------------------------- views

    /// @return The registration; all zero when there is none.
    function breakerOf(bytes32 id) external view returns (Breaker memory);

    /// @return Where the breaker stands.
    function stateOf(bytes32 id) external view returns (State memory);

    /// @return The status alone, for whoever asks for one word.
    function statusOf(bytes32 id) external view returns (Status);

    /// @return For each bound what the newest trip changed; from registering to the first trip, the value at registering
    ///         twice.
    function changesOf(bytes32 id) external view returns (Change[] memory);

    /// @return First second at which this keeper counts as silent unless it is heard of before; zero: it is no keeper.
    function silentAt(address keeper) external view returns (uint256);

    /// @return EIP-712 digest that keepers sign for this order, by the breaker's present nonce.
    function orderDigest(Order calldata order, uint256 deadline) external view returns (bytes32);
}
