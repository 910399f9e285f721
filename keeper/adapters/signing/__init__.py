"""Keys that sign transactions: an encrypted keystore, a key file, the environment, AWS KMS, a remote signer."""
