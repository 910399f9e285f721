"""The section ``http``: tokens by their hashes alone, the rate, and reading it without the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from keeper.config.http import http_settings
from keeper.config.model import HttpConfig
from keeper.domain.errors import ConfigurationError

pytestmark = pytest.mark.unit

ONE, OTHER = "sha256:" + "0a" * 32, "sha256:" + "0b" * 32


def settings(folder: Path, http: str, rest: str = "signer: ${NOT_SET}\n", **environ: str) -> HttpConfig | None:
    file = folder / "keeper.yaml"
    file.write_text(f"{rest}http: {http}\n", encoding="utf-8")
    return http_settings(file, environ=environ)


def test_http__alone__is_read_without_any_other_section(tmp_path: Path) -> None:
    found = settings(
        tmp_path, f'{{listen: "127.0.0.1:1", tokens: {{a: "{ONE}", b: "${{HASH}}"}}, rate: 7}}', HASH=OTHER
    )
    assert found == HttpConfig("127.0.0.1", 1, "", False, {"a": ONE, "b": OTHER}, 7)
    (tmp_path / "none.yaml").write_text("keeper: {}\n", encoding="utf-8")
    assert http_settings(tmp_path / "none.yaml", environ={}) is None


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ("tokens: {a: secret-word}", "http.tokens.a"),
        (f'tokens: {{a: "{ONE.upper()}"}}', "http.tokens.a"),
        (f'tokens: {{a: "{ONE[:-1]}"}}', "http.tokens.a"),
        (f'tokens: {{a: "{ONE}", b: "{ONE}"}}', "http.tokens.b"),
        (f'tokens: {{"a b": "{ONE}"}}', "http.tokens.a b"),
        ("tokens: [a]", "http.tokens"),
        ("rate: 0", "http.rate"),
        ("rate: 100001", "http.rate"),
        ("rate: true", "http.rate"),
        ("rate: 1.5", "http.rate"),
    ],
)
def test_http__bad_token_or_rate__is_refused_with_its_place(tmp_path: Path, more: str, place: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(tmp_path, f'{{listen: "127.0.0.1:1", {more}}}')
    assert [problem.path for problem in refused.value.problems] == [place]


def test_http__bad_token__is_not_shown_when_it_came_from_the_environment(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        settings(tmp_path, '{listen: "127.0.0.1:1", tokens: {a: "${T}"}}', T="the-token-itself")
    assert "the-token-itself" not in str(refused.value.problems)


@pytest.mark.parametrize("rate", [1, 100_000])
def test_http__rate_at_its_bounds__is_taken(tmp_path: Path, rate: int) -> None:
    found = settings(tmp_path, f'{{listen: "127.0.0.1:1", rate: {rate}}}')
    assert found is not None
    assert found.rate == rate
