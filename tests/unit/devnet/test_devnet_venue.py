"""The local exchange's answers, healthy and broken, without a socket."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from keeper.devnet.venue import Fault, FaultKind, Quote, Reply, Venue, market, ticker

pytestmark = pytest.mark.unit

TICKER = "/api/v3/ticker/24hr"
ETH = f"{TICKER}?symbol=ETHUSDT"
BTC = f"{TICKER}?symbol=BTCUSDT"


class Time:
    """A clock that stands still until told."""

    def __init__(self) -> None:
        self.ms = 1_690_000_000_000

    def now_ms(self) -> int:
        return self.ms


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def venue(time: Time) -> Venue:
    venue = Venue(time.now_ms)
    venue.set_price("ETHUSDT", Decimal(3000), volume=Decimal(1000))
    venue.set_price("BTCUSDT", Decimal("60000.1"))
    return venue


def document(reply: Reply) -> Any:
    assert reply.body is not None
    return json.loads(reply.body)


def test_reply__known_symbol__has_the_shape_of_the_24_hour_ticker(venue: Venue) -> None:
    reply = venue.reply(ETH)
    found = document(reply)
    assert reply.status == 200
    assert found["symbol"] == "ETHUSDT"
    assert found["lastPrice"] == "3000.00000000"
    assert found["volume"] == "1000.00000000"
    assert found["quoteVolume"] == "3000000.00000000"
    assert found["closeTime"] == 1_690_000_000_000
    assert found["openTime"] == 1_690_000_000_000 - 86_400_000
    assert Decimal(found["bidPrice"]) < Decimal(found["lastPrice"]) < Decimal(found["askPrice"])


def test_ticker__every_price_and_amount__is_text_and_every_time_a_number() -> None:
    found = ticker(Quote("X", Decimal("0.1")), 5)
    numbers = {name for name, value in found.items() if isinstance(value, int)}
    assert numbers == {"openTime", "closeTime", "firstId", "lastId", "count"}
    assert all(isinstance(value, str) for name, value in found.items() if name not in numbers)


def test_reply__price_set_again__is_the_new_one(venue: Venue) -> None:
    venue.set_price("ETHUSDT", Decimal("2820.12345678"))
    assert document(venue.reply(ETH))["lastPrice"] == "2820.12345678"


def test_reply__time_goes_on__close_time_follows(venue: Venue, time: Time) -> None:
    time.ms += 250
    assert document(venue.reply(ETH))["closeTime"] == 1_690_000_000_250


def test_reply__unknown_symbol__is_binances_refusal(venue: Venue) -> None:
    reply = venue.reply(f"{TICKER}?symbol=NOPE")
    assert (reply.status, document(reply)) == (400, {"code": -1121, "msg": "Invalid symbol."})


def test_reply__empty_symbol__is_refused_too(venue: Venue) -> None:
    assert venue.reply(f"{TICKER}?symbol=").status == 400


def test_reply__no_symbol__lists_all(venue: Venue) -> None:
    assert [entry["symbol"] for entry in document(venue.reply(TICKER))] == ["ETHUSDT", "BTCUSDT"]


def test_reply__ping_and_time__answer(venue: Venue, time: Time) -> None:
    assert document(venue.reply("/api/v3/ping")) == {}
    assert document(venue.reply("/api/v3/time")) == {"serverTime": time.ms}


def test_reply__another_path__is_404(venue: Venue) -> None:
    assert venue.reply("/api/v3/ticker").status == 404


@pytest.mark.parametrize("price", ["0", "-1", "NaN", "Infinity"])
def test_set_price__what_is_not_a_price__raises(venue: Venue, price: str) -> None:
    with pytest.raises(ValueError, match="not a price"):
        venue.set_price("ETHUSDT", Decimal(price))


def test_requests__answered_or_not__are_counted(venue: Venue) -> None:
    venue.inject(Fault(FaultKind.SILENT))
    venue.reply(ETH)
    venue.reply("/nowhere")
    assert venue.requests == 2


def test_fault__slow__is_right_but_late(venue: Venue) -> None:
    venue.inject(Fault(FaultKind.SLOW, delay_s=1.5))
    reply = venue.reply(ETH)
    assert (reply.delay_s, document(reply)["lastPrice"]) == (1.5, "3000.00000000")


def test_fault__hang_and_silent__send_nothing(venue: Venue) -> None:
    venue.inject(Fault(FaultKind.HANG, symbol="ETHUSDT"))
    venue.inject(Fault(FaultKind.SILENT, symbol="BTCUSDT"))
    assert venue.reply(ETH).hang
    assert venue.reply(BTC).body is None
    assert not venue.reply(BTC).hang


def test_fault__http_500__has_a_body_like_binances(venue: Venue) -> None:
    venue.inject(Fault(FaultKind.HTTP_500))
    reply = venue.reply(ETH)
    assert (reply.status, document(reply)["code"]) == (500, -1000)


def test_fault__rate_limited__says_when_to_come_back(venue: Venue) -> None:
    venue.inject(Fault(FaultKind.RATE_LIMITED, retry_after_s=30))
    reply = venue.reply(ETH)
    assert (reply.status, document(reply)["code"]) == (429, -1003)
    assert ("Retry-After", "30") in reply.headers


def test_fault__malformed__is_no_json(venue: Venue) -> None:
    venue.inject(Fault(FaultKind.MALFORMED))
    with pytest.raises(json.JSONDecodeError):
        document(venue.reply(ETH))


@pytest.mark.parametrize("value", [None, "abc", "9" * 400, "1e999999", 3000, [], {"a": 1}, True])
def test_fault__wrong_type__puts_the_value_there(venue: Venue, value: Any) -> None:
    venue.inject(Fault(FaultKind.WRONG_TYPE, value=value))
    assert document(venue.reply(ETH))["lastPrice"] == value


def test_fault__stale__stays_at_one_time_while_time_goes_on(venue: Venue, time: Time) -> None:
    began = time.ms
    venue.inject(Fault(FaultKind.STALE, age_ms=60_000))
    time.ms += 10_000
    assert document(venue.reply(ETH))["closeTime"] == began - 60_000


def test_fault__absurd_once__is_one_print_on_no_volume(venue: Venue) -> None:
    venue.inject(Fault(FaultKind.ABSURD, times=1, factor=Decimal("0.3")))
    bad, good = document(venue.reply(ETH)), document(venue.reply(ETH))
    assert (bad["lastPrice"], good["lastPrice"]) == ("900.00000000", "3000.00000000")
    assert Decimal(bad["volume"]) < 1 < Decimal(good["volume"])


def test_fault__of_one_symbol__leaves_the_others_alone(venue: Venue) -> None:
    venue.inject(Fault(FaultKind.HTTP_500, symbol="ETHUSDT"))
    assert (venue.reply(ETH).status, venue.reply(BTC).status) == (500, 200)


def test_fault__several__the_newest_counts_until_used_up(venue: Venue) -> None:
    venue.inject(Fault(FaultKind.HTTP_500))
    venue.inject(Fault(FaultKind.RATE_LIMITED, times=2))
    assert [venue.reply(ETH).status for _ in range(4)] == [429, 429, 500, 500]


def test_fault__healed__answers_again(venue: Venue) -> None:
    venue.inject(Fault(FaultKind.HTTP_500))
    assert venue.reply(ETH).status == 500
    venue.heal()
    assert venue.reply(ETH).status == 200


KLINES = "/api/v3/klines?symbol=ETHUSDT&interval=1m"


def test_exchange_info__every_symbol__with_its_two_sides(venue: Venue) -> None:
    found = document(venue.reply("/api/v3/exchangeInfo"))["symbols"]
    assert [(one["symbol"], one["baseAsset"], one["quoteAsset"]) for one in found] == [
        ("ETHUSDT", "ETH", "USDT"),
        ("BTCUSDT", "BTC", "USDT"),
    ]
    assert {one["status"] for one in found} == {"TRADING"}


@pytest.mark.parametrize(
    ("symbol", "base", "quote"), [("USDCUSDT", "USDC", "USDT"), ("BTCUSDC", "BTC", "USDC"), ("USDCUSD", "USDC", "USD")]
)
def test_market__two_sides__are_told_apart(symbol: str, base: str, quote: str) -> None:
    found = market(symbol)
    assert (found["baseAsset"], found["quoteAsset"]) == (base, quote)


def test_klines__of_a_known_symbol__one_a_minute_with_an_even_share_of_the_day(venue: Venue, time: Time) -> None:
    rows = document(venue.reply(f"{KLINES}&limit=3"))
    newest = time.ms // 60_000 * 60_000
    assert [row[0] for row in rows] == [newest - 120_000, newest - 60_000, newest]
    assert {row[4] for row in rows} == {"3000.00000000"}
    assert Decimal(rows[0][5]) == round(Decimal(1000) / 1440, 8)
    assert [len(row) for row in rows] == [12, 12, 12]


def test_klines__trading_stopped__no_volume_from_then_on(venue: Venue, time: Time) -> None:
    venue.stop_trading("ETHUSDT")
    time.ms += 180_000
    volumes = [Decimal(row[5]) for row in document(venue.reply(f"{KLINES}&limit=5"))]
    assert [volume > 0 for volume in volumes] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("query", "code"),
    [("symbol=NOPE&interval=1m", -1121), ("interval=1m", -1121), ("symbol=ETHUSDT&interval=2m", -1120)],
)
def test_klines__what_is_not_there__is_binances_refusal(venue: Venue, query: str, code: int) -> None:
    reply = venue.reply(f"/api/v3/klines?{query}")
    assert (reply.status, document(reply)["code"]) == (400, code)


def test_klines__too_many__are_cut(venue: Venue) -> None:
    assert len(document(venue.reply(f"{KLINES}&limit=99999"))) == 1_000


def test_stop_trading__unknown_symbol__raises(venue: Venue) -> None:
    with pytest.raises(KeyError):
        venue.stop_trading("NOPE")
