"""A protocol's contracts read, and actions proposed for them: what ``keeper init --contract`` writes."""
