// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The function shapes of Chainlink's AggregatorV3Interface
/// @notice Written out here so that the demo protocol and the keeper read a price the way they would read a real feed.
interface AggregatorV3Interface {
    /// @return Number of decimals of `answer`.
    function decimals() external view returns (uint8);

    /// @return What is priced, for people ("ETH / USD").
    function description() external view returns (string memory);

    /// @return Version of the aggregator.
    function version() external view returns (uint256);

    /// @param id The round asked for. Reverts when there is no such round.
    /// @return roundId The round answered.
    /// @return answer Price in units of 10 ** -decimals(). May be zero or negative: the reader must check.
    /// @return startedAt When the round began, unix seconds.
    /// @return updatedAt When the answer was written, unix seconds. The reader must check its age.
    /// @return answeredInRound The round in which the answer was computed.
    function getRoundData(uint80 id)
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);

    /// @notice The newest round, with the fields of `getRoundData`.
    function latestRoundData()
        external
        view
        returns (uint80 roundId, int256 answer, uint256 startedAt, uint256 updatedAt, uint80 answeredInRound);
}
