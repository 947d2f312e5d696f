"""What a user declares: aggregates, tables, processes, subscribers, jobs, responders.

One file for each of them; `handlers` reads a handler's signature, `results` what it returned, `requirements` what a
declaration needs of its contracts. Nothing here knows Kafka. Read `aggregate` first.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.scheduler import Scheduler
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table

Declared: TypeAlias = Aggregate[Any] | Table[Any] | Process[Any] | Subscriber | Job | Scheduler
"""The declarations that are consumer groups of their own; `group` is its name, without prefix.

A :class:`Scheduler` no user declares: it is there where a context has something to be done later.
"""

GROUPS = (Aggregate, Table, Process, Subscriber, Job)
