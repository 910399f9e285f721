"""The keeper's breakers on the chain: what others do there, whether they would work, and what keeps them alive."""
