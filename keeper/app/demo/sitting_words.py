"""The council's part of the story: what is proposed, what a member reads, what a lie looks like, who signs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from keeper.app.cli.council_words import hashes, short
from keeper.app.cli.output import Output
from keeper.app.council.matter import Matter, Signed
from keeper.app.council.restoring import Restore
from keeper.app.demo.chamber import DELEGATOR, Chamber
from keeper.app.demo.story import Story, joined_words
from keeper.app.demo.story import short as shortened
from keeper.domain.evm import Receipt

if TYPE_CHECKING:
    from keeper.app.demo.sitting import Look


class SittingWords:
    """Nothing is wider than the rest of the story."""

    def __init__(self, output: Output, story: Story) -> None:
        self._output = output
        self._story = story

    def opened(self, chamber: Chamber) -> None:
        """Who sits there."""
        council = chamber.council
        safe, line = council.safe, self._story.line
        line("council", f"Safe {safe.version} at {safe.address}")
        line("", f"{safe.threshold} of its {len(council.members)} owners must sign:")
        for name, account in council.members.items():
            line("", f"{name:<4} {account.address}")
        line("service", f"a stand-in of Safe's Transaction Service at {chamber.service.url}")
        line("", f"{DELEGATOR} has made the keeper a delegate: it may propose, and not sign")

    def convened(self) -> None:
        """The keeper has done what it may."""
        self._output.say()
        self._story.hanging(
            "", "The prices agree again, and the market is still paused: the keeper never opens one. It asks.", "bold"
        )

    def planned(self, restore: Restore) -> None:
        """What the log and the chain say about what the keeper changed."""
        self._mark("restore", f"what `keeper restore CONFIG {restore.incident}` proposes:", "cyan")
        for item in restore.items:
            self._mark("", item.text, "cyan")

    def proposed(self, matter: Matter) -> None:
        """As a member reads it."""
        name = next((one.name for one in matter.not_signed if one.owner == matter.proposer), matter.proposer)
        self._mark("proposed", f"by the keeper, in the name of {name}: {short(matter.hash)}", "cyan")
        self._output.say()
        self._story.hanging("", "What a member reads:", "bold")
        self._field("title", matter.title, "bold")
        for change in matter.changes:
            self._field("changes", change.text, "bold")
        for number, why in enumerate(matter.why):
            self._field("" if number else "why", why)
        went = {True: "", False: "it would FAIL: ", None: "not possible: "}[matter.after.goes_through]
        self._field("simulated", went + matter.after.text)
        missing = joined_words(_name(one) for one in matter.not_signed)
        signed = len(matter.signed)
        self._field("signatures", f"{signed} of {matter.state.threshold}, of {missing}")
        for line in hashes(matter.transaction):
            self._output.say(line.text, line.style)

    def lied_to(self, looks: Sequence[Look]) -> None:
        """What a member sees when the service tells something else than was proposed; the first lie in full."""
        look, *others = looks
        self._output.say()
        self._story.hanging("", f"What if the service lies? It tells another `{look.field}` for a moment:", "bold")
        self._mark("ALARM", look.alarm or "none: it was NOT noticed", "bold red")
        refused = "no signature is taken while there are alarms" if look.refused else "NOT refused"
        self._mark("refused", refused, "yellow" if look.refused else "bold red")
        missed = [one.field for one in others if not (one.alarm and one.refused)]
        if missed:
            self._mark("MISSED", f"the same was not so with {joined_words(missed)}", "bold red")
        else:
            self._mark("", f"the same with each of the {len(others)} other fields, one after another", "dim")
        self._output.say()
        self._story.hanging("", "The service tells the truth again:", "bold")

    def signed(self, name: str, matter: Matter) -> None:
        """One more signature."""
        count = sum(one.counts for one in matter.signed)
        enough = "" if matter.missing else ", enough"
        self._mark("signed", f"by {name}: {count} of {matter.state.threshold}{enough}", "cyan")

    def executed(self, name: str, receipt: Receipt) -> None:
        """Carried out."""
        where = f"in block {receipt.block_number}: {shortened(receipt.tx_hash)}"
        self._mark("executed", f"by {name}, who pays the gas, {where}", "cyan")

    def read_back(self, paused: bool, block: int, *, noticed: bool) -> None:
        """What the chain says then, and whether the running keeper has found it there."""
        style = "bold red" if paused else "bold green"
        self._mark("read back", f"paused(bytes32)(bool) is {'true' if paused else 'false'} at block {block}", style)
        if noticed:
            self._mark("noticed", "by the keeper, on the chain, and written down", "cyan")

    def _field(self, name: str, text: str, style: str | None = None) -> None:
        self._story.hanging(f"  {name:<10} ", text, style)

    def _mark(self, word: str, text: str, style: str) -> None:
        self._story.hanging(f"  {'':>5} {word:<9} ", text, style)


def _name(one: Signed) -> str:
    return one.name or shortened(one.owner)
