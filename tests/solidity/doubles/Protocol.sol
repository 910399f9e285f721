// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Reentrant} from "./Reentrant.sol";

/// @notice A token that its protocol touches in every action, and that may call back then.
contract HookToken is Reentrant {
    function touch() external {
        _intrude();
    }
}

/// @title A protocol with a pause and three risk values for each market, that can be told to go wrong
contract Protocol is Reentrant {
    enum Fault {
        None,
        Idle, // goes through and does nothing
        Refuses, // reverts with a reason
        Burns // uses up all gas
    }

    struct Risk {
        uint256 cap;
        uint256 floor;
        uint256 flag;
    }

    /// @notice The only account that may act.
    address public hand;
    Fault public fault;
    HookToken public token;
    mapping(bytes32 market => bool) private _paused;
    mapping(bytes32 market => Risk) private _risks;

    error NotHand(address caller);
    error Refused(bytes4 selector);

    modifier acts() {
        if (msg.sender != hand) revert NotHand(msg.sender);
        if (fault == Fault.Refuses) revert Refused(msg.sig);
        if (fault == Fault.Burns) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        if (fault != Fault.Idle) _;
        if (address(token) != address(0)) token.touch();
        _intrude();
    }

    // ------------------------------------------------- what tests set up

    function setHand(address hand_) external {
        hand = hand_;
    }

    function setFault(Fault fault_) external {
        fault = fault_;
    }

    function setToken(HookToken token_) external {
        token = token_;
    }

    /// @notice As if somebody else with the rights had done it.
    function putPaused(bytes32 market, bool paused_) external {
        _paused[market] = paused_;
    }

    /// @notice As if somebody else with the rights had done it.
    function putRisk(bytes32 market, uint256 cap, uint256 floor, uint256 flag) external {
        _risks[market] = Risk(cap, floor, flag);
    }

    // ------------------------------------------------------ the protocol

    function pause(bytes32 market) external acts {
        _paused[market] = true;
    }

    function unpause(bytes32 market) external acts {
        _paused[market] = false;
    }

    function pauseAll() external acts {
        _paused[0] = true;
    }

    function setCap(bytes32 market, uint256 cap) external acts {
        _risks[market].cap = cap;
    }

    function setFloor(bytes32 market, uint256 floor) external acts {
        _risks[market].floor = floor;
    }

    function setRisk(bytes32 market, uint256 cap, uint256 floor, uint256 flag) external acts {
        _risks[market] = Risk(cap, floor, flag);
    }

    function paused(bytes32 market) external view returns (bool) {
        _spy();
        return _paused[market];
    }

    function capOf(bytes32 market) external view returns (uint256) {
        _spy();
        return _risks[market].cap;
    }

    function riskOf(bytes32 market) external view returns (uint256 cap, uint256 floor, uint256 flag) {
        _spy();
        Risk memory risk = _risks[market];
        return (risk.cap, risk.floor, risk.flag);
    }
}
