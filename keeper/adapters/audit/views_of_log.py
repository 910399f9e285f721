"""Views: what the log says of itself."""

from __future__ import annotations

from typing import Final

from keeper.adapters.audit.view_shape import CLOCK, SEQ, View, same, text, whole
from keeper.adapters.audit.view_sql import Dialect

_KEEPER: Final = ("r.doc", "document", "keeper")

CONFIGURATIONS: Final = View(
    "configurations",
    "one row for each configuration that a keeper ran with",
    {
        "hash": ("what decisions call it", lambda d: d.text("r.doc", "hash")),
        "first_at": (f"first start with it: {CLOCK}", same("min(r.at)")),
        "last_at": (f"last start with it: {CLOCK}", same("max(r.at)")),
        "first_seq": (SEQ, same("min(r.seq)")),
        "last_seq": (SEQ, same("max(r.seq)")),
        "starts": ("how often it was started with it", same("count(*)")),
        "name": ("name of the keeper", lambda d: f"max({d.text(*_KEEPER, 'name')})"),
        "mode": ("mode of the keeper", lambda d: f"max({d.text(*_KEEPER, 'mode')})"),
        "chain_id": ("the chain", lambda d: f"max({d.whole('r.doc', 'document', 'chain', 'id')})"),
    },
    lambda d: f"FROM {d.source('configuration')} AS r\nGROUP BY {d.text('r.doc', 'hash')}",
)

GAPS: Final = View(
    "gaps",
    "where the log or the keeper's sight of the chain has a hole, or had one that was filled late",
    {
        "seq": (SEQ, same("r.seq")),
        "at": (f"when it was written down: {CLOCK}", same("r.at")),
        "kind": ("gap: of records; chain: of blocks", same("r.kind")),
        "event": (
            "of records: written-late or not-applied; of blocks: gap, backfilled or skipped",
            text("r.doc", "event"),
        ),
        "first_block": ("first block of it", whole("r.doc", "first")),
        "last_block": ("last block of it", whole("r.doc", "last")),
        "from_at": (f"begin of a gap of records: {CLOCK}", lambda d: d.time_of_ms("r.doc", "from_ms")),
        "until_at": (f"end of a gap of records: {CLOCK}", lambda d: d.time_of_ms("r.doc", "until_ms")),
        "records": ("how many records stand here late", whole("r.doc", "records")),
        "known": ("how many of them the log had already", whole("r.doc", "known")),
        "left_out": ("how many were not kept at all", whole("r.doc", "left_out")),
        "reason": ("why", lambda d: f"coalesce({d.text('r.doc', 'reason')}, {d.text('r.doc', 'because')})"),
    },
    lambda d: (
        f"FROM {d.source('gap', 'chain')} AS r\nWHERE r.kind = 'gap' OR {d.text('r.doc', 'event')} IN ('gap', 'backfilled', 'skipped')"
    ),
)

EVIDENCE_OVERVIEW: Final = View(
    "evidence_overview",
    "one row for each piece of evidence: where it is, and which record it was kept for",
    {
        "hash": ("SHA-256 of the content, as records name it", same("h.hash")),
        "seq": ("number of the first record that it was kept for; NULL when it moved away", same("h.seq")),
        "at": (f"time of that record: {CLOCK}", same("k.at")),
        "kind": ("kind of that record", same("k.kind")),
        "encoding": ("how it is packed", same("h.encoding")),
        "size": ("bytes of the content", same("h.size")),
        "packed_size": ("bytes as packed", same("h.packed_size")),
        "here": ("whether the database has it", same("h.here")),
        "archive_seq": ("number of the record that names the archive", same("a.seq")),
        "archived_at": (f"when it was archived: {CLOCK}", same("r.at")),
        "archive_file": ("the file", text("r.doc", "file")),
        "archive_sha256": ("hash of the file", text("r.doc", "sha256")),
    },
    lambda d: "\n".join(
        (
            # no UNION: to leave out what is in both it would sort all of it, whatever is asked
            "FROM (SELECT e.hash, e.seq, e.encoding, e.size, length(e.packed) AS packed_size, 1 = 1 AS here "  # noqa: S608
            f"FROM {d.table('evidence')} AS e",
            f"UNION ALL SELECT a.hash, NULL, NULL, NULL, NULL, 1 = 0 FROM {d.table('archived')} AS a "  # noqa: S608
            f"WHERE NOT EXISTS (SELECT 1 FROM {d.table('evidence')} AS e WHERE e.hash = a.hash)) AS h",
            f"LEFT JOIN {d.table('records')} AS k ON k.seq = h.seq",
            f"LEFT JOIN {d.table('archived')} AS a ON a.hash = h.hash",
            f"LEFT JOIN {d.source('archive')} AS r ON r.seq = a.seq",
        )
    ),
)


def _since_the_one_before(d: Dialect) -> str:
    before = f"SELECT p.seq FROM {d.table('checkpoints')} AS p WHERE p.number = c.number - 1"  # noqa: S608
    return f"c.seq - coalesce(({before}), 0)"


CHECKPOINT_OVERVIEW: Final = View(
    "checkpoint_overview",
    "one row for each checkpoint, with what the log shows there now; signatures are checked by: keeper audit CONFIG verify",
    {
        "number": ("number of the checkpoint", same("c.number")),
        "at": (f"when it was signed: {CLOCK}", same("c.at")),
        "seq": ("the last record it covers", same("c.seq")),
        "records": ("records since the checkpoint before", _since_the_one_before),
        "head": ("hash of that record, as signed", same("c.head")),
        "holds": ("whether that record has this hash now", same("r.hash IS NOT NULL AND r.hash = c.head")),
        "keeper": ("name of the keeper", same("c.keeper")),
        "chain_id": ("the chain", same("c.chain_id")),
        "signer": ("address of the key that signed", same("c.signer")),
        "signature": ("EIP-191 signature", same("c.signature")),
    },
    lambda d: f"FROM {d.table('checkpoints')} AS c LEFT JOIN {d.table('records')} AS r ON r.seq = c.seq",
)
