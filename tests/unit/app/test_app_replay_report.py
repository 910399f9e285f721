"""The page of a replay: whole, its own, and text where text was."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from keeper.app.replay.files import Data
from keeper.app.replay.report import POINTS, write_report
from keeper.app.replay.run import Replay
from keeper.app.replay.scorecard import Detection, Incident, Scorecard
from keeper.engine.history import OK, MarketRun, Ticks, Track, Trip

pytestmark = pytest.mark.unit

HOSTILE = "<script src=//evil>\"'&\x1b[2J\u202e</title>"
T0 = 1_678_500_000_000
VOID = {"meta", "rect", "line", "polyline"}
OPTIONAL = {"td", "th", "tr", "p", "html"}


class Page(HTMLParser):
    """Notes elements, attributes and text, and what is open at the end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPTIONAL | VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(
    folder: Path, values: np.ndarray, name: str = "spot", trips: int = 1, card: Scorecard | None = None
) -> tuple[str, Page]:
    known = T0 + 60_000 * np.arange(len(values), dtype=np.int64)
    track = Track(known, known, values, np.full(len(values), OK, dtype=np.int8))
    found = [Trip(name, T0 + 60_000 * number, name, 0.5, 0.1, None) for number in range(trips)]
    run = MarketRun(name, len(values), found)
    run.held["stale"] = 3
    run.never_judged = (name,)
    spans = {name: (T0, int(known[-1]))}
    done = Replay((run,), {name: track}, Ticks(known, known), 1.0, (name,), {}, (), {}, (T0, T0), spans)
    file = folder / "page.html"
    write_report(file, name, Data({}, len(values), 0), done, card, {name: (name,)})
    text = file.read_text("utf-8")
    return text, Page(text)


def card_of(name: str, years: float = 1.0) -> Scorecard:
    incident = Incident(name, name, T0 + 120_000, T0 + 240_000)
    before = Incident(name, name, 1_000, 2_000)
    trip = Trip(name, T0 + 180_000, name, 0.5, 0.1, None)
    found = (Detection(incident, trip, covered=True), Detection(before, None, covered=False))
    return Scorecard(found, 2, years * 365.25)


def test_page__hostile_names_everywhere__are_text(tmp_path: Path) -> None:
    text, found = page(tmp_path, np.array([1.0, 2.0, 3.0]), HOSTILE, card=card_of(HOSTILE))
    assert "script" not in found.tags
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "<script" in found.text, "it is still to be read"
    assert found.open == []


def test_page__loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    text, found = page(tmp_path, np.array([1.0, 2.0, 3.0]), card=card_of("spot"))
    assert not {"script", "link", "img", "iframe", "object", "image", "use"} & set(found.tags)
    assert not {"src", "href", "xlink:href"} & {name for name, _ in found.attributes}
    assert not [name for name, _ in found.attributes if name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import", text)
    policy = dict(found.attributes)["content"]
    assert policy is not None
    assert "default-src 'none'" in policy


def test_page__on_a_phone__scrolls_inside_and_not_as_a_whole(tmp_path: Path) -> None:
    text, found = page(tmp_path, np.array([1.0, 2.0, 3.0]), card=card_of("spot"))
    assert ("content", "width=device-width") in found.attributes
    assert text.count("<div class=wide><svg") == text.count("<svg")
    assert text.count("<div class=wide><table>") == text.count("<table>")


def picture(text: str) -> ET.Element:
    svg = re.search(r"<svg.*?</svg>", text, re.S)
    assert svg
    quoted = re.sub(r"(\s[\w-]+)=([^'\"\s>/]+)", r"\1='\2'", svg[0])
    return ET.fromstring(quoted)


def test_picture__trips_and_incidents__are_where_they_were(tmp_path: Path) -> None:
    text, _ = page(tmp_path, np.linspace(1, 2, 11), trips=2, card=card_of("spot"))
    svg = picture(text)
    assert [float(line.get("x1", "")) for line in svg.iter("line")] == [70.0, 153.0]
    bands = [(float(band.get("x", "")), float(band.get("width", ""))) for band in svg.iter("rect")]
    assert bands == [(236.0, 166.0)], "the incident before the data is not drawn"


@pytest.mark.parametrize(
    "values",
    [[1.0], [1.0, 1.0], [0.0, 0.0], [-5.0, 5.0], [1e300, -1e300], [1e-300, 2e-300], [float("nan"), 1.0]],
)
def test_picture__of_any_values__has_finite_places(tmp_path: Path, values: list[float]) -> None:
    text, _ = page(tmp_path, np.array(values))
    points = re.search("points='([^']*)'", text)
    assert points
    for point in points[1].split():
        x, y = map(float, point.split(","))
        assert 70 <= x <= 900
        assert 0 <= y <= 178


def test_picture__without_any_value__says_so(tmp_path: Path) -> None:
    text, _ = page(tmp_path, np.array([float("nan")] * 3))
    assert "spot: no value" in text


def test_picture__of_many_values__is_small_and_keeps_the_extremes(tmp_path: Path) -> None:
    values = np.ones(100_000)
    values[77_777], values[12_345] = 5.0, 0.2
    text, _ = page(tmp_path, values)
    points = picture(text).find("polyline")
    assert points is not None
    places = [float(point.split(",")[1]) for point in points.get("points", "").split()]
    assert len(places) <= 2 * (POINTS + 1)
    assert [min(places), max(places)] == pytest.approx([8.1, 169.9], abs=0.1)


def test_page__very_many_trips__are_told_in_short(tmp_path: Path) -> None:
    text, _ = page(tmp_path, np.ones(10_000), trips=5_000)
    assert "and 4800 more" in text
    assert len(text) < 300_000


def test_page__no_time_outside_incidents__names_no_rate(tmp_path: Path) -> None:
    text, _ = page(tmp_path, np.ones(3), card=card_of("spot", 0.0))
    assert "per market-year" not in text
    assert not re.search(r"\bnan\b|\binf\b", text)
