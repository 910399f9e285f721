// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

interface IPlan {
    /// Calls that could go through at another time.
    function intrusions() external view returns (bytes[] memory);
}

/// @notice Tries calls of its owner's choice whenever it is given control. It is a live keeper, so that each of these calls
///         could go through at another time.
contract Intruder {
    IPlan private immutable plan;
    address public breaker;
    uint256 public tries;
    uint256 public successes;

    constructor(IPlan plan_) {
        plan = plan_;
    }

    function aim(address breaker_) external {
        require(breaker == address(0), "aimed");
        breaker = breaker_;
    }

    /// A place where state may be written: successes are counted.
    function intrude() external {
        bytes[] memory calls = plan.intrusions();
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool success,) = breaker.call(calls[i]);
            ++tries;
            if (success) ++successes;
        }
    }

    /// A view, where nothing can be counted: a success spoils the view instead. Writing state in a view uses up all gas
    /// that it has, so it gets little.
    function peek() external {
        bytes[] memory calls = plan.intrusions();
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool success,) = breaker.call{gas: 50_000}(calls[i]);
            require(!success, "got in through a view");
        }
        (bool alive,) = breaker.call{gas: 50_000}(abi.encodeWithSignature("heartbeat()"));
        require(!alive, "got in through a view");
    }
}

/// @notice A token that hands control to the intruder when it is moved.
contract CallingToken {
    Intruder private immutable intruder;

    constructor(Intruder intruder_) {
        intruder = intruder_;
    }

    function move() external {
        intruder.intrude();
    }
}

/// @notice A Safe with one module, which keeps the log of what the module asked for.
contract RecordingSafe {
    struct Request {
        address to;
        uint256 value;
        bytes data;
        uint8 operation;
    }

    Intruder private immutable intruder;
    address public module;
    Request[] private requests;

    constructor(Intruder intruder_) {
        intruder = intruder_;
    }

    function enable(address module_) external {
        require(module == address(0), "enabled");
        module = module_;
    }

    function execTransactionFromModuleReturnData(address to, uint256 value, bytes memory data, uint8 operation)
        external
        returns (bool, bytes memory)
    {
        require(msg.sender == module, "not a module");
        requests.push(Request(to, value, data, operation));
        intruder.intrude();
        return operation == 0 ? to.call{value: value}(data) : to.delegatecall(data);
    }

    function log() external view returns (Request[] memory) {
        return requests;
    }
}

/// @notice The protocol: five markets' settings, each of which hands control to strangers on every occasion, and a log of
///         every call that it got, whatever it was.
contract Recorder {
    struct Values {
        bool paused;
        uint256 cap;
        uint256 fee;
        uint256 margin;
    }

    struct Entry {
        address caller;
        uint256 value;
        bytes data;
        Values before;
        Values later;
    }

    Intruder private immutable intruder;
    CallingToken private immutable token;
    /// The accounts that have rights here. Calls of the first two are logged, and count as trips.
    address public breaker;
    address public safe;
    address public admin;

    mapping(bytes32 market => Values) private values;
    mapping(bytes32 market => uint256[]) private trips;
    Entry[] private entries;

    constructor(Intruder intruder_, CallingToken token_) {
        intruder = intruder_;
        token = token_;
    }

    function appoint(address breaker_, address safe_, address admin_) external {
        require(admin == address(0), "appointed");
        (breaker, safe, admin) = (breaker_, safe_, admin_);
    }

    modifier logged(bytes32 market, bool isTrip) {
        Values memory before = values[market];
        bool ofBreaker = _open(market, isTrip);
        _;
        if (ofBreaker) _close(market, before);
    }

    function pauseMarket(bytes32 market) external logged(market, true) {
        require(!values[market].paused, "paused");
        values[market].paused = true;
    }

    function unpauseMarket(bytes32 market) external logged(market, false) {
        require(values[market].paused, "not paused");
        values[market].paused = false;
    }

    function setCap(bytes32 market, uint256 cap_) external logged(market, true) {
        values[market].cap = cap_;
    }

    function restoreCap(bytes32 market, uint256 cap_) external logged(market, false) {
        values[market].cap = cap_;
    }

    function setLimits(bytes32 market, uint256 fee, uint256 margin, bytes32) external logged(market, true) {
        (values[market].fee, values[market].margin) = (fee, margin);
    }

    function restoreLimits(bytes32 market, uint256 fee, uint256 margin, bytes32) external logged(market, false) {
        (values[market].fee, values[market].margin) = (fee, margin);
    }

    /// Whatever else is called is logged too.
    fallback() external payable logged(0, false) {}

    receive() external payable logged(0, false) {}

    function valuesOf(bytes32 market) external view returns (Values memory) {
        return values[market];
    }

    function tripsOf(bytes32 market) external view returns (uint256[] memory) {
        return trips[market];
    }

    function logLength() external view returns (uint256) {
        return entries.length;
    }

    function logEntry(uint256 index) external view returns (Entry memory) {
        return entries[index];
    }

    function _open(bytes32 market, bool isTrip) private returns (bool) {
        if (msg.sender == admin) return false;
        require(msg.sender == breaker || msg.sender == safe, "no rights");
        if (isTrip) trips[market].push(block.timestamp);
        intruder.intrude();
        token.move();
        return true;
    }

    function _close(bytes32 market, Values memory before) private {
        entries.push(Entry(msg.sender, msg.value, msg.data, before, values[market]));
    }
}

/// @notice The views that the breaker reads, apart from the protocol, which are none: each hands control to the intruder.
///         Whoever calls here so that state may be written is counted, as are calls of anything else.
contract Lens {
    Intruder private immutable intruder;
    Recorder private immutable recorder;
    uint256 public reached;

    constructor(Intruder intruder_, Recorder recorder_) {
        intruder = intruder_;
        recorder = recorder_;
    }

    function paused(bytes32 market) external returns (bool) {
        return _look(market).paused;
    }

    function cap(bytes32 market) external returns (uint256) {
        return _look(market).cap;
    }

    function limitsOf(bytes32 market) external returns (bytes32, uint256, uint256) {
        Recorder.Values memory found = _look(market);
        return (market, found.fee, found.margin);
    }

    fallback() external payable {
        ++reached;
    }

    receive() external payable {
        ++reached;
    }

    function _look(bytes32 market) private returns (Recorder.Values memory) {
        intruder.peek();
        // Goes through only where state may be written.
        (bool counted,) = address(this).call{gas: 50_000}("count");
        counted;
        return recorder.valuesOf(market);
    }
}
