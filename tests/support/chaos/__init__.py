"""Seeded runs of a real keeper on a real node and a real database, with faults and kill -9 in between: what holds after each of them."""
