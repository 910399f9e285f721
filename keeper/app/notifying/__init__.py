"""Who is told what, when, and how often: open matters, grouping, repeats, escalation, acknowledgement."""
