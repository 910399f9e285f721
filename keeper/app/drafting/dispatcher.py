"""Which functions a contract has, by its deployed code alone: the selectors that its dispatcher compares with.

Solidity and Vyper push the four bytes of each selector (PUSH4; PUSH3 where they begin with a zero byte) and compare. What a contract calls and the
errors that it throws are pushed too, and not compared: they are left out. Where nothing is compared so, all that is pushed counts. A selector says
that the function may be there; what answers to a call says that it is. A dispatcher that looks selectors up in a table (Vyper with many
functions, code written by hand) keeps them out of sight: then an ABI is needed.
"""

from __future__ import annotations

_PUSH1, _PUSH3, _PUSH4, _PUSH32 = 0x60, 0x62, 0x63, 0x7F
_COMPARES = frozenset({0x03, 0x10, 0x11, 0x14, 0x18})
"""SUB, LT, GT, EQ, XOR."""
_DUP2 = 0x81
_MINIMAL_PROXY = bytes.fromhex("363d3d373d3d3d363d73"), bytes.fromhex("5af43d82803e903d91602b57fd5bf3")
"""What stands before and after the address in a minimal proxy (ERC-1167)."""


def selectors(code: bytes) -> frozenset[bytes]:
    """The four bytes of every PUSH4 (and PUSH3, with a zero before it) that is compared with; all of them where none is.

    What PUSH pushes is no instruction: it is passed over.
    """
    compared, pushed_at_all, at = set(), set(), 0
    while at < len(code):
        instruction = code[at]
        if not _PUSH1 <= instruction <= _PUSH32:
            at += 1
            continue
        size = instruction - _PUSH1 + 1
        pushed = code[at + 1 : at + 1 + size]
        at += 1 + size
        if instruction not in (_PUSH3, _PUSH4) or len(pushed) != size:
            continue
        selector = pushed.rjust(4, b"\0")
        pushed_at_all.add(selector)
        after = code[at : at + 2].lstrip(bytes([_DUP2]))
        if after and after[0] in _COMPARES:
            compared.add(selector)
    return frozenset(compared or pushed_at_all)


def minimal_proxy(code: bytes) -> bytes | None:
    """The 20 bytes of the address that a minimal proxy leads to; None for other code."""
    before, after = _MINIMAL_PROXY
    size = len(before) + 20 + len(after)
    if len(code) != size or not code.startswith(before) or not code.endswith(after):
        return None
    return code[len(before) : len(before) + 20]
