"""The demonstration: a local world, one keeper in it, and the proof of what it did."""
