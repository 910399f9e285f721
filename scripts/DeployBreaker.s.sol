// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Script} from "forge-std/Script.sol";
import {console} from "forge-std/console.sol";

import {CircuitBreaker} from "../contracts/CircuitBreaker.sol";
import {ICircuitBreaker} from "../contracts/interfaces/ICircuitBreaker.sol";

/// @title Deploys a CircuitBreaker and registers what a reviewed file says
/// @notice Run by scripts/deploy_breaker, which checks the file before and reads everything back after.
///         - The address follows from the file and the compiled code alone: CREATE2 with the file's name as salt.
///         - The deployer is the first owner, registers everything, and offers the ownership to the council. Until the
///           council has accepted, nobody gives the contract a right.
///         - Run it again at any time: what is done already is compared and left alone, what is missing is done.
contract DeployBreaker is Script {
    string private json;

    /// @param path The reviewed file, from the repository's root.
    function run(string calldata path) external returns (CircuitBreaker breaker) {
        json = vm.readFile(path);
        require(_uint(".chain_id") == block.chainid, "the node serves another chain than the file's chain_id");
        address deployer = _address(".deployer");
        require(
            msg.sender == deployer,
            "the sender is not the file's deployer: give --sender, and its --account or --ledger"
        );

        vm.startBroadcast();
        breaker = _deployed(deployer);
        bool mine = breaker.owner() == deployer;
        _keepers(breaker, mine);
        _breakers(breaker, mine);
        _handOver(breaker, mine);
        vm.stopBroadcast();
    }

    function _deployed(address deployer) private returns (CircuitBreaker breaker) {
        address guardian = _address(".guardian");
        uint32 silence = uint32(_uint(".silence_limit_s"));
        bytes32 salt = keccak256(bytes(_text(".name")));
        bytes memory code = abi.encodePacked(type(CircuitBreaker).creationCode, abi.encode(deployer, guardian, silence));
        breaker = CircuitBreaker(vm.computeCreate2Address(salt, keccak256(code)));
        if (address(breaker).code.length == 0) {
            console.log("deploying", address(breaker));
            CircuitBreaker made = new CircuitBreaker{salt: salt}(deployer, guardian, silence);
            require(made == breaker, "the contract stands at another address than computed");
        } else {
            console.log("deployed before", address(breaker));
            require(breaker.guardian() == guardian, "the guardian is not the file's any more");
            require(breaker.silenceLimit() == silence, "the silence limit is not the file's any more");
        }
    }

    function _keepers(CircuitBreaker breaker, bool mine) private {
        address[] memory keepers = vm.parseJsonAddressArray(json, ".keepers");
        for (uint256 i = 0; i < keepers.length; ++i) {
            if (breaker.silentAt(keepers[i]) != 0) continue;
            require(mine, "a keeper is missing, and adding it is the council's by now");
            console.log("adding keeper", keepers[i]);
            breaker.addKeeper(keepers[i]);
        }
    }

    function _breakers(CircuitBreaker breaker, bool mine) private {
        for (uint256 i = 0; _has(_at(".breakers", i)); ++i) {
            string memory at = _at(".breakers", i);
            string memory name = _text(string.concat(at, ".id"));
            require(bytes(name).length != 0 && bytes(name).length <= 32, string.concat(at, ".id: 1 to 32 characters"));
            bytes32 id = bytes32(bytes(name));
            ICircuitBreaker.Breaker memory wanted = _breaker(at);
            if (breaker.statusOf(id) == ICircuitBreaker.Status.Unknown) {
                require(mine, string.concat(name, " is missing, and registering it is the council's by now"));
                console.log("registering", name);
                breaker.register(id, wanted);
            } else {
                bool same = keccak256(abi.encode(breaker.breakerOf(id))) == keccak256(abi.encode(wanted));
                require(same, string.concat(name, " is registered in another way than the file says"));
                console.log("registered before", name);
            }
        }
    }

    function _handOver(CircuitBreaker breaker, bool mine) private {
        address council = _address(".council");
        if (breaker.owner() == council) return;
        require(mine, "the owner is neither the file's deployer nor its council");
        if (breaker.pendingOwner() == council) return;
        console.log("offering the ownership to", council);
        breaker.transferOwnership(council);
    }

    // ------------------------------------------------------------ the file

    function _breaker(string memory at) private view returns (ICircuitBreaker.Breaker memory b) {
        b.target = _address(string.concat(at, ".target"));
        b.safe = _address(string.concat(at, ".safe"));
        b.duration = uint32(_uint(string.concat(at, ".duration_s")));
        b.cooldown = uint32(_uint(string.concat(at, ".cooldown_s")));
        b.window = uint32(_uint(string.concat(at, ".window_s")));
        b.lock = uint32(_uint(string.concat(at, ".lock_s")));
        b.budget = uint8(_uint(string.concat(at, ".budget")));
        b.required = uint8(_uint(string.concat(at, ".required")));
        b.call = _calldata(string.concat(at, ".call"));
        b.undo = _calldata(string.concat(at, ".undo"));
        string memory probe = string.concat(at, ".probe");
        if (_has(probe)) {
            b.probe.target = _address(string.concat(probe, ".target"));
            b.probe.word = uint8(_uint(string.concat(probe, ".word")));
            b.probe.call = _calldata(probe);
            b.probe.expected = vm.parseJsonBytes32(json, string.concat(probe, ".expected_word"));
        }
        string memory bounds = string.concat(at, ".bounds");
        uint256 count;
        while (_has(_at(bounds, count))) ++count;
        b.bounds = new ICircuitBreaker.Bound[](count);
        for (uint256 i = 0; i < count; ++i) {
            b.bounds[i] = _bound(_at(bounds, i));
        }
    }

    function _bound(string memory at) private view returns (ICircuitBreaker.Bound memory b) {
        string memory view_ = string.concat(at, ".view");
        b.target = _address(string.concat(view_, ".target"));
        b.answerWord = uint8(_uint(string.concat(view_, ".answer_word")));
        b.call = _calldata(view_);
        b.word = uint8(_uint(string.concat(at, ".word")));
        bytes32 side = keccak256(bytes(_text(string.concat(at, ".side"))));
        if (side == keccak256("kept")) {
            b.side = ICircuitBreaker.Side.Kept;
            return b;
        }
        require(side == keccak256("lower") || side == keccak256("higher"), string.concat(at, ".side"));
        b.side = side == keccak256("lower") ? ICircuitBreaker.Side.Lower : ICircuitBreaker.Side.Higher;
        b.maxStepBps = uint16(_uint(string.concat(at, ".max_step_bps")));
        b.minimum = _uint(string.concat(at, ".minimum"));
        b.maximum = _uint(string.concat(at, ".maximum"));
    }

    /// @dev The file's calldata. That its arguments are those of the readable form is for scripts/breaker_params.py to
    ///      say; the selector is held against the function's name here too.
    function _calldata(string memory at) private view returns (bytes memory data) {
        data = vm.parseJsonBytes(json, string.concat(at, ".calldata"));
        bytes memory signature = bytes(_text(string.concat(at, ".function")));
        uint256 end;
        while (end < signature.length && signature[end] != ")") ++end;
        bytes memory name = new bytes(end + 1);
        require(end < signature.length, string.concat(at, ".function: no closing parenthesis"));
        for (uint256 i = 0; i <= end; ++i) {
            name[i] = signature[i];
        }
        require(bytes4(data) == bytes4(keccak256(name)), string.concat(at, ".calldata: not a call of this function"));
    }

    function _has(string memory at) private view returns (bool) {
        return vm.keyExistsJson(json, at);
    }

    function _text(string memory at) private view returns (string memory) {
        return vm.parseJsonString(json, at);
    }

    function _address(string memory at) private view returns (address) {
        return vm.parseJsonAddress(json, at);
    }

    function _uint(string memory at) private view returns (uint256) {
        return vm.parseJsonUint(json, at);
    }

    function _at(string memory list, uint256 index) private pure returns (string memory) {
        return string.concat(list, "[", vm.toString(index), "]");
    }
}
