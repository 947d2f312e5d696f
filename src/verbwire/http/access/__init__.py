"""Authentication and authorisation of requests, rates, and what applies them.

`access_control` stands before every endpoint, `auth` checks bearer tokens, `jwks` keeps an issuer's keys,
`peer_tokens` are what workers show each other. Read `access_control` first.
"""
