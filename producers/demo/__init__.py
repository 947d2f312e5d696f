"""The whole path on one machine, live: ``make demo``, or ``python -m producers.demo [--exit]``.

It starts Kafka, the registry and two workers, deploys, imports the shop's sales lines, and then holds three things
against each other: an independent count of the file, the ledger of outcomes, and the table as HTTP shows it.
"""
