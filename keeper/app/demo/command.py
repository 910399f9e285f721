"""``keeper demo``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from keeper.app.cli import logs
from keeper.app.cli.output import Output
from keeper.app.exit_codes import Exit
from keeper.domain.errors import KeeperError

if TYPE_CHECKING:
    from keeper.app.demo.council_facts import CouncilFacts
    from keeper.app.demo.stage import Played
    from keeper.app.demo.story import Story
    from keeper.app.demo.unseen import Act
    from keeper.domain.record import Record

KEPT_COUNCIL = (
    "Node, Safe, service and keeper go on, a block each second, until Ctrl-C. In another terminal, in this folder:"
)
KEPT = "Node, venue and keeper go on, a block each second, until Ctrl-C. In another terminal, in this folder:"


def run(output: Output, scenario: str, seed: int, directory: Path | None, *, keep: bool) -> int:
    """Plays a scenario, proves it, says where everything stays. Raises KeeperError when a tool or the folder cannot be used."""
    # The story is the demo's log; the keeper's own lines come with -v.
    logs.set_up(output.verbosity or logs.SILENT)
    return asyncio.run(play_and_prove(output, scenario, seed, _folder(directory, scenario), keep=keep))


async def play_and_prove(output: Output, scenario: str, seed: int, folder: Path, *, keep: bool) -> int:
    from keeper.adapters.audit.verify import Known, verify
    from keeper.app.demo import hints
    from keeper.app.demo.claims import claims, verdict
    from keeper.app.demo.configuration import WITNESS
    from keeper.app.demo.guarded import WORST, ask_the_guard
    from keeper.app.demo.proof import prove, read_all
    from keeper.app.demo.readback import ask_the_chain
    from keeper.app.demo.stage import performed
    from keeper.app.demo.story import Story

    story = Story(output)
    story.opening(scenario, seed)
    url = f"sqlite:///{folder / 'keeper.db'}"
    async with performed(scenario, seed, folder, story, output) as played:
        records = await asyncio.to_thread(read_all, url)
        known = Known(signer=played.world.node.accounts[-1].address, witnesses=(folder / WITNESS,))
        verification = await asyncio.to_thread(verify, url, known)
        facts = await ask_the_chain(played.world, records)
        guard = await ask_the_guard(played.guard, records) if played.guard else None
        council = await _council(played, records)
        acts = await _acts(played, records)
        proof = prove(played, records, facts, verification, url, guard, council, acts)
        told = claims(proof, facts, verification, guard, council, acts)
        story.ending(told, verdict(proof, facts, verification, guard, council, acts), proven=proof.ok)
        if guard is not None:
            story.thefts(guard.thefts, WORST)
        output.document(proof.document)
        if keep:
            await _keep(story, played, council)
        story.next_steps("Try next:", hints.afterwards(played.config_path, scenario))
    return Exit.DONE if proof.ok else Exit.FOUND


async def _council(played: Played, records: Sequence[Record]) -> CouncilFacts | None:
    if played.chamber is None:
        return None
    from keeper.app.demo.council_facts import ask_the_council

    return await ask_the_council(played.chamber, played.looks, records)


async def _acts(played: Played, records: Sequence[Record]) -> Sequence[Act]:
    if played.acts is None:
        return ()
    from keeper.app.demo.unseen import ask_the_relay

    return await ask_the_relay(played.acts, records)


async def _keep(story: Story, played: Played, council: CouncilFacts | None) -> None:
    """Until it is cancelled."""
    from keeper.app.demo import hints
    from keeper.app.demo.kept import running
    from keeper.app.demo.stage import go_on

    node, exchange = played.world.node.http_url, played.world.exchange
    async with running(played.config_path) as page:
        if council is None:
            story.next_steps(KEPT, hints.meanwhile(played.config_path, node, exchange, page))
        else:
            story.next_steps(KEPT_COUNCIL, hints.of_the_council(played.config_path, council.logged, page))
        await go_on(played)


def _folder(directory: Path | None, scenario: str) -> Path:
    """Each run has a folder of its own, so that runs side by side do not meet."""
    if directory is None:
        base = Path.cwd() / ".demo"
        number = 1
        while True:
            folder = base / f"{scenario}-{number}"
            try:
                folder.mkdir(parents=True)
            except FileExistsError:
                number += 1
            except OSError as error:
                raise _unusable(base, error) from None
            else:
                return folder
    folder = directory.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(folder, error) from None
    if (folder / "keeper.db").exists():
        raise KeeperError(
            f"{folder} holds the log of an earlier run", remedy="name another folder: a log is never overwritten"
        )
    return folder


def _unusable(folder: Path, error: OSError) -> KeeperError:
    return KeeperError(f"cannot use {folder}: {error.strerror}", remedy="name a folder you may write: --dir DIR")
