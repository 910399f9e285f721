"""The route to a Safe and the section http: what is read, what is defaulted, and what is refused with its place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from keeper.config import loads
from keeper.config.model import Config, HttpConfig, ProposeAs, SafeRoute
from keeper.domain.errors import ConfigurationError
from keeper.domain.multisend import MULTI_SEND_CALL_ONLY

pytestmark = pytest.mark.unit

GOOD = Path(__file__).parent / "good.yaml"
SAFE = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc"
ADA = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


def read(route: dict[str, Any], *, environ: dict[str, str] | None = None, **sections: Any) -> Config:
    document = yaml.safe_load(GOOD.read_text(encoding="utf-8"))
    document["routes"] = {**document.get("routes", {}), "council": {"kind": "safe", "address": SAFE, **route}}
    document |= sections
    variables = {"KEEPER_KEYSTORE_PASSWORD": "x", "SAFE_API_KEY": "sk-1", **(environ or {})}
    return loads(yaml.safe_dump(document).encode(), folder=Path("/etc/keeper"), environ=variables, offline=True)


def safe_of(config: Config) -> SafeRoute:
    (route,) = (one for one in config.routes if isinstance(one, SafeRoute))
    return route


def problems(route: dict[str, Any], **sections: Any) -> dict[str, str]:
    with pytest.raises(ConfigurationError) as caught:
        read(route, **sections)
    return {one.path: f"{one.found} | {one.message} | {one.hint}" for one in caught.value.problems}


def test_route__with_nothing_but_its_address__has_the_defaults() -> None:
    route = safe_of(read({}))
    assert (route.name, route.address, route.service, route.api_key) == ("council", SAFE, None, None)
    assert (route.propose_as, route.execute) == (ProposeAs.DELEGATE, False)
    assert (route.remind_ms, route.escalate_ms) == (600_000, 1_800_000)
    assert route.files == "/etc/keeper/proposals"
    assert route.multisend == MULTI_SEND_CALL_ONLY["1.4.1"]
    assert (dict(route.members), route.web) == ({}, "")


def test_route__everything_written__is_read() -> None:
    route = safe_of(
        read(
            {
                "service": "https://safe.example.org/tx-service/eth",
                "api_key": "${SAFE_API_KEY}",
                "propose_as": "owner",
                "execute": True,
                "files": "out",
                "remind": "1m",
                "escalate": "1m",
                "web": "https://app.example.org/",
                "members": {"Ada": ADA},
                "multisend": SAFE,
            }
        )
    )
    assert route.service is not None
    assert route.service.reveal() == "https://safe.example.org/tx-service/eth"
    assert route.api_key is not None
    assert (route.propose_as, route.execute, route.files) == (ProposeAs.OWNER, True, "/etc/keeper/out")
    assert (route.remind_ms, route.escalate_ms, route.web) == (60_000, 60_000, "https://app.example.org")
    assert (dict(route.members), route.multisend) == ({ADA: "Ada"}, SAFE)


def test_api_key__in_the_file__is_refused_and_not_shown() -> None:
    found = problems({"service": "https://safe.example.org", "api_key": "sk_live_abc123"})
    said = found["routes.council.api_key"]
    assert "SAFE_API_KEY" in said
    assert "abc123" not in said
    assert "KEYSTORE" not in said


@pytest.mark.parametrize(
    ("route", "path", "words"),
    [
        ({"api_key": "${SAFE_API_KEY}"}, "api_key", "no service"),
        ({"service": "http://safe.example.org"}, "service", "plain http"),
        ({"service": "https://user:secret@safe.example.org"}, "service", "credentials"),
        ({"service": "safe.example.org"}, "service", "not a URL"),
        ({"remind": "20m", "escalate": "10m"}, "escalate", "before they are reminded"),
        ({"members": {"Ada": ADA, "Eve": ADA}}, "members.Eve", "Ada already"),
        ({"address": SAFE.lower()}, "address", "checksum"),
        ({"execute": "perhaps"}, "execute", "true or false"),
        ({"propose_as": "boss"}, "propose_as", "delegate"),
        ({"servce": "https://safe.example.org"}, "servce", "service"),
    ],
)
def test_route__what_is_wrong__is_told_with_its_place(route: dict[str, Any], path: str, words: str) -> None:
    found = problems(route)
    assert words in found[f"routes.council.{path}"]
    assert "secret" not in str(found)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]:8000"])
def test_service__plain_http_on_this_machine__is_taken(url: str) -> None:
    assert safe_of(read({"service": url})).service is not None


def test_action__on_a_route_to_people__has_a_day_unless_it_says_otherwise() -> None:
    document = yaml.safe_load(GOOD.read_text(encoding="utf-8"))
    name = next(iter(document["actions"]))
    action = {key: value for key, value in document["actions"][name].items() if key not in ("expires", "breaker")}
    slow, quick = {**action, "route": "council"}, {**action, "route": "council", "expires": "5m"}
    for written, expires_ms in ((slow, 86_400_000), (quick, 300_000)):
        config = read({}, actions={**document["actions"], name: written})
        assert {one.expires_ms for one in config.actions if one.name == name} == {expires_ms}


def test_http__is_read_with_its_defaults() -> None:
    assert read({}, http={"listen": "127.0.0.1:8643"}).http == HttpConfig("127.0.0.1", 8643, "", False)
    assert read({}, http={"approve": True}).http == HttpConfig("127.0.0.1", 8642, "", True)
    whole = {"listen": "[::1]:1", "url": "https://keeper.example.org/", "approve": True}
    assert read({}, http=whole).http == HttpConfig("::1", 1, "https://keeper.example.org", True)
    assert read({}).http is None


@pytest.mark.parametrize("listen", ["8642", "127.0.0.1", "127.0.0.1:65536", "example.org:80", ":80", "127.0.0.1:-1"])
def test_http__what_nothing_can_listen_at__is_refused(listen: str) -> None:
    assert "host:port" in problems({}, http={"listen": listen})["http.listen"]


def test_http__without_a_safe__is_read_for_the_pages_of_the_log() -> None:
    document = yaml.safe_load(GOOD.read_text(encoding="utf-8")) | {"http": {"listen": "127.0.0.1:8642"}}
    read_back = loads(
        yaml.safe_dump(document).encode(),
        folder=Path("/etc/keeper"),
        environ={"KEEPER_KEYSTORE_PASSWORD": "x"},
        offline=True,
    )
    assert read_back.http == HttpConfig("127.0.0.1", 8642, "", False)
