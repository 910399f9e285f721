"""The README of a bundle: what it is, and how somebody who has never seen a keeper checks it."""

from __future__ import annotations

from typing import Final

from keeper.app.bundle.layout import (
    ARCHIVED,
    ARCHIVES,
    CHECKPOINTS,
    EVIDENCE,
    RECORDS,
    SCHEMA,
    STANDALONE,
    TABLES,
    Contents,
)
from keeper.domain.text import printable

_TEXT: Final = """# Audit log of the keeper {keeper}

Everything that a circuit-breaker keeper saw, decided, declined, sent and got back: {records} records, written out at {written_at}
by version {version}. The last record's hash, which stands for all of them:

    {head}

## Check it

    python3 {standalone}                     # files, records, links, evidence: nothing but Python is needed
    keeper audit verify-export .             # the same, and signatures, tables, archives and the rules of the journal

Then compare what no bundle can prove about itself:

- The address that signed the checkpoints, {signer}, with the one that the keeper's operator has published.
- The newest checkpoint with a copy that a witness outside of the operator's reach has kept: it shows that the end was not cut off.
- Transactions with the chain: records of kind `attempt`, `receipt` and `effect` name hashes, blocks and what was read there.

By hand: take a line of `{records_file}`, remove `hash`, write it in the form of RFC 8785 (keys sorted, no blanks), and `sha256sum` it:
that is the hash, and the next line's `prev_hash`. No number in it has a fraction.

    sed -n 1p {records_file} | python3 -c '
    import hashlib, json, sys
    record = json.load(sys.stdin)
    told = record.pop("hash")
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    print(told, "0x" + hashlib.sha256(text.encode()).hexdigest())'

## What is in it

| file | holds |
|---|---|
| `{records_file}` | one record a line, in order |
| `{evidence}` | what a record was made from (observations, signals, verdicts of a block); its body names the hash under `evidence` |
| `{checkpoints}` | the keeper's signed word that its log had a certain head, in order |
| `{archived}`, `{archives}/` | evidence that was moved into files by the retention policy, and those files{missing} |
| `{tables}/` | records and observations once more, as Parquet for polars, DuckDB and pandas |
| `{schema}` | JSON Schema of a line of each file |
| `manifest.json` | counts, head, and the sha256 of every file here |

Times are UTC by the keeper's clock, amounts are exact decimal text, addresses are EIP-55.
"""


def readme(contents: Contents) -> str:
    """Markdown. What the configuration named cannot leave its place in the text."""
    gone = (
        f" ({len(contents.missing_archives)} of them could not be read when this was written)"
        if contents.missing_archives
        else ""
    )
    return _TEXT.format(
        keeper=f"`{printable(contents.keeper, 100).replace('`', '')}`",
        records=contents.records,
        written_at=contents.written_at,
        version=contents.version,
        head=contents.head,
        standalone=STANDALONE,
        signer=f"`{contents.signer}`" if contents.signer else "(there are no checkpoints)",
        records_file=RECORDS,
        evidence=EVIDENCE,
        checkpoints=CHECKPOINTS,
        archived=ARCHIVED,
        archives=ARCHIVES,
        tables=TABLES,
        schema=SCHEMA,
        missing=gone,
    )
