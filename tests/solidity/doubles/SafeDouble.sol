// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Reentrant} from "./Reentrant.sol";

/// @title A Safe as its modules see it, that can be told to go wrong
contract SafeDouble is Reentrant {
    enum Fault {
        None,
        Refuses, // answers that the call failed
        Lies // answers that the call went through, and makes none
    }

    mapping(address module => bool) public isModule;
    Fault public fault;

    /// @notice As Safe 1.4.1 does it for an account that is no module.
    string private constant NOT_A_MODULE = "GS104";

    function setModule(address module, bool enabled) external {
        isModule[module] = enabled;
    }

    function setFault(Fault fault_) external {
        fault = fault_;
    }

    function execTransactionFromModuleReturnData(address to, uint256 value, bytes memory data, uint8 operation)
        external
        returns (bool success, bytes memory returnData)
    {
        require(isModule[msg.sender], NOT_A_MODULE);
        require(operation == 0, "delegate call");
        if (fault == Fault.Refuses) return (false, "refused");
        if (fault == Fault.Lies) return (true, "");
        _intrude();
        return to.call{value: value}(data);
    }
}
