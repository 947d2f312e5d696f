"""Kafka and a schema registry without Docker and without an installed Java: ordinary processes, data in a folder.

::

    with Stack(Path(".verbwire/stack")) as stack:
        print(stack.bootstrap, stack.registry_url)

Another process of the same project finds them with ``running_stack(folder)``. `Child` is a process that ends with this
one, `stop` ends several, `reap` those that a killed process has left behind; a program that runs workers may use them.
In the source, read `stack` first.
"""

from __future__ import annotations

from verbwire.embedded.java import java_command
from verbwire.embedded.processes import Child, ProcessId, reap, stop
from verbwire.embedded.stack import Stack
from verbwire.embedded.state import Addresses, running_stack

__all__ = ["Addresses", "Child", "ProcessId", "Stack", "java_command", "reap", "running_stack", "stop"]
