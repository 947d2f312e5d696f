"""Authentication and authorisation of requests, rates, and the middleware that applies them.

`middleware` sees every request before and after its endpoint, `auth` checks bearer tokens, `jwks` keeps an issuer's
keys, `peer_tokens` are what workers show each other. Read `middleware` first.
"""
