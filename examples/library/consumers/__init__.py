"""What decides and acts: aggregates, the process of lending, jobs, subscribers."""
