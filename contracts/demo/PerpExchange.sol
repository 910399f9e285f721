// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessControl} from "@openzeppelin/contracts/access/AccessControl.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Metadata} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {RateLimit} from "../RateLimit.sol";
import {AggregatorV3Interface} from "./AggregatorV3Interface.sol";
import {IPerpExchange} from "./IPerpExchange.sol";

/// @title The demo protocol: a perpetuals exchange that a keeper can protect
/// @notice DESIGN
///         - Several markets in one contract. Everything is kept per market: balances, positions, pool, pause, limits.
///           Nothing done in one market changes another.
///         - Isolated margin. An account has one balance and at most one position in each market. A position is opened
///           and closed whole at the oracle's price; its gain is paid by the market's pool, its loss goes there.
///         - Three brakes for each market: a pause, a limit on the net outflow, a maximum leverage.
///         - The limit is a bucket (see RateLimit): withdrawals spend it, deposits and pool funding fill it up to the
///           limit, and an emptied one is full again after WITHDRAWAL_WINDOW. A full one may be emptied and then spent
///           as it refills, so that at most twice the limit leaves in any WITHDRAWAL_WINDOW, net of what comes in.
///         - State is written before tokens move. Amounts are rounded against the account: notional and losses up,
///           gains down.
///
///         TRUST
///         - The collateral token is an ordinary ERC-20: it takes no fee, does not rebase, does not call back.
///         - Each market's oracle is trusted for the price. An answer that is old, zero or negative is refused; an
///           answer that is fresh and wrong is believed. That gap is what the keeper is for.
///         - PAUSER_ROLE can stop a market and not start it; RISK_ROLE can set the limits within their bounds;
///           UNPAUSER_ROLE can end pauses and nothing else; DEFAULT_ADMIN_ROLE adds markets, ends pauses and grants roles.
///           None of them can move collateral.
///
///         LEFT OUT, being a demo: liquidation, funding payments, fees, open interest caps. A loss beyond the balance
///         is not collected and a gain beyond the pool is not paid.
contract PerpExchange is IPerpExchange, AccessControl {
    using SafeERC20 for IERC20;
    using RateLimit for RateLimit.Bucket;

    struct Market {
        AggregatorV3Interface oracle; // zero: there is no such market
        bool paused;
        uint256 quantum; // size * price / quantum = amount of collateral
        RateLimit.Bucket outflow; // its limit is the withdrawal limit; no share
        uint256 maxLeverage;
        uint256 pool;
        uint256 credited; // sum of the balances of all accounts
    }

    struct Account {
        uint256 balance;
        int256 size;
        uint256 entryPrice;
    }

    /// @notice May pause markets.
    bytes32 public constant PAUSER_ROLE = keccak256("PAUSER_ROLE");
    /// @notice May end pauses, beside DEFAULT_ADMIN_ROLE: for a contract that bounds who pauses and for how long.
    bytes32 public constant UNPAUSER_ROLE = keccak256("UNPAUSER_ROLE");
    /// @notice May set withdrawal limits and maximum leverages.
    bytes32 public constant RISK_ROLE = keccak256("RISK_ROLE");
    /// @notice In so many seconds the withdrawal limit refills.
    uint256 public constant WITHDRAWAL_WINDOW = 1 hours;
    /// @notice Oldest oracle answer, inclusive, at which a position may be opened or drawn against, seconds.
    uint256 public constant MAX_ORACLE_AGE = 1 hours;
    /// @notice Highest leverage, inclusive, that a market may be given, whole multiples.
    uint256 public constant LEVERAGE_BOUND = 100;
    /// @notice Largest magnitude of a position, inclusive, in 10 ** -18 of the underlying. With prices below 2 ** 128
    ///         no product of the two overflows.
    uint256 public constant MAX_SIZE = uint256(uint128(type(int128).max));

    /// @notice The token in which all balances are kept.
    IERC20 public immutable collateral;

    uint8 private immutable collateralDecimals;
    mapping(bytes32 market => Market) private markets;
    mapping(bytes32 market => mapping(address account => Account)) private accounts;

    /// @param collateral_ Token of at most 18 decimals.
    /// @param admin Receives DEFAULT_ADMIN_ROLE, and no other role.
    constructor(IERC20 collateral_, address admin) {
        if (address(collateral_) == address(0) || admin == address(0)) revert ZeroAddress();
        collateral = collateral_;
        collateralDecimals = _checkedDecimals(IERC20Metadata(address(collateral_)).decimals());
        _grantRole(DEFAULT_ADMIN_ROLE, admin);
    }

    // ---------------------------------------------------------------- roles

    /// @inheritdoc IPerpExchange
    function addMarket(bytes32 market, AggregatorV3Interface oracle, uint256 withdrawalLimit_, uint256 maxLeverage_)
        external
        onlyRole(DEFAULT_ADMIN_ROLE)
    {
        if (address(oracle) == address(0)) revert ZeroAddress();
        Market storage m = markets[market];
        if (address(m.oracle) != address(0)) revert MarketExists(market);
        m.oracle = oracle;
        m.quantum = 10 ** (18 + uint256(_checkedDecimals(oracle.decimals())) - collateralDecimals);
        emit MarketAdded(market, oracle);
        _setWithdrawalLimit(m, market, withdrawalLimit_);
        _setMaxLeverage(m, market, maxLeverage_);
    }

    /// @inheritdoc IPerpExchange
    function pauseMarket(bytes32 market) external onlyRole(PAUSER_ROLE) {
        _running(market).paused = true;
        emit PauseChanged(market, false, true, msg.sender);
    }

    /// @inheritdoc IPerpExchange
    function unpauseMarket(bytes32 market) external {
        if (!hasRole(UNPAUSER_ROLE, msg.sender)) _checkRole(DEFAULT_ADMIN_ROLE);
        Market storage m = _known(market);
        if (!m.paused) revert MarketNotPaused(market);
        m.paused = false;
        emit PauseChanged(market, true, false, msg.sender);
    }

    /// @inheritdoc IPerpExchange
    function setWithdrawalLimit(bytes32 market, uint256 amountPerWindow) external onlyRole(RISK_ROLE) {
        _setWithdrawalLimit(_known(market), market, amountPerWindow);
    }

    /// @inheritdoc IPerpExchange
    function setMaxLeverage(bytes32 market, uint256 leverage) external onlyRole(RISK_ROLE) {
        _setMaxLeverage(_known(market), market, leverage);
    }

    // ------------------------------------------------------------- accounts

    /// @inheritdoc IPerpExchange
    function fundPool(bytes32 market, uint256 amount) external {
        Market storage m = _known(market);
        if (amount == 0) revert ZeroAmount();
        uint256 pool = m.pool;
        m.pool = pool + amount;
        m.outflow.credit(amount);
        emit PoolFunded(market, msg.sender, amount, pool, pool + amount);
        collateral.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IPerpExchange
    function deposit(bytes32 market, uint256 amount) external {
        Market storage m = _known(market);
        if (amount == 0) revert ZeroAmount();
        Account storage a = accounts[market][msg.sender];
        uint256 balance = a.balance;
        a.balance = balance + amount;
        m.credited += amount;
        m.outflow.credit(amount);
        emit Deposited(market, msg.sender, balance, balance + amount);
        collateral.safeTransferFrom(msg.sender, address(this), amount);
    }

    /// @inheritdoc IPerpExchange
    function withdraw(bytes32 market, uint256 amount) external {
        Market storage m = _running(market);
        if (amount == 0) revert ZeroAmount();
        Account storage a = accounts[market][msg.sender];
        uint256 balance = a.balance;
        if (amount > balance) revert InsufficientBalance(market, amount, balance);
        (bool spent, uint256 available) = m.outflow.spend(amount);
        if (!spent) revert WithdrawalLimitExceeded(market, amount, available);
        if (a.size != 0) {
            uint256 price = _freshPrice(m, market);
            (bool gain, uint256 change) = _result(m, a, price);
            uint256 margin = gain ? balance - amount : _atLeastZero(balance - amount, change);
            _requireMargin(m, market, a.size, price, margin);
        }

        a.balance = balance - amount;
        m.credited -= amount;
        emit Withdrawn(market, msg.sender, balance, balance - amount);
        collateral.safeTransfer(msg.sender, amount);
    }

    /// @inheritdoc IPerpExchange
    function openPosition(bytes32 market, int256 size) external {
        Market storage m = _running(market);
        Account storage a = accounts[market][msg.sender];
        if (a.size != 0) revert PositionExists(market, msg.sender);
        if (size == 0 || size == type(int256).min || _magnitude(size) > MAX_SIZE) revert SizeOutOfBounds(size);
        uint256 price = _freshPrice(m, market);
        _requireMargin(m, market, size, price, a.balance);

        a.size = size;
        a.entryPrice = price;
        emit PositionOpened(market, msg.sender, size, price);
    }

    /// @inheritdoc IPerpExchange
    function closePosition(bytes32 market) external {
        Market storage m = _running(market);
        Account storage a = accounts[market][msg.sender];
        int256 size = a.size;
        if (size == 0) revert NoPosition(market, msg.sender);
        (uint256 price,) = _price(m, market);
        uint256 entryPrice = a.entryPrice;
        (bool gain, uint256 change) = _result(m, a, price);

        a.size = 0;
        a.entryPrice = 0;
        if (gain) {
            if (change > m.pool) change = m.pool;
            m.pool -= change;
            m.credited += change;
            a.balance += change;
        } else {
            if (change > a.balance) change = a.balance;
            a.balance -= change;
            m.credited -= change;
            m.pool += change;
        }
        // `change` is at most size * price, below 2 ** 255, so it fits.
        emit PositionClosed(market, msg.sender, size, entryPrice, price, gain ? int256(change) : -int256(change));
    }

    // ---------------------------------------------------------------- views

    /// @inheritdoc IPerpExchange
    function paused(bytes32 market) external view returns (bool) {
        return _known(market).paused;
    }

    /// @inheritdoc IPerpExchange
    function withdrawalLimit(bytes32 market) external view returns (uint256) {
        return _known(market).outflow.limit;
    }

    /// @inheritdoc IPerpExchange
    function withdrawable(bytes32 market) external view returns (uint256) {
        Market storage m = _known(market);
        return m.paused ? 0 : m.outflow.available();
    }

    /// @inheritdoc IPerpExchange
    function maxLeverage(bytes32 market) external view returns (uint256) {
        return _known(market).maxLeverage;
    }

    /// @inheritdoc IPerpExchange
    function oracleOf(bytes32 market) external view returns (AggregatorV3Interface) {
        return _known(market).oracle;
    }

    /// @inheritdoc IPerpExchange
    function poolOf(bytes32 market) external view returns (uint256) {
        return _known(market).pool;
    }

    /// @inheritdoc IPerpExchange
    function collateralOf(bytes32 market) external view returns (uint256) {
        Market storage m = _known(market);
        return m.pool + m.credited;
    }

    /// @inheritdoc IPerpExchange
    function accountOf(bytes32 market, address account) external view returns (uint256, int256, uint256) {
        _known(market);
        Account storage a = accounts[market][account];
        return (a.balance, a.size, a.entryPrice);
    }

    // -------------------------------------------------------------- private

    function _setWithdrawalLimit(Market storage m, bytes32 market, uint256 limit) private {
        emit WithdrawalLimitChanged(market, m.outflow.limit, limit, msg.sender);
        m.outflow.set(limit, RateLimit.NO_SHARE, uint32(WITHDRAWAL_WINDOW));
    }

    function _setMaxLeverage(Market storage m, bytes32 market, uint256 leverage) private {
        if (leverage == 0 || leverage > LEVERAGE_BOUND) revert LeverageOutOfBounds(leverage);
        emit MaxLeverageChanged(market, m.maxLeverage, leverage, msg.sender);
        m.maxLeverage = leverage;
    }

    function _known(bytes32 market) private view returns (Market storage m) {
        m = markets[market];
        if (address(m.oracle) == address(0)) revert UnknownMarket(market);
    }

    function _running(bytes32 market) private view returns (Market storage m) {
        m = _known(market);
        if (m.paused) revert MarketPaused(market);
    }

    function _price(Market storage m, bytes32 market) private view returns (uint256 price, uint256 updatedAt) {
        int256 answer;
        (, answer,, updatedAt,) = m.oracle.latestRoundData();
        if (answer <= 0 || answer > int256(uint256(type(uint128).max))) revert InvalidPrice(market, answer);
        price = uint256(answer);
    }

    function _freshPrice(Market storage m, bytes32 market) private view returns (uint256 price) {
        uint256 updatedAt;
        (price, updatedAt) = _price(m, market);
        if (updatedAt > block.timestamp || block.timestamp - updatedAt > MAX_ORACLE_AGE) {
            revert StaleOracle(market, updatedAt);
        }
    }

    /// @dev What the position would gain or lose at `price`: gains rounded down, losses up.
    function _result(Market storage m, Account storage a, uint256 price)
        private
        view
        returns (bool gain, uint256 change)
    {
        uint256 entry = a.entryPrice;
        gain = (a.size > 0) == (price >= entry);
        uint256 value = _magnitude(a.size) * (price >= entry ? price - entry : entry - price);
        change = gain ? value / m.quantum : _divideUp(value, m.quantum);
    }

    function _requireMargin(Market storage m, bytes32 market, int256 size, uint256 price, uint256 margin) private view {
        uint256 notional = _divideUp(_magnitude(size) * price, m.quantum);
        uint256 allowed = margin * m.maxLeverage;
        if (notional > allowed) revert LeverageTooHigh(market, notional, allowed);
    }

    function _checkedDecimals(uint8 decimals) private pure returns (uint8) {
        if (decimals > 18) revert UnsupportedDecimals(decimals);
        return decimals;
    }

    function _magnitude(int256 size) private pure returns (uint256) {
        return uint256(size < 0 ? -size : size);
    }

    /// @dev `value` is below 2 ** 255 and `quantum` at most 10 ** 36, so the sum does not overflow.
    function _divideUp(uint256 value, uint256 quantum) private pure returns (uint256) {
        return (value + quantum - 1) / quantum;
    }

    /// @dev a - b, or zero when that is below zero.
    function _atLeastZero(uint256 a, uint256 b) private pure returns (uint256) {
        return a > b ? a - b : 0;
    }
}
