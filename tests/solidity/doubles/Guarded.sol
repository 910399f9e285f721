// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.28;

// What presets of the keeper call. OpenZeppelin's parts are the authors' own, from npm; the rest follows the public interfaces of protocols that npm
// does not offer (Compound's Comet and Comptroller, GMX v2's Config and DataStore, Lido's CircuitBreaker and PausableUntil) in code of our own.

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";

/// OpenZeppelin Pausable as its wizard writes it: with AccessControl.
contract RoleVault is AccessControl, Pausable {
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");

    constructor(address admin, address pauser) {
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
        _grantRole(PAUSER_ROLE, pauser);
    }

    function pause() external onlyRole(PAUSER_ROLE) {
        _pause();
    }

    function unpause() external onlyRole(PAUSER_ROLE) {
        _unpause();
    }
}

/// OpenZeppelin Pausable as its wizard writes it: with Ownable, and a cap.
contract OwnedVault is Ownable, Pausable {
    uint256 public depositCap = 1_000_000;

    constructor(address owner) Ownable(owner) {}

    function pause() external onlyOwner {
        _pause();
    }

    function unpause() external onlyOwner {
        _unpause();
    }

    function setDepositCap(uint256 cap) external onlyOwner {
        depositCap = cap;
    }
}

/// A contract behind OpenZeppelin's proxy of ERC-1967.
contract VaultProxy is ERC1967Proxy {
    constructor(address implementation) ERC1967Proxy(implementation, "") {}
}

interface ISafe {
    function execTransactionFromModule(address to, uint256 value, bytes memory data, uint8 operation)
        external
        returns (bool);
}

/// A Safe's module that can do one thing: have the Safe pause one contract, when its keeper says so.
contract PauseModule {
    error NotKeeper(address caller);
    error PauseFailed();

    ISafe public immutable safe;
    address public immutable target;
    address public immutable keeper;

    constructor(ISafe safe_, address target_, address keeper_) {
        (safe, target, keeper) = (safe_, target_, keeper_);
    }

    function pause() external {
        if (msg.sender != keeper) revert NotKeeper(msg.sender);
        if (!safe.execTransactionFromModule(target, 0, abi.encodeWithSignature("pause()"), 0)) revert PauseFailed();
    }
}

/// The flags of Compound's Comet: one number, and one call that sets them all.
contract CometFlags {
    error Unauthorized();

    address public immutable governor;
    address public immutable pauseGuardian;
    uint8 private flags;

    constructor(address governor_, address guardian) {
        (governor, pauseGuardian) = (governor_, guardian);
    }

    function pause(bool supply, bool transfer_, bool withdraw, bool absorb, bool buy) external {
        if (msg.sender != governor && msg.sender != pauseGuardian) revert Unauthorized();
        flags = (supply ? 1 : 0) | (transfer_ ? 2 : 0) | (withdraw ? 4 : 0) | (absorb ? 8 : 0) | (buy ? 16 : 0);
    }

    function totalsBasic() external view returns (uint64, uint64, uint64, uint64, uint104, uint104, uint40, uint8) {
        return (1e15, 1e15, 0, 0, 1_000e6, 500e6, uint40(block.timestamp), flags);
    }
}

/// The flags of Compound v2's Comptroller: the guardian sets them, the admin alone takes them back.
contract ComptrollerFlags {
    address public immutable admin;
    address public immutable pauseGuardian;
    mapping(address => bool) public mintGuardianPaused;
    mapping(address => bool) public borrowGuardianPaused;

    constructor(address admin_, address guardian) {
        (admin, pauseGuardian) = (admin_, guardian);
    }

    modifier allowed(bool state) {
        require(msg.sender == pauseGuardian || msg.sender == admin, "only pause guardian and admin can pause");
        require(msg.sender == admin || state, "only admin can unpause");
        _;
    }

    function _setMintPaused(address cToken, bool state) external allowed(state) returns (bool) {
        return mintGuardianPaused[cToken] = state;
    }

    function _setBorrowPaused(address cToken, bool state) external allowed(state) returns (bool) {
        return borrowGuardianPaused[cToken] = state;
    }
}

/// GMX v2's DataStore: numbers under keys. Here whoever made it writes.
contract ParameterStore {
    address private immutable writer = msg.sender;
    mapping(bytes32 => uint256) private numbers;

    function getUint(bytes32 key) external view returns (uint256) {
        return numbers[key];
    }

    function setUint(bytes32 key, uint256 value) external {
        require(msg.sender == writer);
        numbers[key] = value;
    }
}

/// GMX v2's Config: sets a number under a base key and what comes after it, for a LIMITED_CONFIG_KEEPER.
contract ParameterConfig {
    error Unauthorized(address caller, string role);
    error InvalidBaseKey(bytes32 baseKey);

    bytes32 public constant MAX_OPEN_INTEREST = keccak256(abi.encode("MAX_OPEN_INTEREST"));
    ParameterStore public immutable dataStore = new ParameterStore();
    address private immutable configKeeper;

    constructor(address keeper) {
        configKeeper = keeper;
    }

    function setUint(bytes32 baseKey, bytes memory data, uint256 value) external {
        if (msg.sender != configKeeper) revert Unauthorized(msg.sender, "LIMITED / CONFIG KEEPER");
        if (baseKey != MAX_OPEN_INTEREST) revert InvalidBaseKey(baseKey);
        dataStore.setUint(data.length == 0 ? baseKey : keccak256(bytes.concat(baseKey, data)), value);
    }
}

/// Lido's PausableUntil, for a breaker alone.
contract TimedPause {
    uint256 public getResumeSinceTimestamp;
    address public breaker;

    function setBreaker(address breaker_) external {
        breaker = breaker_;
    }

    function isPaused() public view returns (bool) {
        return block.timestamp < getResumeSinceTimestamp;
    }

    function pauseFor(uint256 duration) external {
        require(msg.sender == breaker);
        getResumeSinceTimestamp = block.timestamp + duration;
    }
}

/// Lido's CircuitBreaker: one pause for each registration, and only for a pauser that gives signs of life.
contract PauserBreaker {
    error SenderNotPauser();
    error HeartbeatExpired();
    error PauseFailed();

    uint256 public constant pauseDuration = 3 days;
    uint256 public constant heartbeatInterval = 30 days;
    mapping(address => address) public getPauser;
    mapping(address => uint256) public heartbeatExpiry;

    function registerPauser(address pausable, address pauser) external {
        getPauser[pausable] = pauser;
        heartbeatExpiry[pauser] = block.timestamp + heartbeatInterval;
    }

    function pause(address pausable) external {
        if (msg.sender != getPauser[pausable]) revert SenderNotPauser();
        if (block.timestamp >= heartbeatExpiry[msg.sender]) revert HeartbeatExpired();
        heartbeatExpiry[msg.sender] = block.timestamp + heartbeatInterval;
        getPauser[pausable] = address(0);
        TimedPause(pausable).pauseFor(pauseDuration);
        if (!TimedPause(pausable).isPaused()) revert PauseFailed();
    }
}
