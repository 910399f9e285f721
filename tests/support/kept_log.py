"""A keeper's log as the service writes it, without a service: a configuration, blocks with prices, incidents, states; in any store."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from keeper.adapters.audit.evidence import pack
from keeper.app import records
from keeper.app.restart import bound, take_up
from keeper.config import loads
from keeper.domain.evidence import KEY
from keeper.domain.observation import Observation
from keeper.domain.record import Draft, Json, RecordKind
from keeper.domain.snapshot import Snapshot
from keeper.domain.units import Unit
from keeper.engine import compile_engine
from keeper.engine.evidence import decision_body, incident_body, judged_body, seen_body
from keeper.engine.recorded import inputs_body
from keeper.engine.tick import Tick
from keeper.ports.audit import AuditStore
from tests.support.engine_world import stamp

T0 = 1_763_700_000_000
BLOCK_MS = 12_000
# its names are not in the order of the alphabet, in which the log keeps them: an engine must find theirs again
TEXT = """\
keeper: {name: kept, mode: shadow}
chain: {id: 31337, endpoints: [{url: "ws://127.0.0.1:1", role: primary}], confirmations: 1}
audit: {url: "URL"RETENTION}
sources:
  spot: {kind: http, url: "http://127.0.0.1:1/b", value: a, unit: price, every: 1s, timeout: 1s, max_age: 1h}
  oracle: {kind: http, url: "http://127.0.0.1:1/a", value: a, unit: price, every: 1s, timeout: 1s, max_age: 1h}
actions:
  pause-market:
    kind: pause
    target: "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    call: "pauseMarket(bytes32)"
    args: ["{id}"]
    read: {call: "paused(bytes32)(bool)", args: ["{id}"], expect: "true"}
    undo: {call: "unpauseMarket(bytes32)", args: ["{id}"]}
    route: public
routes: {public: {kind: public}}
markets:
  ETH-PERP:
    vars: {id: "0x0000000000000000000000000000000000000000000000000000000000000001"}
    signals:
      wild: {kind: realised-volatility, of: oracle, window: 20 blocks, sampling: 1 block, annualised: no}
      gap: {kind: divergence, of: oracle, against: spot}
    rules:
      wild: {when: {signal: wild, above: 50%}, clear: {below: 40%}, severity: warning, actions: [pause-market]}
      wide: {when: {signal: gap, above: 2%, for: 2 blocks}, clear: {below: 1%, for: 1 block}, severity: critical, actions: [pause-market]}
"""


def text(url: str, retention: str = "") -> str:
    """The YAML; ``retention`` such as ``{keep: 30d, archive: old}``."""
    return TEXT.replace("URL", url).replace("RETENTION", f", retention: {retention}" if retention else "")


class KeptLog:
    """``inline``: with everything in the bodies, as versions before wrote it. ``late``: what is decided is written down after its blocks."""

    def __init__(self, store: AuditStore, yaml: str, *, inline: bool = False, at_ms: int = T0) -> None:
        self.store = store
        self.config = loads(yaml.encode(), folder=Path("/nowhere"), environ={}, offline=True)
        self.engine = compile_engine(self.config.engine)
        self.state = self.engine.initial_state()
        self.inline = inline
        self.late = False
        self.at_ms = at_ms
        self.block = 100
        self.last: Tick | None = None

    @property
    def bound_to(self) -> str:
        return bound(self.config, self.engine)

    async def start(self) -> None:
        taken = await take_up(self.store, self.engine, self.bound_to)
        self.state = taken.state
        said = taken.body(self.bound_to)
        start = records.start(self.at_ms, name="kept", mode="shadow", chain_id=31337, sender=None, state=said)
        await self.store.append([start, records.configuration(self.at_ms, self.config.hash, self.config.public())])

    async def blocks(self, count: int, oracle: str = "100", *, recorded: bool = True) -> None:
        """So many blocks; the other source says 100 and a little more each time."""
        drafts: list[Draft] = []
        for _ in range(count):
            self.block += 1
            self.at_ms += BLOCK_MS
            said = {"oracle": oracle, "spot": f"100.0{self.block % 7}"}
            shot = Snapshot(stamp(self.block), self.at_ms, {name: self._price(name, one) for name, one in said.items()})
            self.state, tick = self.engine.tick(self.state, shot)
            drafts += self._resolved(tick)
            if recorded:
                draft = Draft(RecordKind.TICK, judged_body(tick), tick.at_ms)
                drafts.append(self._with(draft, seen_body(tick) | inputs_body(shot)))
            self.last = tick
        if self.late:
            drafts.sort(key=lambda one: one.kind is not RecordKind.TICK)
        await self.store.append(drafts)

    async def save(self) -> None:
        assert self.last is not None
        block = self.last.block
        body: dict[str, Json] = {"for": self.bound_to, "block": block.hash, "number": block.number}
        draft = Draft(RecordKind.STATE, body, self.last.at_ms)
        await self.store.append([self._with(draft, {"memento": self.engine.save(self.state).body()})])

    async def incident(self) -> str:
        """Three blocks far away, and back again; its name."""
        await self.blocks(3, "110")
        (name,) = self.engine.open_incidents(self.state).values()
        await self.blocks(2)
        assert not self.engine.open_incidents(self.state)
        return name

    def _with(self, draft: Draft, beside: Mapping[str, Json]) -> Draft:
        if self.inline:
            return Draft(draft.kind, {**draft.body, **beside}, draft.at_ms)
        evidence = pack(beside)
        return Draft(draft.kind, {**draft.body, KEY: evidence.hash}, draft.at_ms, evidence=evidence)

    def _price(self, name: str, value: str) -> Observation:
        return Observation(name, Decimal(value), Unit.PRICE, self.at_ms - 5, self.at_ms - 50)

    @staticmethod
    def _resolved(tick: Tick) -> list[Draft]:
        drafts = [
            Draft(RecordKind.INCIDENT, incident_body(one), one.at_ms, market=one.market, incident=one.id)
            for one in tick.incidents
        ]
        for one in tick.decisions:
            body = decision_body(one) | {"config_hash": "0x00"}
            drafts.append(
                Draft(RecordKind.DECISION, body, one.at_ms, one.market, one.action or None, one.incident or None)
            )
        return drafts
