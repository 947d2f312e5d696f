"""Dead letters for operators: listed, verified, and requeued to the one group that could not handle them.

`requeue` is the service behind ``verbwire dead-letters``; `originals` compares a letter with the record it is about.
Groups write dead letters themselves (`engine.transactions.dead_letters`, `subscribers.outbox`). Read `requeue` first.
"""
