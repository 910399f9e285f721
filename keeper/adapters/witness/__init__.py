"""Who keeps the log's checkpoints elsewhere: a file, an address that takes posts, and in memory."""
