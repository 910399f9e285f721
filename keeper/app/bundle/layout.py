"""What a bundle holds: its files, and what a line of each says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

FORMAT: Final = "keeper audit bundle v1"

MANIFEST: Final = "manifest.json"
README: Final = "README.md"
SCHEMA: Final = "schema.json"
STANDALONE: Final = "verify.py"
RECORDS: Final = "records.jsonl"
EVIDENCE: Final = "evidence.jsonl"
CHECKPOINTS: Final = "checkpoints.jsonl"
ARCHIVED: Final = "archived.jsonl"
ARCHIVES: Final = "archives"
"""The folder with the files into which evidence was moved, as far as they were there."""
TABLES: Final = "tables"
"""The folder with the same records and observations as Parquet, for polars, DuckDB and pandas."""

RECORDS_PER_TABLE: Final = 100_000


@dataclass(frozen=True, slots=True)
class Contents:
    """What the manifest says. ``files`` maps each file (``/`` between folders) to its sha256; counts are numbers of lines."""

    keeper: str
    chain_id: int | None
    written_at: str
    version: str
    records: int
    head: str
    genesis: str
    evidence: int
    checkpoints: int
    archived: int
    signer: str | None
    missing_archives: tuple[str, ...]
    files: dict[str, str]

    def document(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "keeper": self.keeper,
            "chain_id": self.chain_id,
            "written_at": self.written_at,
            "version": self.version,
            "records": self.records,
            "head": self.head,
            "genesis": self.genesis,
            "evidence": self.evidence,
            "checkpoints": self.checkpoints,
            "archived": self.archived,
            "signer": self.signer,
            "missing_archives": list(self.missing_archives),
            "files": dict(sorted(self.files.items())),
        }


_HASH: Final = {"type": "string", "pattern": "^0x[0-9a-f]{64}$"}
_TIME: Final = {
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$",
    "description": "UTC, by the keeper's clock",
}
_COUNT: Final = {"type": "integer", "minimum": 1}
_WORD: Final = {"type": ["string", "null"]}


def _line(title: str, description: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": title,
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def schema() -> dict[str, Any]:
    """The JSON Schema of a line of each file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": FORMAT,
        "$defs": {
            RECORDS: _line(
                "a record",
                "hash is 0x + sha256 over the RFC 8785 form (UTF-8) of this object without `hash`",
                {
                    "action": _WORD,
                    "at": _TIME,
                    "body": {"type": "object", "description": "no numbers with a fraction: they are text"},
                    "hash": _HASH,
                    "incident": _WORD,
                    "intent": _WORD,
                    "kind": {"type": "string"},
                    "market": _WORD,
                    "prev_hash": _HASH | {"description": "hash of the record before; zeros for the first"},
                    "seq": _COUNT | {"description": "1, 2, 3 ... without holes"},
                },
            ),
            EVIDENCE: _line(
                "evidence of a record",
                "hash is 0x + sha256 over the RFC 8785 form of `content`; a record names it in body.evidence",
                {
                    "content": {"type": "object"},
                    "encoding": {"type": "string", "description": "how the database packed it"},
                    "hash": _HASH,
                    "seq": _COUNT | {"description": "the record that named it first"},
                    "size": _COUNT | {"description": "bytes of that RFC 8785 form"},
                },
            ),
            ARCHIVED: _line(
                "evidence that is in a file of archives/",
                "seq is the record of kind `archive` that names the file and its sha256",
                {"hash": _HASH, "seq": _COUNT},
            ),
            CHECKPOINTS: _line(
                "a signed checkpoint",
                "signature: EIP-191 over the lines `keeper audit checkpoint v1` and `name: value` for "
                "keeper, chain_id, genesis, number, seq, head, at, signer, prev, with a newline between them",
                {
                    "at": _TIME,
                    "chain_id": {"type": "integer", "minimum": 0},
                    "genesis": _HASH,
                    "head": _HASH,
                    "keeper": {"type": "string"},
                    "number": _COUNT,
                    "prev": {
                        "type": "string",
                        "description": "signature of the checkpoint before; empty for the first",
                    },
                    "seq": _COUNT,
                    "signature": {"type": "string"},
                    "signer": {"type": "string"},
                },
            ),
        },
    }
