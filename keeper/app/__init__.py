"""Wiring and what people start: the service, the command line, the demo."""
