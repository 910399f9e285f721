"""Sources of observations: feeds and contracts on the chain, exchanges over HTTP."""
