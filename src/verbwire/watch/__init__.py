"""Watching users' functions: what they raise goes to the log, and which of them takes long is told while it does."""
