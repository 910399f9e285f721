"""The edges: each adapter sees the domain, its port and its own third-party library. No adapter knows another.

py_ecc, which eth_account and web3 import, raises the interpreter's recursion limit to 100 000, and py-evm (``eth``), which safe-eth-py imports,
to 12 288. C code that trusts the limit then overruns the stack: 100 kB of ``[`` in an answer would end the process in ``json.loads``
instead of raising RecursionError. So whoever imports them once an adapter could be there, the limit is put back; they are not imported
here, because a command that only reads the log would wait for them.
"""

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType


class _LimitKept:
    """Finds these packages as Python does, and puts the limit back after its first lines have run."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in ("py_ecc", "eth") else None
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_put_back(module: ModuleType) -> None:
            limit = sys.getrecursionlimit()
            try:
                run(module)
            finally:
                sys.setrecursionlimit(limit)

        spec.loader.exec_module = run_and_put_back  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, _LimitKept)
