"""The generations of rebuilt groups, as a topic says: read at once, followed, and written by one command at a time.

Everybody who derives names (`names.py`) asks here which generation is meant; the records are described in
`wire/records/rebuilds.py`. Read `topic` first.
"""
