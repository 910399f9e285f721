"""One proposal as the page lays it out: what the templates need beyond the Matter itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from keeper.app.council.matter import Decoded, Matter, Remark, Standing
from keeper.app.pages.chart import Picture, picture
from keeper.app.pages.settings import PageSettings
from keeper.app.pages.wording import groups, lasting
from keeper.domain.record import Json

DATA_MAX: Final = 12 * 1024
"""Bytes of calldata that a page carries; more is shown in part, and signed elsewhere. Keeps a page under 100 kB."""
CALLS_MAX: Final = 60
DEPTH_MAX: Final = 6


@dataclass(frozen=True, slots=True)
class Digest:
    """A hash for comparison; ``groups`` are four digits each."""

    name: str
    meaning: str
    text: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hour:
    """A time of the council's clock. ``at_ms`` None: not yet; ``after`` is how long after the first of them."""

    name: str
    at_ms: int | None
    after: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """A decoded call and those inside it; ``left_out``: how many of them are not shown."""

    call: Decoded
    inner: tuple[Node, ...]
    left_out: int


@dataclass(frozen=True, slots=True)
class Approval:
    """``offered``: the button is there. ``sentence`` says why not, or how it goes."""

    offered: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """``alarms`` hold those of the matter, and one of ours when another matter came than was asked for."""

    matter: Matter
    asked: str
    alarms: tuple[Remark, ...]
    picture: Picture | None
    digests: tuple[Digest, ...]
    clock: tuple[Hour, ...]
    tree: Node
    raw: str
    raw_left_out: int
    """Bytes of the calldata that ``raw`` does not show."""
    commands: tuple[tuple[str, str], ...]
    """(what it does, the command)."""
    web_url: str
    approval: Approval
    signing: dict[str, Json] | None
    """What the browser needs for signing; None where that is not offered."""


def sheet(matter: Matter, asked: str, settings: PageSettings) -> Sheet:
    """``asked`` is the safeTxHash in the address of the page."""
    alarms = matter.alarms
    approval = _approval(matter, asked, settings)
    data = matter.transaction.data
    return Sheet(
        matter=matter,
        asked=asked,
        alarms=alarms,
        picture=picture(matter.chart) if matter.chart else None,
        digests=_digests(matter),
        clock=_clock(matter),
        tree=_node(matter.decoded, 1, [CALLS_MAX - 1]),
        raw="0x" + data[:DATA_MAX].hex(),
        raw_left_out=max(0, len(data) - DATA_MAX),
        commands=_commands(matter, settings.config),
        web_url=outward(matter.web_url),
        approval=approval,
        signing=_signing(matter, settings) if approval.offered else None,
    )


def outward(url: str) -> str:
    """A link that leads to a web page; empty for anything else (``javascript:``)."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return url if parts.scheme in ("https", "http") and parts.netloc else ""


def proposal_path(safe_tx_hash: str) -> str:
    return f"/proposals/{safe_tx_hash}"


def incident_path(incident: str) -> str:
    return f"/incidents/{quote(incident, safe='')}"


def refusal(matter: Matter, asked: str) -> str:
    """Why this one is not to be signed here; empty where nothing speaks against it. Read-only is another matter."""
    if matter.hash != asked:
        return "The proposal that was found has another hash than the one in this page's address."
    if matter.alarms:
        return "There are alarms: find out why before anybody signs. This page takes no signature for it."
    if matter.over:
        return "It is over: a signature changes nothing any more."
    if not matter.missing and not matter.former:
        return "Enough owners have signed: no more signatures are needed."
    return ""


def _approval(matter: Matter, asked: str, settings: PageSettings) -> Approval:
    why_not = refusal(matter, asked)
    if why_not:
        return Approval(False, why_not)
    if not settings.approve:
        return Approval(
            False,
            "This page is read-only (`http: approve: true` in the configuration lets it take signatures). "
            "Sign with the command line or in the Safe web app.",
        )
    if len(matter.transaction.data) > DATA_MAX:
        return Approval(False, "Its calldata is too long for this page: sign with the command line.")
    return Approval(
        True,
        "Your wallet shows the hashes above before it signs: compare them. The signature is sent to this keeper, which checks it and passes it on.",
    )


def _signing(matter: Matter, settings: PageSettings) -> dict[str, Json]:
    return {
        "chainId": matter.transaction.chain_id,
        "owners": list(matter.state.owners),
        "signed": [one.owner for one in matter.signed if one.counts and one.owner not in matter.former],
        "names": dict(settings.members),
        "path": f"{proposal_path(matter.hash)}/confirmations",
        "typed": matter.transaction.typed_data(),
    }


def _digests(matter: Matter) -> tuple[Digest, ...]:
    transaction = matter.transaction
    parts = (
        ("Domain hash", "this chain and this Safe", transaction.domain_hash),
        ("Message hash", "what is to be done", transaction.message_hash),
        ("safeTxHash", "both together: what is signed", transaction.hash),
    )
    return tuple(Digest(name, meaning, "0x" + raw.hex(), groups(raw.hex())) for name, meaning, raw in parts)


def _clock(matter: Matter) -> tuple[Hour, ...]:
    times = matter.times
    steps = [
        ("Proposed", times.proposed_ms),
        ("People paged", times.paged_ms),
        ("First seen", times.seen_ms),
        ("First signature", times.first_signature_ms),
        ("Enough signatures", times.threshold_ms),
        ("Executed", times.executed_ms),
    ]
    over = times.moot_ms is not None
    if over:
        why = f": {times.moot_why}" if times.moot_why else ""
        steps = [step for step in steps if step[1] is not None] + [(f"Pointless{why}", times.moot_ms)]
    start_ms = min((at for _, at in steps if at is not None), default=None)
    return tuple(
        Hour(
            name,
            at,
            f"{lasting(at - start_ms)} later" if at is not None and start_ms is not None and at > start_ms else "",
        )
        for name, at in steps
    )


def _node(call: Decoded, depth: int, left: list[int]) -> Node:
    """``left`` holds how many more calls may be shown: a hostile batch of thousands must not make the page unreadable."""
    inner: list[Node] = []
    for each in call.inner:
        if depth >= DEPTH_MAX or left[0] <= 0:
            break
        left[0] -= 1
        inner.append(_node(each, depth + 1, left))
    return Node(call, tuple(inner), len(call.inner) - len(inner))


def _commands(matter: Matter, config: str) -> tuple[tuple[str, str], ...]:
    start = f"keeper council {config}"
    key = "\\\n  --keystore FILE --password-file FILE"
    show = ("show all of this in a terminal", f"{start} show {matter.hash}")
    sign = ("approve it", f"{start} confirm {matter.hash} {key}")
    execute = ("carry it out", f"{start} execute {matter.hash} {key}")
    reject = ("reject it (signs an empty transaction with the same nonce)", f"{start} reject {matter.hash} {key}")
    match matter.standing:
        case Standing.WAITING:
            return (show, sign, reject)
        case Standing.READY:
            return (show, execute, reject)
        case Standing.BEHIND:
            return (show, reject)
        case _:
            return (show,)
