"""The note that a proposer leaves, as it is written and as people read it."""

from __future__ import annotations

import json

import pytest

from keeper.adapters.safe.origin import note, note_text

pytestmark = pytest.mark.unit

EVIDENCE = "0x" + 32 * "c4"


def test_note_text__of_ours__is_in_words() -> None:
    assert note_text(note("ETH-PERP@29", EVIDENCE)) == f"keeper, incident ETH-PERP@29, evidence {EVIDENCE}"
    assert note_text(note("", EVIDENCE)) == f"keeper, evidence {EVIDENCE}"
    assert note_text(json.dumps({"name": "keeper"})) == "keeper"


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "please sign",
        "[1]",
        "{",
        "9" * 5000,
        "[" * 200_000,
        '{"name":"Safe app","url":"https://x"}',
        '{"name":"keeper","url":"https://x"}',
        '{"name":"keeper","incident":{"a":1}}',
        '{"incident":"ETH-PERP@29"}',
    ],
)
def test_note_text__of_others__stays_as_it_is(origin: str) -> None:
    assert note_text(origin) == origin
