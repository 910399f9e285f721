"""The route to a breaker contract, and what of it an action trips."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keeper.config.model import BreakerRoute
from keeper.config.schema import json_schema
from keeper.config.sending import PublicRoute
from keeper.domain.action import BreakerTrip
from keeper.domain.adjustment import NEW
from keeper.domain.circuit_breaker import breaker_id
from tests.unit.config.test_config_adjust import adjusting
from tests.unit.config.test_config_schema import document, fits

if TYPE_CHECKING:
    from tests.unit.config.conftest import Break, Edit, Load

pytestmark = pytest.mark.unit

CONTRACT = "0x000000000000000000000000000000000000dEaD"
PUBLIC = "routes: {public: {kind: public}}"
ROUTES: Edit = (PUBLIC, f'routes: {{breaker: {{address: "{CONTRACT}"}}}}')
PAUSE = "    route: public\n    cooldown: 10m"
TRIPS: Edit = (PAUSE, '    route: breaker\n    breaker: "pause {name}"\n    cooldown: 10m')
VARS: Edit = ('key: "{id}"}', 'key: "{id}", name: ETH-PERP}')
LIMIT = "    safe_side: lower\n"


def route(load: Load, text: str) -> BreakerRoute:
    (found,) = (one for one in load((PUBLIC, f"routes: {text}")).routes if isinstance(one, BreakerRoute))
    return found


def test_route__named_as_its_kind__needs_no_kind_and_public_is_still_there(load_good: Load) -> None:
    routes = load_good(ROUTES).routes
    assert routes == (BreakerRoute("breaker", CONTRACT, 6 * 3_600_000, None), PublicRoute("public"))


def test_route__any_name__names_its_kind(load_good: Load, broken: Break) -> None:
    assert (
        route(load_good, f'{{guard: {{kind: breaker, address: "{CONTRACT}", heartbeat: 1h}}}}').heartbeat_ms
        == 3_600_000
    )
    (problem,) = broken((PUBLIC, f'routes: {{guard: {{address: "{CONTRACT}"}}}}'))
    assert problem.path == "routes.guard.kind"


@pytest.mark.parametrize(
    ("written", "end"),
    [
        ("orders", "/orders"),
        ("sqlite:///shared.db", "/shared.db"),
        ("postgresql+psycopg://k:secret@db/orders", "db/orders"),
    ],
)
def test_route__orders__is_a_folder_or_a_database_and_never_shown(
    load_good: Load, tmp_path: Path, written: str, end: str
) -> None:
    orders = route(load_good, f'{{breaker: {{address: "{CONTRACT}", orders: "{written}"}}}}').orders
    assert orders is not None
    assert orders.reveal().endswith(end)
    assert ("secret" in written) or str(tmp_path) in orders.reveal()
    assert "orders" not in repr(orders)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{breaker: {}}", "routes.breaker.address"),
        ('{breaker: {address: "0x1"}}', "routes.breaker.address"),
        (f'{{breaker: {{address: "{CONTRACT}", heartbeat: 59s}}}}', "routes.breaker.heartbeat"),
        (f'{{breaker: {{address: "{CONTRACT}", orders: "mysql://x/y"}}}}', "routes.breaker.orders"),
        (f'{{breaker: {{address: "{CONTRACT}", orders: "sqlite:///"}}}}', "routes.breaker.orders"),
        (f'{{breaker: {{address: "{CONTRACT}", adress: 1}}}}', "routes.breaker.adress"),
    ],
)
def test_route__that_cannot_be__is_told_with_its_place(broken: Break, text: str, path: str) -> None:
    (problem,) = broken((PUBLIC, f"routes: {text}"))
    assert problem.path == path
    assert problem.hint


def two(first: str, second: str) -> Edit:
    """Two routes to the same contract."""
    written = (
        f'{name}: {{kind: breaker, address: "{CONTRACT}"{orders}}}' for name, orders in (("a", first), ("b", second))
    )
    return PUBLIC, f"routes: {{{', '.join(written)}}}"


def test_two_routes__to_one_contract__have_the_same_orders(broken: Break) -> None:
    (problem,) = broken(two(', orders: "one"', ', orders: "postgresql+psycopg://k:sesame@db/orders"'))
    assert problem.path == "routes.b.orders"
    assert "route a" in problem.message
    assert problem.hint
    assert "sesame" not in repr(problem)


@pytest.mark.parametrize(
    ("first", "second"), [(', orders: "one"', ', orders: "./one"'), (', orders: "one"', ""), ("", "")]
)
def test_two_routes__that_do_not_contradict_each_other__are_taken(load_good: Load, first: str, second: str) -> None:
    assert [one.name for one in load_good(two(first, second)).routes] == ["a", "b", "public"]


def test_action__through_the_breaker__has_its_identifier_in_this_market(load_good: Load) -> None:
    action = load_good(ROUTES, TRIPS, VARS).actions[0]
    assert action.breaker == BreakerTrip(CONTRACT, breaker_id("pause ETH-PERP"))
    assert action.call.signature == "pauseMarket(bytes32)"


def test_action__identifier_in_digits__is_taken_as_it_is(load_good: Load) -> None:
    digits = "0x" + "ab" * 32
    action = load_good(ROUTES, (TRIPS[0], TRIPS[1].replace("pause {name}", digits))).actions[0]
    assert action.breaker is not None
    assert action.breaker.id == digits


def test_action__that_adjusts__gives_the_new_value_to_the_bound(load_good: Load) -> None:
    through = adjusting((LIMIT, LIMIT + "    route: breaker\n    breaker: limit\n"))
    assert load_good(ROUTES, through).actions[-1].breaker == BreakerTrip(CONTRACT, breaker_id("limit"), (NEW,))


def test_action__fixed_values__are_in_order(load_good: Load) -> None:
    edit = (LIMIT, LIMIT + '    route: breaker\n    breaker: limit\n    breaker_values: ["250000", 0x10]\n')
    trip = load_good(ROUTES, edit).actions[-1].breaker
    assert trip is not None
    assert trip.values == ("250000", "16")


@pytest.mark.parametrize(
    ("edits", "path"),
    [
        ([ROUTES, (PAUSE, "    route: breaker\n    cooldown: 10m")], "actions.pause-market.breaker"),
        ([ROUTES, TRIPS], "actions.pause-market.breaker"),
        ([ROUTES, (TRIPS[0], TRIPS[1].replace("pause {name}", "x" * 33))], "actions.pause-market.breaker"),
        ([ROUTES, (TRIPS[0], TRIPS[1].replace("pause {name}", "{name"))], "actions.pause-market.breaker"),
        (
            [ROUTES, VARS, (TRIPS[0], TRIPS[1] + '\n    breaker_values: ["-1"]')],
            "actions.pause-market.breaker_values[0]",
        ),
        (
            [ROUTES, VARS, (TRIPS[0], TRIPS[1] + '\n    breaker_values: ["{new}"]')],
            "actions.pause-market.breaker_values[0]",
        ),
        ([(PAUSE, '    breaker: "x"\n    cooldown: 10m')], "actions.pause-market.breaker"),
        ([(PAUSE, '    breaker_values: ["1"]\n    cooldown: 10m')], "actions.pause-market.breaker_values"),
        (
            [ROUTES, adjusting((LIMIT, LIMIT + '    route: breaker\n    breaker: limit\n    breaker_values: ["5"]\n'))],
            "actions.tighten-withdrawals.breaker_values",
        ),
    ],
)
def test_action__breaker_that_does_not_fit__is_told_with_its_place(broken: Break, edits: list[Edit], path: str) -> None:
    problems = broken(*edits)
    assert [problem.path for problem in problems] == [path]
    assert problems[0].hint


def test_upkeep__is_nothing_that_a_rule_can_ask_for(broken: Break) -> None:
    problem = broken(("kind: rate-limit", "kind: upkeep"))[0]
    assert problem.path == "actions.tighten-withdrawals.kind"
    assert "upkeep" not in problem.hint


def test_schema__routes__fit_with_and_without_kind(good: str) -> None:
    schema = json_schema()
    assert fits(document(good), schema)
    for text in (ROUTES[1], f'routes: {{breaker: {{kind: breaker, address: "{CONTRACT}"}}}}'):
        assert fits(document(good.replace(PUBLIC, text)), schema)
    assert not fits(document(good.replace(PUBLIC, f'routes: {{guard: {{address: "{CONTRACT}"}}}}')), schema)
