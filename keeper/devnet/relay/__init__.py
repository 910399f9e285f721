"""A local relay with several block builders, over real HTTP on loopback, and the blocks that they build on a local node.

``async with Relay.open(node.http_url) as relay`` gives ``relay.url("titan")`` and so on, and ``await relay.slots.next()`` makes one block. The
node is anvil with ``--no-mining --order fifo``. Faults come on demand; ``await relay.public_before(tx_hash, block)`` says whether the public pool
saw it.

What is as it is outside: the signature header is verified on the raw bytes; every builder refuses in its own words and HTTP status; transactions
are decoded, their senders recovered; a bundle is for one block, replaced and cancelled by its ``replacementUuid`` and signer; a private
transaction is tried for 25 blocks and has a status; a lottery with a seed says who builds a block, and some blocks take nothing private; what
the winner has is simulated at the top of the block with the block's own base fee, all or nothing; then comes the public pool, by tip; after a
reorganisation what was private is public. Nothing private is in the node before its block, so nobody can find it there.

What is not: there is one winner for each block and no auction between builders; coinbase payments count for nothing; blobs are not taken, and what
makes a contract is not put into a block; no limits per minute. Bundle and block are handed to the node in one request, so a subscription to pending
transactions tells their hashes in the instant of the block and not before, and for an instant the public pool is empty while its order is made. A
transaction of an impersonated account stays where it is and so comes before the bundle. The block's time may be one second later than the time that
was simulated.
"""

from keeper.devnet.relay.builders import DOCUMENTED, Builder, Header, Shape
from keeper.devnet.relay.faults import Fault, FaultKind
from keeper.devnet.relay.lottery import Lottery
from keeper.devnet.relay.pool import Sighting
from keeper.devnet.relay.service import Relay
from keeper.devnet.relay.slots import Slot

__all__ = ["DOCUMENTED", "Builder", "Fault", "FaultKind", "Header", "Lottery", "Relay", "Shape", "Sighting", "Slot"]
