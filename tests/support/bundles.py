"""A log with everything that a bundle can hold, and its bundle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from keeper.adapters.audit.evidence import pack
from keeper.adapters.audit.verify import opened
from keeper.app.bundle import layout
from keeper.app.bundle.exporting import About, export
from keeper.app.bundle.layout import Contents
from keeper.app.bundle.rows import LogRows
from keeper.domain.record import Draft, Json, RecordKind
from tests.support.audit_log import T0

ABOUT = About("keeper-1", 31337, "2026-03-10T12:00:00.000Z", "0.1.0", None)


def seen(number: int) -> Draft:
    """A tick with its evidence."""
    content: dict[str, Json] = {
        "observations": [
            {
                "source": f"s{place}",
                "value": f"{number}.{place}",
                "unit": "usd",
                "block": {"number": number},
                "quality": "ok",
            }
            for place in range(3)
        ],
        "signals": [{"name": "divergence", "value": "0.01"}],
    }
    evidence = pack(content)
    return Draft(
        RecordKind.TICK, {"block": {"number": number}, "evidence": evidence.hash}, T0 + number, evidence=evidence
    )


def bundle(url: str, folder: Path, about: About = ABOUT) -> Contents:
    """Exports the log."""
    with opened(url) as log:
        return export(LogRows(log), folder, about)


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def with_manifest(folder: Path, **changes: Any) -> None:
    """A forger's last step: the manifest made to fit the files."""
    path = folder / layout.MANIFEST
    manifest: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    files = {one.relative_to(folder).as_posix(): sha256(one) for one in _files(folder)}
    path.write_text(json.dumps({**manifest, "files": files, **changes}), encoding="utf-8")


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != layout.MANIFEST)


def sha256(path: Path) -> str:
    return "0x" + hashlib.sha256(path.read_bytes()).hexdigest()
