"""A local stand-in of Safe's Transaction Service, over real HTTP on loopback: what owners sign is checked against the Safe on the node, as theirs is.

``async with SafeService.open(node.http_url, node.chain_id, now_ms) as service`` gives ``service.url``. Faults and lies come on demand.
"""

from keeper.devnet.safe_service.faults import Alter, Fault, FaultKind
from keeper.devnet.safe_service.service import SafeService

__all__ = ["Alter", "Fault", "FaultKind", "SafeService"]
