"""The section ``routes``: public, private and race, what leads through them, and what actions say about it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from keeper.config.model import BreakerRoute
from keeper.config.schema import json_schema
from keeper.config.secret import Secret
from keeper.config.sending import BuilderConfig, Cancel, KeystoreSigner, PrivateRoute, PublicRoute, RaceRoute
from tests.unit.config.sending_stage import ENVIRON, PUBLIC, ROUTE, loaded, problems, route, sending
from tests.unit.config.test_config_schema import document, fits

if TYPE_CHECKING:
    from pathlib import Path

    from keeper.domain.errors import Problem
    from tests.unit.config.conftest import Break, Edit, Load

pytestmark = pytest.mark.unit

NET = '{url: "https://net.example", header: X-BuilderNet-Signature, cancel: none}'
AFTER = "    public_after: 3 blocks\n"
GUARD = 'guard: {kind: breaker, address: "0x000000000000000000000000000000000000dEaD", through: private}'


def told(problem: Problem) -> tuple[str, str]:
    return problem.path, problem.message


def one(broken: Break, *edits: Edit, action: str = "    route: public\n") -> Problem:
    (problem,) = problems(broken, *edits, action=action)
    assert problem.hint
    assert problem.line is not None
    return problem


# --- what is read


def test_private__all_given__is_as_written(load_good: Load, tmp_path: Path) -> None:
    found = route(loaded(load_good), "private")
    assert found == PrivateRoute(
        name="private",
        builders=(
            BuilderConfig(
                name="titan",
                url=Secret("https://titan.example/builder-key-3c"),
                shown="https://titan.example/${BUILDER_KEY}",
                header="",
                private_transactions=True,
                cancel=Cancel.EMPTY,
                status=Secret("https://status.example/tx-base"),
            ),
            BuilderConfig(
                name="net",
                url=Secret("https://net.example"),
                shown="https://net.example",
                header="X-BuilderNet-Signature",
                cancel=Cancel.NONE,
            ),
            BuilderConfig(name="plain", url=Secret("http://127.0.0.1:8645"), shown="http://127.0.0.1:8645"),
        ),
        identity=KeystoreSigner(str(tmp_path / "identity.json"), Secret("identity-pass-77")),
        fallback="sequencer",
        public_after=3,
        timeout_ms=1_500,
        prove_ms=60_000,
    )


def test_private__what_is_left_out__has_its_default(load_good: Load) -> None:
    text = 'routes: {private: {identity: {kind: key-file, path: i}, builders: {b: {url: "https://b.example"}}}}'
    private, public = load_good((PUBLIC, text)).routes
    assert isinstance(private, PrivateRoute)
    assert (private.fallback, private.public_after) == ("public", 2)
    assert (private.timeout_ms, private.prove_ms) == (2_000, 300_000)
    (builder,) = private.builders
    assert (builder.header, builder.private_transactions) == ("X-Flashbots-Signature", False)
    assert (builder.cancel, builder.status) == (Cancel.METHOD, None)
    assert public == PublicRoute("public")


@pytest.mark.parametrize(
    ("written", "blocks"),
    [("0 blocks", 0), ("1 block", 1), ("1000 blocks", 1_000), ("never", None)],
)
def test_private__public_after__is_blocks_or_never(written: str, blocks: int | None, load_good: Load) -> None:
    found = route(loaded(load_good, (AFTER, f"    public_after: {written}\n")), "private")
    assert isinstance(found, PrivateRoute)
    assert found.public_after == blocks


def test_race__names_two_routes(load_good: Load) -> None:
    config = loaded(load_good)
    assert route(config, "race") == RaceRoute("race", "private", "sequencer")
    without = loaded(load_good, (", public: sequencer}", "}"))
    assert route(without, "race") == RaceRoute("race", "private", "public")


def test_public__endpoints_of_its_own__are_shown_without_credentials(load_good: Load) -> None:
    found = route(loaded(load_good), "sequencer")
    assert isinstance(found, PublicRoute)
    assert [url.reveal() for url in found.endpoints] == [
        "https://one.example",
        "https://user:pass-word@two.example/0123456789abcdef0",
    ]
    assert found.shown == ("https://one.example", "https://***@two.example/***")


def test_breaker__through__names_how_it_travels(load_good: Load) -> None:
    config = loaded(load_good)
    through = {each.name: each.through for each in config.routes if isinstance(each, BreakerRoute)}
    assert through == {"guard": "private", "open-guard": "race"}
    plain = loaded(load_good, (GUARD, GUARD.replace(", through: private", "")))
    assert [each.through for each in plain.routes if isinstance(each, BreakerRoute)] == ["public", "race"]


def test_routes__shown_in_any_way__hold_no_secret(load_good: Load) -> None:
    config = loaded(load_good)
    text = repr(config.routes) + repr(config.lanes) + json.dumps(config.public())
    for secret in ("builder-key-3c", "identity-pass-77", "signer-token-42", "pass-word", "0123456789abcdef0"):
        assert secret not in text
    assert "${BUILDER_KEY}" in text


def test_schema__lanes_routes_and_budget__satisfy_it(good: str) -> None:
    text = good.replace(*sending())
    assert fits(document(text), json_schema())
    for edit in (
        ("public_after: 3 blocks", "public_after: 3"),
        ("header: none", "header: {none: 1}"),
        ("cancel: empty", "cancel: no"),
        ("race: {private: private", "race: {secret: private"),
        ("    builders:\n", "    relays:\n"),
        ("kind: kms, key: alias/keeper, ", "kind: kms, "),
        ("gas_budget_eth_per_day", "gas_budget"),
    ):
        assert not fits(document(good.replace(*sending(edit))), json_schema()), edit


# --- what is refused


@pytest.mark.parametrize(
    ("old", "new", "path", "message"),
    [
        ("fallback: sequencer", "fallback: sequenser", "private.fallback", "no route has this name"),
        ("fallback: sequencer", "fallback: race", "private.fallback", "this route is not public"),
        ("fallback: sequencer", "fallback: guard", "private.fallback", "this route is not public"),
        ("fallback: sequencer", "fallback: private", "private.fallback", "this route is not public"),
        ("race: {private: private", "race: {private: privat", "race.private", "no route has this name"),
        ("race: {private: private", "race: {private: sequencer", "race.private", "this route is not private"),
        ("race: {private: private", "race: {private: race", "race.private", "this route is not private"),
        ("public: sequencer}", "public: private}", "race.public", "this route is not public"),
        ("public: sequencer}", "public: sequencr}", "race.public", "no route has this name"),
        ("through: race", "through: council", "open-guard.through", "this route is not public, private or race"),
        ("through: race", "through: guard", "open-guard.through", "this route is not public, private or race"),
        ("through: race", "through: rase", "open-guard.through", "no route has this name"),
        (AFTER, "    public_after: 3\n", "private.public_after", "neither a number of blocks nor never"),
        (AFTER, "    public_after: 3s\n", "private.public_after", "this is a time"),
        (AFTER, "    public_after: -1 blocks\n", "private.public_after", "neither a number of blocks nor never"),
        (AFTER, "    public_after: 1001 blocks\n", "private.public_after", "too large"),
        ("timeout: 1500ms", "timeout: 49ms", "private.timeout", "too short"),
        ("timeout: 1500ms", "timeout: 12001ms", "private.timeout", "longer than a block takes"),
        ("prove: 1m", "prove: 999ms", "private.prove", "too short"),
        ("prove: 1m", "prove: 61m", "private.prove", "too large"),
        ("header: none", "header: Authorization", "private.builders.titan.header", "not the name of a header"),
        ("header: none", 'header: "X-A: b"', "private.builders.titan.header", "not the name of a header"),
        ("cancel: none", "cancel: never", "private.builders.net.cancel", "not one of the words"),
        ("private_transactions: true", "private_transactions: 1", "private.builders.titan.private_transactions", "yes"),
        ('url: "https://net', 'url: "http://net', "private.builders.net.url", "plain http"),
        ('url: "https://net', 'url: "wss://net', "private.builders.net.url", "not a URL that can be used"),
        ('status: "https:', 'status: "http:', "private.builders.titan.status", "plain http"),
        ('"https://net.example"', '"http://LOCALHOST:8645/"', "private.builders.net.url", ""),
        ('"https://net.example"', '"http://127.0.0.1:8645/"', "private.builders.plain.url", "there twice"),
        ('"https://one.example"', '"https://two.example/0123456789abcdef0"', "sequencer.endpoints[1]", "there twice"),
        ('"https://one.example"', '"http://one.example"', "sequencer.endpoints[0]", "plain http"),
        ('"https://one.example"', '"ws://one.example"', "sequencer.endpoints[0]", "not a URL that can be used"),
        ("identity: {kind: keystore", "identity: {kind: kms", "private.identity.kind", "not one of the words"),
    ],
)
def test_routes__wrong__is_told_at_its_place(old: str, new: str, path: str, message: str, broken: Break) -> None:
    problem = one(broken, (old, new))
    if message:
        assert problem.path == f"routes.{path}"
        assert message in problem.message
    else:  # localhost and 127.0.0.1 are one machine, so this is the builder plain
        assert problem.message == "this address is there twice"


@pytest.mark.parametrize(
    ("timeout", "prove"), [("50ms", "1s"), ("12s", "1h")], ids=["the shortest times", "the longest times"]
)
def test_private__times_at_their_bounds__are_taken(timeout: str, prove: str, load_good: Load) -> None:
    found = route(
        loaded(load_good, ("timeout: 1500ms", f"timeout: {timeout}"), ("prove: 1m", f"prove: {prove}")), "private"
    )
    assert isinstance(found, PrivateRoute)


def test_private__without_builders__is_told(broken: Break) -> None:
    start = "    builders:\n"
    at = sending()[1].index(start)
    end = sending()[1].index("  race: {private")
    lines = sending()[1][at:end]
    assert told(one(broken, (lines, "    builders: {}\n"))) == ("routes.private.builders", "there is no builder")
    missing = one(broken, (lines, ""))
    assert told(missing) == ("routes.private.builders", "builders is missing")


def test_private__builder_named_twice__is_told(broken: Break) -> None:
    problem = one(broken, (f"      net: {NET}", f"      net: {NET}\n      net: {NET}"))
    assert told(problem) == ("routes.private.builders.net", "this key is there twice")


def test_public__empty_endpoints__are_told(broken: Break) -> None:
    (problem,) = broken((PUBLIC, "routes: {public: {endpoints: []}}"))
    assert told(problem) == ("routes.public.endpoints", "there is no endpoint")


def test_routes__a_broken_one__is_told_once(broken: Break) -> None:
    """Whatever names it says nothing more."""
    problem = one(
        broken,
        ("identity: {kind: keystore, ", "identity: {kind: nothing, "),
        action="    route: guard\n    breaker: b\n    public_after: never\n",
    )
    assert problem.path == "routes.private.identity.kind"


def test_routes__several_mistakes__are_told_at_once(broken: Break) -> None:
    found = problems(
        broken,
        ("fallback: sequencer", "fallback: nowhere"),
        ("through: race", "through: nowhere"),
        ('url: "https://net', 'url: "http://net'),
        action="    route: privat\n    lane: fasst\n",
    )
    assert [problem.path for problem in found] == [
        "actions.pause-market.route",
        "actions.pause-market.lane",
        "routes.private.fallback",
        "routes.private.builders.net.url",
        "routes.open-guard.through",
    ]
    assert [problem.hint for problem in found[:2]] == ["did you mean private?", "did you mean fast?"]


@pytest.mark.parametrize("kind", ["private", "race", "breaker", "safe"])
def test_routes__the_built_in_name_for_another_kind__is_told_once(kind: str, broken: Break) -> None:
    (problem,) = broken((PUBLIC, f"routes: {{public: {{kind: {kind}}}}}"))
    assert (problem.path, problem.message) == ("routes.public.kind", "`public` is the built-in name")
    assert problem.hint == "choose another for this route"


def test_lane__the_only_one_is_the_keepers_own__is_not_offered(broken: Break) -> None:
    lanes = f"{PUBLIC}\nlanes: {{upkeep: {{kind: key-file, path: upkeep.key}}}}"
    (problem,) = broken((PUBLIC, lanes), (ROUTE, f"{ROUTE}    lane: fsat\n"))
    assert (problem.path, problem.hint) == ("actions.pause-market.lane", "leave it out: then `signer` signs it")
    several = one(broken, action="    route: public\n    lane: qqq\n")
    assert several.hint == "one of: fast, slow"


def test_lanes__one_with_the_name_of_the_first_key__is_refused(broken: Break) -> None:
    (problem,) = broken((PUBLIC, f"{PUBLIC}\nlanes: {{signer: {{kind: key-file, path: l.key}}}}"))
    assert (problem.path, problem.message) == ("lanes.signer", "this is the name of the first key")


# --- what actions say


@pytest.mark.parametrize(
    ("lines", "blocks"),
    [
        ("route: private", 3),
        ("route: private\n    public_after: 2 blocks", 2),
        ("route: private\n    public_after: 0 blocks", 0),
        ("route: private\n    lane: fast\n    public_after: never", None),
        ("route: guard\n    breaker: b", 3),
        ("route: guard\n    breaker: b\n    public_after: 1 block", 1),
        ("route: open-guard\n    breaker: b", None),
        ("route: race", None),
        ("route: sequencer", None),
        ("route: public", None),
    ],
)
def test_action__public_after__is_its_own_or_that_of_the_route(lines: str, blocks: int | None, load_good: Load) -> None:
    (pause, _) = loaded(load_good, action=f"    {lines}\n").actions
    assert pause.public_after == blocks


def test_action__on_a_private_route_that_never_falls_back__has_none(load_good: Load) -> None:
    never = (AFTER, "    public_after: never\n")
    alone = "    route: private\n    lane: fast\n"
    assert loaded(load_good, never, action=alone).actions[0].public_after is None
    own = loaded(load_good, never, action="    route: private\n    public_after: 5 blocks\n").actions[0]
    assert own.public_after == 5


@pytest.mark.parametrize("name", ["public", "sequencer", "race", "open-guard\n    breaker: b", "council"])
def test_action__public_after_where_nothing_is_private__is_refused(name: str, broken: Break) -> None:
    problem = one(broken, action=f"    route: {name}\n    public_after: never\n")
    assert told(problem) == ("actions.pause-market.public_after", "this belongs to a private route")


def test_action__lane__is_the_key_that_signs(load_good: Load) -> None:
    pause, tighten = loaded(load_good, action="    route: public\n    lane: fast\n").actions
    assert (pause.lane, tighten.lane) == ("fast", "")


@pytest.mark.parametrize(
    ("lines", "message", "hint"),
    [
        ("route: public\n    lane: fats", "no lane has this name", "did you mean fast?"),
        ("route: council\n    lane: fast", "a proposal to a Safe is signed by `signer`", "leave it out"),
        ("route: public\n    lane: upkeep", "this lane is for the keeper's own transactions", "must not wait"),
    ],
)
def test_action__lane_that_cannot_be__is_refused(lines: str, message: str, hint: str, broken: Break) -> None:
    problem = one(broken, action=f"    {lines}\n")
    assert told(problem) == ("actions.pause-market.lane", message)
    assert hint in problem.hint


def test_action__lane_without_the_section__is_refused(broken: Break) -> None:
    (problem,) = broken(("    route: public\n", "    route: public\n    lane: fast\n"))
    assert told(problem) == ("actions.pause-market.lane", "no lane has this name")
    assert problem.hint == "there is no section lanes"


def test_recorded__document_with_hidden_addresses__still_loads(load_good: Load, good: str, tmp_path: Path) -> None:
    """The log keeps addresses without their credentials: two of them may be alike there, and no variable is set."""
    from keeper.config import loads

    edit = ('"https://one.example"', '"https://two.example/another-0123456789"')
    config = load_good(sending(edit), environ=ENVIRON)
    again = loads(json.dumps(config.public()).encode(), folder=tmp_path, environ={}, offline=True)
    assert [each.name for each in again.routes] == [each.name for each in config.routes]
