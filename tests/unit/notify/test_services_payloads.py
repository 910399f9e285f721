"""What each service is sent by apprise itself: keys, ends, severities, and others' words that do nothing. Nothing leaves the machine."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import pytest
import requests

from keeper.adapters.notify.apprise_notifier import AppriseNotifier, open_apprise
from keeper.adapters.notify.services import PAGERDUTY_KEY_MAX, key_of
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice

pytestmark = pytest.mark.unit

HOSTILE = (
    "reverted: @everyone <!channel> [sign](https://evil.example) <https://evil.example|x> ||gone|| `x` \u202e\x1b[31m"
)
LINK = "page https://keeper.example/incidents/i7x"
NOTICE = Notice("fault/heads", "heads is down @here", HOSTILE, Severity.CRITICAL, links=(LINK,))
END = Notice("fault/heads", "heads is up", "works again", Severity.INFO, ends=True)

SLACK = "slack://TJHQ7HQ9R/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#ops"
DISCORD = "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"
TELEGRAM = "tgram://123456789:abcdefg_hijklmnop/12315544/"
PAGERDUTY = "pagerduty://A1BRTD4JDTIiajkdnlazkcOXrIdevi7F@TIiajkdnlazkcOXrIdevi7FQ/keeper/prod"
OPSGENIE = "opsgenie://a1b2c3d4-1111-2222-3333-444455556666/#ops"
MATTERMOST = "mmost://chat.example/3ccdd113474722377935511fc85d3dd4"
TEAMS = "workflows://host.example:443/workflow/signature/"
MATRIX = "matrix://3ccdd113474722377935511fc85d3dd4@chat.example?mode=slack"
NTFY = "ntfy://ntfy.example/topic"
READ_BY_PEOPLE = [SLACK, f"{SLACK}?format=markdown&blocks=yes", DISCORD, f"{DISCORD}?format=markdown", TELEGRAM]
READ_BY_PEOPLE += [f"{TELEGRAM}?format=markdown", PAGERDUTY, OPSGENIE, MATTERMOST, TEAMS, MATRIX, NTFY]


class Answer:
    status_code = 200
    content = b'{"ok": true, "requestId": "r-1", "result": {"message_id": 1}}'
    headers: ClassVar[dict[str, str]] = {}
    text = content.decode()


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """(address, document) of each request, which is answered here."""
    requests_made: list[tuple[str, Any]] = []

    def answer(url: str, data: Any = None, **more: Any) -> Answer:
        payload = data if data is not None else more.get("json")
        requests_made.append((url, json.loads(payload) if isinstance(payload, str | bytes) else payload))
        return Answer()

    monkeypatch.setattr(requests, "post", answer)
    monkeypatch.setattr(requests, "request", lambda _, url, **more: answer(url, **more))
    return requests_made


async def opened(url: str) -> AppriseNotifier:
    return await open_apprise(url, name="x")


@pytest.mark.parametrize("url", READ_BY_PEOPLE)
async def test_payload__others_words__call_nobody_and_link_nowhere(url: str, sent: list[tuple[str, Any]]) -> None:
    await (await opened(url)).notify(NOTICE)
    ((_, document),) = sent
    text = json.dumps(document, ensure_ascii=False)
    for gone in ("@everyone", "@here", "<!channel", "](http", "https://evil", "https://evil.example|", "||", "\u202e"):
        assert gone not in text, gone
    assert "\\u001b" not in text
    assert "evil" in text, "the words themselves are shown"
    assert "keeper" in text
    assert "allow_mentions" not in document


@pytest.mark.parametrize("url", [SLACK, DISCORD, TELEGRAM, PAGERDUTY, OPSGENIE, MATTERMOST, NTFY])
async def test_payload__the_keepers_own_link__can_be_clicked_on(url: str, sent: list[tuple[str, Any]]) -> None:
    await (await opened(url)).notify(NOTICE)
    assert LINK in json.dumps(sent[0][1])


@pytest.mark.parametrize("url", READ_BY_PEOPLE)
async def test_payload__very_long__is_one_message_with_its_links(url: str, sent: list[tuple[str, Any]]) -> None:
    long = Notice("fault/x", "x" * 400, "line <of> words & more\n" * 4_000, Severity.CRITICAL, links=(LINK,))
    assert (await (await opened(url)).notify(long)).delivered or "hooks.slack.com" in sent[0][0]
    assert len(sent) == 1
    assert "i7x" in json.dumps(sent[0][1])


async def test_discord__content__is_within_its_limit(sent: list[tuple[str, Any]]) -> None:
    await (await opened(DISCORD)).notify(Notice("k", "t", "x\n" * 5_000, Severity.INFO))
    assert len(sent[0][1]["content"]) <= 2_000


async def test_pagerduty__same_key__same_alert_and_its_end_resolves_it(sent: list[tuple[str, Any]]) -> None:
    pager = await opened(PAGERDUTY)
    assert pager.keyed
    for notice in (NOTICE, END, Notice("gap/1-2", "2 blocks were missed", "b", Severity.WARNING)):
        assert (await pager.notify(notice)).delivered
    said = [(one["event_action"], one["dedup_key"], one.get("payload", {}).get("severity")) for _, one in sent]
    assert said == [
        ("trigger", "fault/heads", "critical"),
        ("resolve", "fault/heads", None),
        ("trigger", "gap/1-2", "warning"),
    ]


async def test_pagerduty__key_of_the_operators_own__stays(sent: list[tuple[str, Any]]) -> None:
    await (await opened(f"{PAGERDUTY}?dedup=mine")).notify(NOTICE)
    assert sent[0][1]["dedup_key"] == "mine"


async def test_opsgenie__same_key__is_the_alias_and_its_end_closes_it(sent: list[tuple[str, Any]]) -> None:
    pager = await opened(OPSGENIE)
    assert (await pager.notify(NOTICE)).delivered
    assert (await pager.notify(END)).delivered
    assert sent[0][1]["alias"] == "fault/heads"
    assert sent[1][0].endswith("/alerts/r-1/close")


async def test_opsgenie__mere_information__is_sent_too(sent: list[tuple[str, Any]]) -> None:
    """By itself apprise makes a note of it, to an alert that is not there: nothing would be sent, and told as delivered."""
    await (await opened(OPSGENIE)).notify(Notice("digest/1", "the last 24 hours", "all well", Severity.INFO))
    assert sent[0][1]["message"] == "the last 24 hours"


@pytest.mark.parametrize(("length", "same"), [(PAGERDUTY_KEY_MAX, True), (PAGERDUTY_KEY_MAX + 1, False)])
def test_key_of__too_long__is_shortened_and_still_its_own(length: int, same: bool) -> None:
    key = "k" * length
    assert (key_of(key) == key) is same
    assert len(key_of(key)) <= PAGERDUTY_KEY_MAX
    assert key_of(key + "a") != key_of(key + "b")


async def test_webhook__for_programs__gets_the_words_as_they_are(sent: list[tuple[str, Any]]) -> None:
    await (await opened("json://receiver.example/x")).notify(
        Notice("k", "t @here", "a `b` https://c.example", Severity.INFO)
    )
    assert (sent[0][1]["title"], sent[0][1]["message"]) == ("t @here", "a `b` https://c.example")
