"""Measurements against a named peer in the same run. ``python -m bench``; see docs/benchmarks.md."""
