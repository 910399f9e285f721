// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AggregatorV3Interface} from "./AggregatorV3Interface.sol";

/// @title The demo's price feed: one reporter writes rounds that are read through Chainlink's interface
/// @dev The reporter is trusted by nobody who reads: it may write a zero, negative or old answer, as a broken feed
///      would, so that readers can be shown to refuse it. It cannot write a round from the future.
contract PriceFeed is AggregatorV3Interface {
    struct Round {
        int256 answer;
        uint256 updatedAt;
    }

    /// @inheritdoc AggregatorV3Interface
    uint256 public constant override version = 1;

    /// @notice The only account that may write rounds: the deployer.
    address public immutable reporter;

    /// @inheritdoc AggregatorV3Interface
    uint8 public immutable override decimals;

    /// @inheritdoc AggregatorV3Interface
    string public override description;

    /// @notice The newest round; rounds count from 1 without gaps.
    uint80 public latestRound;

    mapping(uint80 round => Round) private rounds;

    /// @notice A new answer, with the fields of Chainlink's event.
    event AnswerUpdated(int256 indexed current, uint256 indexed roundId, uint256 updatedAt);

    /// @notice `caller` is not the reporter.
    error NotReporter(address caller);
    /// @notice `updatedAt` (unix seconds) is later than the block.
    error RoundFromTheFuture(uint256 updatedAt);
    /// @notice There is no round `roundId`.
    error NoSuchRound(uint80 roundId);

    modifier onlyReporter() {
        if (msg.sender != reporter) revert NotReporter(msg.sender);
        _;
    }

    /// @param decimals_ Number of decimals of every answer (8 for dollar prices).
    /// @param description_ What is priced, for people.
    /// @param firstAnswer Answer of round 1, in units of 10 ** -decimals_.
    constructor(uint8 decimals_, string memory description_, int256 firstAnswer) {
        reporter = msg.sender;
        decimals = decimals_;
        description = description_;
        _write(firstAnswer, block.timestamp);
    }

    /// @notice Writes a round stamped with the block's time.
    /// @param answer Price in units of 10 ** -decimals().
    function push(int256 answer) external onlyReporter {
        _write(answer, block.timestamp);
    }

    /// @notice Writes a round with a given time, so that a stale feed can be shown.
    /// @param answer Price in units of 10 ** -decimals().
    /// @param updatedAt Unix seconds, not later than the block.
    function pushAt(int256 answer, uint256 updatedAt) external onlyReporter {
        if (updatedAt > block.timestamp) revert RoundFromTheFuture(updatedAt);
        _write(answer, updatedAt);
    }

    /// @inheritdoc AggregatorV3Interface
    function latestRoundData() external view override returns (uint80, int256, uint256, uint256, uint80) {
        return getRoundData(latestRound);
    }

    /// @inheritdoc AggregatorV3Interface
    function getRoundData(uint80 id)
        public
        view
        override
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound)
    {
        if (id == 0 || id > latestRound) revert NoSuchRound(id);
        Round storage round = rounds[id];
        return (id, round.answer, round.updatedAt, round.updatedAt, id);
    }

    function _write(int256 answer, uint256 updatedAt) private {
        uint80 id = ++latestRound;
        rounds[id] = Round(answer, updatedAt);
        emit AnswerUpdated(answer, id, updatedAt);
    }
}
