"""The dead man's switch: watches the keeper's log and the chain, tells people by itself, and sends nothing."""
