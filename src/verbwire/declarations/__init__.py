"""What a user declares: receivers, tables, and what hears of events."""

from __future__ import annotations

from typing import Any, TypeAlias

from verbwire.declarations.aggregate import Aggregate
from verbwire.declarations.job import Job
from verbwire.declarations.process import Process
from verbwire.declarations.subscriber import Subscriber
from verbwire.declarations.table import Table

Declared: TypeAlias = Aggregate[Any] | Table[Any] | Process[Any] | Subscriber | Job
"""Whatever is a consumer group of its own; `group` is its name, without prefix."""

GROUPS = (Aggregate, Table, Process, Subscriber, Job)
