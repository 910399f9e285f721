"""Rules: a signal held against a threshold, with persistence and hysteresis. All rules are judged in one compiled pass."""
