"""A circuit-breaker keeper for DeFi derivatives and lending protocols: it detects, acts and proves."""

__version__ = "0.1.0"
