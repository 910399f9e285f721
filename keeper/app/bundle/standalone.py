#!/usr/bin/env python3
"""Checks a bundle of a keeper's audit log with nothing but Python: every file, record, link and piece of evidence.

    python3 verify.py            in the folder of the bundle; exit code 0: all holds, 1: the first thing that does not is named

What needs an elliptic curve (signatures of checkpoints) or a reader of Parquet is left to `keeper audit verify-export DIR`.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

OF_DECISIONS = ("intent", "order", "proposal", "archive")
"""What these call evidence is the hash of a decision's record, or a number."""


class Broken(Exception):
    """Something in the bundle is not as it was written."""


def canonical(value: Any) -> str:
    """RFC 8785, for values without fractions."""
    if isinstance(value, dict):
        members = sorted(value.items(), key=lambda item: item[0].encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(json.dumps(key, ensure_ascii=False) + ":" + canonical(one) for key, one in members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical(one) for one in value) + "]"
    if isinstance(value, float):
        raise Broken("a number with a fraction, which no keeper writes")
    return json.dumps(value, ensure_ascii=False)


def digest(value: Any) -> str:
    return "0x" + hashlib.sha256(canonical(value).encode()).hexdigest()


def lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if not path.exists():
        raise Broken(f"{path.name} is missing")
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                one = json.loads(line)
            except (ValueError, RecursionError):
                one = None
            if not isinstance(one, dict):
                raise Broken(f"{path.name}, line {number}: no JSON object")
            yield number, one


def check_files(folder: Path, manifest: dict[str, Any]) -> None:
    for name, wanted in manifest["files"].items():
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute() or not path.is_file():
            raise Broken(f"{name} is missing")
        found = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
        if "0x" + found.hexdigest() != wanted:
            raise Broken(f"{name} was changed: its sha256 is not that of manifest.json")
    known = set(manifest["files"]) | {"manifest.json"}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in known:
            raise Broken(f"{name} does not belong to the bundle")


def check_records(folder: Path, manifest: dict[str, Any]) -> tuple[dict[int, Any], set[str], dict[str, Any]]:
    head: Any = "0x" + "00" * 32
    heads: dict[int, Any] = {}
    named: set[str] = set()
    archives: dict[str, Any] = {}
    count = 0
    for number, record in lines(folder / "records.jsonl"):
        count += 1
        if type(record.get("seq")) is not int or record["seq"] != number:
            raise Broken(f"record {number} is missing; the line says {record.get('seq')!r}")
        if record.get("prev_hash") != head:
            raise Broken(f"record {number}: prev_hash is not the hash of the record before")
        head = record.pop("hash", None)
        if digest(record) != head:
            raise Broken(f"record {number}: the hash does not fit what it holds")
        heads[number] = head
        says = record["body"] if isinstance(record.get("body"), dict) and record.get("kind") not in OF_DECISIONS else {}
        if record.get("kind") == "archive" and isinstance(record.get("body"), dict):
            archives[str(record["body"].get("file"))] = record["body"].get("sha256")
        evidence = says.get("evidence")
        if isinstance(evidence, str) and len(evidence) == 66:
            named.add(evidence)
    if count != manifest["records"] or head != manifest["head"]:
        raise Broken(
            f"{count} records up to {head}, but manifest.json says {manifest['records']} up to {manifest['head']}"
        )
    return heads, named, archives


def check_archives(manifest: dict[str, Any], archives: dict[str, Any]) -> list[str]:
    """Every archive that a record names is here as it was written, or said to be missing. Gives those that are."""
    missing = []
    for name, wanted in sorted(archives.items()):
        found = manifest["files"].get("archives/" + name)
        if found is None and name not in manifest["missing_archives"]:
            raise Broken(f"the archive {name} is missing, and manifest.json does not say so")
        if found is None:
            missing.append(name)
        elif found != wanted:
            raise Broken(f"the archive {name} is not the file that the record names")
    return missing


def check_evidence(folder: Path, named: set[str]) -> tuple[set[Any], set[Any]]:
    found: set[Any] = set()
    for number, one in lines(folder / "evidence.jsonl"):
        if digest(one.get("content")) != one.get("hash"):
            raise Broken(f"evidence.jsonl, line {number}: the hash does not fit the content")
        found.add(one["hash"])
    moved = {one.get("hash") for _, one in lines(folder / "archived.jsonl")}
    for lost in sorted(named - found - moved):
        raise Broken(f"evidence {lost} is named by a record and not there")
    for other in sorted((found | moved) - named, key=str):
        raise Broken(f"evidence {other} belongs to no record")
    return found, moved


def check_checkpoints(folder: Path, heads: dict[int, Any]) -> int:
    before: Any = ""
    count = 0
    for number, one in lines(folder / "checkpoints.jsonl"):
        count += 1
        seq = one.get("seq")
        if one.get("number") != number or one.get("prev") != before:
            raise Broken(f"checkpoint {number} does not follow the one before")
        if seq not in heads:
            raise Broken(f"checkpoint {number} is about record {seq}, which is missing: the end of the log was cut off")
        if one.get("head") != heads[seq] or one.get("genesis") != heads[1]:
            raise Broken(f"checkpoint {number} says another hash of record {seq}: the log was made anew")
        before = one.get("signature")
    return count


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest.get("format") != "keeper audit bundle v1":
            raise Broken("manifest.json is of another format")
        check_files(folder, manifest)
        heads, named, archives = check_records(folder, manifest)
        missing = check_archives(manifest, archives)
        found, moved = check_evidence(folder, named)
        checkpoints = check_checkpoints(folder, heads)
    except (Broken, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        sys.stdout.write(f"BROKEN: {error if isinstance(error, Broken) else f'{type(error).__name__}: {error}'}\n")
        return 1
    sys.stdout.write(
        f"ok: {len(heads)} records, {len(found)} pieces of evidence, {len(moved)} in archives, head {manifest['head']}\n"
        f"    {checkpoints} checkpoints fit; their signatures: keeper audit verify-export DIR\n"
    )
    for name in missing:
        sys.stdout.write(f"    NOT LOOKED AT: the archive {name!a} is not in the bundle, and its evidence with it\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
