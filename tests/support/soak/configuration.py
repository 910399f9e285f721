"""The configuration of a keeper of 200 markets: each with an oracle on the chain, held against one of 40 venues."""

from __future__ import annotations

from keeper.devnet.exchange import Exchange
from keeper.devnet.world import World
from tests.support.soak.plan import MARKETS, VENUES

NAMES = tuple(f"M{number:03d}-PERP" for number in range(MARKETS))
HEAD = """\
keeper: {{name: soak, mode: live}}
chain:
  id: {chain_id}
  endpoints: [{{url: "{node_url}", role: primary}}]
  confirmations: 1
audit: {{url: "sqlite:///keeper.db"}}
signer: {{kind: key-file, path: keeper.key}}
routes: {{public: {{kind: public}}}}
notify: [{{kind: log}}]
"""
SOURCE = '  oracle-{number:03d}: {{kind: chainlink, address: "{feed}", unit: price, max_age: 10h}}\n'
VENUE = (
    '  venue-{number:02d}: {{kind: http, url: "{url}", value: lastPrice, time: closeTime, time_unit: ms, unit: price, '
    "every: 1s, timeout: 2s, max_age: 10s}}\n"
)
MARKET = """\
  {name}:
    vars: {{id: "{id}"}}
    signals:
      divergence: {{kind: divergence, of: oracle-{number:03d}, against: venue-{venue:02d}}}
      volatility: {{kind: realised-volatility, of: oracle-{number:03d}, window: 20s, sampling: 1s}}
    rules:
      oracle-divergence:
        when: {{signal: divergence, above: {above}}}
        clear: {{below: 1%, for: 2 blocks}}
        severity: critical
        actions: [pause-market]
      volatile:
        when: {{signal: volatility, above: 10000%}}
        clear: {{below: 9000%}}
        severity: info
        actions: []
"""
ACTIONS = """\
actions:
  pause-market:
    kind: pause
    target: "{exchange}"
    call: "pauseMarket(bytes32)"
    args: ["{{id}}"]
    read: {{call: "paused(bytes32)(bool)", args: ["{{id}}"], expect: "true"}}
    undo: {{call: "unpauseMarket(bytes32)", args: ["{{id}}"]}}
    route: public
    cooldown: 10h
    retry: 2s
    expires: 5m
"""


def symbol(venue: int) -> str:
    """What a venue calls what it trades."""
    return f"V{venue:02d}USDT"


def configuration(world: World, venues: Exchange, node_url: str, revision: int) -> str:
    """The YAML. Each ``revision`` has another threshold in one market after the other, and nothing that asks for new windows."""
    parts = [HEAD.format(chain_id=world.node.chain_id, node_url=node_url), "sources:\n"]
    parts += [SOURCE.format(number=number, feed=world.feeds[name]) for number, name in enumerate(NAMES)]
    parts += [VENUE.format(number=number, url=venues.ticker_url(symbol(number))) for number in range(VENUES)]
    parts.append("markets:\n")
    for number, name in enumerate(NAMES):
        above = "2.5%" if number < revision else "2%"
        parts.append(
            MARKET.format(name=name, id=world.market_id(name), number=number, venue=number % VENUES, above=above)
        )
    return "".join(parts) + ACTIONS.format(exchange=world.exchange)
