"""The server under the application: sockets, connections, TLS, HTTP/1.1 with limits.

`server` runs uvicorn on a thread of its own, `protocol` gives every state of a connection a deadline, `connections`
decides who makes room. Read `server` first.
"""
