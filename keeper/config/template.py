"""What ``keeper init`` writes: a configuration to start from, in safe mode, with the reason of every number beside it."""

from __future__ import annotations

from importlib.resources import files

from keeper.config.problems import FILE, fail, nearest

_YAML = """\
# The configuration of one keeper. Check it with:  keeper check keeper.yaml
# ${NAME} is the environment variable NAME, or the content of the file that NAME_FILE names; see .env beside this file.

keeper:
  name: my-protocol
  mode: shadow              # decides and records, never sends. Let it run so until its decisions are the ones you want.

chain:
  id: 1                     # every node must answer with this chain id, or the keeper refuses to start
  endpoints:
    - {url: "${KEEPER_RPC_URL}", role: primary}     # ws://, wss:// or ipc:///path: new blocks arrive by subscription
  confirmations: 2          # one block on top of its own: the last block is replaced now and then, deeper ones hardly ever

audit:
  url: sqlite:///keeper.db  # a file beside this one
# More of this section, told in docs/operator/audit.md: a key of its own (no funds, no rights) signs the log's head from time to time, and
# somebody who is not this machine keeps it. Then nothing before it can be cut off or written anew unnoticed.
#   signer: "0x..."         # the address of that key, so that an auditor knows whose signatures these must be
#   checkpoints:
#     every: 10m
#     identity: {kind: key-file, path: identity.key}
#     witnesses:
#       - {file: /mnt/elsewhere/checkpoints.jsonl}
#       - {url: "https://other-keeper.example/api/v1/witness", token: "${KEEPER_WITNESS_TOKEN}"}
#   witness_for: {other-keeper: "0x..."}          # whose checkpoints this one keeps
#   retention: {keep: 30d, archive: archive}      # what every tick saw moves to Parquet files after this; records stay
#   act-without-log: never  # critical: what critical rules ask for is done while the database is away, written to the file `spool` first

sources:
  eth-oracle:               # what the protocol believes
    kind: chainlink
    address: "0x5f4eC3Df9cbd43714FE2740f5E3616155c5b8419"   # ETH / USD on Ethereum
    unit: price
    max_age: 75m            # the feed promises an answer every hour; a quarter of an hour more for a full chain
  eth-spot:                 # what the market says
    kind: http
    url: "https://api.binance.com/api/v3/ticker/24hr?symbol=ETHUSDT"
    value: lastPrice
    time: closeTime
    time_unit: ms
    unit: price
    every: 2s               # six answers per block of 12 s, far below the venue's limit
    timeout: 1s             # less than `every`, so that requests do not pile up
    max_age: 15s            # a little more than one block: an older price says nothing about this block

markets:
  ETH-PERP:
    vars:
      id: "0x4554482d50455250000000000000000000000000000000000000000000000000"   # the text ETH-PERP as bytes32
    signals:
      divergence: {kind: divergence, of: eth-oracle, against: eth-spot}
      volatility: {kind: realised-volatility, of: eth-spot, window: 30m, sampling: 1m}   # 30 returns: enough for a steady estimate
    rules:
      oracle-divergence:
        when: {signal: divergence, above: 2%, for: 2 blocks}   # the feed updates at 0.5 %; two blocks: one bad read does not act
        clear: {below: 1%, for: 10 blocks}                     # half of that, for two minutes: no flapping
        severity: critical
        actions: [pause-market]
      violent-market:
        when: {signal: volatility, above: 6%, for: 3 blocks}   # a quiet half hour is near 0.5 %, a hard one near 3 %
        clear: {below: 3%, for: 30m}                           # the whole window has to be calm again
        severity: warning
        actions: [tighten-withdrawals]

actions:
  pause-market:
    kind: pause
    target: "0x000000000000000000000000000000000000dEaD"   # replace: the contract that is paused
    call: pauseMarket(bytes32)
    args: ["{id}"]          # {id} is the variable id of the market
    read: {call: "paused(bytes32)(bool)", args: ["{id}"], expect: "true"}   # asked before and after: only this proves that it worked
    undo: {call: unpauseMarket(bytes32), args: ["{id}"]}   # for the council; the keeper never does it
    cooldown: 10m           # time for people to look before the same thing is done again
    retry: 30s              # two to three blocks after a failure
    expires: 5m             # a pause decided longer ago is decided anew, on fresh prices
  tighten-withdrawals:
    kind: rate-limit
    target: "0x000000000000000000000000000000000000dEaD"   # replace: the contract that holds the limit
    call: "setWithdrawalLimit(bytes32,uint256)"
    args: ["{id}", "250000000000"]    # 250,000 of a token with 6 decimals; a tenth of a usual day is a good start
    read: {call: "withdrawalLimit(bytes32)(uint256)", args: ["{id}"], expect: "250000000000"}
    safe_side: lower        # the keeper only ever lowers it
    cooldown: 30m           # as long as the rule needs to clear
    retry: 30s              # two to three blocks after a failure
    expires: 5m             # as above

# Needed for mode: live only. The key should be able to pause and to tighten, and nothing else.
# signer:
#   kind: keystore
#   path: keeper-key.json
#   password: "${KEEPER_KEYSTORE_PASSWORD}"
# Where else a key can lie (KMS, a remote signer), and keys of their own for what must not wait: docs/operator/signing.md
# Everybody sees a transaction before it is in a block, unless block builders get it first: docs/operator/routes.md
# What its gas may cost: limits: {gas_budget_eth_per_day: 0.5, gas_budget_eth_per_action: 0.1}   # about a day's work at the worst fees

notify:
  - {kind: log}
  - {kind: apprise, name: chat, url: "${KEEPER_NOTIFY_URL}", min_severity: warning}   # chat, mail or pager: every address that Apprise knows
  # - {kind: apprise, name: pager, url: "${KEEPER_PAGER_URL}", min_severity: critical, escalate: {every: 10m}}   # again until somebody answers
# Try it:  keeper notify keeper.yaml test.  Who is told what, and how to acknowledge: docs/operator/notifications.md
"""

_ENV = """\
# Read by the shell or the service manager, for example:  set -a; . ./.env; set +a; keeper run keeper.yaml
# Each NAME may be given as NAME_FILE instead: the name of a file that holds the value (for secrets from a vault or a mount).
# Nothing in here makes the keeper act: that takes `mode: live` and a signer in keeper.yaml.

# A node with subscriptions: ws://, wss:// or ipc:///path
KEEPER_RPC_URL=ws://127.0.0.1:8545

# Where alarms go, as an Apprise address
KEEPER_NOTIFY_URL=json://127.0.0.1:8080/keeper

# Whom a pager calls, once there is one
# KEEPER_PAGER_URL_FILE=/run/secrets/keeper-pager-url

# The password of the keystore, once there is a signer
# KEEPER_KEYSTORE_PASSWORD_FILE=/run/secrets/keeper-keystore-password

# The token of a remote signer, once there is one
# KEEPER_SIGNER_TOKEN_FILE=/run/secrets/keeper-signer-token

# The token of a witness that is given the log's checkpoints, once there is one
# KEEPER_WITNESS_TOKEN_FILE=/run/secrets/keeper-witness-token

# The password of PostgreSQL, where audit.url asks for it
# KEEPER_DATABASE_PASSWORD_FILE=/run/secrets/keeper-database-password

# What this replica is called, where several share a database
# KEEPER_REPLICA=keeper-1

# A service that calls people when the keeper does not ask it any more
# KEEPER_HEARTBEAT_URL_FILE=/run/secrets/keeper-heartbeat-url
"""

MARKETS = ("safe", "stablecoin-peg", "staking-ratio", "major-perp", "lending-oracle")
"""By what is watched."""
PROTOCOLS = ("openzeppelin-pausable", "aave-v3", "compound-flag", "gmx-parameter", "safe-module", "lido-breaker")
"""By what is called."""
PRESETS = MARKETS + PROTOCOLS


def template(preset: str = "safe") -> tuple[str, str]:
    """The texts of ``keeper.yaml`` and ``.env``. Raises ConfigurationError for a preset that is not there."""
    if preset not in PRESETS:
        raise fail(FILE, None, preset, "there is no such preset", nearest(preset, PRESETS))
    if preset == "safe":
        return _YAML, _ENV
    return files("keeper.config").joinpath("presets", f"{preset}.yaml").read_text("utf-8"), _ENV
