"""Which way an action went, as its records of sending tell: to block builders, to the public, or to one and then the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from keeper.app.incidents.fields import Body, body_of, objects, text, whole
from keeper.domain.builder_words import in_one_line
from keeper.domain.record import Record, RecordKind
from keeper.execution.journal import FallbackReason
from keeper.execution.trail import NO_ANSWERS

PUBLIC: Final = "public"
PRIVATE: Final = "private"
THEN_PUBLIC: Final = "private, then public"
BOTH: Final = "private and public"


def way_of(records: Sequence[Record]) -> str:
    """One of the words above; empty where nothing was sent. A record of a version that knew no builders is of a public way."""
    secret, public, fallback = _kinds(records)
    if secret is not None and public is not None:
        return THEN_PUBLIC if fallback is not None else BOTH
    if secret is not None:
        return THEN_PUBLIC if fallback is not None else PRIVATE
    return PUBLIC if public is not None else ""


def way_words(records: Sequence[Record]) -> str:
    """Such as ``by the private route X, then publicly by Y after 2 blocks``; empty where nothing was sent."""
    secret, public, fallback = _kinds(records)
    if secret is None:
        return "" if public is None else "by the public route"
    private = f"by the private route {secret}"
    if fallback is not None:
        return f"{private}, then publicly by {text(fallback, 'route')} {fallback_reason(fallback)}"
    return private if public is None else f"{private} and publicly by {public}"


def fallback_reason(body: Body) -> str:
    """Why what was for builders became public, of the record that says so."""
    said = body_of(body.get("fallback"))
    match text(said, "reason"):
        case FallbackReason.REFUSED:
            return "since no builder took it"
        case FallbackReason.NOT_INCLUDED:
            blocks = whole(said, "blocks") or 0
            return f"after {blocks} block{'' if blocks == 1 else 's'} without it"
        case FallbackReason.NEEDED:
            return "since a later transaction of the same key was public"
        case FallbackReason.CONFIGURED:
            return "since the configuration had changed"
        case _:
            return "for a reason that this version does not know"


def answer_words(body: Body) -> str:
    """What one record of sending tells, in one line."""
    builders = in_one_line(
        (text(one, "to"), text(one, "answer"), text(one, "message")) for one in objects(body.get("answers"))
    )
    route, message = text(body, "route"), text(body, "message")
    if body.keys() & NO_ANSWERS:
        why, more, _ = message.partition(
            " ("
        )  # of the fallback that builders' refusals led to: once more each, where it was recorded so
        return f"{why} ({builders})" if more and builders else message
    said = " ".join(part for part in (text(body, "answer"), "by" if route else "", route) if part)
    if body.get("public") is False and builders:
        return f"{said}: {builders}"
    return f"{said}: {message}" if message and message != text(body, "tx_hash") else said


def _kinds(records: Sequence[Record]) -> tuple[str | None, str | None, Body | None]:
    """(route to builders, public route, body of the fallback)."""
    secret: str | None = None
    public: str | None = None
    fallback: Body | None = None
    for record in records:
        body = record.body
        if record.kind is not RecordKind.BROADCAST:
            continue
        if "fallback" in body:
            fallback = body
        elif body.keys() & NO_ANSWERS:
            continue
        elif body.get("public") is False:
            secret = secret or text(body, "route")
        else:
            public = public or text(body, "route")
    return secret, public, fallback
