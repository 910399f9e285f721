"""The configuration of the demo: what an operator of the demo protocol would write."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from keeper.devnet.exchange import Exchange
from keeper.devnet.guard import Guard
from keeper.devnet.markets import demo_market
from keeper.devnet.world import World

if TYPE_CHECKING:  # Safe's contracts and the relay cost time to import, and one scenario each needs them
    from keeper.app.demo.acts import Acts
    from keeper.app.demo.chamber import Chamber

TIGHT_LIMIT = 250_000 * 10**6
"""Withdrawals per hour once volatility is high: a quarter of the usual, in 10**-6 of the demo dollar."""

HEAD = """\
# Written by `keeper demo`. The keys are two of the local node's public test keys: worth nothing anywhere else.
keeper: {{name: demo, mode: live}}
chain:
  id: {chain_id}
  endpoints: [{{url: "{ws_url}", role: primary}}]
  confirmations: 1
audit:
  url: "sqlite:///keeper.db"
  signer: "{identity}"
  checkpoints:     # the log's head, signed after what matters and at the end, and kept by somebody else (here only another file)
    identity: {{kind: key-file, path: identity.key}}
    witnesses: [{{file: {witness}}}]
signer: {{kind: key-file, path: keeper.key}}
routes: {routes}
notify: [{{kind: log}}]
"""

SOURCE = """\
  {name}-oracle: {{kind: chainlink, address: "{feed}", unit: price, max_age: 1h}}
  {name}-spot:
    kind: http
    url: "{ticker}"
    value: lastPrice
    time: closeTime
    time_unit: ms
    unit: price
    every: 100ms
    timeout: 1s
    max_age: 10s
"""

MARKET = """\
  {market}:
    vars: {{id: "{id}", name: {market}}}
    signals:
      divergence: {{kind: divergence, of: {name}-oracle, against: {name}-spot}}
      volatility: {{kind: realised-volatility, of: {name}-spot, window: {window}, sampling: {sampling}}}
    rules:
      # The oracle and the venue differ by 0.1 % on a quiet day; 2 % for two blocks is an oracle that is wrong.
      oracle-divergence:
        when: {{signal: divergence, above: 2%, for: 2 blocks}}
        clear: {{below: 1%, for: 5 blocks}}
        severity: critical
        actions: [pause-market]
      # First rung: let money out more slowly while people look.
      volatility-high:
        when: {{signal: volatility, above: {high}}}
        clear: {{below: {high_clear}, for: 10 blocks}}
        severity: warning
        actions: [tighten-withdrawals]
      # Second rung: prices move faster than positions can be closed.
      volatility-extreme:
        when: {{signal: volatility, above: {extreme}}}
        clear: {{below: {extreme_clear}, for: 10 blocks}}
        severity: critical
        actions: [pause-market]
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
    {pause_route}
    cooldown: 10m
    expires: 2m
  tighten-withdrawals:
    kind: rate-limit
    target: "{exchange}"
    call: "setWithdrawalLimit(bytes32,uint256)"
    args: ["{{id}}", "{limit}"]
    read: {{call: "withdrawalLimit(bytes32)(uint256)", args: ["{{id}}"], expect: "{limit}"}}
    safe_side: lower
    {limit_route}
    cooldown: 10m
    expires: 2m
"""

WINDOW = "3200ms"
SAMPLING = "400ms"
THRESHOLDS = {"high": "0.5%", "high_clear": "0.4%", "extreme": "7%", "extreme_clear": "5%"}
"""Of the root of the summed squared returns over eight steps: calm stays below 0.3 %, the slide reaches 3.8 %, the crash begins with 12 %."""

WITNESS = "checkpoints.jsonl"

IN_WORDS = {"divergence": "oracle-spot gap", "volatility": "swings of spot in 3.2 s"}
"""What each signal is, for people; the window is WINDOW."""


PUBLIC = "{public: {kind: public}}"
BREAKER = """
  # The key holds no role of the exchange. It may trip what the council has registered with this contract, and nothing else.
  breaker: {{kind: breaker, address: "{address}", heartbeat: 6h}}"""
COUNCIL = """
  public: {{kind: public}}
  # A Safe: two of its owners must sign. The keeper may propose in Ada's name, and signs nothing.
  council:
    kind: safe
    address: "{address}"
    service: "{service}"
    members: {{{members}}}"""
PRIVATE = """
  public: {{kind: public}}
  # To block builders alone, until one of them has put it into a block; when none of them takes it, publicly, at once and loudly.
  private:
    kind: private
    identity: {{kind: key-file, path: relay.key}}      # signs what is said to builders: no funds, no rights
    public_after: {blocks} blocks
    timeout: 10s
    builders:{builders}"""
BUILDER = """
      {name}: {{url: "{url}", {more}}}"""
PAUSE_ROUTE = """route: breaker
    breaker: "pause {name}\""""
LIMIT_ROUTE = """route: breaker
    breaker: "limit {{name}}"
    breaker_values: ["{limit}"]"""


def write_configuration(
    directory: Path,
    world: World,
    exchange: Exchange,
    guard: Guard | None = None,
    chamber: Chamber | None = None,
    acts: Acts | None = None,
) -> Path:
    """Writes ``keeper.yaml`` and the key files into the folder; the path of the former.

    With a ``guard`` all actions go through it; with a ``chamber`` the council signs all but a pause; with ``acts`` a pause goes to builders.
    """
    identity, relay_identity = world.node.accounts[-1], world.node.accounts[-2]  # nobody else in the demo
    keys = {"keeper.key": world.keeper, "identity.key": identity} | ({"relay.key": relay_identity} if acts else {})
    for name, account in keys.items():
        key = directory / name
        key.touch(mode=0o600)
        key.write_text(account.private_key + "\n", encoding="ascii")
    routes, pause_route, limit_route = PUBLIC, "route: public", "route: public"
    if guard is not None:
        routes, pause_route = BREAKER.format(address=guard.address), PAUSE_ROUTE
        limit_route = LIMIT_ROUTE.format(limit=TIGHT_LIMIT)
    if chamber is not None:
        routes, limit_route = _council(chamber), "route: council"
    if acts is not None:
        routes, pause_route = _private(acts), "route: private"
    text = HEAD.format(
        chain_id=world.node.chain_id,
        ws_url=world.node.ws_url,
        routes=routes,
        identity=identity.address,
        witness=WITNESS,
    )
    text += "sources:\n"
    for market in world.markets:
        ticker = exchange.ticker_url(demo_market(market).symbol)
        text += SOURCE.format(name=_short(market), feed=world.feeds[market], ticker=ticker)
    text += "markets:\n"
    for market in world.markets:
        text += MARKET.format(
            market=market,
            name=_short(market),
            id=world.market_id(market),
            window=WINDOW,
            sampling=SAMPLING,
            **THRESHOLDS,
        )
    text += ACTIONS.format(
        exchange=world.exchange,
        limit=TIGHT_LIMIT,
        pause_route=pause_route,
        limit_route=limit_route,
    )
    path = directory / "keeper.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _council(chamber: Chamber) -> str:
    council = chamber.council
    members = ", ".join(f'{name}: "{account.address}"' for name, account in council.members.items())
    return COUNCIL.format(address=council.safe.address, service=chamber.service.url, members=members)


def _private(acts: Acts) -> str:
    from keeper.app.demo.acts import ALONE_BLOCKS, BUILDERS
    from keeper.devnet.relay.builders import CANCEL_BUNDLE, SEND_PRIVATE, Header

    builders = ""
    for builder in BUILDERS:
        url = acts.relay.url(builder.name)
        more = [f"header: {'none' if builder.header is Header.OPTIONAL else builder.headers[0]}"]
        more.append(f"cancel: {'method' if CANCEL_BUNDLE in builder.methods else 'empty'}")
        if SEND_PRIVATE in builder.methods:
            more += ["private_transactions: true", f'status: "{url}"']
        builders += BUILDER.format(name=builder.name, url=url, more=", ".join(more))
    return PRIVATE.format(blocks=ALONE_BLOCKS, builders=builders)


def _short(market: str) -> str:
    return market.split("-")[0].lower()
