"""`verbwire check`: findings about contracts and handlers, without running anything.

`check` compares handlers with contracts, `evolution` and `compatibility` compare a schema with its earlier versions,
`verbs` looks at names. Every finding has a stable code (`findings`). Read `check` first.
"""
