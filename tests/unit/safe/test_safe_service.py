"""The client of the Transaction Service against answers that are written here, without any socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from keeper.adapters.safe import answers
from keeper.adapters.safe.looking import MAX_PAGES
from keeper.adapters.safe.origin import MAX_ORIGIN, note
from keeper.adapters.safe.service import SafeTransactionService
from keeper.domain.errors import Busy, KeeperError, MalformedAnswer, Refused, UnitError, Unreachable
from keeper.domain.proposal import Delegate, Queued
from keeper.ports.council import QueuePage
from tests.support.manual_clock import ManualClock
from tests.support.safe_proposals import CHAIN_ID, KEEPER, OTHER_SAFE, OWNERS, PAUSE, SAFE, proposal, signature, told
from tests.support.scripted_http import Asked, Script, ScriptedHttp

pytestmark = pytest.mark.unit

URL = "https://safe.example.org/tx-secretpath12345/"
KEY = "sk-very-secret-1"
SIGNATURE = signature(3, PAUSE.hash)


def client(
    script: Script, *, chain_id: int = CHAIN_ID, clock: ManualClock | None = None, **headers: str
) -> tuple[SafeTransactionService, ScriptedHttp]:
    service = SafeTransactionService(URL, chain_id, clock=clock or ManualClock(), api_key=KEY)
    http = ScriptedHttp(script, {name.replace("_", "-"): value for name, value in headers.items()})
    service._api().http_session.mount("https://", http)
    return service, http


class _Hurrying(ManualClock):
    """Whose time goes by in whichever thread says so."""

    elapsed_ms = 0.0

    def monotonic_ms(self) -> float:
        return self.elapsed_ms


def always(body: object, status: int = 200) -> Script:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _: (status, content)


def page(*results: object, more: bool = False) -> dict[str, Any]:
    return {"count": len(results), "next": "https://elsewhere/?offset=1" if more else None, "results": list(results)}


def query(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(asked.url).query).items()}


async def test_propose__sends_every_field_ours_among_them_and_the_key_in_its_header() -> None:
    service, http = client(always(b"", 201))
    full = proposal(value=5, base_gas=1, nonce=9)
    await service.propose(full, KEEPER, SIGNATURE, note("inc-1", "0x" + "ab" * 32))
    (asked,) = http.asked
    path = f"https://safe.example.org/tx-secretpath12345/api/v2/safes/{SAFE}/multisig-transactions/"
    assert (asked.method, asked.url) == ("POST", path)
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.body == {
        "to": full.to, "value": 5, "data": "0x8456cb59", "operation": 0, "gasToken": full.gas_token, "safeTxGas": 0, "baseGas": 1,
        "gasPrice": 0, "refundReceiver": full.refund_receiver, "nonce": 9, "contractTransactionHash": full.hash_text, "sender": KEEPER,
        "signature": "0x" + SIGNATURE.hex(), "origin": json.dumps(
            {"name": "keeper", "incident": "inc-1", "evidence": "0x" + "ab" * 32}, separators=(",", ":")
        ),
    }  # fmt: skip


async def test_propose__for_another_chain_or_with_a_long_origin__is_refused_before_anything_is_sent() -> None:
    service, http = client(always(b"", 201))
    with pytest.raises(UnitError, match="chain 1"):
        await service.propose(proposal(chain_id=1), KEEPER, SIGNATURE, "")
    with pytest.raises(UnitError, match="201 characters"):
        await service.propose(PAUSE, KEEPER, SIGNATURE, "x" * 201)
    assert http.asked == []
    await service.propose(PAUSE, KEEPER, SIGNATURE, "x" * 200)
    await service.propose(PAUSE, KEEPER, SIGNATURE, "")
    assert [one.body["origin"] for one in http.asked] == ["x" * 200, None]


async def test_chain_that_safe_eth_py_does_not_know__is_served() -> None:
    service, _ = client(always(told(proposal(chain_id=987_654_321))), chain_id=987_654_321)
    found = await service.find(PAUSE.hash_text)
    assert found is not None
    assert found.transaction.chain_id == 987_654_321


async def test_queue__asks_for_what_is_open_from_the_nonce_and_takes_all_pages_by_their_number() -> None:
    documents = [told(proposal(nonce=nonce)) for nonce in range(7, 12)]

    def script(asked: Asked) -> tuple[int, bytes]:
        start = int(query(asked)["offset"])
        return 200, json.dumps(page(*documents[start : start + 2], more=start + 2 < 5)).encode()

    service, http = client(script)
    found = await service.queue(SAFE, 7)
    assert [one.transaction.nonce for one in found.queued] == [7, 8, 9, 10, 11]
    assert [query(one)["offset"] for one in http.asked] == ["0", "2", "4"]
    assert all(one.url.startswith("https://safe.example.org/") for one in http.asked), "`next` is never followed"
    first = query(http.asked[0])
    assert (first["executed"], first["nonce__gte"], first["limit"]) == ("False", "7", "200")


async def test_queue__order__is_nonce_then_submission_then_arrival() -> None:
    early, late = "2025-11-21T16:00:00Z", "2025-11-21T16:00:01Z"
    documents = [
        told(proposal(nonce=8), submissionDate=early),
        told(proposal(value=3), submissionDate=None),
        told(proposal(value=2), submissionDate=late),
        told(proposal(value=1), submissionDate=early),
    ]
    service, _ = client(always(page(*documents)))
    found = [(one.transaction.nonce, one.transaction.value) for one in (await service.queue(SAFE, 7)).queued]
    assert found == [(7, 1), (7, 2), (7, 3), (8, 0)]


async def test_queue__one_bad_among_many__is_told_and_hides_no_other() -> None:
    documents = [
        told(),
        told(proposal(nonce=8), to="nobody"),
        None,
        told(proposal(safe=OTHER_SAFE)),
        told(proposal(nonce=9), isExecuted=True),
        told(proposal(nonce=6)),
        told(proposal(nonce=10)),
    ]
    service, _ = client(always(page(*documents)))
    found = await service.queue(SAFE, 7)
    assert [one.transaction.nonce for one in found.queued] == [7, 10]
    assert [one.why.split()[0] for one in found.skipped] == ["`to`", "the", "`safe`", "`isExecuted`", "`nonce`"]
    assert found.skipped[0].place == proposal(nonce=8).hash_text
    assert found.skipped[1].place == "entry 3 of the answer"


async def test_queue__the_same_twice__is_there_once() -> None:
    service, _ = client(always(page(told(), told())))
    assert await service.queue(SAFE, 0) == QueuePage((answers.proposal(told(), CHAIN_ID),))


@pytest.mark.parametrize("first", [True, False])
async def test_queue__many_that_claim_one_hash__the_true_one_is_there_and_the_others_are_told_once(first: bool) -> None:
    lies = [told(proposal(value=1 + n), safeTxHash=PAUSE.hash_text) for n in range(150)]
    service, _ = client(always(page(*([told(), *lies] if first else [*lies, told()]))))
    found = await service.queue(SAFE, 0)
    assert [one.transaction for one in found.queued] == [PAUSE]
    (skipped,) = found.skipped
    assert (skipped.place, skipped.why) == (PAUSE.hash_text, "the service tells 150 more under the same hash")
    assert found.whole


async def test_queue__only_lies_under_one_hash__the_first_is_there() -> None:
    lies = [told(proposal(value=1 + n), safeTxHash=PAUSE.hash_text) for n in range(3)]
    service, _ = client(always(page(*lies)))
    found = await service.queue(SAFE, 0)
    assert [one.transaction.value for one in found.queued] == [1]
    assert found.skipped[0].why == "the service tells 2 more under the same hash"


async def test_queue__many_under_one_hash_that_cannot_be_read__are_told_once() -> None:
    one = told()["confirmations"] or [{"owner": OWNERS[0], "signature": "0x" + SIGNATURE.hex(), "submissionDate": None}]
    for number, read in ((128, True), (129, False)):
        service, _ = client(always(page(*[told(confirmations=one * number)] * 50)))
        found = await service.queue(SAFE, 0)
        assert (len(found.queued), len(found.skipped)) == ((1, 0) if read else (0, 1))
    assert found.skipped[0].place == PAUSE.hash_text
    assert "129 confirmations" in found.skipped[0].why


async def test_queue__more_pages_than_are_read__the_first_are_there_and_it_is_said() -> None:
    for pages, whole in ((MAX_PAGES, True), (MAX_PAGES + 1, False)):
        said = iter([page(told(proposal(nonce=n)), more=n < pages - 1) for n in range(pages)])
        service, http = client(lambda _, left=said: (200, json.dumps(next(left)).encode()))  # type: ignore[misc]
        found = await service.queue(SAFE, 0)
        assert [one.transaction.nonce for one in found.queued] == list(range(MAX_PAGES))
        assert (found.whole, len(http.asked)) == (whole, MAX_PAGES)
        assert [one.why.partition(":")[0] for one in found.skipped] == (
            [] if whole else ["more than 20 entries lie there"]
        )


async def test_queue__pages_that_repeat__end_the_look() -> None:
    service, http = client(always(page(told(), more=True)))
    found = await service.queue(SAFE, 0)
    assert len(http.asked) == 2
    assert ([one.transaction for one in found.queued], found.whole) == ([PAUSE], False)
    assert "again and again" in found.skipped[0].why


async def test_queue__slow_pages__what_was_read_in_time_counts() -> None:
    clock = _Hurrying()

    def slow(asked: Asked) -> tuple[int, bytes]:
        clock.elapsed_ms += 3_000
        return 200, json.dumps(page(told(proposal(nonce=int(query(asked)["offset"]))), more=True)).encode()

    service, http = client(slow, clock=clock)
    session = service._api().http_session
    real, silences = session.request, []

    def request(*args: Any, **kwargs: Any) -> requests.Response:
        silences.append(kwargs["timeout"][1])
        return real(*args, **kwargs)

    session.request = request  # type: ignore[method-assign]
    found = await service.queue(SAFE, 0)
    assert silences == [10, 7, 4, 1], "no request outlives the look that it is for"
    assert len(http.asked) == 4, "10 s are over in the fourth"
    assert ([one.transaction.nonce for one in found.queued], found.whole) == ([0, 1, 2], False)
    assert "within 10 s" in found.skipped[0].why


async def test_queue__page_that_is_too_large__is_asked_for_in_smaller_ones_until_only_the_large_entry_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from keeper.adapters.safe import api

    documents = [told(), told(proposal(nonce=8, data=bytes(5_000))), told(proposal(nonce=9))]

    def script(asked: Asked) -> tuple[int, bytes]:
        start, limit = int(query(asked)["offset"]), int(query(asked)["limit"])
        return 200, json.dumps(page(*documents[start : start + limit], more=start + limit < 3)).encode()

    monkeypatch.setattr(api, "MAX_ANSWER", 8_000)
    service, http = client(script)
    found = await service.queue(SAFE, 7)
    assert [one.transaction.nonce for one in found.queued] == [7, 9]
    assert ([one.place for one in found.skipped], found.whole) == (
        ["entry 2 of the answer", "the rest of the queue"],
        False,
    )
    assert [query(one)["limit"] for one in http.asked] == ["200", "25", "3", "1", "1", "1"]


async def test_queue__that_did_not_change__is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    documents = [told(proposal(nonce=nonce)) for nonce in range(7, 12)]

    def script(asked: Asked) -> tuple[int, bytes]:
        start = int(query(asked)["offset"])
        return 200, json.dumps(page(*documents[start : start + 2], more=start + 2 < len(documents))).encode()

    read: list[str] = []
    real = answers.proposal

    def counted(found: object, chain_id: int) -> Queued:
        read.append(threading.current_thread().name)
        return real(found, chain_id)

    monkeypatch.setattr(answers, "proposal", counted)
    service, _ = client(script)
    first = await service.queue(SAFE, 7)
    assert read == ["aside"] * 5, "not in the event loop's thread"
    assert await service.queue(SAFE, 7) == first
    assert len(read) == 5
    documents[4] = told(proposal(nonce=12))
    assert [one.transaction.nonce for one in (await service.queue(SAFE, 7)).queued] == [7, 8, 9, 10, 12]
    assert len(read) == 6


async def test_find__a_404_of_the_service__is_none_and_any_other_is_refused() -> None:
    service, http = client(always({"detail": "No MultisigTransaction matches the given query."}, 404))
    assert await service.find(PAUSE.hash_text) is None
    assert http.asked[0].url.endswith(f"/api/v2/multisig-transactions/{PAUSE.hash_text}/")
    for content in (b"<html>not found</html>", b""):
        service, _ = client(always(content, 404))
        with pytest.raises(Refused, match="HTTP 404") as error:
            await service.find(PAUSE.hash_text)
        assert "`service`" in error.value.remedy


async def test_find__says_what_the_service_says_even_of_another_hash() -> None:
    service, _ = client(always(told()))
    found = await service.find("0x" + "12" * 32)
    assert found is not None
    assert found.claimed_hash == PAUSE.hash_text


async def test_confirm_and_withdraw__send_what_the_client_sends() -> None:
    service, http = client(always(b"", 201))
    await service.confirm(PAUSE.hash_text, SIGNATURE)
    await service.withdraw(SAFE, PAUSE.hash_text, SIGNATURE)
    confirm, withdraw = http.asked
    assert confirm.url.endswith(f"/api/v1/multisig-transactions/{PAUSE.hash_text}/confirmations/")
    assert (confirm.method, confirm.body) == ("POST", {"signature": "0x" + SIGNATURE.hex()})
    assert withdraw.url.endswith(f"/api/v2/multisig-transactions/{PAUSE.hash_text}/")
    assert withdraw.method == "DELETE"
    assert withdraw.body == {"safeTxHash": PAUSE.hash_text, "signature": "0x" + SIGNATURE.hex()}


async def test_delegates__of_the_safe_and_of_its_owners__each_once() -> None:
    ours = {"safe": SAFE, "delegate": KEEPER, "delegator": OWNERS[0], "label": "keeper"}
    everywhere = ours | {"safe": None, "delegator": OWNERS[1]}
    elsewhere = ours | {"safe": OTHER_SAFE}

    def script(asked: Asked) -> tuple[int, bytes]:
        found = [ours] if "safe" in query(asked) else [ours, everywhere, elsewhere]
        return 200, json.dumps(page(*found)).encode()

    service, http = client(script)
    expected = Delegate(KEEPER, OWNERS[0], "keeper", SAFE), Delegate(KEEPER, OWNERS[1], "keeper", None)
    assert await service.delegates(SAFE) == expected[:1]
    assert await service.delegates(SAFE, OWNERS[1:2]) == expected
    assert query(http.asked[-1])["delegator"] == OWNERS[1]


async def test_add_and_remove__with_and_without_a_safe() -> None:
    service, http = client(always(b"{}", 201))
    for safe in (SAFE, None):
        delegate = Delegate(KEEPER, OWNERS[0], "keeper", safe)
        await service.add(delegate, SIGNATURE)
        await service.remove(delegate, SIGNATURE)
    add, remove, add_everywhere, remove_everywhere = http.asked
    signed = {"delegator": OWNERS[0], "signature": "0x" + SIGNATURE.hex()}
    assert add.body == signed | {"delegate": KEEPER, "label": "keeper", "safe": SAFE}
    assert remove.body == signed | {"safe": SAFE}
    assert remove.url.endswith(f"/api/v2/delegates/{KEEPER}/")
    assert "safe" not in add_everywhere.body | remove_everywhere.body


Ask = Callable[[SafeTransactionService], Any]
ASKS: dict[str, Ask] = {
    "queue": lambda s: s.queue(SAFE, 0),
    "find": lambda s: s.find(PAUSE.hash_text),
    "propose": lambda s: s.propose(PAUSE, KEEPER, SIGNATURE, ""),
    "confirm": lambda s: s.confirm(PAUSE.hash_text, SIGNATURE),
    "withdraw": lambda s: s.withdraw(SAFE, PAUSE.hash_text, SIGNATURE),
    "delegates": lambda s: s.delegates(SAFE),
    "add": lambda s: s.add(Delegate(KEEPER, OWNERS[0], "keeper", SAFE), SIGNATURE),
    "remove": lambda s: s.remove(Delegate(KEEPER, OWNERS[0], "keeper", SAFE), SIGNATURE),
}


def secrets_in(error: KeeperError) -> Iterator[str]:
    for text in (error.message, error.remedy, repr(error), str(getattr(error, "data", ""))):
        yield from (secret for secret in (KEY, "secretpath") if secret in text)


@pytest.mark.parametrize("name", ASKS)
async def test_every_question__down_busy_or_refused__is_that_error_without_secrets(name: str) -> None:
    def down(asked: Asked) -> tuple[int, bytes]:
        raise requests.ConnectionError(f"cannot reach {asked.url} with {KEY}")

    service, _ = client(down)
    with pytest.raises(Unreachable, match="no connection") as lost:
        await ASKS[name](service)
    service, _ = client(always({"detail": f"{KEY} is too fast at {URL}"}, 429), retry_after="3")
    with pytest.raises(Busy) as busy:
        await ASKS[name](service)
    assert busy.value.retry_after_s == 3.0
    service, _ = client(always({"detail": f"{KEY} is not known at {URL}"}, 403))
    with pytest.raises(Refused, match="is not known") as refused:
        await ASKS[name](service)
    assert refused.value.code == 403
    for error in (lost.value, busy.value, refused.value):
        assert list(secrets_in(error)) == []
        assert error.__context__ is None or error.__suppress_context__


@pytest.mark.parametrize(
    "error", [requests.Timeout, requests.exceptions.SSLError, requests.exceptions.InvalidURL, OSError]
)
async def test_any_trouble_on_the_way__is_unreachable(error: type[Exception]) -> None:
    def script(_: Asked) -> tuple[int, bytes]:
        raise error(KEY)

    service, _ = client(script)
    with pytest.raises(Unreachable) as raised:
        await service.find(PAUSE.hash_text)
    assert list(secrets_in(raised.value)) == []


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"null", b"5", b'{"results": 5}', b"[" * 100_000])
async def test_an_answer_of_another_form__is_malformed(content: bytes) -> None:
    service, _ = client(always(content))
    for name in ("queue", "find", "delegates"):
        with pytest.raises(MalformedAnswer):
            await ASKS[name](service)


async def test_a_compressed_answer__is_not_unpacked() -> None:
    service, _ = client(always(page()), content_encoding="gzip")
    with pytest.raises(MalformedAnswer, match="compressed"):
        await service.queue(SAFE, 0)


async def test_an_endless_answer__is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    from keeper.adapters.safe import api

    content = json.dumps(page()).encode()
    service, _ = client(always(content))
    monkeypatch.setattr(api, "MAX_ANSWER", len(content))
    assert (await service.queue(SAFE, 0)).queued == ()
    monkeypatch.setattr(api, "MAX_ANSWER", len(content) - 1)
    with pytest.raises(MalformedAnswer, match="more than"):
        await service.queue(SAFE, 0)


async def test_redirect__is_not_followed() -> None:
    service, http = client(always(b"", 302), location="https://elsewhere.example.org/")
    with pytest.raises(Refused, match="redirect"):
        await service.queue(SAFE, 0)
    assert len(http.asked) == 1


async def test_environment__gives_no_key_no_password_and_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAFE_TRANSACTION_SERVICE_API_KEY", "from-the-environment")
    service = SafeTransactionService(URL, CHAIN_ID, clock=ManualClock())
    http = ScriptedHttp(always(page()))
    session = service._api().http_session
    session.mount("https://", http)
    await service.queue(SAFE, 0)
    assert "authorization" not in {name.lower() for name in http.asked[0].headers}
    assert not session.trust_env


async def test_a_service_that_hangs__is_unreachable_and_keeps_no_thread_of_others() -> None:
    go = threading.Event()

    def script(_: Asked) -> tuple[int, bytes]:
        go.wait()
        return 200, json.dumps(page()).encode()

    service, _ = client(script)
    service._aside._answer_s = 0.05
    try:
        with pytest.raises(Unreachable, match="has not answered within") as error:
            await service.queue(SAFE, 0)
        assert list(secrets_in(error.value)) == []
    finally:
        go.set()


@pytest.mark.parametrize("text", ["", "0x12", PAUSE.hash_text.upper(), "../" + PAUSE.hash_text])
async def test_a_hash_of_another_form__never_gets_into_an_address(text: str) -> None:
    service, http = client(always({}))
    for ask in (service.find(text), service.confirm(text, SIGNATURE), service.withdraw(SAFE, text, SIGNATURE)):
        with pytest.raises(UnitError):
            await ask
    with pytest.raises(UnitError):
        await service.queue(SAFE.lower(), 0)
    with pytest.raises(UnitError):
        await service.delegates("../safes")
    assert http.asked == []


async def test_close__twice__and_then_it_is_unreachable() -> None:
    service, _ = client(always(page()))
    await service.close()
    await service.close()
    with pytest.raises(Unreachable, match="closed"):
        await service.queue(SAFE, 0)


def test_note__is_json_with_our_name_and_fits() -> None:
    evidence = "0x" + "ab" * 32
    assert json.loads(note("inc-1", evidence)) == {"name": "keeper", "incident": "inc-1", "evidence": evidence}
    assert json.loads(note("", "")) == {"name": "keeper"}
    for size in range(0, 400, 7):
        text = note("i" * size, evidence)
        assert len(text) <= MAX_ORIGIN
        assert json.loads(text)["evidence"] == evidence
    assert json.loads(note("i", "e" * 500)) == {"name": "keeper"}
