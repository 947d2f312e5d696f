"""Asking queries over HTTP, of any worker of the project.

`querier` retries until an answer comes or the time is up, `endpoints` chooses the worker, `request` turns a query into
an HTTP request and its JSON into the reply's class. Read `querier` first.
"""
