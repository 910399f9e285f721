"""The section ``watch``: what is left out, what is refused, and its page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keeper.config import load
from keeper.config.model import AppriseNotify
from keeper.config.watch import WATCH, WatchConfig

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Load

pytestmark = pytest.mark.unit

PAGE = Path(__file__).parents[3] / "docs" / "operator" / "watch.md"
PLACE = "routes: {public: {kind: public}}\n"


def test_watch__left_out__is_three_blocks_and_the_keepers_own_receivers(load_good: Load) -> None:
    assert load_good().watch == WatchConfig(3, 3, 60_000, 600_000, ())


def test_watch__as_written(load_good: Load) -> None:
    section = 'watch: {silent: 5 blocks, missed: 1 block, stands: 2m, again: 1h, notify: [{kind: apprise, url: "${KEEPER_NOTIFY_URL}"}]}\n'
    found = load_good((PLACE, PLACE + section)).watch
    assert found is not None
    assert (found.silent_blocks, found.missed_blocks, found.stands_ms, found.again_ms) == (5, 1, 120_000, 3_600_000)
    (receiver,) = found.notify
    assert isinstance(receiver, AppriseNotify)
    assert receiver.url.reveal().startswith("tgram://")


@pytest.mark.parametrize(
    ("section", "place"),
    [
        ("{silent: 0 blocks}", "watch.silent"),
        ("{silent: 90s}", "watch.silent"),
        ("{missed: soon}", "watch.missed"),
        ("{stands: 4s}", "watch.stands"),
        ("{again: 9s}", "watch.again"),
        ("{endpoint: x}", "watch.endpoint"),
        ("{notify: [{kind: pigeon}]}", "watch.notify[0].kind"),
    ],
)
def test_watch__a_value_that_cannot_be__is_refused_with_its_place(broken: Break, section: str, place: str) -> None:
    assert [one.path for one in broken((PLACE, f"{PLACE}watch: {section}\n"))] == [place]


def test_page__every_key__has_a_row() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [part.key for part in WATCH.parts if f"| `{part.key}` |" not in text] == []


def test_load__offline__needs_no_secret_of_the_signer(tmp_path: Path) -> None:
    good = (Path(__file__).parent / "good.yaml").read_text(encoding="utf-8")
    (tmp_path / "keeper.yaml").write_text(good, encoding="utf-8")
    found = load(tmp_path / "keeper.yaml", environ={}, offline=True)
    assert found.watch == WatchConfig()
