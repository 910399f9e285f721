"""What to do about it: a remedy for each cause that nodes and sources fail by. The words of an error are the only sign of its cause,
so the first pattern that fits them decides; the patterns are written against the messages of ``keeper.adapters`` and ``keeper.engine``."""

from __future__ import annotations

import re

from keeper.domain.errors import OutsideError, Refused

Rules = tuple[tuple[re.Pattern[str], str], ...]


def _rules(*pairs: tuple[str, str]) -> Rules:
    return tuple((re.compile(pattern, re.IGNORECASE), remedy) for pattern, remedy in pairs)


LATER = "the service itself is in trouble: wait, ask its operator, or use another"
OFFERS = "the node does not offer this call: allow it (eth_call, eth_getBlockByNumber, eth_subscribe), or use another"
CERTIFICATE = (
    "its TLS certificate is not accepted: check the host's name, the date of this machine and its list of authorities"
)
NO_TLS = "no TLS is spoken at this port: write http:// or ws://, or correct the port"
NO_HOST = "the name of the host is not known: check its spelling and the DNS of this machine"

NODE = _rules(
    (r"serves chain", "correct `chain.id` or the endpoint"),
    (r"HTTP 40[13]", "the node does not take this key: check the key in the address, and which hosts its owner allows"),
    (r"HTTP 404", "nothing is served at this path: check the path and the key at the end of the address"),
    (r"HTTP 429|rate.?limit|too many requests|exceeded|capacity|credits",
     "too many requests for this plan: raise the plan's "
     "limit, or use another provider"),
    (r"HTTP 3\d\d", "redirects are not followed: write the final address (curl -sI ADDRESS shows it as `location`)"),
    (r"HTTP 5\d\d", LATER),
    (r"instead of a WebSocket", "no WebSocket is served there: write http(s)://, or the node's WebSocket port and path"),
    (r"HTTP 4\d\d", "this is not a JSON-RPC server, or not at this path: check the address"),
    (r"certificate", CERTIFICATE),
    (r"no TLS", NO_TLS),
    (r"name of the host", NO_HOST),
    (r"connection refused", "nothing listens there: start the node, and check host, port and firewall"),
    (r"no such file", "there is no such socket: start the node, and check the path of its IPC file"),
    (r"permission denied", "this user may not open the socket: give it the node's group, or use ws:// on the loopback address"),
    (r"no connection within|timed out|unreachable|no route", "nobody answers: check host, port and firewall"),
    (r"no answer within|could be sent within", "the node is overloaded, hangs or is far away: check it, or use another"),
    (r"not JSON|the node sent|another request than|without a result",
     "this does not talk JSON-RPC: check that the address is a "
     "node's, and which port it is"),
    (r"closed the connection|connection failed|connection was closed|connection reset",
     "the node closes connections: check its log, its "
     "limits, and any proxy before it"),
    (r"the method|method not found", OFFERS),
    (r"unknown block|block not found|header not found|missing trie|not available|pruned|does not have block",
     "the node does not have this block's state: it must answer eth_call by block "
     "hash (EIP-1898); let it finish to sync, or use another"),
    (r"not supported|unsupported|not allowed|denied|forbidden|unauthori", OFFERS),
    (r"not a quantity|not bytes|has \d+ bytes|not an object|Multicall3|ends too early", "its answers are not what a node says: replace it"),
)  # fmt: skip
CHECK_NODE = "check the address, the node and the network"

SOURCE = _rules(
    (r"^(?:\S+: )?needs \S+:", "see the line of the source that it needs: this one is usable again when that one is good and says 1"),
    (r"^(?:\S+: )?\S+ is down\b", "wait: it is usable again when the source that it needs says 1"),
    (r"sequencer came back", "wait until the grace period is over (`grace`)"),
    (r"heartbeat of", "the feed breaks its own promise: look at its page and at another source; correct `heartbeat` if it promises less"),
    (r"carries the answer of round", "the feed has no complete new round: look at its page, and wait for the next one"),
    (r"the same value for longer", "look at the source that it is made of: it may be stuck; raise the limit if it is often this quiet"),
    (r"nothing traded lately", "choose a venue with more trade, or another source"),
    (r"older than|old, max_age", "find out why it is not renewed; raise `max_age` only if it is always this slow"),
    (r"reached the feed's (?:minimum|maximum)",
     "the true price may lie beyond: look at another source; correct "
     "`bounds` if they are not the feed's any more"),
    (r"is allowed above the", "find out why the rate jumped; raise `max_growth_per_day` only if that growth is real"),
    (r"confidence interval", "Pyth is not sure of this price: look at another source; raise `max_confidence` only if that much is tolerable"),
    (r"no liquidity|liquidity is worth", "choose a deeper pool, or lower `min_liquidity`"),
    (r"spread", "choose a venue with a narrower market, or raise `max_spread`"),
    (r"traded|volume", "choose a venue with more trade, or lower `min_volume`"),
    (r"answered nothing|\b0 bytes where", "there is no contract with this view at the address on this chain: correct the address, or `chain.id`"),
    (r"does not remember", "give the pool more memory (increaseObservationCardinalityNext), or shorten `window`"),
    (r"never given a price", "this pool was not begun: correct `pool`"),
    (r"there is no price 0x", "correct `id`, or the address: ids differ between Pyth's networks"),
    (r"updatedAt is 0|no round yet|nothing was published", "nothing was ever reported there: check that it is the feed in use on this chain"),
    (r"the pool trades", "correct `base` and `quote`, or `pool`"),
    (r"the vault's asset is", "correct `asset`, or `vault`"),
    (r"\brevert|panicked", "the contract refuses the call: check that its address is of the configured kind, and the arguments"),
    (r"where \(.*\) needs|is not an? \w+\d*$|begins at byte|does not fit in|two lists of two",
     "the answer does not fit the view: correct the "
     "address, or the types of `call`"),
    (r"states \d+ decimals|decimals of the share", "no token or feed has so many decimals: correct the address"),
    (r"lies after the block's time", "the source reports times of the future: do not use it until that is explained"),
    (r"is its unit right", "correct `time_unit` (ms or s), or `time`"),
    (r"clock right", "check the clock of this machine (NTP), and that of the venue"),
    (r"HTTP 40[13]", "the service does not take this key: check the key in the address or in `headers`"),
    (r"HTTP 404", "nothing is served at this address: correct the path in `url`"),
    (r"HTTP 429|asked to wait", "asked too often: raise `every`, or use a key with a higher limit"),
    (r"HTTP 3\d\d", "redirects are not followed: write the final address in `url` (curl -sI ADDRESS shows it as `location`)"),
    (r"HTTP 5\d\d", LATER),
    (r"HTTP \d+", "the service refuses the request: check `url` and `headers`"),
    (r"certificate", CERTIFICATE),
    (r"no TLS", NO_TLS),
    (r"name of the host", NO_HOST),
    (r"connection refused", "nothing listens there: check host and port in `url`, and the firewall"),
    (r"not answer within|no answer within|not answer in time|no connection within",
     "the service is slow or far away: raise `timeout` if it is "
     "always so, else check the network"),
    (r"cannot be reached", "check host and port, DNS, the firewall, and the TLS certificate of the host"),
    (r"does not trade", "correct `symbol`: write it as ccxt does, such as ETH/USDT"),
    (r"no one-minute bars", "leave `min_volume` out, or use another venue"),
    (r"is not JSON|holds (?:NaN|-?Infinity)|compressed", "this address does not answer plain JSON: correct `url` (a web page answers HTML)"),
    (r"there is no \S+ in the answer", "correct the path in `value` or `time`: look at the answer with curl"),
    (r"sent more than", "the answer is too long: ask an address that answers this one number"),
    (r"not a number|negative|is a price of 0|makes no sense",
     "the path leads to something that is not a price: correct `value`, "
     "or see what the service answers with curl"),
    (r"refused \(", "the venue refuses the request: check that it serves this country and this symbol"),
    (r"apart:", "the members differ: look at each one's own value; widen `outlier` only if that is normal"),
    (r"neither 0 \(up\)", "this is no uptime feed: correct the address"),
    (r"\d+ good, \d+ needed|median of|ratio of|product of|inverse of|unchanged of", "see the lines of what it is made of"),
    (r"answers? (?:a price of )?-?\d+|the price is|a rate of 0",
     "no price is zero or less: check that the address is the right "
     "feed or view, and look at another source"),
    (r"not asked|no answer yet", "see the endpoints, or wait for the first answer"),
)  # fmt: skip
CHECK_SOURCE = "check its address, and that the configured kind fits it"
HOLDS = "rules that need it hold"

_WITHIN = re.compile(
    r"(\S+) is (?:stale|thin|clamped|wide|disagree|missing|malformed) \(([^()]*(?:\([^()]*\)[^()]*)*)\)"
)
"""The parts of a reason that names several venues or members: ``kraken is missing (does not trade ETH/USD)``."""
MANY = 3
_ADDRESS = re.compile(r"\b[a-z]+://\S+", re.IGNORECASE)
"""A host may have any name."""

_ENDPOINT = {
    "wrong-chain": "correct the address of this endpoint, or `chain.id`",
    "lagging": "it syncs or is overloaded: check it, and replace it if this lasts; another one is used meanwhile",
}
_NODE_PARTS = frozenset({"endpoint", "heads", "reads", "follow-up", "readiness"})


def of_node(error: OutsideError | str) -> str:
    """What to do about an error of a node."""
    message = error if isinstance(error, str) else error.message
    if isinstance(error, Refused) and 300 <= error.code < 600 and "HTTP" not in message:
        message = f"HTTP {error.code}: {message}"
    return _first(NODE, message) or (error.remedy if isinstance(error, OutsideError) else "") or CHECK_NODE


def of_source(reason: str) -> str:
    """What to do about a source that is not good for this reason; for each venue or member where the reason names several."""
    parts: dict[str, list[str]] = {}
    for name, why in _WITHIN.findall(reason):
        parts.setdefault(_first(SOURCE, why) or CHECK_SOURCE, []).append(name)
    if parts:
        return "; ".join(f"{', '.join(names)}: {remedy}" for remedy, names in list(parts.items())[:MANY])
    return _first(SOURCE, reason) or CHECK_SOURCE


def of_fault(part: str, reason: str, message: str) -> str:
    """The remedy of a fault whose teller knows none; empty where there is nothing to say. ``reason`` is the fault's short code."""
    kind = part.partition(":")[0]
    if kind in ("source", "grade"):
        return f"{of_source(message)}; {HOLDS}"
    if kind in _NODE_PARTS:
        return _ENDPOINT.get(reason) or of_node(message)
    if kind == "effect":
        return "correct `target` or `read` of the action"
    return ""


def _first(rules: Rules, message: str) -> str:
    words = _ADDRESS.sub("", message)
    return next((remedy for pattern, remedy in rules if pattern.search(words)), "")
