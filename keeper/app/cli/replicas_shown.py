"""Who of several replicas leads, and who stands by, for ``keeper status``: the database says it, not the log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from keeper.adapters.audit.times import to_iso
from keeper.app.cli.output import Output
from keeper.domain.lease import Lease, Replica, Role, acting_of, unlike
from keeper.domain.postgres_url import is_postgres
from keeper.domain.record import Record

LIVES_MS: Final = 30_000
"""Every replica is heard of far more often."""
LOCK_MS: Final = 5_000


@dataclass(frozen=True, slots=True)
class Replicas:
    """``lease`` and every replica that was heard of within the last day."""

    lease: Lease | None
    all: tuple[Replica, ...]

    @property
    def standbys(self) -> int:
        """How many of them could take over now."""
        return sum(each.role is Role.STANDBY and each.lives(LIVES_MS) for each in self.all)

    @property
    def leads(self) -> bool:
        """Whether somebody does."""
        return self.lease is not None and bool(self.lease.holder) and self.lease.left_ms > 0

    @property
    def ok(self) -> bool:
        """Somebody leads, and somebody could take over who would do the same."""
        return self.leads and self.standbys > 0 and not self.unlike

    @property
    def unlike(self) -> dict[str, str]:
        """Who lives and differs from the leader, and in what."""
        leader = next((one for one in self.all if one.role is Role.LEADER and one.lives(LIVES_MS)), None)
        if leader is None:
            return {}
        mine = acting_of(leader.config)
        found = {
            each.name: " and ".join(unlike(mine, leader.version, each)) for each in self.all if each.lives(LIVES_MS)
        }
        return {name: how for name, how in found.items() if how}


def of_log(url: str, start: Record | None) -> Replicas | None:
    """None where the newest start is not one of several replicas. Raises StoreUnavailable."""
    if start is None or "replica" not in start.body or not is_postgres(url):
        return None
    from keeper.adapters.audit.postgres_lease import who_leads

    lease, found = who_leads(url, LOCK_MS)
    return Replicas(lease, tuple(found))


def document(replicas: Replicas | None) -> dict[str, object] | None:
    """For machines."""
    if replicas is None:
        return None
    lease = replicas.lease
    return {
        "leader": lease.holder if lease is not None and replicas.leads else None,
        "fence": lease.fence if lease is not None else None,
        "since": to_iso(lease.since_ms) if lease is not None and replicas.leads else None,
        "standbys": replicas.standbys,
        "unlike": replicas.unlike,
        "replicas": [
            {
                "name": each.name,
                "role": each.role.value if each.lives(LIVES_MS) or each.role is Role.STOPPED else "silent",
                "seen": each.seen or None,
                "evaluated": each.evaluated or None,
                "heard_s_ago": each.heard_ms / 1000,
                "version": each.version,
                "acts_by": acting_of(each.config).markets,
                "sender": acting_of(each.config).sender or None,
            }
            for each in replicas.all
        ],
    }


def show(output: Output, replicas: Replicas | None) -> None:
    """A line for each, and what to do where nobody stands by."""
    if replicas is None:
        return
    lease = replicas.lease
    if lease is not None and replicas.leads:
        output.say(f"\nreplicas: {lease.holder} leads since {to_iso(lease.since_ms)} (fence {lease.fence})", "bold")
    else:
        output.say("\nreplicas: nobody leads", "bold red")
    for each in replicas.all:
        seen = f"newest block seen {each.seen}" if each.seen else "no block seen yet"
        ago = f"heard of {each.heard_ms / 1000:.0f} s ago"
        if each.role is Role.STOPPED:
            output.say(f"  {each.name}: stopped {each.heard_ms / 1000:.0f} s ago")
        elif each.lives(LIVES_MS):
            output.say(f"  {each.name}: {each.role.value}, {seen}, {ago}")
        else:
            output.say(f"  {each.name}: silent, {ago}", "magenta")
    for name, how in replicas.unlike.items():
        output.say(f"{name} has {how} than the leader: it would do something else after a takeover", "magenta")
        output.say(
            "  -> give all replicas the same file, key and version; keeper reload reaches those that stand by, too"
        )
    if not replicas.standbys:
        output.say("no replica stands by: nobody takes over when this one ends", "magenta")
        output.say("  -> start another one with the same configuration and keeper.replicas")
