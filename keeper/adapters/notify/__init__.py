"""Telling people: the log, and the services that apprise knows."""
