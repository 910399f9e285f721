"""Seeded runs with two keepers on one PostgreSQL, of which one acts: they are killed, frozen and cut off around a trip."""
