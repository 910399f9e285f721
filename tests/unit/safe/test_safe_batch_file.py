"""A batch as the Transaction Builder of the Safe web app reads it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keeper.adapters.safe.batch_file import batch_file, checksum
from keeper.domain.errors import UnitError
from tests.support.safe_proposals import NOW_MS, OWNERS, SAFE, TARGET

pytestmark = pytest.mark.unit

CALLS = [(TARGET, 0, b"\x84\x56\xcb\x59"), (OWNERS[0], 5, b"")]


def made(**changed: Any) -> dict[str, Any]:
    args: dict[str, Any] = {"name": "Restore", "created_ms": NOW_MS, "description": "What it does."} | changed
    document = json.loads(batch_file(31337, SAFE, args.pop("calls", CALLS), **args))
    assert isinstance(document, dict)
    return document


def test_batch__has_what_the_app_reads() -> None:
    document = made()
    assert (document["version"], document["chainId"], document["createdAt"]) == ("1.0", "31337", NOW_MS)
    assert document["meta"]["createdFromSafeAddress"] == SAFE
    assert [(one["to"], one["value"], one["data"], one["contractMethod"]) for one in document["transactions"]] == [
        (TARGET, "0", "0x8456cb59", None),
        (OWNERS[0], "5", "0x", None),
    ]


def test_checksum__is_the_apps() -> None:
    """The batch and the beginning of its checksum are those of the app's own test."""
    one = "0x49d4450977E2c95362C13D3a31a09311E0Ea26A6"
    inputs = [("paramAddress", "address"), ("paramBool", "bool")]
    methods = [
        {"inputs": [{"internalType": kind, "name": name, "type": kind}], "name": f"test{name[5:]}", "payable": False}
        for name, kind in inputs
    ]
    values: list[dict[str, Any]] = [{"paramAddress": one}, {"paramAddress": "", "paramBool": "false"}]
    meta = {
        "name": "test batch file",
        "txBuilderVersion": "1.4.0",
        "checksum": "",
        "createdFromSafeAddress": "0xDF8a1Ce35c9a6ACE153B4e0767942f1E2291a1Aa",
        "createdFromOwnerAddress": one,
    }
    transactions: list[Any] = [
        {"to": one, "value": "0", "contractMethod": method, "contractInputsValues": given}
        for method, given in zip(methods, values, strict=True)
    ]
    transactions.append({"to": one, "value": "2000000000000000000", "data": "0x42f45790" + "0" * 24 + one[2:].lower()})
    document: dict[str, Any] = {
        "version": "1.0", "chainId": "4", "createdAt": 1646321521061, "meta": meta, "transactions": transactions,
    }  # fmt: skip
    assert checksum(document).startswith("0x4ecbfd364aa6759983915644e73f8bd411e85a2dc306f252a387")


def test_checksum__is_over_all_but_itself_and_the_name() -> None:
    document = made()
    said = document["meta"].pop("checksum")
    assert checksum(document) == said
    assert made(name="Other")["meta"]["checksum"] == said
    for changed in ({"calls": CALLS[::-1]}, {"calls": CALLS[:1]}, {"created_ms": 1}, {"description": "Other: ü"}):
        assert made(**changed)["meta"]["checksum"] != said


@pytest.mark.parametrize("calls", [[], [(TARGET.lower(), 0, b"")], [(TARGET, -1, b"")], [(TARGET, 1 << 256, b"")]])
def test_batch__of_no_or_impossible_calls__is_refused(calls: list[tuple[str, int, bytes]]) -> None:
    with pytest.raises(UnitError):
        batch_file(31337, SAFE, calls, name="x", created_ms=NOW_MS)


def test_batch__foreign_words__are_printable() -> None:
    assert made(name="\x1b[31mRestore")["meta"]["name"] == "[31mRestore"
