"""Faust and aiokafka as the engine uses them: group membership, fetching, assignment, leases.

`app` is one group as a Faust app, `consumer` its consumer with positions owned by us, `consumer_thread` captures the
membership of each `assignment`, `recovery` has it restored. Every private name that we rely on is listed in
`private_names`. Read `app` first.
"""
