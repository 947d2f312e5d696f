"""Tables: what events add up to, kept exactly once and read over HTTP.

`verbwire worker streams` hosts every table found in this folder's modules, and answers `GET /tables`. A table handles
events only; added to a running project, it starts with the first event ever written and ends equal to all of them.
"""
