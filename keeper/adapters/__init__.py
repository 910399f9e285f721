"""The edges: each adapter sees the domain, its port and its own third-party library. No adapter knows another.

py_ecc, which eth_account and web3 import, raises the interpreter's recursion limit to 100 000. C code that trusts the limit
then overruns the stack: 100 kB of ``[`` in an answer would end the process in ``json.loads`` instead of raising
RecursionError. So it is imported here, before any adapter can be, and the limit put back.
"""

import contextlib
import sys

_limit = sys.getrecursionlimit()
with contextlib.suppress(ImportError):
    import py_ecc  # noqa: F401
sys.setrecursionlimit(_limit)
