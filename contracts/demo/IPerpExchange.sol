// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AggregatorV3Interface} from "./AggregatorV3Interface.sol";

/// @title What the demo's perpetuals exchange offers
/// @notice Units. Market: the ASCII name, padded with zeros on the right ("ETH-PERP"). Amount, balance, margin, pool:
///         smallest unit of the collateral token. Size: 10 ** -18 of the underlying, above zero is long, below is
///         short. Price: the unit of the market's oracle, 10 ** -decimals(). Leverage: whole multiples of the margin.
///         Times: unix seconds.
interface IPerpExchange {
    event MarketAdded(bytes32 indexed market, AggregatorV3Interface oracle);
    event PauseChanged(bytes32 indexed market, bool oldPaused, bool newPaused, address indexed by);
    event WithdrawalLimitChanged(bytes32 indexed market, uint256 oldLimit, uint256 newLimit, address indexed by);
    event MaxLeverageChanged(bytes32 indexed market, uint256 oldLeverage, uint256 newLeverage, address indexed by);
    event PoolFunded(bytes32 indexed market, address indexed from, uint256 amount, uint256 oldPool, uint256 newPool);
    event Deposited(bytes32 indexed market, address indexed account, uint256 oldBalance, uint256 newBalance);
    event Withdrawn(bytes32 indexed market, address indexed account, uint256 oldBalance, uint256 newBalance);
    event PositionOpened(bytes32 indexed market, address indexed account, int256 size, uint256 price);
    /// @notice `result` is what the position gained (above zero) or lost, as settled with the pool.
    event PositionClosed(
        bytes32 indexed market, address indexed account, int256 size, uint256 entryPrice, uint256 price, int256 result
    );

    /// @notice The address given is zero.
    error ZeroAddress();
    /// @notice The amount given is zero.
    error ZeroAmount();
    /// @notice There is no such market.
    error UnknownMarket(bytes32 market);
    /// @notice The market was added before.
    error MarketExists(bytes32 market);
    /// @notice The market is paused, so this is not possible (pausing it once more neither).
    error MarketPaused(bytes32 market);
    /// @notice The market is not paused.
    error MarketNotPaused(bytes32 market);
    /// @notice The token or oracle has more than 18 decimals.
    error UnsupportedDecimals(uint8 decimals);
    /// @notice The leverage is not between 1 and LEVERAGE_BOUND.
    error LeverageOutOfBounds(uint256 leverage);
    /// @notice The size is zero, or its magnitude is above MAX_SIZE.
    error SizeOutOfBounds(int256 size);
    /// @notice The account's balance in this market is smaller than `requested`.
    error InsufficientBalance(bytes32 market, uint256 requested, uint256 balance);
    /// @notice Only `available` may leave this market now: see RateLimit.
    error WithdrawalLimitExceeded(bytes32 market, uint256 requested, uint256 available);
    /// @notice The position would be worth `notional`, and the margin carries no more than `allowed`.
    error LeverageTooHigh(bytes32 market, uint256 notional, uint256 allowed);
    /// @notice The account has a position in this market already: close it first.
    error PositionExists(bytes32 market, address account);
    /// @notice The account has no position in this market.
    error NoPosition(bytes32 market, address account);
    /// @notice The oracle's newest answer is of `updatedAt`: older than MAX_ORACLE_AGE, or of the future.
    error StaleOracle(bytes32 market, uint256 updatedAt);
    /// @notice The oracle's newest answer is not a price: not above zero, or above 2 ** 128 - 1.
    error InvalidPrice(bytes32 market, int256 answer);

    /// @notice Adds a market, unpaused. DEFAULT_ADMIN_ROLE.
    /// @param market The new market's name.
    /// @param oracle Prices one whole underlying in whole collateral. Trusted; see the exchange's design.
    /// @param withdrawalLimit_ Net amount that may leave per WITHDRAWAL_WINDOW. Zero stops withdrawals.
    /// @param maxLeverage_ 1 to LEVERAGE_BOUND.
    function addMarket(bytes32 market, AggregatorV3Interface oracle, uint256 withdrawalLimit_, uint256 maxLeverage_)
        external;

    /// @notice Stops withdraw, openPosition and closePosition of this market. PAUSER_ROLE.
    /// @dev Reverts with MarketPaused when it is paused already, so that a pause sent twice is seen.
    function pauseMarket(bytes32 market) external;

    /// @notice Ends the pause of this market. DEFAULT_ADMIN_ROLE or UNPAUSER_ROLE, not PAUSER_ROLE: who may stop may not
    ///         restart.
    function unpauseMarket(bytes32 market) external;

    /// @notice Sets what may leave this market per window, net of what comes in. RISK_ROLE. Counts at once: what left
    ///         earlier, and has not come back or been refilled, is held against the new limit and refills at its pace.
    /// @param amountPerWindow Amount per WITHDRAWAL_WINDOW. Zero stops withdrawals, and the refill.
    function setWithdrawalLimit(bytes32 market, uint256 amountPerWindow) external;

    /// @notice Sets the highest leverage of this market. RISK_ROLE. Holds for new positions and for withdrawals beside
    ///         open ones; open positions stay as they are.
    /// @param leverage 1 to LEVERAGE_BOUND.
    function setMaxLeverage(bytes32 market, uint256 leverage) external;

    /// @notice Gives collateral to the pool that pays this market's gains. Anyone; there is no way back. What comes in
    ///         refills the withdrawal limit.
    function fundPool(bytes32 market, uint256 amount) external;

    /// @notice Adds collateral to the caller's balance in this market. Possible while it is paused. What comes in refills
    ///         the withdrawal limit.
    function deposit(bytes32 market, uint256 amount) external;

    /// @notice Pays the caller out of their balance in this market, within the withdrawal limit. Beside an open position,
    ///         what stays must carry it at the maximum leverage: losses count, gains do not until they are closed.
    function withdraw(bytes32 market, uint256 amount) external;

    /// @notice Opens the caller's position in this market at the oracle's price, which must be fresh.
    /// @param size Not zero, magnitude up to MAX_SIZE.
    function openPosition(bytes32 market, int256 size) external;

    /// @notice Closes the caller's position in this market at the oracle's price, however old: nobody is locked in by a
    ///         feed that stopped. A gain is paid up to what the pool holds, a loss up to what the balance holds.
    function closePosition(bytes32 market) external;

    /// @return Whether the market is paused. This view and those below revert with UnknownMarket rather than answer
    ///         for a market that does not exist.
    function paused(bytes32 market) external view returns (bool);

    /// @return Net amount that may leave per WITHDRAWAL_WINDOW: what a full bucket holds.
    function withdrawalLimit(bytes32 market) external view returns (uint256);

    /// @return Amount that may leave in this block: zero while paused.
    function withdrawable(bytes32 market) external view returns (uint256);

    /// @return Highest leverage, in whole multiples.
    function maxLeverage(bytes32 market) external view returns (uint256);

    /// @return The oracle that prices this market.
    function oracleOf(bytes32 market) external view returns (AggregatorV3Interface);

    /// @return Amount that the pool of this market holds.
    function poolOf(bytes32 market) external view returns (uint256);

    /// @return Amount held for this market: the balances of its accounts and its pool.
    function collateralOf(bytes32 market) external view returns (uint256);

    /// @return balance Collateral credited to `account` in this market.
    /// @return size Its position, zero when it has none.
    /// @return entryPrice Price at which the position was opened.
    function accountOf(bytes32 market, address account)
        external
        view
        returns (uint256 balance, int256 size, uint256 entryPrice);
}
