"""Incidents as the log tells them: the story, its figures, and the report for others."""
