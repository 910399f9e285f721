"""Moving the keeper's memory into huge pages: which places, what is asked, and nothing where the system cannot."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from keeper.app.huge_pages import HUGE_BYTES, MADV_COLLAPSE, collapse, give_back, places

pytestmark = pytest.mark.unit

NOBODYS = " 00000000 00:00 0 "


def line(begin: int, end: int, rights: str = "rw-p", rest: str = NOBODYS) -> str:
    return f"{begin:012x}-{end:012x} {rights}{rest}"


def test_places__exactly_one_huge_page__is_one() -> None:
    assert list(places(line(HUGE_BYTES, 2 * HUGE_BYTES))) == [HUGE_BYTES]


@pytest.mark.parametrize(
    ("begin", "end"), [(HUGE_BYTES + 4096, 3 * HUGE_BYTES - 4096), (HUGE_BYTES, 2 * HUGE_BYTES - 4096)]
)
def test_places__a_page_does_not_fit_whole__is_none(begin: int, end: int) -> None:
    assert list(places(line(begin, end))) == []


def test_places__several__are_aligned_and_within() -> None:
    assert list(places(line(HUGE_BYTES - 4096, 4 * HUGE_BYTES + 4096))) == [HUGE_BYTES, 2 * HUGE_BYTES, 3 * HUGE_BYTES]


@pytest.mark.parametrize(
    "other",
    [
        line(0, HUGE_BYTES, "r--p"),
        line(0, HUGE_BYTES, "r-xp"),
        line(0, HUGE_BYTES, "rw-s"),
        line(0, HUGE_BYTES, rest=" 00000000 fe:00 1234 /usr/lib/x.so"),
        line(0, HUGE_BYTES, rest=NOBODYS + "[stack]"),
        "nonsense",
        "",
    ],
)
def test_places__what_is_not_the_heap__is_left_alone(other: str) -> None:
    assert list(places(other)) == []


def test_places__the_heap__counts() -> None:
    assert list(places(line(0, HUGE_BYTES, rest=NOBODYS + "    [heap]"))) == [0]


def test_collapse__some_are_refused__counts_the_others(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text(line(0, 3 * HUGE_BYTES) + "\n", encoding="ascii")
    asked: list[tuple[int, int, int]] = []

    def advise(place: int, size: int, advice: int) -> int:
        asked.append((place, size, advice))
        return -1 if place == HUGE_BYTES else 0

    assert collapse(maps, advise) == 2
    assert asked == [(place * HUGE_BYTES, HUGE_BYTES, MADV_COLLAPSE) for place in range(3)]


def test_collapse__a_system_without_maps__does_nothing(tmp_path: Path) -> None:
    assert collapse(tmp_path / "maps") == 0


class Libc:
    def __init__(self) -> None:
        self.kept: list[int] = []

    def malloc_trim(self, kept_bytes: int) -> int:
        self.kept.append(kept_bytes)
        return 1


def test_give_back__where_there_is_glibc__keeps_nothing_that_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    libc = Libc()
    monkeypatch.setattr(ctypes, "CDLL", lambda _: libc)
    give_back()
    assert libc.kept == [0]


@pytest.mark.parametrize("error", [OSError(), AttributeError()])
def test_give_back__where_there_is_none__does_nothing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def missing(_: object) -> None:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", missing)
    give_back()
