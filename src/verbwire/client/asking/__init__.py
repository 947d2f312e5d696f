"""Asking a command: it is sent, and a caller waits for its outcome.

Outcomes arrive in two ways: as a notification on the replies topic (`reply_listener`), or, where that is lost, by
polling the outcome log (`poller`). Read `asker` first: it is the path of one call.
"""
