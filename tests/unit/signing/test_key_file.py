"""The key file: its permissions, its content, and the messages that never hold the key."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote

import pytest

from keeper.adapters.signing import files
from keeper.adapters.signing.key_file import open_key_file
from keeper.domain.errors import SigningError

pytestmark = pytest.mark.unit

KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


def write(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    "content", [KEY, f"0x{KEY}", f"{KEY}\n", f"\t 0x{KEY.upper()}\r\n\n"], ids=["bare", "0x", "line", "blanks"]
)
async def test_open__a_key_in_any_usual_writing__is_taken(tmp_path: Path, content: str) -> None:
    assert (await open_key_file(write(tmp_path / "key", content))).address == ADDRESS


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700])
async def test_open__a_file_that_only_its_owner_may_use__is_taken(tmp_path: Path, mode: int) -> None:
    assert (await open_key_file(write(tmp_path / "key", KEY, mode))).address == ADDRESS


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o601, 0o644, 0o666])
async def test_open__a_file_with_any_right_for_others__is_refused_with_chmod(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path / "key", KEY, mode)
    with pytest.raises(SigningError, match=f"mode 0{mode:o}") as caught:
        await open_key_file(path)
    assert caught.value.remedy == f"chmod 600 {quote(str(path))}"


async def test_open__a_path_with_a_space__is_quoted_in_the_remedy(tmp_path: Path) -> None:
    folder = tmp_path / "my keys"
    folder.mkdir()
    path = write(folder / "key", KEY, 0o644)
    with pytest.raises(SigningError) as caught:
        await open_key_file(path)
    assert caught.value.remedy == f"chmod 600 '{path}'"


@pytest.mark.parametrize(
    "content",
    ["", KEY[:-1], KEY + "0", f"0x0x{KEY}", f"{KEY} {KEY}", f"key={KEY}", KEY.replace("a", "g"), '{"crypto": {}}'],
    ids=["empty", "short", "long", "0x twice", "two keys", "named", "not hex", "keystore"],
)
async def test_open__a_file_without_exactly_one_key__is_refused_and_not_quoted(tmp_path: Path, content: str) -> None:
    path = write(tmp_path / "key", content)
    with pytest.raises(SigningError, match="does not hold a key") as caught:
        await open_key_file(path)
    shown = str(caught.value) + caught.value.remedy
    assert str(path) in shown
    assert KEY[:12] not in shown
    assert "keystore" in caught.value.remedy


async def test_open__a_zero_key__is_refused(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="not a private key"):
        await open_key_file(write(tmp_path / "key", "0" * 64))


async def test_open__bytes_that_are_not_text__is_refused(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="not text"):
        await open_key_file(write(tmp_path / "key", b"\xff\xfe" * 16))


@pytest.mark.parametrize(("size", "words"), [(64 * 1024, "does not hold a key"), (64 * 1024 + 1, "larger than")])
async def test_open__a_file_at_and_above_the_size_limit__says_which(tmp_path: Path, size: int, words: str) -> None:
    with pytest.raises(SigningError, match=words):
        await open_key_file(write(tmp_path / "key", "a" * size))


async def test_open__the_key_itself_in_place_of_the_path__does_not_show_it() -> None:
    with pytest.raises(SigningError, match="is not there") as caught:
        await open_key_file(Path(KEY))
    assert KEY not in str(caught.value) + caught.value.remedy
    assert "never the key itself" in caught.value.remedy


@pytest.mark.parametrize("name", ["a" * 300, "key\0file"], ids=["too long", "zero byte"])
async def test_open__a_path_that_no_file_can_have__is_a_signing_error(tmp_path: Path, name: str) -> None:
    with pytest.raises(SigningError, match="cannot be read"):
        await open_key_file(tmp_path / name)


async def test_open__a_folder__says_so(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="is a folder"):
        await open_key_file(tmp_path)


async def test_open__a_file_of_somebody_else__says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "key", KEY)
    monkeypatch.setattr(files, "_at_once", refuse)  # root may read everything, so the refusal is made
    with pytest.raises(SigningError, match="may not be read") as caught:
        await open_key_file(path)
    assert "chmod 600" in caught.value.remedy


async def test_open__through_a_link__judges_the_file_behind_it(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(write(tmp_path / "key", KEY, 0o644))
    with pytest.raises(SigningError, match="by others"):
        await open_key_file(link)


async def test_open__the_key_of_another_address__is_refused(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="belongs to"):
        await open_key_file(write(tmp_path / "key", KEY), expected_address="0x" + "11" * 20)


async def test_open__a_pipe_that_nobody_writes_to__is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "key", 0o600)
    with pytest.raises(SigningError, match="is not a file") as caught:
        await open_key_file(tmp_path / "key")
    assert "signer.path" in caught.value.remedy
