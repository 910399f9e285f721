"""The story of one incident, for whoever has a store or a database."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from keeper.app.cli.summaries import summary
from keeper.app.incidents.actions import actions_of, decided
from keeper.app.incidents.course import block_times, course_of, onset_of
from keeper.app.incidents.fields import flag, instant, judgement, text, whole
from keeper.app.incidents.figures import of_story
from keeper.app.incidents.gathering import Material, Page, gather_async, gather_sync
from keeper.app.incidents.moments import moments_of
from keeper.app.incidents.people import deeds_of, proposals_of, ratification, restoration, turns_of
from keeper.app.incidents.rule_words import rule_of
from keeper.app.incidents.story import Judgement, Standing, State, Story
from keeper.domain.record import Record, RecordKind
from keeper.ports.audit import AuditStore

if TYPE_CHECKING:
    from keeper.app.incidents.checking import Checked
    from keeper.domain.checkpoint import SignedCheckpoint

Covering = Callable[[int], "SignedCheckpoint | None"]
"""The first signed checkpoint at or after a record's number."""


async def story_of(store: AuditStore, incident: str, checkpoint: SignedCheckpoint | None = None) -> Story | None:
    """None when the log knows no incident of this name. Raises StoreUnavailable, StoreNotMigrated; for content, never."""
    material = await gather_async(store, incident)
    return None if material is None else tell(material, checkpoint)


def read_story(
    page: Page, incident: str, covering: Covering | None = None, check: Callable[[int], Checked] | None = None
) -> Story | None:
    """The same from a database, without a store: ``page`` is ``keeper.adapters.audit.reading.page_sync`` of it.

    ``check`` looks whether the log holds, from this record on.
    """
    material = gather_sync(page, incident)
    if material is None:
        return None
    story = tell(material, covering(last_of(material).seq) if covering is not None else None)
    return story if check is None else replace(story, checked=check(story.standing.first_seq))


def last_of(material: Material) -> Record:
    """The newest record that the story is told from."""
    return max(_used(material), key=lambda one: one.seq)


def _used(material: Material) -> list[Record]:
    return [*material.own, *material.ticks, *material.holds, *material.around, *turns_of(material)]


def tell(material: Material, checkpoint: SignedCheckpoint | None = None) -> Story:
    """Pure: from records to the story."""
    own = material.own
    opening = next((one for one in own if one.kind is RecordKind.INCIDENT and one is material.opened), None)
    verdict = _verdict(opening, own)
    opened = instant(opening) if opening is not None else None
    closing = material.closed
    closed = instant(closing) if closing is not None else None
    decisions = tuple(decided(one) for one in own if one.kind is RecordKind.DECISION)
    proposals, asked_by = proposals_of(own)
    actions = actions_of(own, proposals, asked_by)
    turns = turns_of(material)
    restored, words = restoration(material, turns, actions, proposals)
    course = course_of(material.ticks, material.market, verdict)
    onset = onset_of(material.ticks, course, opened, material.opened.seq, material.blind)
    times = block_times(material.ticks)
    configuration = material.configuration
    document = None if configuration is None else configuration.body.get("document")
    rule = rule_of(document, material.market or "", verdict.rule)
    newest = last_of(material)
    return Story(
        id=material.id,
        market=material.market or "",
        state=State.RESTORED if restored is not None else State.CLOSED if closed is not None else State.OPEN,
        judgement=verdict,
        opened=opened,
        closed=closed,
        onset=onset,
        decisions=decisions,
        held=tuple(decided(one) for one in material.holds),
        actions=actions,
        proposals=proposals,
        deeds=deeds_of(material, turns),
        restored=restored,
        restored_words=words,
        moments=moments_of(material, turns, course, onset, verdict, rule),
        figures=of_story(onset, opened, actions, proposals, ratification(turns), restored, times),
        course=course,
        standing=_standing(material, newest, checkpoint),
        records=len(own),
        cut=material.cut,
        gaps=_gaps(material),
        meant=rule,
        as_of=instant(newest) if closed is None and restored is None else None,
    )


def _verdict(opening: Record | None, own: list[Record]) -> Judgement:
    """That of the opening; where the log has none, of the first decision."""
    if opening is not None:
        return judgement(opening.body.get("verdict"))
    first = next((one for one in own if isinstance(one.body.get("verdict"), Mapping)), None)
    return judgement(first.body.get("verdict")) if first is not None else Judgement()


def _standing(material: Material, last: Record, checkpoint: SignedCheckpoint | None) -> Standing:
    start = material.start.body if material.start is not None else {}
    configuration = material.configuration
    verification = material.verification
    verified = ""
    if verification is not None:
        body = verification.body
        held = {True: "held", False: "was BROKEN"}.get(flag(body, "ok"))  # type: ignore[arg-type]
        verified = f"at {verification.at} the log {held or 'was verified, with an unknown result'}: {text(body, 'records')} records"
    decided_with = (text(one.body, "config_hash") for one in material.own if one.kind is RecordKind.DECISION)
    config_hash = next((each for each in decided_with if each), "")
    return Standing(
        keeper=text(start, "name"),
        version=text(start, "version"),
        mode=text(start, "mode"),
        chain_id=whole(start, "chain_id"),
        sender=text(start, "sender"),
        started=instant(material.start) if material.start is not None else None,
        config_hash=config_hash or (text(configuration.body, "hash") if configuration is not None else ""),
        config_seq=configuration.seq if configuration is not None else None,
        first_seq=min(one.seq for one in _used(material)),
        last_seq=last.seq,
        head=last.hash if isinstance(last.hash, str) else "",
        verified=verified,
        verified_seq=verification.seq if verification is not None else None,
        checkpoint=_document(checkpoint) if checkpoint is not None else None,
    )


def _document(checkpoint: SignedCheckpoint) -> Mapping[str, object]:
    from keeper.domain.checkpoint import (
        to_document,
    )  # with it comes a hash function that only who has checkpoints needs

    return to_document(checkpoint)


def _gaps(material: Material) -> tuple[str, ...]:
    lines = list(dict.fromkeys(material.unreadable))
    if material.cut:
        lines.append(f"only the first {len(material.own)} records of it are told here")
    if material.blind:
        lines.append(f"what was seen at the blocks could not be read: {material.blind}")
    for record in material.around:
        chain_gap = record.kind is RecordKind.CHAIN and record.body.get("event") in ("gap", "skipped")
        if record.kind is RecordKind.GAP or chain_gap:
            lines.append(f"{summary(record)} (record {record.seq})")
    return tuple(lines)
