"""Dead letters for operators: listed, verified, and requeued to the one group that could not handle them.

`requeue` is the service behind ``verbwire dead-letters``; `originals` compares a dead letter with its record.
Groups write dead letters themselves (`engine.transactions.dead_letters`, `subscribers.outbox`).
"""
