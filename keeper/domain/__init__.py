"""Values only: what the keeper sees, decides and does, as frozen data. No I/O, no clock, no randomness."""
