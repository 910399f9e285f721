"""``keeper council`` as it is typed: what it shows, what it signs, and what it refuses."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from keeper.app.council.ledger import What
from keeper.app.council.matter import Change, Level, Matter, Remark, Signed, Standing
from keeper.domain.errors import Unreachable
from keeper.domain.evm import Receipt
from keeper.domain.proposal import Confirmation
from keeper.domain.safe import Operation, SafeTransaction, rejection
from keeper.domain.safe_signatures import approve_call, exec_call, joined, recover_owner
from tests.support.council_commands import CommandCouncil, Typed, typed_over
from tests.support.council_matters import CHAIN_ID, OWNERS, POOL, SAFE, STRANGER, alarming, matter

pytestmark = pytest.mark.unit

Over = Callable[..., Typed]


@pytest.fixture
def over(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Over:
    return lambda *matters, **fields: typed_over(
        CommandCouncil(matters=list(matters), **fields), monkeypatch, capsys, tmp_path
    )


def signed_by(account: object, one: Matter) -> str:
    return "0x" + bytes(Account.unsafe_sign_hash(one.transaction.hash, account.key).signature).hex()  # type: ignore[attr-defined]


# -- looking ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("queue",), ("keeper.yaml",), ("keeper.yaml", "queue")])
def test_queue__in_every_way_to_type_it__lists_what_waits(over: Over, words: tuple[str, ...]) -> None:
    code, out, _ = over(matter(4), matter(5))("council", *words)
    assert code == 0
    assert out.count("Waiting for 1 more signature") == 2
    assert out.index("nonce 4") < out.index("nonce 5")


def test_queue__as_json__is_one_document(over: Over) -> None:
    code, said = over(matter()).document("council", "queue")
    assert (code, said["ok"], said["safe"]["nonce"]) == (0, True, 4)
    assert said["queue"][0]["hash"] == matter().hash
    assert said["queue"][0]["missing"] == 1


def test_queue__with_nothing_in_it__says_so(over: Over) -> None:
    code, out, _ = over()("council")
    assert code == 0
    assert "nothing waits" in out


def test_queue__with_something_alarming__is_found(over: Over) -> None:
    code, out, _ = over(alarming())("council")
    assert code == 1
    assert "ALARM" in out


def test_queue__out_of_reach__is_outside(over: Over) -> None:
    code, said = over(error=Unreachable("the node does not answer")).document("council")
    assert (code, said["ok"]) == (3, False)


def test_show__alarms__come_first_and_loud(over: Over) -> None:
    typed = over(alarming())
    code, out, _ = typed("council", "show", alarming().hash)
    assert code == 1
    assert out.startswith("!! ALARM  It makes 0x7099")
    assert out.index("Do not sign") < out.index("Change the owners of this Safe")
    assert " confirm " not in out.split("Next")[1]


def test_show__everything__stands_there_and_fits(over: Over) -> None:
    typed = over(matter())
    code, out, _ = typed("council", "show", matter().hash[:10])
    assert code == 0
    digits = matter().hash.removeprefix("0x")
    for text in (
        "500 WETH -> 5000 WETH",
        "Rule oracle-divergence tripped",
        "setWithdrawalLimit(bytes32,uint256)",
        "BROKEN   no-mass-liquidation: 0 -> 14 positions",
        "signed   Alice",
        "not yet  Bob",
        "people told",
        " ".join(digits[at : at + 4] for at in range(32, 64, 4)),
        "--keystore FILE",
    ):
        assert text in out, text
    urls = ("https://", "calldata", "0x")
    assert all(len(line) <= 100 or any(url in line for url in urls) for line in out.splitlines())
    assert typed.council.seen_hashes == [(matter().hash, "command-line")]


TX_HASH = "0x" + 64 * "e"


@pytest.mark.parametrize(
    ("fields", "says", "says_not"),
    [
        ({"standing": Standing.EXECUTED, "executed_tx": TX_HASH}, f"Executed\n  executed in {TX_HASH}", "Becomes"),
        (
            {"standing": Standing.EXECUTED, "executed_tx": TX_HASH, "failed": True},
            "Executed, and the Safe's own call FAILED: nothing happened",
            "Becomes",
        ),
        ({"standing": Standing.DEAD}, "Dead: its nonce was used by another transaction", "Becomes"),
        (
            {"standing": Standing.DEAD, "unsure": True},
            "could not be read from the chain",
            "another transaction, it can",
        ),
        (
            {"standing": Standing.BEHIND, "signers": 2},
            "an earlier nonce has to be executed or rejected first",
            "confirm",
        ),
    ],
)
def test_show__of_each_standing__says_what_it_is_and_no_more(
    over: Over, fields: dict[str, Any], says: str, says_not: str
) -> None:
    one = matter(**fields)
    code, out, _ = over(one)("council", "show", one.hash)
    assert code == 0
    assert says in out
    assert says_not not in out
    _, said = over(one).document("council", "show", one.hash)
    assert (said["failed"], said["unsure"]) == (one.failed, one.unsure)


def test_show__as_json__has_every_part(over: Over) -> None:
    code, said = over(matter()).document("council", "show", matter().hash)
    assert code == 0
    assert said["transaction"]["safe_tx_hash"] == matter().hash
    assert said["transaction"]["operation"] == "call"
    assert said["transaction"]["value_wei"] == "0"
    assert said["changes"][0]["recorded"] == "5000 WETH"
    assert said["times"]["proposed"] == "2025-11-21T04:41:00.000Z"
    assert said["decoded"]["inner"][1]["value_wei"] == str(10**17)
    assert [kept["holds"] for kept in said["after"]["kept"]] == [True, False, None]
    assert said["signed"][0]["owner"] == OWNERS[0].address


@pytest.mark.parametrize("name", ["0x12345", "12345", "0xnothex", "", "0x" + 65 * "1"])
def test_show__what_is_no_hash__is_usage(over: Over, name: str) -> None:
    code, said = over(matter()).document("council", "show", name)
    assert code == 2
    assert "safeTxHash" in said["error"]["message"]


@pytest.mark.parametrize("digits", [6, 7, 63, 64])
def test_show__a_prefix_of_six_digits_or_more__names_it(over: Over, digits: int) -> None:
    assert over(matter())("council", "show", matter().hash[2 : 2 + digits].upper())[0] == 0


def test_show__printed_commands__are_read_by_a_shell(over: Over) -> None:
    _, out, _ = over(matter())("council", "it's.yaml", "show", matter().hash)
    line = next(line for line in out.splitlines() if " confirm " in line)
    assert "./it's.yaml" in shlex.split(line.removesuffix("\\"))


# -- signing ------------------------------------------------------------------------------------------------------------------


def test_confirm__with_a_key_and_yes__signs_the_hash_computed_here(over: Over) -> None:
    typed = over(matter())
    code, said = typed.document("council", "confirm", matter().hash, "--key-file", typed.key_file(OWNERS[1]), "--yes")
    assert (code, said["signer"], said["standing"]) == (0, OWNERS[1].address, "ready")
    ((name, signature, via),) = typed.council.confirmed
    assert (name, via) == (matter().hash, "command-line/key-file")
    assert recover_owner(matter().transaction.hash, signature) == OWNERS[1].address


def test_confirm__by_a_member__is_told_with_the_name(over: Over) -> None:
    typed = over(matter())
    key = typed.key_file(OWNERS[1])
    assert (
        f"signed by Bob {OWNERS[1].address}"
        in typed("council", "confirm", matter().hash, "--key-file", key, "--yes")[1]
    )
    err = typed("council", "confirm", matter().hash, "--key-file", typed.key_file(OWNERS[0]), "--yes")[2]
    assert f"Alice {OWNERS[0].address} has signed it already" in err


def test_show__amounts_times_and_the_keepers_note__are_for_people_and_plain_in_json(over: Over) -> None:
    limit = Change(POOL, "limit()(uint256)", (), "1000000", "250000", text="limit of ETH-PERP: 1000000 now -> 250000")
    one = matter(
        changes=(limit, replace(limit, text="")),
        pointless="at 2099-01-02T03:04:05.678Z",
        origin='{"name":"keeper","incident":"ETH-PERP@29"}',
    )
    typed = over(one)
    out = typed("council", "show", one.hash)[1]
    assert "  limit of ETH-PERP: 1,000,000 now -> 250,000 (-75 %)\n" in out
    assert "      1,000,000 -> 250,000 (-75 %)\n" in out
    assert "Becomes pointless: at 2099-01-02 03:04:05 UTC (in " in out
    assert "note: keeper, incident ETH-PERP@29\n" in out
    said = typed.document("council", "show", one.hash)[1]
    assert said["changes"][0]["text"] == limit.text
    assert (said["pointless"], said["origin"]) == (one.pointless, one.origin)


@pytest.mark.parametrize(
    ("words", "said", "remedy"),
    [
        (("--key-file", "nope.key"), "the key file is not there", "correct --key-file nope.key: "),
        (("--key-file", "0x" + 64 * "a"), "the key file is not there", "correct --key-file: "),
        (("--keystore", "nope.json"), "the keystore is not there", "correct --keystore nope.json: "),
        (("--keystore", "key.json", "--password-file", "no"), "the password file is not there", "correct --password-file no: "),
        (("--keystore", "key.json", "--password-file", "password"), "the password does not open", "check --password-file password "),
    ],
)  # fmt: skip
def test_confirm__a_key_that_cannot_be_read__names_the_option_and_its_file(
    over: Over, tmp_path: Path, words: tuple[str, ...], said: str, remedy: str
) -> None:
    (tmp_path / "key.json").write_text(json.dumps(Account.encrypt(OWNERS[1].key, "x", kdf="pbkdf2", iterations=2)))
    (tmp_path / "password").touch(mode=0o600)
    code, _, err = over(matter())("council", "confirm", matter().hash, *words, "--yes")
    assert code == 2
    assert said in err
    assert remedy in err
    assert "signer." not in err
    assert 64 * "a" not in err


def test_confirm__with_a_keystore_and_its_password__signs(over: Over, tmp_path: Path) -> None:
    keystore, password = tmp_path / "key.json", tmp_path / "password"
    keystore.write_text(json.dumps(Account.encrypt(OWNERS[1].key, "open sesame ", kdf="pbkdf2", iterations=2)))
    password.touch(mode=0o600)
    password.write_text("open sesame \n")
    typed = over(matter())
    words = ("--keystore", str(keystore), "--password-file", str(password), "--yes")
    assert typed("council", "confirm", matter().hash, *words)[0] == 0
    assert typed.council.confirmed[0][2] == "command-line/keystore"


def test_confirm__without_yes_and_without_a_terminal__signs_nothing(over: Over) -> None:
    typed = over(matter())
    code, said = typed.document("council", "confirm", matter().hash, "--key-file", typed.key_file(OWNERS[1]))
    assert code == 1
    assert "nobody was asked" in said["error"]["message"]
    assert typed.council.confirmed == []


@pytest.mark.parametrize(
    ("typed_digits", "signs"),
    [(matter().hash[-6:], True), (matter().hash[-6:].upper(), True), ("000000", False), ("", False)],
)
def test_confirm__on_a_terminal__asks_for_the_end_of_the_hash(
    over: Over, monkeypatch: pytest.MonkeyPatch, typed_digits: str, signs: bool
) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return typed_digits + "\n"

    typed = over(matter())
    path = typed.key_file(OWNERS[1])
    monkeypatch.setattr("sys.stdin", Terminal())
    code, _, err = typed("council", "confirm", matter().hash, "--key-file", path)
    assert "last 6 digits" in err
    assert (code == 0, len(typed.council.confirmed) == 1) == (signs, signs)


@pytest.mark.parametrize(
    ("account", "says"), [(STRANGER, "is no owner of the Safe"), (OWNERS[0], "has signed it already")]
)
def test_confirm__a_key_that_would_not_count__signs_nothing(over: Over, account: object, says: str) -> None:
    typed = over(matter())
    path = typed.key_file(account)  # type: ignore[arg-type]
    code, said = typed.document("council", "confirm", matter().hash, "--key-file", path, "--yes")
    assert code == 1
    assert says in said["error"]["message"]
    assert typed.council.confirmed == []


def test_confirm__a_word_that_is_older_than_the_proposal__is_given_again(over: Over) -> None:
    typed = over(matter(former=frozenset({OWNERS[0].address})))
    path = typed.key_file(OWNERS[0])
    assert typed("council", "confirm", matter().hash, "--key-file", path, "--yes")[0] == 0
    assert len(typed.council.confirmed) == 1


def test_confirm__while_there_are_alarms__signs_only_despite_them(over: Over) -> None:
    typed = over(alarming())
    words = ("council", "confirm", alarming().hash, "--key-file", typed.key_file(OWNERS[1]), "--yes")
    code, said = typed.document(*words)
    assert code == 1
    assert "It makes 0x7099" in said["error"]["message"]
    assert typed.council.confirmed == []
    assert typed.document(*words, "--despite-alarms")[0] == 0
    assert len(typed.council.confirmed) == 1


@pytest.mark.parametrize("standing", [Standing.EXECUTED, Standing.DEAD])
def test_confirm__what_is_over__signs_nothing(over: Over, standing: Standing) -> None:
    typed = over(matter(standing=standing))
    words = ("--key-file", typed.key_file(OWNERS[1]), "--yes")
    assert typed("council", "confirm", matter().hash, *words)[0] == 1
    assert typed.council.confirmed == []


def test_confirm__a_signature_made_elsewhere__is_taken(over: Over) -> None:
    typed = over(matter())
    code, said = typed.document("council", "confirm", matter().hash, "--signature", signed_by(OWNERS[2], matter()))
    assert (code, said["signer"]) == (0, OWNERS[2].address)
    assert typed.council.confirmed[0][2] == "command-line/signature"


def test_confirm__a_signature_with_v_of_nought_or_one__is_taken(over: Over) -> None:
    raw = bytes.fromhex(signed_by(OWNERS[2], matter())[2:])
    text = (raw[:-1] + bytes([raw[-1] - 27])).hex()
    typed = over(matter())
    assert typed("council", "confirm", matter().hash, "--signature", text)[0] == 0


@pytest.mark.parametrize("over_what", ["another proposal", "nothing"])
def test_confirm__a_signature_of_something_else__is_refused(over: Over, over_what: str) -> None:
    typed = over(matter(4))
    text = signed_by(OWNERS[2], matter(5)) if over_what == "another proposal" else "0x" + 65 * "00"
    code, _ = typed.document("council", "confirm", matter(4).hash, "--signature", text)
    assert code in (1, 2)
    assert typed.council.confirmed == []


@pytest.mark.parametrize("text", ["0x12", "hello", "0x" + 64 * "11", ""])
def test_confirm__what_is_no_signature__is_usage(over: Over, text: str) -> None:
    assert over(matter())("council", "confirm", matter().hash, "--signature", text)[0] == 2


def test_confirm__without_any_key__says_what_to_sign_elsewhere(over: Over, tmp_path: Path) -> None:
    typed = over(matter())
    code, out, _ = typed("council", "confirm", matter().hash, "--typed-data", "sign.json")
    assert code == 0
    assert f"cast wallet sign --no-hash {matter().hash}" in out
    assert "--from-file sign.json" in out
    assert json.loads((tmp_path / "sign.json").read_text()) == matter().transaction.typed_data()
    assert typed.council.confirmed == []
    code, said = typed.document("council", "confirm", matter().hash, "--typed-data", "sign.json")
    assert code == 2
    assert "there already" in said["error"]["message"]


def test_confirm__approve_on_chain__prints_the_call(over: Over) -> None:
    code, said = over(matter()).document("council", "confirm", matter().hash, "--approve-on-chain")
    call = approve_call(matter().transaction)
    assert (code, said["approve"]["to"], said["approve"]["data"]) == (0, SAFE, "0x" + call.data.hex())


@pytest.mark.parametrize(
    "words",
    [
        ("--keystore", "a", "--key-file", "b"),
        ("--password-file", "a"),
        ("--key-file", "a", "--signature", "0x11"),
        ("--signature", "0x11", "--approve-on-chain"),
    ],
)
def test_confirm__two_ways_to_sign__is_usage(over: Over, words: tuple[str, ...]) -> None:
    assert over(matter())("council", "confirm", matter().hash, *words)[0] == 2


def test_confirm__another_hash_than_the_service_claims__signs_nothing_whatever_is_said(over: Over) -> None:
    class Liar(CommandCouncil):
        async def matter(self, hash_or_prefix: str, /) -> Matter:
            return matter(5)

    typed = over(matter(4))
    typed.council.matter = Liar().matter  # type: ignore[method-assign]
    words = ("council", "confirm", matter(4).hash, "--key-file", typed.key_file(OWNERS[1]), "--yes", "--despite-alarms")
    code, said = typed.document(*words)
    assert code == 1
    assert matter(5).hash in said["error"]["message"]
    assert typed.council.confirmed == []
    one = matter(4, signers=2)
    assert typed("council", "execute", one.hash, "--despite-alarms")[0] == 1


# -- rejecting ----------------------------------------------------------------------------------------------------------------


def test_reject__with_an_owners_key__proposes_nothing_to_itself_at_the_same_nonce(over: Over) -> None:
    typed = over(matter())
    code, out, _ = typed("council", "reject", matter().hash, "--key-file", typed.key_file(OWNERS[1]), "--yes")
    assert code == 0
    assert "the nonce is used and the other one can never be executed" in " ".join(out.split())
    ((proposed, asked),) = typed.council.proposed
    assert proposed.transaction == rejection(CHAIN_ID, SAFE, 4)
    assert (asked["what"], asked["sender"]) == (What.REJECTION, OWNERS[1].address)
    assert recover_owner(proposed.transaction.hash, asked["signature"]) == OWNERS[1].address


def test_reject__that_somebody_proposed_before__is_signed_and_not_doubled(over: Over) -> None:
    known = matter(signers=1, transaction=rejection(CHAIN_ID, SAFE, 4), title="Rejects", remarks=())
    typed = over(matter(), known)
    assert typed("council", "reject", matter().hash, "--key-file", typed.key_file(OWNERS[1]), "--yes")[0] == 0
    assert typed.council.proposed == []
    assert [name for name, _, _ in typed.council.confirmed] == [known.hash]


def misdirecting(typed: Typed) -> str:
    """The service gives matter(5), which somebody needs, the hash of matter(4), which somebody rejects."""

    async def other(hash_or_prefix: str, /) -> Matter:
        return matter(5)

    typed.council.matter = other  # type: ignore[method-assign]
    return matter(4).hash


@pytest.mark.parametrize("more", [("--yes",), ("--yes", "--despite-alarms"), ("--withdraw",)])
def test_reject__another_hash_than_the_service_claims__signs_nothing_whatever_is_said(
    over: Over, more: tuple[str, ...]
) -> None:
    typed = over(matter(4))
    name = misdirecting(typed)
    words = () if "--withdraw" in more else ("--key-file", typed.key_file(OWNERS[1]))
    code, said = typed.document("council", "reject", name, *words, *more)
    assert code == 1
    assert matter(5).hash in said["error"]["message"]
    assert (typed.council.proposed, typed.council.withdrawn, typed.council.rejected) == ([], [], [])


@pytest.mark.parametrize(("despite", "code"), [((), 1), (("--despite-alarms",), 0)])
def test_reject__a_rejection_that_is_alarming_itself__is_signed_only_despite_it(
    over: Over, despite: tuple[str, ...], code: int
) -> None:
    no = alarming(signers=1, transaction=rejection(CHAIN_ID, SAFE, 4))
    typed = over(matter(), no)
    words = ("--key-file", typed.key_file(OWNERS[1]), "--yes")
    assert typed("council", "reject", matter().hash, *words, *despite)[0] == code
    assert [name for name, _, _ in typed.council.confirmed] == ([no.hash] if despite else [])


@pytest.mark.parametrize("known", [False, True])
def test_reject__signed__is_written_down_as_meant_for_this_one(over: Over, known: bool) -> None:
    no = matter(signers=1, transaction=rejection(CHAIN_ID, SAFE, 4), title="Rejects", remarks=())
    typed = over(matter(), *([no] if known else []))
    typed("council", "reject", matter().hash, "--key-file", typed.key_file(STRANGER), "--yes")
    typed("council", "reject", matter().hash)
    assert typed.council.rejected == [], "nothing was signed"
    assert typed("council", "reject", matter().hash, "--key-file", typed.key_file(OWNERS[1]), "--yes")[0] == 0
    assert typed.council.rejected == [(matter().hash, OWNERS[1].address)]


def test_reject__what_is_alarming__needs_no_more_words(over: Over) -> None:
    typed = over(alarming())
    assert typed("council", "reject", alarming().hash, "--key-file", typed.key_file(OWNERS[1]), "--yes")[0] == 0


def test_reject__without_a_key__says_what_to_sign(over: Over) -> None:
    typed = over(matter())
    code, said = typed.document("council", "reject", matter().hash)
    assert (code, said["transaction"]["safe_tx_hash"]) == (0, rejection(CHAIN_ID, SAFE, 4).hash_text)
    assert typed.council.proposed == []


def test_reject__a_rejection__is_refused(over: Over) -> None:
    known = matter(transaction=rejection(CHAIN_ID, SAFE, 4))
    assert over(known)("council", "reject", known.hash)[0] == 1


def test_withdraw__our_own_that_nobody_has_signed__is_taken_back(over: Over) -> None:
    typed = over(matter(signers=0))
    assert typed("council", "reject", matter().hash, "--withdraw")[0] == 0
    assert typed.council.withdrawn == [matter().hash]


@pytest.mark.parametrize(
    ("one", "says"), [(matter(signers=1), "can still use it"), (matter(signers=0, ours=False), "did not propose it")]
)
def test_withdraw__what_cannot_be_called_back__is_refused(over: Over, one: Matter, says: str) -> None:
    typed = over(one)
    code, said = typed.document("council", "reject", one.hash, "--withdraw")
    assert code == 1
    assert says in said["error"]["message"]
    assert typed.council.withdrawn == []


# -- executing ----------------------------------------------------------------------------------------------------------------


def confirmations(one: Matter) -> list[Confirmation]:
    return [Confirmation(each.address, bytes.fromhex(signed_by(each, one)[2:])) for each in OWNERS[:2]]


def test_execute__without_a_key__prints_the_call(over: Over) -> None:
    one = matter(signers=2)
    code, said = over(one, given=confirmations(one)).document("council", "execute", one.hash)
    call = exec_call(one.transaction, joined(confirmations(one), 2))
    assert (code, said["executed"], said["to"], said["data"]) == (0, False, SAFE, "0x" + call.data.hex())


@pytest.mark.parametrize(
    ("standing", "says"),
    [
        (Standing.WAITING, "1 signature missing"),
        (Standing.BEHIND, "must be executed or rejected first"),
        (Standing.EXECUTED, "executed already"),
        (Standing.DEAD, "can never be executed"),
    ],
)
def test_execute__what_cannot_be_executed_now__says_why(over: Over, standing: Standing, says: str) -> None:
    one = matter(signers=1, standing=standing)
    code, said = over(one).document("council", "execute", one.hash)
    assert code == 1
    assert says in said["error"]["message"]


def test_execute__while_there_are_alarms__is_refused(over: Over) -> None:
    one = alarming(signers=2)
    typed = over(one, given=confirmations(one))
    assert typed("council", "execute", one.hash)[0] == 1
    assert typed("council", "execute", one.hash, "--despite-alarms")[0] == 0


def test_execute__signatures_that_are_too_few_after_all__is_usage_and_no_traceback(over: Over) -> None:
    one = matter(signers=2)
    code, said = over(one, given=confirmations(one)[:1]).document("council", "execute", one.hash)
    assert code == 2
    assert "not the 2" in said["error"]["message"]


def test_execute__what_was_read_back__each_value_once_and_loud_where_it_is_another(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from keeper.app.cli.council_executing import _told
    from keeper.app.cli.output import Output

    text = "paused of ETH-PERP: false now -> true"
    paused = Change(POOL, "paused(bytes32)(bool)", (), "false", "true", text=text)
    limit = Change(POOL, "limit()(uint256)", (), "5", "7", text="limit of ETH-PERP")
    receipt = Receipt(TX_HASH, 1, 9, "0x" + 64 * "b", 21_000, 1)
    read: list[tuple[Change, str | None]] = [(paused, "true"), (limit, "6")]
    assert _told(Output(), matter(), receipt, read, ok=True) == 1
    out = capsys.readouterr().out
    assert "  paused of ETH-PERP is true now\n" in out
    assert "  limit of ETH-PERP is 6 now, and 7 was expected\n" in out
    assert "->" not in out


# -- files --------------------------------------------------------------------------------------------------------------------


def test_export__a_proposal__holds_what_others_need(over: Over, tmp_path: Path) -> None:
    from keeper.adapters.safe.files import read_proposal

    one = matter(signers=2)
    assert over(one, given=confirmations(one))("council", "export", one.hash, "one.json")[0] == 0
    read = read_proposal(tmp_path / "one.json")
    assert read.transaction == one.transaction
    assert set(read.signatures) == {owner.address for owner in OWNERS[:2]}


def test_export__typed_data__is_what_a_wallet_signs(over: Over, tmp_path: Path) -> None:
    assert over(matter())("council", "export", matter().hash, "one.json", "--as", "typed-data")[0] == 0
    assert json.loads((tmp_path / "one.json").read_text()) == matter().transaction.typed_data()


def test_export__for_the_web_app__holds_the_calls(over: Over, tmp_path: Path) -> None:
    why = ("It is tight still", "Nobody has asked.")
    one = matter(transaction=SafeTransaction(CHAIN_ID, SAFE, 4, POOL, b"\x01\x02"), why=why)
    assert over(one)("council", "export", one.hash, "one.json", "--as", "safe-app")[0] == 0
    batch = json.loads((tmp_path / "one.json").read_text())
    (call,) = batch["transactions"]
    assert (call["to"], call["data"]) == (POOL, "0x0102")
    assert batch["meta"]["description"] == "It is tight still. Nobody has asked."


def test_export__a_delegatecall_that_is_no_batch__is_no_file_of_the_web_app(over: Over) -> None:
    one = matter(transaction=SafeTransaction(CHAIN_ID, SAFE, 4, POOL, b"\x01", operation=Operation.DELEGATECALL))
    assert over(one)("council", "export", one.hash, "one.json", "--as", "safe-app")[0] == 2


@pytest.mark.parametrize("form", ["proposal", "typed-data", "safe-app"])
def test_export__another_hash_than_the_service_claims__writes_nothing_whatever_is_said(
    over: Over, tmp_path: Path, form: str
) -> None:
    typed = over(matter(4))
    name = misdirecting(typed)
    assert typed("council", "export", name, "one.json", "--as", form, "--despite-alarms")[0] == 1
    assert not (tmp_path / "one.json").exists()


def test_export__while_there_are_alarms__writes_only_despite_them(over: Over, tmp_path: Path) -> None:
    typed = over(alarming())
    code, said = typed.document("council", "export", alarming().hash, "one.json")
    assert code == 1
    assert "It makes 0x7099" in said["error"]["message"]
    assert not (tmp_path / "one.json").exists()
    assert typed("council", "export", alarming().hash, "one.json", "--despite-alarms")[0] == 1
    assert (tmp_path / "one.json").exists()


def test_export__another_form__is_usage(over: Over) -> None:
    assert over(matter())("council", "export", matter().hash, "one.json", "--as", "pdf")[0] == 2


def test_show__an_ignored_signature__says_why(over: Over) -> None:
    ignored = Signed(STRANGER.address, "", counts=False, why="it is no owner")
    one = replace(matter(), signed=(ignored,), remarks=(Remark(Level.WARNING, "look twice"),))
    _, out, _ = over(one)("council", "show", one.hash)
    assert f"IGNORED  {STRANGER.address}: it is no" in out
    assert "warning  look twice" in out
