"""Decisions: what follows from the verdicts of one tick, per market. Declined and held decisions are decisions too."""
