"""Watching users' handlers: their exceptions go to the log, slow ones are named while they run.

`handlers` wraps the handlers of one group, `watchdog` looks at all of them once a second. Read `handlers` first.
"""
