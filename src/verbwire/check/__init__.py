"""``verbwire check``: what contracts, generated classes, declarations and deployed code say of each other.

`project` checks without a cluster, `deployed_code` asks it which code has folded its tables. Read `project` first.
"""
