"""Secrets, signatures, tokens, TLS files, private files: what proves who a process is.

`tokens` are bearer tokens of our own, `workers_key` signs what workers announce, `tls` reloads certificates.
Read `tokens` first.
"""
