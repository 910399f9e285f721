"""The configuration that a draft comes to, in the style of the presets: a reason beside every number, shadow mode, nothing is ever sent."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from keeper.app.drafting.draft import Draft, Proposal, market_id
from keeper.app.drafting.known import ASSET, ID
from keeper.config.template import template
from keeper.domain.abi import parse_signature

_HEAD = """\
# The configuration of one keeper, as `keeper init` proposes it from what it found on chain {chain}. Check it with:  keeper check keeper.yaml
# It knows what can be called; what should make it call, you know: replace the sources and look at every rule.
# ${{NAME}} is the environment variable NAME, or the content of the file that NAME_FILE names; see .env beside this file.
{found}
keeper:
  name: my-protocol
  mode: shadow              # decides and records, never sends. Let it run so until its decisions are the ones you want.

chain:
  id: {chain}
  endpoints:
    - {{url: "${{KEEPER_RPC_URL}}", role: primary}}     # ws://, wss:// or ipc:///path: new blocks arrive by subscription
  confirmations: 2          # one block on top of its own: the last block is replaced now and then, deeper ones hardly ever

audit:
  url: sqlite:///keeper.db  # a file beside this one

sources:
"""
_ORACLE = """\
  {name}oracle:  # what the protocol believes
    kind: chainlink
    address: "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"   # replace: ETH / USD on Ethereum
    unit: price
    max_age: 75m            # replace: what the feed promises, and a quarter of an hour more for a full chain
"""
_AAVE_ORACLE = """\
  {name}oracle:  # what the protocol believes: Aave's own oracle
    kind: contract-call
    target: "{oracle}"
    call: "getAssetPrice(address)(uint256)"
    args: ["{asset}"]
    decimals: 8             # dollars, in 10^-8
    unit: price
    max_age: 60s            # it is read at each block: a minute without an answer is a fault
"""
_SPOT = """\
  {name}spot:  # what the market says: replace by more than one venue, see docs/operator/sources
    kind: http
    url: "https://api.binance.com/api/v3/ticker/24hr?symbol=ETHUSDT"   # replace: the market of this asset
    value: lastPrice
    time: closeTime
    time_unit: ms
    unit: price
    every: 2s               # several answers per block, far below the venue's limit
    timeout: 1s             # less than `every`, so that requests do not pile up
    max_age: 15s            # a little more than one block: an older price says nothing about this block
"""
_RULES = """\
    signals:
      divergence: {{kind: divergence, of: {name}oracle, against: {name}spot}}
      volatility: {{kind: realised-volatility, of: {name}spot, window: 30m, sampling: 1m}}   # 30 returns: enough for a steady estimate
    rules:
      oracle-divergence:
        when: {{signal: divergence, above: 2%, for: 3 blocks}}   # most feeds update at 0.5 %; three blocks: a round on its way arrives
        clear: {{below: 1%, for: 10m}}   # half of that, for several rounds of a busy feed
        severity: critical
        actions: [{pauses}]
      violent-market:
        when: {{signal: volatility, above: 6%, for: 3 blocks}}   # a quiet half hour is near 0.5 %, a hard one near 3 %
        clear: {{below: 3%, for: 30m}}   # the whole window has to be calm again
        severity: warning
        actions: [{others}]
"""
_TIMES = """\
    cooldown: 10m           # time for people to look before the same thing is done again
    retry: 30s              # two to three blocks after a failure
    expires: 5m             # what was decided longer ago is decided anew, on fresh prices
"""
_TAIL = """
# Needed for mode: live only. The key should be able to do what is above, and nothing else.
# signer:
#   kind: keystore
#   path: keeper-key.json
#   password: "${KEEPER_KEYSTORE_PASSWORD}"

notify:
  - {kind: log}
  - {kind: apprise, url: "${KEEPER_NOTIFY_URL}", min_severity: warning}   # chat, mail or pager: every address that Apprise knows
"""


def configuration(draft: Draft) -> str:
    """The text of ``keeper.yaml``; needs at least one proposal."""
    several = len(draft.markets) > 1
    sources, markets = [], []
    pauses = [one.name for one in draft.proposals if one.pattern.pauses]
    others = [one.name for one in draft.proposals if not one.pattern.pauses]
    for market, asset in draft.markets.items():
        name = f"{market.lower()}-" if several else ""
        if draft.aave and asset:
            sources.append(_AAVE_ORACLE.format(name=name, oracle=draft.aave.oracle, asset=asset))
        else:
            sources.append(_ORACLE.format(name=name))
        sources.append(_SPOT.format(name=name))
        rules = _RULES.format(
            name=name, pauses=", ".join(pauses or others), others=", ".join(others if pauses and others else ["alert"])
        )
        markets.append(f"  {market}:\n{_variables(draft, market, asset)}{rules}")
    return (
        _HEAD.format(chain=draft.chain_id, found=_found(draft))
        + "".join(sources)
        + "\nmarkets:\n"
        + "".join(markets)
        + "\nactions:\n"
        + "".join("".join(_action(one)) for one in draft.proposals)
        + _TAIL
    )


def environment(url: str) -> str:
    """The text of ``.env``, with this node."""
    placeholder = "KEEPER_RPC_URL=ws://127.0.0.1:8545"
    return template()[1].replace(placeholder, f"KEEPER_RPC_URL={shlex.quote(url)}")


def _found(draft: Draft) -> str:
    lines = ["#", "# What was found:"]
    for contract in draft.contracts:
        through = f", a proxy of {' and '.join(contract.through)}" if contract.through else ""
        lines.append(f"#   {contract.name} {contract.address}{through}: {len(contract.selectors)} functions")
    lines += [f"#   {held.text}" for held in draft.rights]
    if draft.doubts:
        lines += ["# What could not be told:", *(f"#   {doubt}" for doubt in draft.doubts)]
    return "\n".join("".join(c if c.isprintable() else "?" for c in line) for line in lines) + "\n"


def _variables(draft: Draft, market: str, asset: str) -> str:
    used = frozenset().union(*(one.pattern.variables for one in draft.proposals))
    lines = [f'      asset: "{asset}"\n'] if ASSET in used and asset else []
    lines += (
        [f'      id: "{market_id(market)}"   # the text {market} as bytes32; replace it if yours is another\n']
        if ID in used
        else []
    )
    for one in draft.proposals:
        if one.pattern.variables and market in one.floors:
            lines.append(
                f'      {one.name}-floor: "{one.floors[market]}"   # replace: half of what it was; never below\n'
            )
    return "    vars:\n" + "".join(lines) if lines else ""


def _action(one: Proposal) -> Iterator[str]:
    pattern = one.pattern
    yield f"  {one.name}:  # {pattern.words}\n"
    yield (
        f"    # Who may: {one.needs}. "
        + {True: "The keeper may", False: "THE KEEPER MAY NOT", None: "Whether the keeper may is not known"}[one.may]
        + f": {_plain(one.why)}\n"
    )
    yield f"    kind: {pattern.kind}\n"
    yield f'    target: "{one.target}"   # {one.contract}\n'
    yield f'    call: "{pattern.call}"\n'
    yield _args("    ", pattern.args)
    if pattern.share:
        yield f'    new: "current * {pattern.share}"    # a fifth less each time\n'
        floor = f"{{{one.name}-floor}}" if pattern.variables else next(iter(one.floors.values()))
        yield f'    bounds: {{min: "{floor}"}}   # replace: half of what it was when this was written; never below\n'
        yield "    max_step: 20%           # the same fifth, as a second lock\n"
        yield "    safe_side: lower        # the keeper only ever lowers it\n"
    elif pattern.new:
        yield f'    new: "{pattern.new}"     # 2 transfer + 4 withdraw + 8 absorb + 16 buy; not 1, supply, so that loans can be repaid\n'
        yield '    bounds: {max: "31"}     # all five flags\n'
        yield "    safe_side: higher       # the keeper only ever sets flags\n"
    yield f"    read:                   # {_plain(one.now)} when this was written\n"
    if one.read_at != one.target:
        yield f'      target: "{one.read_at}"\n'
    yield f'      call: "{pattern.view}"\n'
    if len(parse_signature(pattern.view).outputs) > 1:
        yield f"      index: {pattern.index}              # which of its results counts, from 0\n"
    yield _args("      ", pattern.view_args)
    if not (pattern.share or pattern.new):
        yield f'      expect: "{pattern.expect}"\n'
    if pattern.undo:
        yield "    undo:                   # for the council; the keeper never does it\n"
        yield f'      call: "{pattern.undo}"\n'
        yield _args("      ", pattern.undo_args)
    yield _TIMES


def _args(indent: str, args: tuple[str, ...]) -> str:
    return f"{indent}args: [{', '.join(f'{chr(34)}{arg}{chr(34)}' for arg in args)}]\n" if args else ""


def _plain(text: str) -> str:
    """What a contract said, as the rest of a comment."""
    return "".join(character if character.isprintable() else "?" for character in text)
