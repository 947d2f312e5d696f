"""What the parts of the client share: its configuration, and values that another thread completes.

`connection` holds addresses, contracts and the principal; `completion` is the future under every handle.
Read `connection` first.
"""
