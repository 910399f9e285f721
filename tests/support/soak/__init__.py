"""A keeper of 200 markets that runs for long among small troubles, and what it must not do meanwhile: grow, tire, miss, repeat."""
