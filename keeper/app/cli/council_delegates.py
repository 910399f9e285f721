"""``keeper council delegate``: who may propose in an owner's name. An owner signs that; nobody can do more by it than propose."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keeper.app.cli.council import Place, opened, refusal_of, refused, run, write_new
from keeper.app.cli.council_keys import Key, read_signature
from keeper.app.cli.output import Output
from keeper.app.cli.typed import keeper_command
from keeper.app.exit_codes import Exit
from keeper.domain.errors import Refused, UnitError

if TYPE_CHECKING:
    from keeper.adapters.safe.service import SafeTransactionService
    from keeper.config.model import Config, SafeRoute
    from keeper.domain.council_words import Delegation

LABEL: Final = "keeper"
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Asked:
    """``delegate`` None: the keeper's own address. ``everywhere``: for every Safe of the owner, not only this one."""

    delegate: str | None
    key: Key
    label: str = LABEL
    everywhere: bool = False
    signature: str | None = None
    typed_data: Path | None = None


def show(output: Output, place: Place) -> int:
    """Those that the service knows for this Safe. Raises KeeperError."""
    return run(output, _show(output, place))


def add(output: Output, place: Place, asked: Asked) -> int:
    """FOUND when the service refuses it. Raises KeeperError."""
    return run(output, _change(output, place, asked, removes=False))


def remove(output: Output, place: Place, asked: Asked) -> int:
    """By the owner's key, or by the delegate's own. FOUND when the service refuses it. Raises KeeperError."""
    return run(output, _change(output, place, asked, removes=True))


@asynccontextmanager
async def _service(config: Config, route: SafeRoute) -> AsyncIterator[SafeTransactionService]:
    from keeper.adapters.clock import SystemClock
    from keeper.adapters.safe.service import SafeTransactionService

    if route.service is None:
        raise UnitError(
            f"the route {route.name} has no `service`", remedy="without one there are no delegates: owners propose"
        )
    key = route.api_key.reveal() if route.api_key is not None else ""
    service = SafeTransactionService(route.service.reveal(), config.chain.id, clock=SystemClock(), api_key=key)
    try:
        yield service
    finally:
        await service.close()


async def _show(output: Output, place: Place) -> int:
    async with opened(place) as (config, table):
        owners = (await table.state()).owners
        members = table.route.members
        async with _service(config, table.route) as service:
            known = await service.delegates(table.route.address, owners)
    for one in known:
        where = "every Safe of" if one.safe is None else "this Safe, for"
        name = f"{members[one.delegator]} " if one.delegator in members else ""
        stale = "" if one.delegator in owners else "  (no owner any more: it counts for nothing)"
        output.say(f"{one.delegate}  {one.label}: {where} {name}{one.delegator}{stale}")
    if not known:
        output.say("no delegate may propose for an owner of this Safe")
        output.say(f"add the keeper: {keeper_command()} council {place.typed} delegate add --keystore FILE", "dim")
    output.document(
        {
            "ok": True,
            "delegates": [
                {"delegate": one.delegate, "delegator": one.delegator, "label": one.label, "safe": one.safe, "owner": one.delegator in owners}
                for one in known
            ],
        }
    )  # fmt: skip
    return Exit.DONE


async def _change(output: Output, place: Place, asked: Asked, *, removes: bool) -> int:
    from keeper.adapters.clock import SystemClock
    from keeper.domain.council_words import Delegation, hour_of
    from keeper.domain.proposal import Delegate

    async with opened(place) as (config, table):
        delegate = await _delegate(config, asked.delegate)
        words = Delegation(config.chain.id, delegate, hour_of(SystemClock().now_ms()))
        if not asked.key.named and asked.signature is None:
            return _elsewhere(output, place, words, asked, removes=removes)
        signature, signer = await _signed(words, asked)
        owners = (await table.state()).owners
        if signer not in owners and not (removes and signer == delegate):
            what = "not removed" if removes else "not added"
            return refused(
                output, what, f"{signer} is no owner of the Safe {table.route.address}", "an owner signs this"
            )
        scope = None if asked.everywhere else table.route.address
        async with _service(config, table.route) as service:
            try:
                if removes:
                    delegators = [
                        one.delegator
                        for one in await service.delegates(table.route.address, owners)
                        if one.delegate == delegate
                    ]
                    if not (asked_for := [signer] if signer in owners else delegators):
                        return refused(output, "not removed", f"{delegate} proposes for nobody here", _listed(place))
                    for delegator in asked_for:
                        await service.remove(Delegate(delegate, delegator, asked.label, scope), signature)
                else:
                    await service.add(Delegate(delegate, signer, asked.label, scope), signature)
            except Refused as error:
                if removes and error.code == NOT_FOUND:
                    why = f"the service knows no such delegate of {signer} (any more)"
                    return refused(output, "not removed", why, _listed(place))
                return refusal_of(output, "the service did not take it", error)
    did = "may not propose any more" if removes else "may propose"
    output.say(f"{delegate} {did} in the name of {signer}", "bold green")
    output.document({"ok": True, "delegate": delegate, "delegator": signer, "safe": scope, "removed": removes})
    return Exit.DONE


def _listed(place: Place) -> str:
    return f"those that there are: {keeper_command()} council {place.typed} delegate list"


async def _delegate(config: Config, named: str | None) -> str:
    """The address of an argument, or the keeper's. Raises UnitError, SigningError."""
    from keeper.app.signers import open_signer
    from keeper.domain.address import parse_address

    if named is not None:
        parse_address(named)
        return named
    signer = await open_signer(config.signer)
    if signer is None:
        raise UnitError("no signer is configured", remedy="name the delegate's address, or configure `signer`")
    return signer.address


async def _signed(words: Delegation, asked: Asked) -> tuple[bytes, str]:
    """The signature and whose it is."""
    from keeper.domain.order import recover

    if asked.signature is not None:
        signature = read_signature(asked.signature)
        return signature, recover(words.hash, signature)
    signer = await asked.key.open()
    return await signer.sign_safe(words), signer.address


def _elsewhere(output: Output, place: Place, words: Delegation, asked: Asked, *, removes: bool) -> int:
    import json

    verb = "remove" if removes else "add"
    digest = "0x" + words.hash.hex()
    if asked.typed_data is not None:
        write_new(asked.typed_data, json.dumps(words.typed_data(), indent=2) + "\n")
    output.say(
        f"Nothing was signed. An owner signs this, and gives it back within this hour ({verb} {words.delegate}):",
        "bold",
    )
    output.say(f"  digest {digest}")
    output.say(f"  cast wallet sign --data --from-file {asked.typed_data or 'FILE'} --ledger")
    output.say(f"  cast wallet sign --no-hash {digest}")
    output.say(f"  {keeper_command()} council {place.typed} delegate {verb} {words.delegate} --signature 0x..")
    output.document({"ok": True, "signed": False, "digest": digest, "typed_data": words.typed_data()})
    return Exit.DONE
