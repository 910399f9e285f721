"""The encrypted keystore: one good way in, a typed refusal for every other, no secret in any message."""

from __future__ import annotations

import asyncio
import copy
import json
import threading
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from keeper.adapters.signing import keystore
from keeper.adapters.signing.keystore import open_keystore
from keeper.adapters.signing.local import LocalSigner
from keeper.domain.errors import SigningError

pytestmark = pytest.mark.unit

KEY = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
PASSWORD = "correct horse battery"
# Few rounds: the tests are about the file, not about how long a guess takes.
DOCUMENTS: dict[str, dict[str, Any]] = {
    "pbkdf2": Account.encrypt(bytes.fromhex(KEY), PASSWORD, kdf="pbkdf2", iterations=2),
    "scrypt": Account.encrypt(bytes.fromhex(KEY), PASSWORD, kdf="scrypt", iterations=2),
}


def write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def document() -> dict[str, Any]:
    return copy.deepcopy(DOCUMENTS["pbkdf2"])


@pytest.mark.parametrize("kdf", sorted(DOCUMENTS))
async def test_open__with_the_password__gives_the_key(tmp_path: Path, kdf: str) -> None:
    assert (await open_keystore(write(tmp_path / "k", DOCUMENTS[kdf]), PASSWORD)).address == ADDRESS


async def test_open__a_file_that_others_may_read__is_taken_since_it_is_encrypted(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    path = write(tmp_path / "k", document)
    path.chmod(0o644)
    assert (await open_keystore(path, PASSWORD)).address == ADDRESS


async def test_open__names_in_upper_case_as_old_clients_wrote_them__are_taken(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    document["Crypto"], document["Version"] = document.pop("crypto"), document.pop("version")
    assert (await open_keystore(write(tmp_path / "k", document), PASSWORD)).address == ADDRESS


@pytest.mark.parametrize("password", ["", PASSWORD + " ", PASSWORD + "\n", PASSWORD.upper(), "pässwörd"])
async def test_open__with_another_password__says_so_and_shows_neither(
    tmp_path: Path, document: dict[str, Any], password: str
) -> None:
    path = write(tmp_path / "k", document)
    with pytest.raises(SigningError, match="password does not open") as caught:
        await open_keystore(path, password)
    shown = f"{caught.value} {caught.value.remedy} {caught.value!r}"
    assert str(path) in shown
    assert KEY not in shown
    assert not password.strip() or password not in shown
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "text",
    ["", "not json", "[]", "null", "3", '"text"', KEY],
    ids=["empty", "text", "list", "null", "number", "string", "key"],
)
async def test_open__a_file_that_is_no_json_object__is_not_a_keystore(tmp_path: Path, text: str) -> None:
    path = tmp_path / "k"
    path.write_text(text)
    with pytest.raises(SigningError, match="not a JSON object") as caught:
        await open_keystore(path, PASSWORD)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("version", [None, 1, 2, 4, "3", 3.5])
async def test_open__another_version__is_refused(tmp_path: Path, document: dict[str, Any], version: object) -> None:
    with pytest.raises(SigningError, match="not of version 3"):
        await open_keystore(write(tmp_path / "k", document | {"version": version}), PASSWORD)


def malformed() -> list[tuple[str, dict[str, Any]]]:
    """Each field of each kind of keystore in turn missing, or of a type or value that makes no sense.

    Left out is what the library does not read (the cipher's name: there is one) or has a default for (dklen); the MAC covers the rest.
    """
    cases = []
    for kdf, document in DOCUMENTS.items():
        places = [("crypto",), *(("crypto", name) for name in document["crypto"] if name != "cipher")]
        places += [("crypto", "kdfparams", name) for name in document["crypto"]["kdfparams"]]
        for place in places:
            values: tuple[object, ...] = ("gone", None, [], -1, 1.5, "zz")
            for value in values:
                if place[-1] == "dklen" and value is None:
                    continue
                broken = copy.deepcopy(document)
                holder = broken
                for step in place[:-1]:
                    holder = holder[step]
                if value == "gone":
                    del holder[place[-1]]
                else:
                    holder[place[-1]] = value
                cases.append((f"{kdf} {'.'.join(place)} {value}", broken))
    return cases


async def test_open__any_field_malformed__is_a_signing_error_and_nothing_else(tmp_path: Path) -> None:
    cases = malformed()
    assert len(cases) > 100
    for name, document in cases:
        path = write(tmp_path / "k", document)
        with pytest.raises(SigningError) as caught:
            print(f"{name}: opened {await open_keystore(path, PASSWORD)}")  # shown when the refusal does not come
        shown = str(caught.value) + caught.value.remedy
        assert KEY not in shown, name
        assert PASSWORD not in shown, name


async def test_open__a_file_that_names_another_address__says_which_key_it_holds(
    tmp_path: Path, document: dict[str, Any]
) -> None:
    document["address"] = "11" * 20
    with pytest.raises(SigningError, match="holds the key of") as caught:
        await open_keystore(write(tmp_path / "k", document), PASSWORD)
    assert ADDRESS in str(caught.value)


@pytest.mark.parametrize("address", [None, "", "gone"])
async def test_open__a_file_without_its_address__is_taken(
    tmp_path: Path, document: dict[str, Any], address: str | None
) -> None:
    document["address"] = address
    if address == "gone":
        del document["address"]
    assert (await open_keystore(write(tmp_path / "k", document), PASSWORD)).address == ADDRESS


async def test_open__the_keystore_of_another_address__is_refused(tmp_path: Path, document: dict[str, Any]) -> None:
    with pytest.raises(SigningError, match="belongs to"):
        await open_keystore(write(tmp_path / "k", document), PASSWORD, expected_address="0x" + "11" * 20)


async def test_open__a_file_that_is_not_there__says_so(tmp_path: Path) -> None:
    with pytest.raises(SigningError, match="keystore is not there"):
        await open_keystore(tmp_path / "k", PASSWORD)


async def test_open__while_it_decrypts__the_loop_goes_on(
    tmp_path: Path, document: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decryption waits for something that only the loop can do: it would never end on the loop itself."""
    released = threading.Event()

    def wait(*_: object) -> bytes:
        assert released.wait(timeout=30)
        return bytes.fromhex(KEY)

    monkeypatch.setattr(keystore, "_decrypt", wait)
    opening = asyncio.create_task(open_keystore(write(tmp_path / "k", document), PASSWORD))
    await asyncio.sleep(0)
    released.set()
    signer = await opening
    assert isinstance(signer, LocalSigner)


SCRYPT = {"dklen": 32, "n": 262_144, "r": 8, "p": 1, "salt": "00" * 32}
PBKDF2 = {"dklen": 32, "c": 1_000_000, "prf": "hmac-sha256", "salt": "00" * 32}


def costing(document: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    document["crypto"] |= {"kdf": "pbkdf2" if "c" in params else "scrypt", "kdfparams": params}
    return document


@pytest.mark.parametrize(
    "params",
    [
        PBKDF2 | {"c": keystore.MAX_ROUNDS + 1},
        PBKDF2 | {"c": 2_000_000_000},
        SCRYPT | {"n": 2**20},
        SCRYPT | {"n": 2**30},
        SCRYPT | {"n": 2**19, "p": 2},
        SCRYPT | {"n": 2, "p": 2_000_000},
        SCRYPT | {"n": 2, "p": 65},
        SCRYPT | {"n": 2, "r": 65},
        SCRYPT | {"n": 2, "N": 2**30},
    ],
)
async def test_open__a_file_that_costs_too_much__is_refused_before_anything_is_spent(
    tmp_path: Path, document: dict[str, Any], params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keystore, "_decrypt", lambda *_: pytest.fail("it was decrypted"))
    with pytest.raises(SigningError, match="more time or memory") as caught:
        await open_keystore(write(tmp_path / "k", costing(document, params)), PASSWORD)
    assert "n = 262144" in caught.value.remedy


@pytest.mark.parametrize("kdf", [PBKDF2, SCRYPT])
@pytest.mark.parametrize("length", [31, 33, 2_000_000_000, None, "32", True])
async def test_open__a_file_whose_key_is_not_of_32_bytes__is_refused_before_anything_is_spent(
    tmp_path: Path, document: dict[str, Any], kdf: dict[str, Any], length: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keystore, "_decrypt", lambda *_: pytest.fail("it was decrypted"))
    with pytest.raises(SigningError, match="cannot be used"):
        await open_keystore(write(tmp_path / "k", costing(document, kdf | {"dklen": length})), PASSWORD)


@pytest.mark.parametrize(
    "params",
    [
        PBKDF2 | {"c": keystore.MAX_ROUNDS},
        SCRYPT,
        SCRYPT | {"n": 8_192},
        SCRYPT | {"n": 4_096, "p": 6},
        SCRYPT | {"n": 2**19},
        SCRYPT | {"n": 2, "p": 64},
    ],
)
async def test_open__a_file_that_costs_as_much_as_others__is_decrypted(
    tmp_path: Path, document: dict[str, Any], params: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keystore, "_decrypt", lambda *_: bytes.fromhex(KEY))
    assert (await open_keystore(write(tmp_path / "k", costing(document, params)), PASSWORD)).address == ADDRESS


@pytest.mark.parametrize("text", ["[" * 60_000, '{"a":' * 10_000], ids=["lists", "objects"])
async def test_open__nested_without_end__is_not_a_keystore(tmp_path: Path, text: str) -> None:
    (tmp_path / "k").write_text(text)
    with pytest.raises(SigningError, match="not a JSON object"):
        await open_keystore(tmp_path / "k", PASSWORD)
