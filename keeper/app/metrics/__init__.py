"""The keeper in numbers, for Prometheus: docs/operator/metrics.md has every one of them."""
