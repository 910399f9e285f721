"""What happens in one run: everything follows from its seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

AFTER: dict[str, tuple[int | None, ...]] = {"public": (0,), "private": (0, 1, 2, 3, None), "race": (0,)}
GOLDEN = 0.6180339887498949
"""Multiples of it spread evenly over [0, 1): runs with seeds that follow each other kill at places far apart."""


BUDGET_WEI = 10**16
"""At the action's gas some 100 gwei for each: four doublings."""


class Fault(StrEnum):
    """What goes wrong besides the kills."""

    NONE = "none"
    DATABASE_AWAY = "database-away"
    NODE_AWAY = "node-away"
    NODE_HANGS = "node-hangs"
    ANSWER_LOST = "answer-lost"
    """The node takes the transaction, and the connection breaks before it says so."""
    SWALLOWED = "swallowed"
    """The node answers that it has taken the transaction, and forgets it."""
    FORGOTTEN = "forgotten"
    """The node drops what waits."""
    REORG = "reorg"
    CROWDED = "crowded"
    """Others fill every block and pay more, so that the base fee rises by 12.5 % with each."""
    NONCE_TAKEN = "nonce-taken"
    SOMEBODY_ELSE = "somebody-else"
    """Somebody else pauses the market meanwhile."""
    CLOCK_FORWARD = "clock-forward"
    CLOCK_BACK = "clock-back"
    NO_ROLE = "no-role"
    NO_FUNDS = "no-funds"
    RELAYS_HANG = "relays-hang"
    RELAYS_REFUSE = "relays-refuse"
    RELAYS_LOSE = "relays-lose"
    """Builders take everything and include nothing."""


HOPELESS = frozenset({Fault.NO_ROLE, Fault.NO_FUNDS})
"""What makes the action impossible: it must end as failed, and people must be paged."""
OF_RELAYS = frozenset({Fault.RELAYS_HANG, Fault.RELAYS_REFUSE, Fault.RELAYS_LOSE})
IN_FLIGHT = frozenset({Fault.SOMEBODY_ELSE, Fault.FORGOTTEN, Fault.NONCE_TAKEN})
"""What matters while a transaction waits."""
ROUTES = ("public", "private", "race")


@dataclass(frozen=True)
class Scenario:
    """``fault`` begins ``at`` blocks after the trip (0: before it) and lasts ``blocks``. A reorganisation takes place ``late`` blocks after the
    one with the transaction, and takes all of them away; ``kept``: the transaction is in the pool again then.

    ``kills`` are places in [0, 1) on the list of steps of such a run, one for each life of the keeper that ends by kill -9; ``idle`` blocks
    pass before it is started again. ``public_after``: blocks to builders alone (None: never public). ``per_action_wei`` is the budget of the action.
    """

    seed: int
    route: str
    database: str
    fault: Fault
    at: int
    blocks: int
    late: int
    kept: bool
    confirmations: int
    public_after: int | None
    per_action_wei: int | None
    kills: tuple[float, ...]
    idle: int

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.route}, {self.database}, {self.fault} from {self.at} for {self.blocks}, {len(self.kills)} kills"


def draw(seed: int, routes: tuple[str, ...] = ROUTES) -> Scenario:
    """The run of this seed. Every fifth has its log in PostgreSQL."""
    chance = random.Random(seed)
    route = routes[seed % len(routes)]
    faults = [fault for fault in Fault if route != "public" or fault not in OF_RELAYS]
    fault = chance.choice(faults)
    blocks = 20 if fault is Fault.CROWDED else chance.randint(1, 3)
    late = chance.randint(0, 2)
    first = (seed // len(routes)) * GOLDEN % 1
    kills = chance.choice([(), (first,), (first,), (first,), (first, chance.random())])
    return Scenario(
        seed=seed,
        route=route,
        database="postgres" if chance.random() < 0.2 else "sqlite",
        fault=fault,
        at=2 if fault in IN_FLIGHT else chance.randint(0, 2),
        blocks=blocks,
        late=late,
        kept=chance.random() < 0.5,
        confirmations=late + 2 if fault is Fault.REORG else chance.randint(1, 3),
        public_after=chance.choice(AFTER[route]),
        per_action_wei=chance.choice([None, BUDGET_WEI]),
        kills=kills,
        idle=chance.randint(0, 2),
    )
