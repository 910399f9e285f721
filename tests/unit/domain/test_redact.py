"""No secret of an address gets into a message."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote

import pytest

from keeper.domain.redact import redact_text, redact_url, secret_parts
from keeper.domain.text import printable, shown

pytestmark = pytest.mark.unit

KEY = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("url", "shown_as"),
    [
        (f"wss://mainnet.infura.io/ws/v3/{KEY}", "wss://mainnet.infura.io/ws/v3/***"),
        (f"https://eth-mainnet.g.alchemy.com/v2/{KEY}", "https://eth-mainnet.g.alchemy.com/v2/***"),
        (f"https://user:{KEY}@node.example:8545/rpc", "https://***@node.example:8545/rpc"),
        (f"https://{KEY}@node.example", "https://***@node.example"),
        (f"https://node.example/?apikey={KEY}", "https://node.example/?***"),
        (f"https://node.example/rpc#{KEY}", "https://node.example/rpc#***"),
        ("https://node.example/hunter2", "https://node.example/***"),
        ("wss://node.example/onlyletters/", "wss://node.example/***/"),
        ("ws://127.0.0.1:8545", "ws://127.0.0.1:8545"),
        ("ws://[::1]:8545/", "ws://[::1]:8545/"),
        ("https://api.binance.com/api/v3/ticker/24hr?symbol=X", "https://api.binance.com/api/v3/ticker/***?***"),
        ("/run/node/geth.ipc", "/run/node/geth.ipc"),
        ("~/geth.ipc", "~/geth.ipc"),
        (KEY, "***"),
        (f"https://[{KEY}", "https://***"),
        (f"https://node.example:{KEY}/", "https://***"),
        ("", "***"),
    ],
)
def test_url__with_secrets__shows_only_where_it_leads(url: str, shown_as: str) -> None:
    assert redact_url(url) == shown_as
    assert KEY not in redact_url(url)


@pytest.mark.parametrize(
    "url",
    [
        f"wss://n.example/ws/v3/{KEY}",
        f"https://u:{KEY}@n.example",
        f"https://n.example/?a=1&key={KEY}",
        f"https://n.example/#{KEY}",
        f"https://[{KEY}",
    ],
)
def test_parts__of_an_address__hide_it_in_foreign_words(url: str) -> None:
    words = redact_text(
        f"cannot open {url}: key {KEY} is unknown" if "[" not in url else f"cannot open {url}", *secret_parts(url)
    )
    assert KEY not in words
    assert words.startswith("cannot open ***")


def test_text__secret_within_a_secret__is_replaced_as_a_whole() -> None:
    assert redact_text("abcdef abc", "abc", "abcdef", "") == "*** ***"


@pytest.mark.parametrize(
    ("value", "text"), [("a", "'a'"), ("b" * 58, repr("b" * 58)), ("b" * 59, "'" + "b" * 56 + "...")]
)
def test_shown__long_values__are_cut_at_sixty(value: str, text: str) -> None:
    assert shown(value) == text
    assert len(shown(value)) <= 60


def test_printable__control_characters__become_spaces() -> None:
    assert printable("a\x1b[31m\r\n\x00b\u202e") == "a [31m b"
    assert printable("x" * 200) == "x" * 200
    assert printable("x" * 201) == "x" * 197 + "..."


TOKEN = "Sup3rToken+/x==\\q"
ENCODED = {
    "as it is": TOKEN,
    "URL": quote(TOKEN, safe=""),
    "URL in lower case": quote(TOKEN, safe="").replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d").replace("%5C", "%5c"),
    "path of a URL": quote(TOKEN),
    "JSON": json.dumps(TOKEN)[1:-1],
    "JSON of PHP": json.dumps(TOKEN)[1:-1].replace("/", "\\/"),
    "hex": TOKEN.encode().hex(),
    "HEX": TOKEN.encode().hex().upper(),
    "base64": base64.b64encode(TOKEN.encode()).decode(),
    "base64 for URLs": base64.urlsafe_b64encode(TOKEN.encode()).decode(),
    "base64 with one before": base64.b64encode(b"." + TOKEN.encode()).decode(),
    "base64 with two before": base64.b64encode(b".." + TOKEN.encode() + b"..").decode(),
}  # fmt: skip


@pytest.mark.parametrize("form", ENCODED.values(), ids=ENCODED)
def test_text__secret_in_a_usual_encoding__is_replaced(form: str) -> None:
    words = redact_text(f"got {form} and no more", TOKEN)
    assert words.startswith("got ")
    left = words.removeprefix("got ").removesuffix(" and no more")
    assert "***" in left
    assert len(left) <= len("***") + 8, "what is left is the edge of a group of base64"


def test_text__short_secret__is_replaced_as_it_is_alone() -> None:
    assert redact_text("got k1 6b31 azE=", "k1") == "got *** 6b31 azE="
