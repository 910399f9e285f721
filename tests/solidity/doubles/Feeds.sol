// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// Compiled with the doubles, so that tests can deploy it.
import {MockPyth} from "@pythnetwork/pyth-sdk-solidity/MockPyth.sol";

/// @title What Chainlink's aggregators show beside their rounds: the bounds of their answers, and the round that answered
contract BoundedFeed {
    uint8 public constant decimals = 8;
    int192 public immutable minAnswer;
    int192 public immutable maxAnswer;
    int256 private answer;
    uint80 private round;
    uint80 private answeredIn;

    constructor(int192 lowest, int192 highest) {
        minAnswer = lowest;
        maxAnswer = highest;
    }

    /// @notice A round; the answer is held within the bounds, as the aggregator does it.
    function report(int256 price, uint80 round_, uint80 answeredIn_) external {
        answer = price < minAnswer ? minAnswer : price > maxAnswer ? maxAnswer : price;
        (round, answeredIn) = (round_, answeredIn_);
    }

    function latestRoundData() external view returns (uint80, int256, uint256, uint256, uint80) {
        return (round, answer, block.timestamp, block.timestamp, answeredIn);
    }
}
