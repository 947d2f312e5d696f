"""Watches users' handlers: logs their exceptions, names slow ones while they run.

`handlers` wraps the handlers of one group, `watchdog` looks at all of them once a second. Read `handlers` first.
"""
