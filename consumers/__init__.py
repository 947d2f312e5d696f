"""Receivers of commands: one aggregate per namespace decides, as pure functions of command and state.

`verbwire worker consumers` hosts every aggregate found in this folder's modules. A handler returns the events that
happened, or a `Rejected` with one of the codes its contract declares. It reads no clock and talks to nobody: that is
what makes a replay end in the same state.
"""
