"""A signature that a member's browser brings: read, handed on, answered in plain words. Whether it is an owner's is checked by the council's side."""

from __future__ import annotations

import re
from typing import Any, Final

from keeper.app.council.matter import Matter, Signed
from keeper.app.pages.council_view import CouncilView
from keeper.app.pages.problem import PageProblem, problem_of
from keeper.app.pages.sheet import refusal
from keeper.domain.errors import KeeperError
from keeper.domain.record import Json

VIA: Final = "page"
_SIGNATURE: Final = re.compile(r"0x([0-9a-fA-F]{2}){65,2048}")
_LENGTH: Final = 65


async def approve(view: CouncilView, matter: Matter, asked: str, body: dict[str, Any]) -> dict[str, Json]:
    """The answer to the browser. Raises PageProblem."""
    owner, signature = _owner(body, matter), _signature(body)
    why_not = refusal(matter, asked)
    if why_not:
        raise PageProblem(409, why_not)
    if owner and owner not in matter.former and any(one.counts and one.owner == owner for one in matter.signed):
        raise PageProblem(409, f"{owner} has signed already.", "another owner has to sign")
    try:
        after = await view.confirm(matter, signature, via=VIA)
    except KeeperError as error:
        raise problem_of(error, refused=409) from error
    return _answer(matter, after)


def _owner(body: dict[str, Any], matter: Matter) -> str:
    """The owner whom the browser names, as EIP-55; empty where it names nobody (a pasted signature)."""
    named = body.get("owner", "")
    if named == "":
        return ""
    for owner in matter.state.owners:
        if isinstance(named, str) and named.lower() == owner.lower():
            return owner
    raise PageProblem(409, "This account is not an owner of the Safe.", "choose an owner's account in the wallet")


def _signature(body: dict[str, Any]) -> bytes:
    text = body.get("signature")
    if not isinstance(text, str) or not _SIGNATURE.fullmatch(text):
        raise PageProblem(400, "This is no signature.", "a signature is 0x and at least 130 hexadecimal digits")
    raw = bytes.fromhex(text[2:])
    if len(raw) == _LENGTH and raw[-1] in (0, 1) and any(raw[32:64]):
        # Some wallets write the parity alone. A contract's signature (v 0) is longer, one approved on chain (v 1) has no s.
        return raw[:-1] + bytes([raw[-1] + 27])
    return raw


def _answer(before: Matter, after: Matter) -> dict[str, Json]:
    known = {one.owner for one in before.signed if one.counts}
    new = [one for one in after.signed if one.counts and one.owner not in known]
    have = sum(one.counts for one in after.signed)
    who = " and ".join(_name(one) for one in new)
    thanks = f"The signature of {who} is in." if who else "The signature is in."
    missing = after.missing
    rest = "It can be executed now." if not missing else f"{missing} more {'is' if missing == 1 else 'are'} needed."
    return {
        "ok": True,
        "message": f"{thanks} {have} of {after.state.threshold} signatures; {rest[0].lower()}{rest[1:]}",
        "owners": [one.owner for one in new],
        "signed": have,
        "missing": missing,
    }


def _name(one: Signed) -> str:
    return f"{one.name} ({one.owner})" if one.name else one.owner
