"""Every kind of notice reaches a real receiver over HTTP and over mail, through the whole way of a running keeper; and the commands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.store import SqlAuditStore
from keeper.adapters.clock import SystemClock
from keeper.adapters.notify.apprise_notifier import open_apprise
from keeper.app.cli import run_command
from keeper.app.courier import Courier
from keeper.app.notifying.links import Links
from keeper.app.scribe import Scribe
from keeper.app.wiring import open_notifier
from keeper.config.notifying import AppriseNotify
from keeper.config.secret import Secret
from keeper.domain.matters import ABOUT, EVERYBODY, Escalation, Policy
from keeper.domain.verdict import Severity
from keeper.ports.notifier import Notice
from tests.support.eventually import eventually
from tests.support.mail_server import mail_server
from tests.support.notices_found import found
from tests.support.notify_stage import down, tripped, up
from tests.support.webhook import Webhook, webhook

pytestmark = pytest.mark.integration

SECRET = "T0KENabcdef0123456789"
WORDS = {Severity.INFO: "info", Severity.WARNING: "warning", Severity.CRITICAL: "failure"}


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as running:
        yield running


def receiver(hook: Webhook, policy: Policy) -> AppriseNotify:
    return AppriseNotify(Secret(hook.address(SECRET)), policy)


async def test_notices__every_kind_that_the_program_makes__arrives_with_title_body_and_severity(
    hook: Webhook, tmp_path: Path
) -> None:
    kinds = sorted(found())
    assert set(kinds) == {*ABOUT, *EVERYBODY}
    store = await SqlAuditStore.open(sqlite_url(tmp_path / "keeper.db"), create=True)
    clock = SystemClock()
    scribe = Scribe(store, clock)
    notifier = await open_notifier(receiver(hook, Policy("hook")), 0)
    courier = Courier([notifier], scribe, clock, store=store, links=Links("https://keeper.example", "k.yaml", "prod"))
    tasks = [asyncio.create_task(scribe.run()), asyncio.create_task(courier.run())]
    severities = list(Severity)
    notices = [
        Notice(f"{kind}/{n}", f"{kind} {n}: pause", f"value {n} against 0.02", severities[n % 3])
        for n, kind in enumerate(kinds)
    ]
    for notice in notices:
        courier.put(notice)
    await eventually(lambda: len(hook.received) == len(notices))
    assert await courier.drain(20)
    assert await scribe.drain(20)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await notifier.close()
    await store.close()
    arrived = {document["title"]: document for _, document in hook.received}
    for notice in notices:
        document = arrived[notice.title]
        assert document["message"].startswith(notice.body)
        assert document["type"] == WORDS[notice.severity]
        assert ("acknowledge: keeper notify k.yaml ack" in document["message"]) is (
            notice.severity is Severity.CRITICAL
        )
    (incident,) = [one for one in arrived.values() if one["title"].startswith("incident ")]
    assert "https://keeper.example/incidents/" in incident["message"]


async def test_mail__critical_notice__is_readable_and_has_no_working_markup() -> None:
    async with mail_server() as server:
        notifier = await open_apprise(
            f"mailto://127.0.0.1:{server.port}?from=keeper@a.example&to=ops@a.example", name="m"
        )
        text = "divergence = 0.07, threshold 0.02\n<b>bold</b> [x](https://evil.example)"
        notice = Notice(
            "incident/1", "ETH-PERP: tripped", text, Severity.CRITICAL, links=("page https://keeper.example",)
        )
        assert (await notifier.notify(notice)).delivered
        (mail,) = server.mails
        assert (mail["subject"], mail["to"]) == ("ETH-PERP: tripped", "ops@a.example")
        plain = mail.get_body(("plain",))
        assert plain is not None
        assert "divergence = 0.07, threshold 0.02" in plain.get_content()
        assert "page https://keeper.example" in plain.get_content()
        markup = mail.get_body(("html",))
        assert markup is None or "<b>bold</b>" not in markup.get_content()
        assert "https://evil" not in mail.as_string()


async def test_mail__refused__is_a_failure_that_names_no_address() -> None:
    async with mail_server() as server:
        server.refuse = True
        url = f"mailto://user:{SECRET}@127.0.0.1:{server.port}?from=k@a.example&to=ops@a.example"
        delivery = await (await open_apprise(url, name="m")).notify(Notice("k", "t", "b", Severity.INFO))
        assert not delivery.delivered
        assert SECRET not in delivery.message


CONFIG = """\
keeper: {{name: prod, mode: shadow}}
chain: {{id: 1, endpoints: [{{url: "ws://127.0.0.1:1", role: primary}}]}}
audit: {{url: "sqlite:///keeper.db"}}
sources: {{a: {{kind: constant, unit: price, value: "1"}}, b: {{kind: constant, unit: price, value: "1"}}}}
markets:
  M:
    signals: {{d: {{kind: divergence, of: a, against: b}}}}
    rules: {{r: {{when: {{signal: d, above: 2%}}, clear: {{below: 1%}}, severity: info, actions: []}}}}
actions: {{}}
notify:
  - {{kind: log}}
  - {{kind: apprise, name: good, url: "{good}"}}
  - {{kind: apprise, name: critical-only, url: "{good}", min_severity: critical}}
{more}
"""


def keeper(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    code = run_command(["--json", *argv])
    return code, json.loads(capsys.readouterr().out)


def test_command__test__each_receiver_is_told_and_the_exit_code_says_whether(
    hook: Webhook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "keeper.yaml"
    config.write_text(CONFIG.format(good=hook.address(SECRET), more=""), "utf-8")
    code, said = keeper(capsys, "notify", str(config), "test", "--severity", "warning")
    assert code == 0
    results = [(each["receiver"], each["result"]) for each in said["receivers"]]
    assert results == [("log", "delivered"), ("good", "delivered"), ("critical-only", "filtered")]
    ((_, document),) = hook.received
    assert document["title"] == "TEST: notifications of keeper prod"
    assert document["type"] == "warning"
    code, said = keeper(capsys, "notify", str(config), "test", "--receiver", "critical-only")
    assert (code, [each["receiver"] for each in said["receivers"]]) == (0, ["critical-only"])
    hook.status = 403
    code, said = keeper(capsys, "notify", str(config), "test", "--receiver", "good")
    assert code == 1
    assert said["receivers"][0] == {"receiver": "good", "result": "failed", "reason": "the receiver answered HTTP 403"}
    assert run_command(["notify", str(config), "test", "--receiver", "godo"]) == 2
    captured = capsys.readouterr()
    assert "good" in captured.err
    assert SECRET not in captured.out + captured.err


async def test_commands__list_and_ack__beside_a_running_keeper_it_falls_silent_and_tells_the_end(
    hook: Webhook, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "keeper.yaml"
    config.write_text(CONFIG.format(good=hook.address(SECRET), more=""), "utf-8")
    store = await SqlAuditStore.open(sqlite_url(tmp_path / "keeper.db"), create=True)
    clock = SystemClock()
    scribe = Scribe(store, clock)
    pressing = Policy("good", Severity.CRITICAL, escalate=Escalation(0, 300, 50))
    notifier = await open_notifier(receiver(hook, pressing), 0)
    courier = Courier([notifier], scribe, clock, store=store)
    tasks = [asyncio.create_task(scribe.run()), asyncio.create_task(courier.run())]
    courier.put(tripped("01J9INCIDENT"))
    courier.put(down("heads"))
    await eventually(lambda: len(hook.received) >= 4)
    assert await scribe.drain(20)
    code, said = await asyncio.to_thread(keeper, capsys, "notify", str(config), "list")
    assert code == 0
    assert {each["key"]: each["acknowledged"] for each in said["open"]} == {
        "incident/01J9INCIDENT": None,
        "fault/heads": None,
    }
    assert said["open"][0]["told"][0]["receiver"] == "good"
    code, said = await asyncio.to_thread(keeper, capsys, "notify", str(config), "ack", "all", "--note", "on it")
    assert (code, sorted(said["acknowledged"])) == (0, ["fault/heads", "incident/01J9INCIDENT"])
    await eventually(lambda: all(one.ack is not None for one in courier.open_matters))
    assert await courier.drain(20)
    told = len(hook.received)
    await asyncio.sleep(0.7)  # twice as long as it would take to be told again
    assert len(hook.received) == told
    courier.put(up("heads"))
    await eventually(lambda: hook.received[-1][1]["title"] == "heads is up")
    assert await scribe.drain(20)
    _, said = await asyncio.to_thread(keeper, capsys, "notify", str(config), "list")
    assert said["open"][0]["acknowledged"]["note"] == "on it"
    assert await asyncio.to_thread(run_command, ["notify", str(config), "ack", "nothing-like-it"]) == 2
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await notifier.close()
    await store.close()
