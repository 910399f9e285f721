"""What ``keeper init`` writes and says without asking anybody: both files or none, what is left to replace, and flags that cannot be."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from keeper.app.cli.init import Wanted, run, write
from keeper.app.cli.init_reading import _draft, _selectors
from keeper.app.cli.output import Output
from keeper.app.drafting.draft import _unlimited
from keeper.config.template import PROTOCOLS, template
from keeper.domain.errors import KeeperError

pytestmark = pytest.mark.unit

VAULT = "vault=0x5FbDB2315678afecb367f032d93F642f64180aa3"
PLACEHOLDER = "0x000000000000000000000000000000000000dEaD"


@pytest.mark.parametrize("preset", ["safe", *PROTOCOLS])
def test_preset__lines_to_replace__are_said_and_hold_every_placeholder(
    preset: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(Output(as_json=True), Wanted(tmp_path, preset=preset)) == 0
    said = json.loads(capsys.readouterr().out)["replace"]
    lines = template(preset)[0].splitlines()
    assert {number for number, line in enumerate(lines, start=1) if PLACEHOLDER in line} <= set(said)
    assert all("replace" in lines[number - 1].partition("#")[2] for number in said)
    run(Output(), Wanted(tmp_path / "again", preset=preset))
    assert f" {', '.join(map(str, said))}\n" in capsys.readouterr().out


def test_preset__with_nothing_to_replace__says_nothing_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(Output(), tmp_path, "a: 1   # replaced now and then\n# replace\n", "", {})
    assert "replace" not in capsys.readouterr().out


def test_files__one_cannot_be_written__none_is(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(KeeperError, match="cannot write"):
        run(Output(), Wanted(tmp_path, preset="safe"))
    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_standard_input__closed__nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert run(Output(), Wanted(tmp_path)) == 0
    assert (tmp_path / "keeper.yaml").read_text() == template("safe")[0]


@pytest.mark.parametrize("market", [".inf", "-", "-x", "_", "é", "٣", "...", "a" * 65, "a b", "~", "{x}", "a\nb"])
def test_market__that_no_configuration_may_have__is_refused_before_anything_is_asked(
    market: str, tmp_path: Path
) -> None:
    wanted = Wanted(tmp_path, rpc="ws://127.0.0.1:1", contracts=(VAULT,), market=market)
    with pytest.raises(KeeperError, match="a market's name is"):
        asyncio.run(_draft(wanted))


@pytest.mark.parametrize(
    "content", ["[" * 200_000, '{"abi":' * 200_000, "{", "null", '{"abi": null}', '["f"]', '[{"type":"function"}]']
)
def test_abi__that_is_none__is_said_so(content: str, tmp_path: Path) -> None:
    file = tmp_path / "abi.json"
    file.write_text(content)
    with pytest.raises(KeeperError, match="holds no JSON ABI"):
        _selectors(file)


@pytest.mark.parametrize(
    ("value", "unlimited"),
    [
        ((1 << 256) - 1, True),
        ((1 << 128) - 1, True),
        ((1 << 64) - 1, True),
        ((1 << 64) - 2, False),
        (1 << 64, False),
        ((1 << 32) - 1, False),
        (0, False),
        (10**27, False),
    ],
)
def test_cap__the_greatest_number_of_a_type__is_none(value: int, *, unlimited: bool) -> None:
    assert _unlimited(value) is unlimited
