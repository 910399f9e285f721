"""Signals: numbers derived from observations. One statistic a file, each a compiled step over explicit state."""
