"""Keys that sign transactions: an encrypted keystore, a key file."""
