// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CommonBase} from "forge-std/Base.sol";
import {StdUtils} from "forge-std/StdUtils.sol";

import {DemoToken} from "../../contracts/demo/DemoToken.sol";
import {IPerpExchange} from "../../contracts/demo/IPerpExchange.sol";
import {PerpExchange} from "../../contracts/demo/PerpExchange.sol";
import {PriceFeed} from "../../contracts/demo/PriceFeed.sol";
import {ExchangeTest} from "./Base.t.sol";

/// @notice Does anything that anyone may do, with any numbers, and keeps its own books to compare with. A call that the
///         exchange refuses must be refused for a reason that the books agree with: anything else fails the run.
contract Crowd is CommonBase, StdUtils {
    uint256 private constant WINDOW = 1 hours;

    PerpExchange private immutable exchange;
    DemoToken private immutable token;
    bytes32[2] private names;
    PriceFeed[2] private feeds;
    address[3] public traders;

    /// Books: money in and out; and for each market, in amount * seconds, what left less what came in and what refilled,
    /// at each step.
    uint256 public moneyIn;
    uint256 public moneyOut;
    mapping(bytes32 market => int256[]) private sums;
    mapping(bytes32 market => int256) private sum;
    mapping(bytes32 market => uint256) private settledAt;
    /// How often each thing happened, so that a test can show that things do happen.
    mapping(string what => uint256) public count;
    /// What must never happen, counted.
    uint256 public passedWhilePaused;
    uint256 public offTheLimit;
    uint256 public openedAboveLeverage;
    uint256 public openedOnBadPrice;

    constructor(PerpExchange exchange_, DemoToken token_, bytes32[2] memory names_, PriceFeed[2] memory feeds_) {
        exchange = exchange_;
        token = token_;
        names = names_;
        feeds = feeds_;
        (settledAt[names[0]], settledAt[names[1]]) = (block.timestamp, block.timestamp);
        traders = [address(0xA1), address(0xB2), address(0xC3)];
        for (uint256 i = 0; i < traders.length; ++i) {
            token.mint(traders[i], 1e18);
            vm.prank(traders[i]);
            token.approve(address(exchange), type(uint256).max);
        }
    }

    modifier inMarket(uint256 seed) {
        bytes32 market = names[seed % 2];
        sum[market] -= int256(exchange.withdrawalLimit(market) * (block.timestamp - settledAt[market]));
        settledAt[market] = block.timestamp;
        sums[market].push(sum[market]);
        _;
    }

    function deposit(uint256 seed, uint256 amount) external inMarket(seed) {
        amount = _bound(amount, 1, 1e12);
        vm.prank(_trader(seed));
        exchange.deposit(names[seed % 2], amount);
        _came(names[seed % 2], amount);
        ++count["deposit"];
    }

    function fundPool(uint256 seed, uint256 amount) external inMarket(seed) {
        amount = _bound(amount, 1, 1e11);
        vm.prank(_trader(seed));
        exchange.fundPool(names[seed % 2], amount);
        _came(names[seed % 2], amount);
        ++count["fundPool"];
    }

    function withdraw(uint256 seed, uint256 amount) external inMarket(seed) {
        bytes32 market = names[seed % 2];
        (uint256 balance,,) = exchange.accountOf(market, _trader(seed));
        if (balance == 0) return;
        amount = _bound(amount, 1, balance);
        bool paused = exchange.paused(market);
        bool fits = _fits(market, amount);
        vm.prank(_trader(seed));
        try exchange.withdraw(market, amount) {
            if (paused) ++passedWhilePaused;
            if (!fits) ++offTheLimit;
            moneyOut += amount;
            sum[market] += int256(amount * WINDOW);
            ++count["withdraw"];
        } catch (bytes memory reason) {
            if (fits && bytes4(reason) == IPerpExchange.WithdrawalLimitExceeded.selector) ++offTheLimit;
            _refused(
                paused,
                reason,
                [
                    IPerpExchange.WithdrawalLimitExceeded.selector,
                    IPerpExchange.LeverageTooHigh.selector,
                    IPerpExchange.StaleOracle.selector,
                    IPerpExchange.InvalidPrice.selector
                ]
            );
        }
    }

    function open(uint256 seed, uint256 size) external inMarket(seed) {
        bytes32 market = names[seed % 2];
        (uint256 balance,,) = exchange.accountOf(market, _trader(seed));
        size = _bound(size, 1, 2 * balance * exchange.maxLeverage(market) * 1e20 / 2_000e8 + 1);
        bool paused = exchange.paused(market);
        (, int256 answer,, uint256 updatedAt,) = feeds[seed % 2].latestRoundData();
        vm.prank(_trader(seed));
        try exchange.openPosition(market, seed % 4 < 2 ? int256(size) : -int256(size)) {
            if (paused) ++passedWhilePaused;
            if (answer <= 0 || block.timestamp - updatedAt > 1 hours) ++openedOnBadPrice;
            if (size * uint256(answer) > balance * exchange.maxLeverage(market) * 1e20) ++openedAboveLeverage;
            ++count["open"];
        } catch (bytes memory reason) {
            _refused(
                paused,
                reason,
                [
                    IPerpExchange.PositionExists.selector,
                    IPerpExchange.LeverageTooHigh.selector,
                    IPerpExchange.StaleOracle.selector,
                    IPerpExchange.InvalidPrice.selector
                ]
            );
        }
    }

    function close(uint256 seed) external inMarket(seed) {
        bytes32 market = names[seed % 2];
        bool paused = exchange.paused(market);
        vm.prank(_trader(seed));
        try exchange.closePosition(market) {
            if (paused) ++passedWhilePaused;
            ++count["close"];
        } catch (bytes memory reason) {
            bytes4 bad = IPerpExchange.InvalidPrice.selector;
            _refused(paused, reason, [IPerpExchange.NoPosition.selector, bad, bad, bad]);
        }
    }

    /// Pauses are rarer than their ends, so that most of the run trades.
    function togglePause(uint256 seed) external inMarket(seed) {
        bytes32 market = names[seed % 2];
        if (exchange.paused(market)) {
            exchange.unpauseMarket(market);
        } else if (seed % 3 == 0) {
            exchange.pauseMarket(market);
            ++count["pause"];
        }
    }

    function setLimit(uint256 seed, uint256 limit) external inMarket(seed) {
        bytes32 market = names[seed % 2];
        limit = _bound(limit, 0, 1e12);
        exchange.setWithdrawalLimit(market, limit);
        ++count["setLimit"];
    }

    function setLeverage(uint256 seed, uint256 leverage) external inMarket(seed) {
        exchange.setMaxLeverage(names[seed % 2], _bound(leverage, 1, 100));
        ++count["setLeverage"];
    }

    /// Mostly a price between a tenth and ten times; now and then an answer that is not a price, or an old one.
    function pushPrice(uint256 seed, uint256 price) external {
        int256 answer = seed % 16 == 0 ? -int256(price % 2) : int256(_bound(price, 200e8, 20_000e8));
        uint256 age = seed % 16 == 1 ? 2 hours : 0;
        PriceFeed feed = feeds[seed % 2];
        vm.prank(feed.reporter());
        feed.pushAt(answer, block.timestamp - age);
        ++count["pushPrice"];
    }

    function wait(uint256 time) external {
        vm.warp(block.timestamp + _bound(time, 1, 45 minutes));
        ++count["wait"];
    }

    function _came(bytes32 market, uint256 amount) private {
        moneyIn += amount;
        sum[market] -= int256(amount * WINDOW);
    }

    /// Whether, over every stretch that began with one of the steps so far and ends now, what left with this amount,
    /// less what came in and what refilled, is at most the limit in force.
    function _fits(bytes32 market, uint256 amount) private view returns (bool) {
        int256 most = int256(exchange.withdrawalLimit(market) * WINDOW);
        for (uint256 i = 0; i < sums[market].length; ++i) {
            if (sum[market] - sums[market][i] + int256(amount * WINDOW) > most) return false;
        }
        return true;
    }

    function _refused(bool paused, bytes memory reason, bytes4[4] memory allowed) private {
        bytes4 got = bytes4(reason);
        bool fits = paused && got == IPerpExchange.MarketPaused.selector;
        for (uint256 i = 0; i < allowed.length && !paused; ++i) {
            fits = fits || got == allowed[i];
        }
        require(fits, "refused for a reason that does not fit");
        ++count[paused ? "refusedPaused" : "refused"];
    }

    function _trader(uint256 seed) private view returns (address) {
        return traders[(seed / 4) % 3];
    }
}

/// @notice INVARIANTS.md, held after every step of a random run.
contract InvariantsTest is ExchangeTest {
    Crowd private crowd;

    function setUp() public override {
        super.setUp();
        PriceFeed[2] memory feeds = [ethFeed, btcFeed];
        crowd = new Crowd(exchange, token, [ETH, BTC], feeds);
        vm.startPrank(admin);
        exchange.grantRole(exchange.DEFAULT_ADMIN_ROLE(), address(crowd));
        exchange.grantRole(exchange.PAUSER_ROLE(), address(crowd));
        exchange.grantRole(exchange.RISK_ROLE(), address(crowd));
        vm.stopPrank();
        targetContract(address(crowd));
    }

    /// The crowd is no use if it is refused all the time: a long run of it, and each thing has happened.
    function test_crowd__long_run__everything_happens() public {
        for (uint256 i = 0; i < 1_500; ++i) {
            uint256 a = uint256(keccak256(abi.encode(i, "seed")));
            uint256 b = uint256(keccak256(abi.encode(i, "value")));
            uint256 what = uint256(keccak256(abi.encode(i, "what"))) % 10;
            if (what == 0) crowd.deposit(a, b);
            else if (what == 1) crowd.fundPool(a, b);
            else if (what == 2) crowd.withdraw(a, b);
            else if (what == 3) crowd.open(a, b);
            else if (what == 4) crowd.close(a);
            else if (what == 5) crowd.togglePause(a);
            else if (what == 6) crowd.setLimit(a, b);
            else if (what == 7) crowd.setLeverage(a, b);
            else if (what == 8) crowd.pushPrice(a, b);
            else crowd.wait(b);
        }
        string[12] memory things = [
            "deposit",
            "fundPool",
            "withdraw",
            "open",
            "close",
            "pause",
            "setLimit",
            "setLeverage",
            "pushPrice",
            "wait",
            "refused",
            "refusedPaused"
        ];
        for (uint256 i = 0; i < things.length; ++i) {
            assertGe(crowd.count(things[i]), 10, things[i]);
        }
    }

    function invariant_V1_tokens_held__are_the_collateral_of_the_markets() public view {
        assertEq(token.balanceOf(address(exchange)), exchange.collateralOf(ETH) + exchange.collateralOf(BTC));
    }

    function invariant_V2_collateral_of_a_market__is_its_balances_and_its_pool() public view {
        _checkSum(ETH);
        _checkSum(BTC);
    }

    function invariant_V3_collateral__is_what_came_in_less_what_went_out() public view {
        assertEq(token.balanceOf(address(exchange)), crowd.moneyIn() - crowd.moneyOut());
    }

    function invariant_P1_paused_market__lets_nothing_pass() public view {
        assertEq(crowd.passedWhilePaused(), 0);
    }

    function invariant_W1_W3_net_outflow__any_stretch_of_time__within_the_limit_and_its_refill() public view {
        assertEq(crowd.offTheLimit(), 0);
    }

    function invariant_L1_positions__are_opened_within_the_leverage() public view {
        assertEq(crowd.openedAboveLeverage(), 0);
    }

    function invariant_O1_O3_positions__are_opened_on_fresh_prices_only() public view {
        assertEq(crowd.openedOnBadPrice(), 0);
    }

    function _checkSum(bytes32 market) private view {
        uint256 sum = exchange.poolOf(market);
        for (uint256 i = 0; i < 3; ++i) {
            sum += _balance(market, crowd.traders(i));
        }
        assertEq(exchange.collateralOf(market), sum);
    }
}
