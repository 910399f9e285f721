"""How a signed transaction reaches the chain."""
