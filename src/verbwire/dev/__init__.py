"""``verbwire dev``: a project under development in one terminal: Kafka, deployment, workers, and what becomes of them.

Read `session` first: it brings everything up, does again what a change needs (`project_files`, `deployment`,
`dev_workers`), and ends it all. What it shows is gathered on a `board`, by `observer` over the workers' HTTP and by
`rejections` from the outcome logs, and drawn by `screen`.
"""
