"""Protocols at the edges: five methods at most each. Real things and shipped fakes pass the same conformance suite."""
