"""A local world for demo, drills and tests: a real node, real contracts, an exchange, and scenarios. Imports nothing of the keeper but its words."""
