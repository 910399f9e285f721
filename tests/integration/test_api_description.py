"""The API against its own description: schemathesis asks what the description allows and what it does not, of a real server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import schemathesis.specs.openapi.schemas  # here, not beside a thread that serves: the parser of Python 3.11 stands one at a time
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig

from keeper.adapters.audit.location import sqlite_url
from keeper.adapters.audit.public_reader import PublicReader
from keeper.app.api.access import Access, AccessSettings, token_hash
from keeper.app.api.desk import AuditDesk
from keeper.app.pages.server import build_app
from keeper.app.pages.settings import PageSettings
from tests.support.audit_log import T0, write_log
from tests.support.browser import served
from tests.support.log_site import API, TOKEN, filled
from tests.support.manual_clock import ManualClock

pytestmark = pytest.mark.integration

SEED = 20261121
EXAMPLES = 12
TAKEN = ["2xx", "304", "400", "401", "403", "404", "410"]
"""A well-formed cursor of another question is 400; what is in no log is 404."""


async def _write(path: Path) -> None:
    await write_log(path, filled())


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    import asyncio

    log = tmp_path_factory.mktemp("api") / "log.db"
    asyncio.run(_write(log))
    clock = ManualClock(T0)
    reader = PublicReader(sqlite_url(log))
    known = {"auditor": token_hash(TOKEN)}
    desk = AuditDesk(reader, Access(AccessSettings("127.0.0.1", known, 10**9), clock), clock)
    with served(build_app(None, PageSettings(clock), desk)) as found:
        yield found
    asyncio.run(reader.close())


@pytest.fixture(scope="module")
def described(address: str) -> Any:
    config = SchemathesisConfig.from_dict(
        {
            "seed": SEED,
            "checks": {"positive_data_acceptance": {"expected-statuses": TAKEN}},
            "headers": {"Authorization": f"Bearer {TOKEN}"},
        }
    )
    return schemathesis.openapi.from_url(
        f"{address}{API}/openapi.json", config=config, headers={"Authorization": f"Bearer {TOKEN}"}
    )


PATHS = (
    "/records",
    "/records/{seq}",
    "/evidence/{digest}",
    "/checkpoints",
    "/verification",
    "/incidents",
    "/incidents/{incident}",
    "/incidents/{incident}/report",
    "/actions",
    "/response-times",
)


def test_description__lists__every_path_that_is_tested_here(described: Any) -> None:
    assert {found.ok().path for found in described.get_all_operations()} == set(PATHS)


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["allowed", "forbidden"])
@pytest.mark.parametrize("path", PATHS)
def test_api__whatever_the_description_allows_and_forbids__is_answered_as_it_says(
    described: Any, path: str, mode: GenerationMode
) -> None:
    cases = described[path]["GET"].as_strategy(generation_mode=mode)

    @given(case=cases)
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": f"Bearer {TOKEN}"})

    ask()
