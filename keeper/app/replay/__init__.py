"""The same engine on history: files in, trips and a scorecard out."""
