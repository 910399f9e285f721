"""One-minute bars of real venues, as observations of the sources of a configuration. The data stay where they are: beside the repository."""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from keeper.config.model import Config, ExchangeSource
from keeper.domain.block import BlockStamp
from keeper.domain.consensus import Member
from keeper.domain.observation import Observation
from keeper.domain.snapshot import Snapshot
from keeper.domain.units import Unit
from keeper.domain.venue import BAR_MS, Bar, Guards, Quote, judge

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
Series = Mapping[tuple[str, str], list[Bar]]


def load(name: str) -> Series:
    """The bars of each (venue, symbol), oldest first. Bars without a volume (mid prices) are left out."""
    found = defaultdict(list)
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["volume"]:
                open_ms = int(datetime.fromisoformat(row["timestamp_utc"]).timestamp()) * 1000
                bar = Bar(open_ms, Decimal(row["close"]), Decimal(row["volume"]))
                found[row["venue"], row["symbol"]].append(bar)
    return found


@dataclass(slots=True)
class _Cursor:
    """One source walking along its bars; ``next`` is the first bar that is not over yet."""

    source: str
    bars: list[Bar]
    guards: Guards
    next: int = 0
    first: int = 0

    def at(self, now_ms: int) -> Observation | None:
        """What the venue would have said: a bar's close is known at its end."""
        while self.next < len(self.bars) and self.bars[self.next].open_ms + BAR_MS <= now_ms:
            self.next += 1
        window_ms = now_ms - self.guards.window_ms
        while self.first < self.next and self.bars[self.first].open_ms + BAR_MS <= window_ms:
            self.first += 1
        if self.next == 0:
            return None
        last = self.bars[self.next - 1].close
        said: Member = judge(self.source, Quote(last), self.bars[self.first : self.next], self.guards, now_ms)
        return Observation(
            self.source, said.value, Unit.PRICE, now_ms, said.at_ms, quality=said.quality, reason=said.reason
        )


def snapshots(series: Series, config: Config, mapping: Mapping[str, tuple[str, str]]) -> Iterator[Snapshot]:
    """One snapshot at the end of each minute, with the guards of the configuration. Bars hold no bid and ask, so the spread is not asked."""
    cursors = []
    for source in config.sources:
        if isinstance(source, ExchangeSource):
            guards = Guards(source.max_age_ms, source.min_volume, source.volume_window_ms)
            cursors.append(_Cursor(source.name, series[mapping[source.name]], guards))
    first = min(cursor.bars[0].open_ms for cursor in cursors) + BAR_MS
    last = max(cursor.bars[-1].open_ms for cursor in cursors) + BAR_MS
    for number, now_ms in enumerate(range(first, last + 1, BAR_MS), start=1):
        said = {cursor.source: one for cursor in cursors if (one := cursor.at(now_ms)) is not None}
        yield Snapshot(BlockStamp(number, hex(number), hex(number - 1), now_ms // 1000), now_ms, said)


def unguarded(config: Config) -> Config:
    """The same configuration whose venues are believed whatever is traded there."""
    sources = tuple(
        replace(one, min_volume=None, max_age_ms=366 * 86_400_000) if isinstance(one, ExchangeSource) else one
        for one in config.sources
    )
    return replace(config, sources=sources)
